//! TCP connections to origins: to configured ones as the system does it, to those that clients choose after the checks of
//! the forward proxy.

use crate::forward::{DialError, Dialer, Target};
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use millpond_exchange::Scheme;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Opens TCP connections.
#[derive(Clone)]
pub(super) enum Dial {
    /// To origins that whoever runs the server has chosen.
    Configured(HttpConnector),
    /// To origins that clients have chosen.
    Guarded(Arc<Dialer>),
}

impl Dial {
    pub(super) fn configured() -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        Self::Configured(http)
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Configured(http) => http.poll_ready(cx).map_err(Into::into),
            Self::Guarded(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Configured(http) => {
                let connecting = http.call(uri);
                Box::pin(async move { Ok(connecting.await?) })
            }
            Self::Guarded(dialer) => {
                let dialer = Arc::clone(dialer);
                Box::pin(async move { guarded(&dialer, &uri).await })
            }
        }
    }
}

async fn guarded(dialer: &Dialer, uri: &Uri) -> Result<TokioIo<TcpStream>, BoxError> {
    let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let target = uri.authority().and_then(|authority| Target::of_url(scheme, authority.as_str()));
    let target = target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a host"))?;
    match dialer.connect(&target).await {
        Ok(stream) => Ok(TokioIo::new(stream)),
        // As it is: what becomes of the error is decided by what it is.
        Err(DialError::Refused(refused)) => Err(refused.into()),
        Err(error) => Err(error.into()),
    }
}
