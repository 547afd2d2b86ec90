//! A connection that remembers whether it has brought anything yet, and that ends when an origin floods it.

use super::flood::Flood;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

type Inner = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Set once a response came over a connection; goes with hyper's facts about it.
#[derive(Clone, Default)]
struct Served(Arc<AtomicBool>);

/// Notes that the connection of `response` has served a request.
pub(super) fn mark_served<B>(response: &http::Response<B>) {
    if let Some(served) = response.extensions().get::<Served>() {
        served.0.store(true, Ordering::Relaxed);
    }
}

/// True when the connection that failed had served a request before.
pub(super) fn was_reused(error: &Error) -> bool {
    let mut facts = http::Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut facts);
    }
    facts.get::<Served>().is_some_and(|served| served.0.load(Ordering::Relaxed))
}

/// A connection to an origin.
pub(super) struct Counted {
    inner: TokioIo<Inner>,
    served: Served,
    /// Over HTTP/2.
    flood: Option<Flood>,
}

impl Counted {
    pub(super) fn new(inner: Inner) -> Self {
        let flood = inner.connected().is_negotiated_h2().then(Flood::new);
        Self { inner: TokioIo::new(inner), served: Served::default(), flood }
    }

    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Some(flood), Poll::Ready(Ok(bytes))) = (&mut self.flood, &polled) {
            flood.moved(*bytes);
        }
        polled
    }
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        self.inner.inner().connected().extra(self.served.clone())
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        Poll::Ready(match &mut self.flood {
            Some(flood) => flood.received(&buf.filled()[before..]),
            None => Ok(()),
        })
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }
}
