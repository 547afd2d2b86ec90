//! A tunnel that goes unread: bytes both ways, until both sides have closed, or nothing moves any more.

use super::counters::Tunnels;
use millpond_front::DrainSignal;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

/// What one direction holds at most, bytes.
const BUFFER: usize = 16 * 1024;
/// How long nothing may move while the server stops: a tunnel that is kept open for later would hold it up.
const DRAIN_IDLE: Duration = Duration::from_secs(2);
/// In how many parts the time in which nothing may move is measured.
const LOOKS: u32 = 4;

/// What went through a tunnel so far.
#[derive(Debug, Default)]
pub(super) struct Moved {
    up: AtomicU64,
    down: AtomicU64,
}

impl Moved {
    /// Bytes from the client, and bytes to it.
    pub fn counts(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }

    fn all(&self) -> u64 {
        let (up, down) = self.counts();
        up + down
    }
}

/// Joins `client` and `origin`, until both have closed or nothing has moved for `idle`. When one of them closes its direction,
/// the other hears of it, and the other direction goes on. True when both closed in good order. Bytes are counted among those
/// of all tunnels and for this one.
pub(super) async fn join<C, O>(
    client: C,
    mut origin: O,
    idle: Duration,
    drain: &DrainSignal,
    (tunnels, moved): (&Tunnels, &Moved),
) -> bool
where
    C: AsyncRead + AsyncWrite + Unpin,
    O: AsyncRead + AsyncWrite + Unpin,
{
    let _open = tunnels.open();
    let mut client = Metered { io: client, moved, tunnels };
    let so_far = || moved.all();
    tokio::select! {
        ended = copy_bidirectional_with_sizes(&mut client, &mut origin, BUFFER, BUFFER) => match ended {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%error, "a tunnel broke off");
                false
            }
        },
        () = still(idle, &so_far) => {
            tracing::debug!(?idle, "a tunnel in which nothing moved was closed");
            false
        }
        () = stopping(drain, &so_far) => false,
    }
}

async fn stopping(drain: &DrainSignal, moved: &impl Fn() -> u64) {
    drain.draining().await;
    still(DRAIN_IDLE, moved).await;
}

/// Waits until `moved` has not changed for `idle`.
async fn still(idle: Duration, moved: &impl Fn() -> u64) {
    let mut last = moved();
    let mut looks = 0;
    while looks < LOOKS {
        tokio::time::sleep(idle / LOOKS).await;
        let now = moved();
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
    }
}

/// A client's connection whose bytes are counted.
struct Metered<'a, IO> {
    io: IO,
    moved: &'a Moved,
    tunnels: &'a Tunnels,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<'_, IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let read = (buf.filled().len() - before) as u64;
        self.moved.up.fetch_add(read, Ordering::Relaxed);
        self.tunnels.sent(read);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<'_, IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.moved.down.fetch_add(written as u64, Ordering::Relaxed);
        self.tunnels.received(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
