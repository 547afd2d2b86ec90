//! An interceptor on a socket, and rustls clients of it.

use millpond_intercept::{AcceptError, Accepted, Authority, Interceptor, Options};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const DAY: u64 = 24 * 60 * 60;
pub const LIMIT: Duration = Duration::from_secs(30);

/// The moment at which tests start: clients check certificates against the machine's clock.
#[expect(clippy::disallowed_methods, reason = "what clients compare with")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// An interceptor whose clock is the machine's plus what the test adds.
pub struct Bench {
    pub dir: TempDir,
    pub authority: Arc<Authority>,
    pub interceptor: Arc<Interceptor>,
    pub ahead: Arc<AtomicI64>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = TempDir::new().unwrap();
        let authority = Authority::load_or_create(dir.path(), now()).unwrap();
        Self::of(dir, authority, change)
    }

    pub fn of(dir: TempDir, authority: Authority, change: impl FnOnce(&mut Options)) -> Self {
        let authority = Arc::new(authority);
        let ahead = Arc::new(AtomicI64::new(0));
        let (start, clock) = (now(), Arc::clone(&ahead));
        let mut options = Options::new(Arc::new(move || {
            start + Duration::from_secs(u64::try_from(clock.load(Ordering::SeqCst)).unwrap_or(0))
        }));
        change(&mut options);
        let interceptor = Arc::new(Interceptor::new(Arc::clone(&authority), options).unwrap());
        Self { dir, authority, interceptor, ahead }
    }

    pub fn advance(&self, days: u64) {
        self.ahead.fetch_add(i64::try_from(days * DAY).unwrap(), Ordering::SeqCst);
    }

    /// A client that trusts the authority and nothing else.
    pub fn client(&self) -> ClientConfig {
        client(&[CertificateDer::from(self.authority.certificate_der().to_vec())], rustls::ALL_VERSIONS)
    }

    /// Both ends of a handshake of `client` with us, who were asked for `host`; the client asks for `name`.
    pub async fn shake(
        &self,
        client: ClientConfig,
        host: &str,
        name: &str,
    ) -> (std::io::Result<TlsStream<TcpStream>>, Result<Accepted<TcpStream>, AcceptError>) {
        self.shake_with(&Arc::new(client), host, name).await
    }

    pub async fn shake_with(
        &self,
        client: &Arc<ClientConfig>,
        host: &str,
        name: &str,
    ) -> (std::io::Result<TlsStream<TcpStream>>, Result<Accepted<TcpStream>, AcceptError>) {
        let (theirs, ours) = pair().await;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::clone(client));
        tokio::join!(connector.connect(name, theirs), self.interceptor.accept(ours, host, LIMIT))
    }

    /// The certificate that a client which trusts us is shown.
    pub async fn certificate(&self, host: &str) -> CertificateDer<'static> {
        let (client, server) = self.shake(self.client(), host, host).await;
        server.unwrap();
        let client = client.unwrap();
        client.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

/// A client that trusts `roots` and speaks `versions`.
pub fn client(
    roots: &[CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth()
}

/// Two ends of a connection over loopback.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
    (theirs.unwrap(), ours.unwrap().0)
}

/// What a program prints; `None` where there is no such program.
pub fn run(program: &str, args: &[&str]) -> Option<(bool, String)> {
    let output = match std::process::Command::new(program).args(args).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{program}: {error}"),
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

/// The mode bits of a file.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
