//! Opens connections to one fixed upstream, whatever authority the request names.

use hyper::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::rt::TokioIo;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

use super::counted::Counted;
use super::dial::{BoxError, Dial};
use super::tls::{Alpn, UpstreamTls};

/// Connects to `target` and to nothing else: the pool above it may key on another authority (`preserve_host`).
#[derive(Clone)]
pub(super) struct FixedConnector {
    inner: HttpsConnector<Dial>,
    target: Uri,
    limit: Duration,
}

impl FixedConnector {
    pub(super) fn new(target: Uri, dial: Dial, tls: &UpstreamTls, alpn: Alpn, limit: Duration) -> Self {
        let inner = HttpsConnector::from((dial, tls.config(alpn)));
        Self { inner, target, limit }
    }
}

impl Service<Uri> for FixedConnector {
    type Response = TokioIo<Counted>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Counted>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.inner.call(self.target.clone());
        let limit = self.limit;
        Box::pin(async move {
            let connected = tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")).into())
            });
            connected.map(|connection| TokioIo::new(Counted::new(connection)))
        })
    }
}
