//! A running proxy: workers, each with its own runtime, listener and connections to origins, over one shared cache.

use crate::access_log::AccessLog;
use crate::listener;
use crate::profile;
use crate::request_id::RequestIds;
use crate::route::RouteTable;
use crate::service::{CacheService, Common};
use crate::stores::{self, Stores};
use crate::upstream::{Places, TlsError, UpstreamPool, UpstreamTls};
use millpond_config::Config;
use millpond_engine::{Clock, CountersSnapshot, Engine, Shared};
use millpond_exchange::Scheme;
use millpond_front::{ConnInfo, ConnectionEnd, Drain, FrontLimits, Transport, serve_connection};
use millpond_store_sqlite::SqliteStore;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How often gathered access log lines are written, at the latest.
const LOG_INTERVAL: Duration = Duration::from_secs(1);
/// How long accepting pauses when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection taken up while the listener closes may take to send what it was opened for.
const LATE_REQUEST: Duration = Duration::from_millis(50);
/// How long a client over the limit may take to read that it is.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Clients that are told so at one time; beyond these, connections are just closed.
const MOST_REFUSALS: usize = 256;

/// Why a proxy could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is nothing to be a proxy for.
    #[error("no origin: give --origin URL, or a [[route]] with an origin in the configuration file")]
    NoOrigin,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}{}", hint(error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The access log cannot be written.
    #[error("cannot open the access log {}: {error}", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Trust towards origins cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no more threads or timers.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or choose another with --listen (short form: --port)"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege: choose a higher one with --listen"
        }
        io::ErrorKind::AddrNotAvailable => "; the address does not belong to this machine",
        _ => "",
    }
}

/// A proxy that has its sockets but does not answer yet.
pub struct Server {
    listeners: Vec<std::net::TcpListener>,
    services: Vec<Arc<CacheService<UpstreamPool>>>,
    limits: Arc<FrontLimits>,
    connections: usize,
    drain_timeout: Duration,
    shared: Arc<Shared>,
    disk: Option<Arc<SqliteStore>>,
    address: SocketAddr,
    routes: Vec<(String, String)>,
}

impl Server {
    /// Binds the sockets and builds everything `config` asks for, told the time by `clock`.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong and how to mend it. Nothing runs yet.
    pub fn bind(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let routes = RouteTable::new(config);
        if routes.is_empty() {
            return Err(StartError::NoOrigin);
        }
        let described = routes.describe().map(|(name, origin)| (name.to_owned(), origin)).collect();
        let trusted = config.trusted_proxies.clone();
        let common = Arc::new(Common { routes, trusted, no_route: "".into() });
        let Stores { tiered, disk } = stores::open(config, &clock);
        let shared = Shared::new(tiered, clock);
        shared.set_content_limit(config.limits.key_bodies.bytes());
        let upstreams = Upstreams {
            tls: UpstreamTls::load(config.upstream_ca.as_deref())?,
            places: Places::new(config.limits.origin_connections as usize),
        };
        let requested = config.listen.socket_addr();
        let failed = |error| StartError::Listen { address: requested, error };
        let listeners = listener::bind(requested, profile::workers(config)).map_err(failed)?;
        let address = listeners[0].local_addr().map_err(failed)?;
        let services = listeners
            .iter()
            .map(|_| service(config, &common, &shared, &upstreams))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            listeners,
            services,
            limits: Arc::new(profile::front_limits(&config.limits)),
            connections: config.limits.connections as usize,
            drain_timeout: config.limits.drain_timeout.duration(),
            shared,
            disk,
            address,
            routes: described,
        })
    }

    /// The address clients connect to, its port resolved.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Each route's name and origin.
    pub fn routes(&self) -> &[(String, String)] {
        &self.routes
    }

    /// Serves a connection that came by another way than this server's listeners, such as one end of a pipe in memory,
    /// as its first worker would. Ends with the connection.
    pub fn serve_connection<IO: Transport>(
        &self,
        io: IO,
        info: ConnInfo,
    ) -> impl Future<Output = ConnectionEnd> + Send + use<IO> {
        let service = Arc::clone(&self.services[0]);
        serve_connection(io, info, service, Arc::clone(&self.limits), Drain::new().signal())
    }

    /// Starts answering.
    ///
    /// # Errors
    /// [`StartError::Worker`] when the system gives no thread.
    pub fn start(self) -> Result<Running, StartError> {
        let (stop, stopping) = watch::channel(false);
        let open = Arc::new(AtomicUsize::new(0));
        let refused = Arc::new(AtomicUsize::new(0));
        let ids = Arc::new(AtomicU64::new(1));
        let drain = Drain::new();
        let mut workers = Vec::new();
        for (index, (listener, service)) in self.listeners.into_iter().zip(self.services).enumerate() {
            let worker = Worker {
                service,
                limits: Arc::clone(&self.limits),
                most: self.connections,
                open: Arc::clone(&open),
                refused: Arc::clone(&refused),
                ids: Arc::clone(&ids),
                drain: drain.clone(),
                drain_timeout: self.drain_timeout,
                stopping: stopping.clone(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS)
                .build()
                .map_err(StartError::Worker)?;
            let thread = std::thread::Builder::new()
                .name(format!("millpond-{index}"))
                .spawn(move || runtime.block_on(worker.run(listener)))
                .map_err(StartError::Worker)?;
            workers.push(thread);
        }
        Ok(Running { stop, workers, shared: self.shared, disk: self.disk, address: self.address })
    }
}

