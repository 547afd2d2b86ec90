//! An https origin on `localhost`, whose certificate an authority of its own signed.

use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Body, ResponseHead, StatusCode, Timestamp};
use millpond::front::{ConnInfo, Drain, FrontLimits, Interim, Reply, Request, Service, serve_connection};
use millpond::intercept::{Authority, Interceptor, Options};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running origin, stopped when dropped.
pub struct SecureOrigin {
    pub port: u16,
    certificate: String,
    _dir: TempDir,
    stop: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(SystemClock.now().as_millis()).unwrap())
}

impl SecureOrigin {
    /// One that answers with the request line.
    pub fn start() -> Self {
        Self::of(Echo)
    }

    /// One that answers as `service` does, over HTTP/1.1 and HTTP/2.
    pub fn of(service: impl Service<Log = ()>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::load_or_create(dir.path(), now()).unwrap());
        let certificate = authority.certificate_path().to_str().unwrap().to_owned();
        let interceptor = Arc::new(Interceptor::new(authority, Options::new(Arc::new(now))).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = Arc::new(service);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, interceptor, service) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port, certificate, _dir: dir, stop: Some((stop, thread)) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The file with the authority's certificate.
    pub fn certificate(&self) -> String {
        self.certificate.clone()
    }
}

impl Drop for SecureOrigin {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, interceptor: Arc<Interceptor>, service: Arc<impl Service<Log = ()>>) {
    let drain = Drain::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (interceptor, service, signal) = (Arc::clone(&interceptor), Arc::clone(&service), drain.signal());
        tokio::spawn(async move {
            if let Ok(accepted) = interceptor.accept(stream, "localhost", Duration::from_secs(30)).await {
                let limits = Arc::new(FrontLimits::default());
                serve_connection(accepted.io, ConnInfo::new(0), service, limits, signal).await;
            }
        });
    }
}

struct Echo;

impl Service for Echo {
    type Log = ();

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn ready(&self, _: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        None
    }

    async fn call(&self, request: Request, _: Body, _: Interim, _: &ConnInfo) -> Reply<()> {
        let fields = [("Cache-Control", "max-age=60")].into_iter().collect();
        let head = ResponseHead { fields, ..ResponseHead::new(StatusCode::OK) };
        let body = format!("{} {}\n", request.head.method, request.head.path_and_query);
        Reply::new(head, Body::from_bytes(body.into_bytes()), ())
    }
}
