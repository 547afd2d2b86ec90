//! Opens connections to one fixed upstream, whatever authority the request names.

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

use super::counted::Counted;
use super::tls::UpstreamTls;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which protocols are offered in the TLS handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpn {
    /// HTTP/2, then HTTP/1.1.
    Any,
    /// HTTP/1.1 alone: a connection that will be upgraded.
    Http1,
}

/// Connects to `target` and to nothing else: the pool above it may key on another authority (`preserve_host`).
#[derive(Clone)]
pub(super) struct FixedConnector {
    inner: HttpsConnector<HttpConnector>,
    target: Uri,
    limit: Duration,
}

impl FixedConnector {
    pub(super) fn new(target: Uri, tls: &UpstreamTls, alpn: Alpn, limit: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls.config()).https_or_http();
        let inner = match alpn {
            Alpn::Any => builder.enable_all_versions().wrap_connector(http),
            Alpn::Http1 => builder.enable_http1().wrap_connector(http),
        };
        Self { inner, target, limit }
    }
}

impl Service<Uri> for FixedConnector {
    type Response = Counted;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Counted, BoxError>> + Send>>;

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
            connected.map(Counted::new)
        })
    }
}
