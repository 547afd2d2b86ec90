//! Connections that have left HTTP, by CONNECT or by a change of protocol (101): bytes both ways, until both sides have closed,
//! nothing moves any more, or the server stops.

use crate::forward::Tunnels;
use millpond_config::Limits;
use millpond_engine::Upgrade;
use millpond_front::{Drain, DrainSignal, UpgradeHandler};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep_until};

/// What one direction holds at most, bytes.
const BUFFER: usize = 16 * 1024;
/// How long nothing may have moved while the server stops: a tunnel that is kept open for later would hold it up. What is
/// said in it nobody here understands, so that an answer that takes longer than this is cut off.
const DRAIN_IDLE: Duration = Duration::from_secs(5);

/// How long tunnels are kept.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    /// With nothing moving.
    pub idle: Duration,
    /// Once this has begun, [`DRAIN_IDLE`].
    pub drain: Drain,
}

impl Patience {
    pub fn new(limits: &Limits, drain: &Drain) -> Self {
        Self { idle: limits.tunnel_idle_timeout.duration(), drain: drain.clone() }
    }
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Both sides closed in good order.
    Closed,
    /// One of them broke off.
    Broken,
    /// Nothing moved for too long.
    Idle,
    /// The server stops, and nothing had moved for a while.
    Drained,
}

impl Ended {
    /// What the log says of it, beside that the tunnel was cut.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Closed | Self::Broken => None,
            Self::Idle => Some("idle"),
            Self::Drained => Some("drained"),
        }
    }
}

/// What went through a tunnel so far, and when something last did.
#[derive(Debug)]
pub(crate) struct Moved {
    up: AtomicU64,
    down: AtomicU64,
    begun: Instant,
    /// Microseconds from `begun`.
    last: AtomicU64,
}

impl Moved {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            begun: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Bytes from the client, and bytes to it.
    pub fn counts(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }

    fn touch(&self) {
        let since = self.begun.elapsed().as_micros();
        self.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Waits until nothing has moved for `idle`: not at all, where that is so already.
    async fn still(&self, idle: Duration) {
        loop {
            let last = Duration::from_micros(self.last.load(Ordering::Relaxed));
            let Some(due) = last.checked_add(idle).and_then(|since| self.begun.checked_add(since)) else {
                return std::future::pending().await;
            };
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// Joins `client` and `origin`, until both have closed or nothing has moved for as long as `patience` says. When one of them
/// closes its direction, the other hears of it, and the other direction goes on. Bytes are counted in `moved`, and among those
/// of all `tunnels`.
pub(crate) async fn join<C, O>(
    client: C,
    mut origin: O,
    patience: &Patience,
    moved: &Moved,
    tunnels: Option<&Tunnels>,
) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    O: AsyncRead + AsyncWrite + Unpin,
{
    let signal = patience.drain.signal();
    let _open = tunnels.map(Tunnels::open);
    moved.touch();
    let mut client = Metered { io: client, moved, tunnels };
    tokio::select! {
        ended = copy_bidirectional_with_sizes(&mut client, &mut origin, BUFFER, BUFFER) => match ended {
            Ok(_) => Ended::Closed,
            Err(error) => {
                tracing::debug!(%error, "a tunnel broke off");
                Ended::Broken
            }
        },
        () = moved.still(patience.idle) => Ended::Idle,
        () = stopping(&signal, moved) => Ended::Drained,
    }
}

async fn stopping(signal: &DrainSignal, moved: &Moved) {
    signal.draining().await;
    moved.still(DRAIN_IDLE).await;
}

/// Joins the client's connection and the origin's after a 101.
pub(crate) fn switch(upgrade: Upgrade, patience: &Patience) -> UpgradeHandler {
    let patience = patience.clone();
    Box::new(move |client| {
        Box::pin(async move {
            match upgrade.await {
                Ok(origin) => {
                    let moved = Moved::new();
                    let ended = join(client, origin, &patience, &moved, None).await;
                    let (up, down) = moved.counts();
                    tracing::debug!(
                        up,
                        down,
                        ?ended,
                        "a connection that had changed its protocol was closed"
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "the origin agreed to switch protocols and then did not");
                }
            }
        })
    })
}

/// A client's connection whose bytes are counted.
struct Metered<'a, IO> {
    io: IO,
    moved: &'a Moved,
    tunnels: Option<&'a Tunnels>,
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
        self.moved.touch();
        if let Some(tunnels) = self.tunnels {
            tunnels.sent(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<'_, IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.moved.down.fetch_add(written as u64, Ordering::Relaxed);
        self.moved.touch();
        if let Some(tunnels) = self.tunnels {
            tunnels.received(written as u64);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::advance;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A tunnel, and the ends of those whom it joins.
    struct Joined {
        client: DuplexStream,
        origin: DuplexStream,
        drain: Drain,
        ended: JoinHandle<(Ended, Duration)>,
    }

    /// Says how the tunnel ended, and how long that was after its begin.
    fn joined(idle: Duration) -> Joined {
        let ((client, near), (far, origin)) = (duplex(64), duplex(64));
        let drain = Drain::new();
        let patience = Patience { idle, drain: drain.clone() };
        let begun = Instant::now();
        let ended = tokio::spawn(async move {
            let moved = Moved::new();
            (join(near, far, &patience, &moved, None).await, begun.elapsed())
        });
        Joined { client, origin, drain, ended }
    }

    impl Joined {
        async fn passes_on(&mut self) {
            self.client.write_all(b"x").await.unwrap();
            self.origin.read_exact(&mut [0]).await.unwrap();
            self.origin.write_all(b"y").await.unwrap();
            self.client.read_exact(&mut [0]).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_rest_ends_with_the_first_word_of_the_drain() {
        let mut tunnel = joined(10 * MINUTE);
        tunnel.passes_on().await;
        advance(MINUTE).await;
        assert!(!tunnel.ended.is_finished());
        tunnel.drain.start();
        assert_eq!(tunnel.ended.await.unwrap(), (Ended::Drained, MINUTE));
        assert_eq!(tunnel.client.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(tunnel.origin.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(tunnel.drain.connections(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_work_goes_on_while_the_server_stops() {
        let mut tunnel = joined(10 * MINUTE);
        tunnel.passes_on().await;
        tunnel.drain.start();
        for _ in 0..20 {
            advance(DRAIN_IDLE * 4 / 5).await;
            tunnel.passes_on().await;
        }
        let (ended, after) = tunnel.ended.await.unwrap();
        let expected = 20 * (DRAIN_IDLE * 4 / 5) + DRAIN_IDLE;
        assert_eq!((ended, after.as_secs()), (Ended::Drained, expected.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_in_which_nothing_moves_is_closed_and_movement_is_either_way() {
        let mut tunnel = joined(MINUTE);
        for _ in 0..3 {
            advance(MINUTE * 59 / 60).await;
            tunnel.origin.write_all(b"y").await.unwrap();
            tunnel.client.read_exact(&mut [0]).await.unwrap();
        }
        let (ended, after) = tunnel.ended.await.unwrap();
        assert_eq!((ended, after.as_secs()), (Ended::Idle, 3 * 59 + 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_beyond_all_clocks_never_ends() {
        let mut tunnel = joined(Duration::MAX);
        advance(1000 * MINUTE).await;
        tunnel.passes_on().await;
        drop((tunnel.client, tunnel.origin));
        assert_eq!(tunnel.ended.await.unwrap().0, Ended::Closed);
    }
}
