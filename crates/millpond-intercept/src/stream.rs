//! A TLS connection as the HTTP front takes it.

use crate::failure::tls_error;
use crate::trust::TrustWatch;
use millpond_front::Transport;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// The inside of an opened TLS connection.
pub struct TlsIo<IO> {
    stream: TlsStream<IO>,
    trust: TrustWatch,
    /// Whether something was read: from then on reads say nothing new about trust.
    heard: bool,
    reset: bool,
    when_accepted: Option<Box<dyn FnOnce() + Send>>,
}

impl<IO> TlsIo<IO> {
    pub(crate) fn new(stream: TlsStream<IO>, trust: TrustWatch) -> Self {
        Self { stream, trust, heard: false, reset: false, when_accepted: None }
    }

    /// The connection that carries the TLS.
    pub fn inner(&self) -> &IO {
        self.stream.get_ref().0
    }

    /// Has `then` called when the first byte comes: the client has accepted the certificate.
    pub fn when_accepted(&mut self, then: impl FnOnce() + Send + 'static) {
        self.when_accepted = Some(Box::new(then));
    }

    fn note(&mut self, result: &io::Result<()>, read: usize) {
        match result {
            Ok(()) if read > 0 => {
                self.trust.accepted();
                if let Some(then) = self.when_accepted.take() {
                    then();
                }
            }
            Ok(()) => self.trust.left(),
            Err(error) => match tls_error(error) {
                Some(rustls::Error::AlertReceived(alert)) => self.trust.alerted(*alert),
                _ => self.trust.left(),
            },
        }
    }
}

impl<IO: Transport> Transport for TlsIo<IO> {
    fn reset_on_close(&mut self, on: bool) {
        self.reset = on;
        self.stream.get_mut().0.reset_on_close(on);
    }
}

impl<IO: Transport> AsyncRead for TlsIo<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if !self.heard && buf.capacity() > before {
            self.heard = true;
            self.note(&result, buf.filled().len() - before);
        }
        // RFC 9112 section 9.8: clients may close without a closure alert, and a server is to take that for an ordinary
        // end. Nothing is lost by it: where a request ends, its framing says.
        Poll::Ready(match result {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            result => result,
        })
    }
}

impl<IO: Transport> AsyncWrite for TlsIo<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Sends the closure alert, but not while a close must be a reset: content that only the end of the connection
    /// delimits would pass for the whole (RFC 9112 section 9.8).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset {
            return Pin::new(self.stream.get_mut().0).poll_shutdown(cx);
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<IO> fmt::Debug for TlsIo<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIo").field("trust", &self.trust.trust()).finish_non_exhaustive()
    }
}
