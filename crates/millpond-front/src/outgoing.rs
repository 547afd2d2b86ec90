//! What waits to be written, and writing it with as few system calls as there can be.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces handed to one `writev`.
const PIECES: usize = 64;
/// Pieces are copied together up to this size when the transport cannot take several at once.
const JOINED: usize = 16 * 1024;

/// A write of a little more than this costs Linux more than twice what two writes cost that part it here (decision 2 tells how
/// to see it); from [`SPLIT_BELOW`] on it makes no difference, and many small writes of a large body would cost more.
const SPLIT_AT: usize = 128 * 1024;
const SPLIT_BELOW: usize = 160 * 1024;

/// One piece of output.
#[derive(Debug)]
enum Piece {
    /// A head, whose buffer returns to the pool; the number of bytes of it already written.
    Head(Vec<u8>, usize),
    Shared(Bytes),
}

/// The output queue of a connection.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

impl Piece {
    fn rest(&self) -> &[u8] {
        match self {
            Self::Head(text, written) => &text[*written..],
            Self::Shared(bytes) => bytes,
        }
    }

    fn advance(&mut self, by: usize) {
        match self {
            Self::Head(_, written) => *written += by,
            Self::Shared(bytes) => bytes.advance(by),
        }
    }
}

impl Outgoing {
    /// Queues a buffer of the pool.
    pub(crate) fn push_head(&mut self, text: Vec<u8>) {
        if text.is_empty() {
            crate::workspace::give_vec(text);
            return;
        }
        self.bytes += text.len();
        self.pieces.push_back(Piece::Head(text, 0));
    }

    /// Queues `bytes`.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.pieces.push_back(Piece::Shared(bytes));
        }
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Writes once; the number of bytes taken. Not to be called with nothing queued.
    pub(crate) fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let several = self.pieces.len() > 1 && io.is_write_vectored();
        if self.pieces.len() > 1 && !several {
            self.join();
        }
        let Some(first) = self.pieces.front() else { return Poll::Ready(Ok(0)) };
        let written = if several {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let mut room = self.room();
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                let rest = piece.rest();
                let taken = rest.len().min(room);
                *slice = IoSlice::new(&rest[..taken]);
                room -= taken;
                count += usize::from(taken > 0);
            }
            ready!(Pin::new(io).poll_write_vectored(cx, &slices[..count]))?
        } else {
            let rest = first.rest();
            ready!(Pin::new(io).poll_write(cx, &rest[..rest.len().min(self.room())]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    /// How much to hand over at once.
    fn room(&self) -> usize {
        if (SPLIT_AT..SPLIT_BELOW).contains(&self.bytes) { SPLIT_AT } else { usize::MAX }
    }

    fn advance(&mut self, written: usize) {
        self.bytes -= written;
        let mut left = written;
        while let Some(first) = self.pieces.front_mut() {
            let rest = first.rest().len();
            if rest > left {
                first.advance(left);
                return;
            }
            left -= rest;
            self.pieces.pop_front().into_iter().for_each(recycle);
        }
    }

    /// Copies the small pieces at the front into one.
    fn join(&mut self) {
        let mut text = crate::workspace::take_vec();
        while let Some(first) = self.pieces.front() {
            if !text.is_empty() && text.len() + first.rest().len() > JOINED {
                break;
            }
            if text.is_empty() && first.rest().len() > JOINED {
                crate::workspace::give_vec(text);
                return;
            }
            text.extend_from_slice(first.rest());
            self.pieces.pop_front().into_iter().for_each(recycle);
        }
        self.pieces.push_front(Piece::Head(text, 0));
    }
}

fn recycle(piece: Piece) {
    if let Piece::Head(text, _) = piece {
        crate::workspace::give_vec(text);
    }
}