/// Threads for each worker that may wait for the disk or for a name to be resolved. Each keeps some of the memory it ever
/// used, so that hundreds of them, which the runtime would start by itself, are dearer than waiting for a turn.
const BLOCKING_THREADS: usize = 8;

/// What the workers' ways to the origins have in common.
struct Upstreams {
    tls: UpstreamTls,
    places: Places,
}

fn service(
    config: &Config,
    common: &Arc<Common>,
    shared: &Arc<Shared>,
    upstreams: &Upstreams,
) -> Result<Arc<CacheService<UpstreamPool>>, StartError> {
    let log = AccessLog::open(&config.access_log).map_err(|error| StartError::AccessLog {
        path: config.access_log.file.clone().unwrap_or_default(),
        error,
    })?;
    let limits = profile::pool_limits(&config.limits);
    let pool = UpstreamPool::with_limits(upstreams.tls.clone(), limits, upstreams.places.clone());
    Ok(Arc::new(CacheService {
        common: Arc::clone(common),
        engine: Engine::new(Arc::clone(shared), pool),
        log,
        ids: RequestIds::new(),
    }))
}

/// A proxy at work. Dropping it leaves the workers running.
pub struct Running {
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
    disk: Option<Arc<SqliteStore>>,
    address: SocketAddr,
}

impl Running {
    /// The address clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What happened so far.
    pub fn counters(&self) -> CountersSnapshot {
        self.shared.counters.snapshot()
    }

    /// Every figure of this process with its name: what the engine counts, and after that of each tier.
    pub fn figures(&self) -> Vec<(String, u64)> {
        figures(&self.shared, self.disk.as_deref())
    }

    /// What the workers share: store and counters.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The store on disk, where the configuration has one.
    pub fn disk(&self) -> Option<&Arc<SqliteStore>> {
        self.disk.as_ref()
    }

    /// Asks the workers to stop: listeners close, requests in flight finish within the drain timeout.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until every worker has stopped and what they stored is written; answers the figures then.
    pub fn wait(self) -> Vec<(String, u64)> {
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended in a panic; this is a defect of millpond");
            }
        }
        if let Some(disk) = &self.disk {
            disk.close();
        }
        figures(&self.shared, self.disk.as_deref())
    }
}

fn figures(shared: &Shared, disk: Option<&SqliteStore>) -> Vec<(String, u64)> {
    let named = |tier: &str, name: &str, value| (format!("{tier}{name}"), value);
    let engine = shared.counters.snapshot();
    let mut all: Vec<_> = engine.iter().map(|(name, value)| named("", name, value)).collect();
    let memory = shared.store.memory().stats();
    for (name, value) in [
        ("entries", memory.entries),
        ("bytes", memory.bytes),
        ("held_bytes", memory.held_bytes),
        ("evicted", memory.evicted),
        ("refused", memory.refused),
    ] {
        all.push(named("memory_", name, value));
    }
    if let Some(disk) = disk {
        all.extend(disk.stats().iter().map(|(name, value)| named("disk_", name, value)));
    }
    all
}

