//! Connections to targets that clients chose: names are resolved here, and the very addresses they led to are checked and
//! connected to. There is no second look-up that could say something else.

use super::guard::{Guard, Refused};
use super::resolver::Resolver;
use super::target::Target;
use crate::problem::Problem;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use millpond_config::Config;
use millpond_exchange::StatusCode;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;

/// How long one address has before the next one is tried beside it (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Silence on a connection before the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How names become addresses.
#[derive(Clone)]
pub struct Names(Arc<Lookup>);

type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

impl Names {
    /// The system's resolver.
    pub fn system() -> Self {
        Self::blocking(|name| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    /// A resolver of one's own that may block: it runs on a few threads that do nothing else.
    pub fn blocking(lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        let resolver = Arc::new(Resolver::new(lookup));
        Self::with(move |name| {
            let resolver = Arc::clone(&resolver);
            async move { resolver.resolve(&name).await }
        })
    }

    /// A resolver of one's own.
    pub fn with<F, Found>(lookup: F) -> Self
    where
        F: Fn(String) -> Found + Send + Sync + 'static,
        Found: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |name| Box::pin(lookup(name))))
    }

    /// The addresses of `name`.
    ///
    /// # Errors
    /// What the resolver says; [`io::ErrorKind::ResourceBusy`] when too many names are being looked up already.
    pub async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        (self.0)(name.to_owned()).await
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// Connects to targets that pass the guard.
#[derive(Debug)]
pub(crate) struct Dialer {
    guard: Arc<Guard>,
    names: Names,
    /// How long a name may take: most of the time that a connection has, so that who asks can be told what took it.
    name_limit: Duration,
}

/// Why there is no connection to a target.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("its name cannot be resolved: {0}")]
    Name(io::Error),
    #[error("it cannot be connected to: {0}")]
    Connect(io::Error),
}

impl Dialer {
    /// Connects as the forward settings of `config` allow, for a proxy that listens on `own`.
    pub fn new(config: &Config, names: Names, own: SocketAddr) -> Self {
        let name_limit = config.limits.connect_timeout.duration() * 9 / 10;
        Self { guard: Arc::new(Guard::new(&config.forward, own)), names, name_limit }
    }

    /// The rules.
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// A connection to `target`. How long that may take is the caller's concern.
    pub async fn connect(&self, target: &Target) -> Result<TcpStream, DialError> {
        self.guard.check(target)?;
        let addresses = match target.ip {
            Some(ip) => vec![ip],
            None => self.resolve(&target.host).await.map_err(DialError::Name)?,
        };
        let addresses = self.guard.pick(target, &addresses)?;
        let stream = race(addresses).await.map_err(DialError::Connect)?;
        if let Err(error) = set_up(&stream) {
            tracing::debug!(%error, "socket options not set");
        }
        Ok(stream)
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let limit = self.name_limit;
        tokio::time::timeout(limit, self.names.lookup(name)).await.unwrap_or_else(|_| {
            let message = format!("no nameserver said anything within {limit:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }
}

impl DialError {
    /// True when the name was not looked up at all, or not to the end.
    pub fn is_unresolved(&self) -> bool {
        matches!(self, Self::Name(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::ResourceBusy))
    }

    /// What a client that asked for a tunnel is told: that of addresses and names is for the log.
    pub fn problem(&self) -> Problem {
        let (status, kind, detail) = match self {
            Self::Refused(refused) => return (*refused).into(),
            Self::Name(error) if error.kind() == io::ErrorKind::ResourceBusy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "dns",
                "Too many names are being looked up; try again in a moment.",
            ),
            Self::Name(error) if error.kind() == io::ErrorKind::TimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                "dns",
                "The target's name could not be resolved in time: no nameserver says what it stands for.",
            ),
            Self::Name(_) | Self::Connect(_) => (
                StatusCode::BAD_GATEWAY,
                "origin-connect",
                "The target could not be connected to: it is down, out of reach, or its name is unknown.",
            ),
        };
        Problem::new(status, kind, detail)
    }
}

/// The first of `addresses` that answers. Each has a moment for itself before the next one is tried beside it.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    loop {
        match waiting.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(failed),
            None => {}
        }
        let next = attempts.next();
        let ended = if waiting.len() == 0 {
            next.await
        } else {
            match tokio::time::timeout(STAGGER, next).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failed = error,
            None => {}
        }
    }
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
