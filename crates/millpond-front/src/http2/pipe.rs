//! The transport as the `h2` crate sees it: what was read while the protocol was found out comes first, small writes
//! are gathered, and both directions are watched.
//!
//! `h2` flushes for each DATA frame. The replies to requests that came together would each cost a system call; here a
//! flush does nothing, and the connection flushes once it has answered what there is to answer.

use super::watch::Watch;
use crate::{Transport, workspace};
use bytes::{Buf as _, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Gathered output beyond this is written before more is taken.
const GATHERED: usize = workspace::OUTPUT;
/// A write of this size is not copied, where the transport takes several pieces at once. A DATA frame of the usual 16 KiB
/// is smaller: a system call, and what TCP does for each, costs more than the copy. `cargo xtask bench --cases http2`
/// shows it.
const LARGE: usize = 32 * 1024;
/// Bytes copied at a time. For more than about this glibc takes `rep movsb`, which AMD's Zen 3 does at a tenth of the speed where the
/// destination is not aligned, and behind the nine bytes of a frame's head it is not.
const COPIED: usize = 2 * 1024;
/// Pieces handed to one `writev`: what is gathered, a frame's head, its content.
const PIECES: usize = 8;

/// One end of it; the other is the `h2` connection's.
pub(super) struct Pipe<IO>(Arc<Mutex<State<IO>>>);

struct State<IO> {
    io: IO,
    /// Bytes that were read already.
    before: Bytes,
    /// Output that waits for a flush, and how much of it is written.
    out: Vec<u8>,
    written: usize,
    /// Since when the transport takes nothing.
    blocked_since: Option<Instant>,
    /// When it last took something again after it had not.
    unblocked: Option<Instant>,
    /// Bytes that the transport took, in all.
    moved: u64,
    watch: Watch,
    /// Nothing is read until what came was looked at.
    paused: bool,
}

impl<IO> Pipe<IO> {
    pub(super) fn new(io: IO, before: Bytes, watch: Watch) -> Self {
        let state = State {
            io,
            before,
            out: Vec::new(),
            written: 0,
            blocked_since: None,
            unblocked: None,
            moved: 0,
            watch,
            paused: false,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The other end.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn state(&self) -> MutexGuard<'_, State<IO>> {
        // One task uses both ends, so that the lock is never waited for.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the watch.
    pub(super) fn watch<T>(&self, look: impl FnOnce(&mut Watch) -> T) -> T {
        look(&mut self.state().watch)
    }

    /// What came has been taken: there may be more. Tells how many bytes the transport took, in all, and whether streams were
    /// reset in what came.
    pub(super) fn go_on(&self) -> (u64, bool) {
        let mut state = self.state();
        (state.moved, std::mem::take(&mut state.paused))
    }

    /// When the transport last took something again after it had not.
    pub(super) fn unblocked(&self) -> Option<Instant> {
        self.state().unblocked
    }

    /// Since when the transport takes nothing of what waits; whether the client's SETTINGS have come; by when a head under way
    /// must be complete.
    pub(super) fn look(&self, head_timeout: Duration) -> (Option<Instant>, bool, Option<Instant>) {
        let state = self.state();
        (state.blocked_since, state.watch.is_settled(), state.watch.head_deadline(head_timeout))
    }
}

impl<IO: Transport> Pipe<IO> {
    /// Writes what was gathered.
    pub(super) fn poll_flush_now(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        ready!(state.poll_drain(cx))?;
        Pin::new(&mut state.io).poll_flush(cx)
    }

    /// Closes our direction, whatever waits.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.state().io).poll_shutdown(cx)
    }

    /// Reads and throws away; the number of bytes.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut sink = [0; 4096];
        let mut sink = ReadBuf::new(&mut sink);
        ready!(Pin::new(&mut self.state().io).poll_read(cx, &mut sink))?;
        Poll::Ready(Ok(sink.filled().len()))
    }
}

impl<IO: Transport> State<IO> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let polled = Pin::new(&mut self.io).poll_write(cx, &self.out[self.written..]);
            let count = ready!(self.moved(polled))?;
            self.written += count;
        }
        self.drained();
        Poll::Ready(Ok(()))
    }

    fn drained(&mut self) {
        workspace::give_output(std::mem::take(&mut self.out));
        self.written = 0;
    }

    /// Takes note of whether a write made progress.
    fn moved(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(result) => {
                if self.blocked_since.take().is_some() {
                    self.unblocked = Some(Instant::now());
                }
                if let Ok(count) = result {
                    self.moved += count as u64;
                    self.watch.sent(count);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.blocked_since.get_or_insert_with(Instant::now);
                Poll::Pending
            }
        }
    }

    fn poll_write(&mut self, pieces: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if length >= LARGE && self.io.is_write_vectored() {
            return self.poll_write_through(pieces, cx);
        }
        if self.out.len() + length > GATHERED {
            ready!(self.poll_drain(cx))?;
        }
        if self.out.capacity() == 0 {
            self.out = workspace::take_output();
        }
        self.out.reserve(length);
        for part in pieces.iter().flat_map(|piece| piece.chunks(COPIED)) {
            self.out.extend_from_slice(part);
        }
        Poll::Ready(Ok(length))
    }

    /// Writes what was gathered and `pieces` together, nothing copied.
    fn poll_write_through(
        &mut self,
        pieces: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let waiting = self.out.len() - self.written;
            let mut all = [IoSlice::new(&[]); PIECES];
            let mut count = 0;
            let gathered = IoSlice::new(&self.out[self.written..]);
            let some = Some(gathered).filter(|_| waiting > 0).into_iter().chain(pieces.iter().copied());
            for (slot, piece) in all.iter_mut().zip(some) {
                *slot = piece;
                count += 1;
            }
            let polled = Pin::new(&mut self.io).poll_write_vectored(cx, &all[..count]);
            let moved = ready!(self.moved(polled))?;
            if moved > waiting {
                self.drained();
                return Poll::Ready(Ok(moved - waiting));
            }
            self.written += moved;
        }
    }
}

impl<IO: Transport> AsyncRead for Pipe<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let state = &mut *state;
        if state.paused || state.watch.is_flooded() {
            // Flooded: what else came is not worth the work, since the connection is about to be closed.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if state.before.is_empty() {
            ready!(Pin::new(&mut state.io).poll_read(cx, buf))?;
        } else {
            let taken = state.before.len().min(buf.remaining());
            buf.put_slice(&state.before[..taken]);
            state.before.advance(taken);
        }
        // Requests that were reset before they were looked at are held beyond the number of streams: no more of them than one read
        // brings.
        state.paused = state.watch.received(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<IO: Transport> AsyncWrite for Pipe<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.state().poll_write(&[IoSlice::new(buf)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.state().poll_write(bufs, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        ready!(state.poll_drain(cx))?;
        Pin::new(&mut state.io).poll_shutdown(cx)
    }
}
