//! `millpond serve`, and the short form.

use super::runtime;
use crate::failure::Failure;
use crate::logging;
use crate::settings::Settings;
use millpond::engine::SystemClock;
use millpond::proxy::{Running, Server};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until a signal ends it.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let resolved = settings.resolve()?;
    resolved.require_origin()?;
    logging::start(&resolved.config.log);
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let server = Server::bind(&resolved.config, Arc::new(SystemClock))?;
    announce(&server)?;
    for (route, origin) in server.routes() {
        tracing::info!(route, origin, "serving");
    }
    let running = server.start()?;
    runtime()?.block_on(until_signal(&running))?;
    running.stop();
    let shared = Arc::clone(running.shared());
    running.wait();
    tracing::info!(counters = %summary(&shared.counters.snapshot()), "stopped");
    Ok(ExitCode::SUCCESS)
}

/// The first line on standard output, which scripts wait for.
pub(crate) fn announce(server: &Server) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{}", server.local_addr())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::System { what: "cannot write to standard output", error })
}

/// Waits for SIGTERM or SIGINT; SIGUSR1 logs the counters.
pub(crate) async fn until_signal(running: &Running) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::System { what: "cannot listen for signals", error });
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut report = listen(SignalKind::user_defined1())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = report.recv() => tracing::info!(counters = %summary(&running.counters()), "counters"),
        }
    }
    tracing::info!("stopping: requests in flight may finish");
    Ok(())
}

fn summary(counters: &millpond::engine::CountersSnapshot) -> String {
    let named: Vec<String> = counters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    named.join(" ")
}
