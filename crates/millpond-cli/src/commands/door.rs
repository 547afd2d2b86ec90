//! What every command that serves has in common: from its settings to a server, and from a server to its end.

use super::{print, runtime};
use crate::failure::Failure;
use crate::logging;
use crate::settings::Settings;
use millpond::config::{Config, Resolved, StoreUrl};
use millpond::proxy::{Running, Server};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves the settings and begins the log.
pub(crate) fn prepare(settings: &Settings) -> Result<Resolved, Failure> {
    let resolved = settings.resolve()?;
    logging::start(resolved.config.log);
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    Ok(resolved)
}

/// Says where responses are kept.
pub(crate) fn say_where_it_is_kept(config: &Config) {
    match config.store_file() {
        Some(file) => tracing::info!(file = %file.display(), "responses are kept on disk"),
        None if config.store == Some(StoreUrl::Memory) => tracing::info!("responses are kept in memory only"),
        None => tracing::warn!(
            "responses are kept in memory only: neither --cache-dir nor XDG_CACHE_HOME nor HOME names a directory"
        ),
    }
}

/// Lets the process open as many files and sockets as the system allows it: the usual soft limit of 1024 is far below
/// `limits.connections`.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is; connections may be refused early");
    }
}

/// The first line on standard output, which scripts wait for.
pub(crate) fn announce(server: &Server) -> Result<(), Failure> {
    print(&format!("listening on http://{}\n", server.local_addr()))
}

/// Announces a server, and serves until a signal ends it.
pub(crate) fn serve(bind: impl FnOnce() -> Result<Server, Failure>) -> Result<(), Failure> {
    let runtime = runtime()?;
    let signals = Signals::listen(&runtime)?;
    let server = bind()?;
    announce(&server)?;
    for (route, origin) in server.routes() {
        tracing::info!(route, origin, "serving");
    }
    let running = server.start()?;
    runtime.block_on(signals.wait(&running));
    running.stop();
    tracing::info!(counters = %summary(&running.wait()), "stopped");
    Ok(())
}

/// The signals a server knows: SIGTERM and SIGINT end it, SIGUSR1 logs the counters.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    report: Signal,
}

impl Signals {
    /// Listens from now on: before the server is announced, since who waits for that may end it at once.
    pub fn listen(runtime: &Runtime) -> Result<Self, Failure> {
        let _entered = runtime.enter();
        let listen =
            |kind| signal(kind).map_err(|error| Failure::System { what: "cannot listen for signals", error });
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            report: listen(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the end.
    pub async fn wait(mut self, running: &Running) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.report.recv() => tracing::info!(counters = %summary(&running.figures()), "counters"),
            }
        }
        tracing::info!("stopping: requests in flight may finish");
    }
}

fn summary(figures: &[(String, u64)]) -> String {
    let named: Vec<String> = figures.iter().map(|(name, value)| format!("{name}={value}")).collect();
    named.join(" ")
}
