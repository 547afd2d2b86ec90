//! What the engine asks of whoever fetches: one request in, one response out. How that is done (pools, TLS, name
//! resolution) lives in the doors.

use futures_util::future::BoxFuture;
use millpond_exchange::{Body, RequestHead, ResponseHead, Scheme};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

/// Limits on the phases of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// Longest time to open a connection, TLS included.
    pub connect: Duration,
    /// Longest time from the request's last byte to the response head.
    pub first_byte: Duration,
    /// Longest silence within a body.
    pub between_reads: Duration,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            between_reads: Duration::from_secs(30),
        }
    }
}

/// Where requests of a route go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and, unless it is the default one, port: what is connected to, and the server name for TLS.
    pub authority: String,
    /// Limits on each phase.
    pub limits: FetchLimits,
}

/// Receives interim (1xx) heads while a fetch is under way (RFC 9110 section 15.2).
pub type InterimSink = Arc<dyn Fn(ResponseHead) + Send + Sync>;

/// A connection that has left HTTP behind (RFC 9110 section 7.8).
pub trait Tunnel: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Tunnel for T {}

/// Resolves to the raw connection once both sides have switched protocols.
pub type Upgrade = BoxFuture<'static, std::io::Result<Box<dyn Tunnel>>>;

/// A request on its way to an origin.
pub struct OriginRequest {
    /// Where to connect.
    pub upstream: Arc<Upstream>,
    /// The head as it goes out.
    pub head: RequestHead,
    /// The body.
    pub body: Body,
    /// Who wants to hear of 1xx responses.
    pub interim: Option<InterimSink>,
}

/// A response as it came from an origin.
pub struct OriginResponse {
    /// The head, connection-specific fields removed.
    pub head: ResponseHead,
    /// The body.
    pub body: Body,
    /// With a 101: the raw connection.
    pub upgrade: Option<Upgrade>,
}

/// What went wrong on the way to or at the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OriginFault {
    /// No connection: refused, unreachable, name unknown.
    Connect,
    /// The TLS handshake failed or the certificate is not trusted.
    Tls,
    /// A phase took longer than its limit.
    Timeout,
    /// The connection closed before a whole response head came.
    Closed,
    /// What came is not HTTP.
    Malformed,
    /// This engine has no origin to ask.
    NoOrigin,
    /// The origin is none that may be asked: a rule of the door forbids to connect to it.
    Refused,
    /// The origin is this proxy itself.
    Loop,
}

impl OriginFault {
    /// The name used in Cache-Status details, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "origin-connect",
            Self::Tls => "origin-tls",
            Self::Timeout => "origin-timeout",
            Self::Closed => "origin-closed",
            Self::Malformed => "origin-malformed",
            Self::NoOrigin => "no-origin",
            Self::Refused => "target-refused",
            Self::Loop => "loop",
        }
    }
}

/// A fetch that brought no response.
#[derive(Clone, Debug, Error)]
#[error("{upstream}: {message}")]
pub struct OriginError {
    /// What kind of failure.
    pub fault: OriginFault,
    /// `scheme://authority` of the upstream.
    pub upstream: String,
    /// What happened, for the log and the problem report; holds no request data.
    pub message: String,
}

/// Fetches from origins.
pub trait Origin: Send + Sync + 'static {
    /// Sends `request` and answers at the response head; the body follows as a stream.
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>>;
}

impl<O: Origin> Origin for Arc<O> {
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>> {
        (**self).fetch(request)
    }
}

/// An origin that is not there: for doors that must never fetch.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOrigin;

impl Origin for NoOrigin {
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>> {
        let upstream = format!("{}://{}", request.upstream.scheme, request.upstream.authority);
        Box::pin(std::future::ready(Err(OriginError {
            fault: OriginFault::NoOrigin,
            upstream,
            message: "nothing may be fetched here".into(),
        })))
    }
}
