//! TCP connections to origins: to configured ones as they come, to those that clients choose after the checks of the forward
//! proxy. Names are looked up by the same resolver for both.

use crate::forward::{DialError, Dialer, Names, Target};
use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use millpond_exchange::Scheme;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
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
    Configured(HttpConnector<Resolve>),
    /// To origins that clients have chosen.
    Guarded(Arc<Dialer>),
}

impl Dial {
    pub(super) fn configured(names: Names) -> Self {
        let mut http = HttpConnector::new_with_resolver(Resolve(names));
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

/// Names, as hyper's connector asks for them.
#[derive(Clone)]
pub(super) struct Resolve(Names);

impl Service<Name> for Resolve {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let names = self.0.clone();
        Box::pin(async move {
            let found = names.lookup(name.as_str()).await?;
            // The connector puts the port of the URL in its place.
            let found: Vec<_> = found.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(found.into_iter())
        })
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