/// One thread's part.
struct Worker {
    service: Arc<CacheService<UpstreamPool>>,
    limits: Arc<FrontLimits>,
    most: usize,
    open: Arc<AtomicUsize>,
    /// Clients that are being told that there is no place.
    refused: Arc<AtomicUsize>,
    ids: Arc<AtomicU64>,
    /// One for all workers: what a worker fetches may be read by connections of another, so that none ends before all of
    /// them have what they wait for.
    drain: Drain,
    drain_timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl Worker {
    async fn run(mut self, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "a worker cannot use its socket");
                return;
            }
        };
        let mut tick = tokio::time::interval(LOG_INTERVAL);
        let mut stopping = self.stopping.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer, None),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = tick.tick() => self.flush_log(),
                _ = stopping.wait_for(|stop| *stop) => break,
            }
        }
        self.accept_pending(listener);
        self.drain.start();
        if tokio::time::timeout(self.drain_timeout, self.drain.finished()).await.is_err() {
            tracing::warn!(
                connections = self.drain.connections(),
                "connections cut at the end of the drain timeout"
            );
        }
        self.flush_log();
    }

    fn flush_log(&self) {
        if let Some(log) = &self.service.log {
            log.flush();
        }
    }

    /// Takes what the kernel has accepted for a listener that is about to close: to these clients they are connected, and
    /// closing it would reset them.
    fn accept_pending(&mut self, listener: TcpListener) {
        let listener = match listener.into_std() {
            Ok(listener) => listener,
            Err(error) => return tracing::debug!(%error, "pending connections are not taken"),
        };
        // The socket does not block: the first error, as a rule, says that there are no more.
        while let Ok((stream, peer)) = listener.accept() {
            match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                Ok(stream) => self.accept(stream, peer, Some(LATE_REQUEST)),
                Err(error) => tracing::debug!(%error, "a pending connection is not taken"),
            }
        }
    }

    /// Serves a connection. With `patience`, its first request is given that long to come before a shutdown under way closes
    /// the connection as an idle one.
    fn accept(&mut self, stream: TcpStream, peer: SocketAddr, patience: Option<Duration>) {
        let place = Place::take(&self.open);
        if place.count > self.most {
            tracing::warn!(%peer, limit = self.most, "connection refused: limits.connections reached");
            let refusal = Place::take(&self.refused);
            if refusal.count <= MOST_REFUSALS {
                tokio::spawn(async move {
                    refuse(stream).await;
                    drop(refusal);
                });
            }
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
        let info = ConnInfo {
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            peer: Some(peer),
            local: stream.local_addr().ok(),
            scheme: Scheme::Http,
        };
        let (service, limits, signal) =
            (Arc::clone(&self.service), Arc::clone(&self.limits), self.drain.signal());
        tokio::spawn(async move {
            if let Some(patience) = patience {
                // Whether anything came is for the connection itself to find out.
                let _ = tokio::time::timeout(patience, stream.readable()).await;
            }
            let end = serve_connection(stream, info, service, limits, signal).await;
            tracing::trace!(?end, "connection closed");
            drop(place);
        });
    }
}

/// One of the connections that may be open at a time.
struct Place {
    open: Arc<AtomicUsize>,
    count: usize,
}

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        Self { count: open.fetch_add(1, Ordering::Relaxed) + 1, open: Arc::clone(open) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells a client over the limit so, and closes; what it sends is taken in for a moment, so that the reply is not lost to
/// a reset.
async fn refuse(mut stream: TcpStream) {
    const BODY: &str = "{\"type\":\"urn:millpond:problem:too-many-connections\",\"title\":\"Service Unavailable\",\"status\":503,\
        \"detail\":\"limits.connections is reached; try again in a moment.\"}\n";
    let reply = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n\
         Retry-After: 1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let telling = async {
        stream.write_all(reply.as_bytes()).await?;
        stream.shutdown().await?;
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // A client that is gone, or goes on sending, needs no more of an answer.
    let _ = tokio::time::timeout(REFUSAL_TIME, telling).await;
}
