//! Connections of which something was read already: those that have left HTTP, and those that were only looked at.

use crate::Transport;
use bytes::{Buf, Bytes};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The raw connection after an upgrade: first the bytes that came behind the request, then the socket.
pub type Upgraded = Rewound<Box<dyn Transport>>;

/// A connection whose first bytes were read, and are read again.
pub struct Rewound<IO> {
    before: Bytes,
    io: IO,
}

impl<IO> Rewound<IO> {
    /// `io`, of which `before` was read.
    pub fn new(before: impl Into<Bytes>, io: IO) -> Self {
        Self { before: before.into(), io }
    }

    /// What is not read again yet, and the connection behind it.
    pub fn into_parts(self) -> (Bytes, IO) {
        (self.before, self.io)
    }
}

impl<IO: Transport> Transport for Rewound<IO> {
    fn reset_on_close(&mut self, on: bool) {
        self.io.reset_on_close(on);
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Rewound<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let take = self.before.len().min(buf.remaining());
        buf.put_slice(&self.before[..take]);
        self.before.advance(take);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Rewound<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<IO> fmt::Debug for Rewound<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewound({} bytes already read)", self.before.len())
    }
}
