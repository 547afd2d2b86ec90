//! A running proxy: workers, each with its own runtime, listener and connections to origins, over one shared cache.

mod build;
mod door;
mod error;
mod figures;
mod place;
mod running;
mod worker;

pub use error::StartError;
pub use running::Running;

use crate::forward::Names;
use crate::listener;
use crate::profile;
use build::Made;
use door::Door;
use figures::Figures;
use millpond_config::Config;
use millpond_engine::Clock;
use millpond_front::{ConnInfo, ConnectionEnd, Drain, FrontLimits, Transport, serve_connection};
use millpond_recorder::Tapes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;
use tokio::sync::watch;
use worker::Worker;

/// A proxy that has its sockets but does not answer yet.
pub struct Server {
    listeners: Vec<std::net::TcpListener>,
    services: Vec<Arc<Door>>,
    limits: Arc<FrontLimits>,
    connections: usize,
    drain: Drain,
    drain_timeout: Duration,
    figures: Figures,
    address: SocketAddr,
    routes: Vec<(String, String)>,
}

/// Threads for each worker that may wait for the disk. Each keeps some of the memory it ever
/// used, so that hundreds of them, which the runtime would start by itself, are dearer than waiting for a turn.
const BLOCKING_THREADS: usize = 8;

impl Server {
    /// A cache in front of the origins that `config` names. Binds the sockets and builds everything it asks for, told the
    /// time by `clock`.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong and how to mend it. Nothing runs yet.
    pub fn bind(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::bind_with(config, clock, Names::system())
    }

    /// The same, the names of origins being looked up with `names`.
    ///
    /// # Errors
    /// As for [`Server::bind`].
    pub fn bind_with(config: &Config, clock: Arc<dyn Clock>, names: Names) -> Result<Self, StartError> {
        Self::bound(config, |sockets| build::serve(config, clock, names, sockets))
    }

    /// A cache between clients and whatever origins they ask for: a forward proxy.
    ///
    /// # Errors
    /// As for [`Server::bind`]; and when strangers could use it as their own.
    pub fn bind_forward(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::bind_forward_with(config, clock, Names::system())
    }

    /// The same, the names of origins being looked up with `names`.
    ///
    /// # Errors
    /// As for [`Server::bind_forward`].
    pub fn bind_forward_with(
        config: &Config,
        clock: Arc<dyn Clock>,
        names: Names,
    ) -> Result<Self, StartError> {
        Self::bound(config, |sockets| build::forward(config, clock, names, sockets))
    }

    /// Recording and replay, as `config` says: a forward proxy whose answers come from `tapes`, or go onto them. In mode
    /// `read_only_fail_on_miss` it opens no connection and resolves no name.
    ///
    /// # Errors
    /// As for [`Server::bind_forward`].
    pub fn bind_tape(config: &Config, clock: Arc<dyn Clock>, tapes: Arc<Tapes>) -> Result<Self, StartError> {
        Self::bind_tape_with(config, clock, tapes, Names::system())
    }

    /// The same, the names of origins being looked up with `names`.
    ///
    /// # Errors
    /// As for [`Server::bind_forward`].
    #[expect(clippy::needless_pass_by_value, reason = "as the other doors take it, which keep it")]
    pub fn bind_tape_with(
        config: &Config,
        clock: Arc<dyn Clock>,
        tapes: Arc<Tapes>,
        names: Names,
    ) -> Result<Self, StartError> {
        Self::bound(config, |sockets| build::tape(config, &clock, tapes, names, sockets))
    }

    fn bound(
        config: &Config,
        make: impl FnOnce(build::Sockets) -> Result<Made, StartError>,
    ) -> Result<Self, StartError> {
        let requested = config.listen.socket_addr();
        let failed = |error| StartError::Listen { address: requested, error };
        let listeners = listener::bind(requested, profile::workers(config)).map_err(failed)?;
        let address = listeners[0].local_addr().map_err(failed)?;
        let Made { services, figures, routes, drain } =
            make(build::Sockets { address, count: listeners.len() })?;
        Ok(Self {
            listeners,
            services,
            limits: Arc::new(profile::front_limits(&config.limits)),
            connections: config.limits.connections as usize,
            drain,
            drain_timeout: config.limits.drain_timeout.duration(),
            figures,
            address,
            routes,
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
        let mut workers = Vec::new();
        for (index, (listener, service)) in self.listeners.into_iter().zip(self.services).enumerate() {
            let worker = Worker {
                service,
                limits: Arc::clone(&self.limits),
                most: self.connections,
                open: Arc::clone(&open),
                refused: Arc::clone(&refused),
                ids: Arc::clone(&ids),
                drain: self.drain.clone(),
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
        Ok(Running { stop, workers, figures: self.figures, address: self.address })
    }
}
