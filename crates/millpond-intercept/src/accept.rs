//! The handshake with a client.

use crate::authority::Authority;
use crate::certificates::Certificates;
use crate::failure::{AcceptError, MintError};
use crate::name::CertName;
use crate::stream::TlsIo;
use crate::trust::TrustWatch;
use millpond_front::Transport;
use rustls::{ProtocolVersion, SupportedCipherSuite};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Where the present moment comes from.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How connections are opened.
#[derive(Clone)]
pub struct Options {
    /// How many certificates are kept at most.
    pub certificates: usize,
    /// Whether HTTP/2 is offered to clients.
    pub http2: bool,
    /// The clock, by which certificates begin and end.
    pub now: Now,
}

impl Options {
    /// The usual settings: 4096 certificates, HTTP/2 offered.
    pub fn new(now: Now) -> Self {
        Self { certificates: 4096, http2: true, now }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("certificates", &self.certificates)
            .field("http2", &self.http2)
            .finish_non_exhaustive()
    }
}

/// Opens TLS connections with certificates of an authority. One for the whole process: it keeps the certificates.
#[derive(Debug)]
pub struct Interceptor {
    certificates: Certificates,
}

/// An opened connection.
#[derive(Debug)]
pub struct Accepted<IO> {
    /// What is said inside.
    pub io: TlsIo<IO>,
    /// What the certificate was made for: the server name that the client sent, else the host it asked to be connected to.
    pub name: CertName,
    /// The server name that the client sent.
    pub sni: Option<Box<str>>,
    /// Whether HTTP/2 was agreed on.
    pub h2: bool,
    /// The application protocol agreed on (ALPN): `h2`, `http/1.1`, `http/1.0`, or none.
    pub alpn: Option<&'static str>,
    /// `TLSv1.3` or `TLSv1.2`.
    pub tls_version: &'static str,
    /// The cipher suite, as the IANA registry names it.
    pub cipher: &'static str,
    trust: TrustWatch,
}

impl<IO> Accepted<IO> {
    /// Tells, also after [`Accepted::io`] is given away, whether the client accepted the certificate.
    pub fn trust(&self) -> TrustWatch {
        self.trust.clone()
    }
}

impl Interceptor {
    /// Opens connections with certificates that `authority` signs.
    ///
    /// # Errors
    /// [`MintError`] when the TLS settings cannot be made.
    pub fn new(authority: Arc<Authority>, options: Options) -> Result<Self, MintError> {
        Ok(Self { certificates: Certificates::new(authority, options)? })
    }

    /// Makes the server's side of a handshake on `io` within `limit`. The certificate is for the server name that the client
    /// sends (RFC 6066 section 3), else for `host`, to which it asked to be connected.
    ///
    /// # Errors
    /// [`AcceptError`], which says whose fault it is.
    pub async fn accept<IO: Transport>(
        &self,
        io: IO,
        host: &str,
        limit: Duration,
    ) -> Result<Accepted<IO>, AcceptError> {
        let deadline = Instant::now() + limit;
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io);
        let hello = in_time(hello, deadline, limit).await?.map_err(AcceptError::before_certificate)?;
        let sni: Option<Box<str>> = hello.client_hello().server_name().map(Into::into);
        // A server name that nothing can be made for is as good as none.
        let name = match sni.as_deref().and_then(|sni| CertName::parse(sni).ok()) {
            Some(name) => name,
            None => CertName::parse(host)?,
        };
        let config = in_time(self.certificates.config(&name), deadline, limit).await??;
        let stream = in_time(hello.into_stream(config), deadline, limit).await?;
        let stream = stream.map_err(|error| AcceptError::after_certificate(error, &name))?;
        Ok(Accepted::new(stream, name, sni))
    }

    /// How many certificates were made so far.
    pub fn minted(&self) -> u64 {
        self.certificates.minted()
    }

    /// How many certificates are kept now.
    pub fn kept(&self) -> usize {
        self.certificates.kept()
    }
}

async fn in_time<T>(
    step: impl Future<Output = T>,
    deadline: Instant,
    limit: Duration,
) -> Result<T, AcceptError> {
    timeout_at(deadline, step).await.map_err(|_| AcceptError::Timeout(limit))
}

impl<IO> Accepted<IO> {
    fn new(stream: TlsStream<IO>, name: CertName, sni: Option<Box<str>>) -> Self {
        let session = stream.get_ref().1;
        let alpn = match session.alpn_protocol() {
            Some(b"h2") => Some("h2"),
            Some(b"http/1.1") => Some("http/1.1"),
            Some(b"http/1.0") => Some("http/1.0"),
            _ => None,
        };
        let tls_version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let cipher = session.negotiated_cipher_suite().map_or("", cipher_name);
        let trust = TrustWatch::default();
        let io = TlsIo::new(stream, trust.clone());
        Self { io, name, sni, h2: alpn == Some("h2"), alpn, tls_version, cipher, trust }
    }
}

fn cipher_name(suite: SupportedCipherSuite) -> &'static str {
    // rustls names those of TLS 1.3 `TLS13_…`, the registry (and everyone else) `TLS_…`.
    match suite.suite().as_str() {
        Some("TLS13_AES_128_GCM_SHA256") => "TLS_AES_128_GCM_SHA256",
        Some("TLS13_AES_256_GCM_SHA384") => "TLS_AES_256_GCM_SHA384",
        Some("TLS13_CHACHA20_POLY1305_SHA256") => "TLS_CHACHA20_POLY1305_SHA256",
        Some(name) => name,
        None => "",
    }
}
