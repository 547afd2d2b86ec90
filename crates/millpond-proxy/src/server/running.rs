//! A proxy at work.

use super::figures::Figures;
use millpond_engine::{CountersSnapshot, Shared};
use millpond_store_sqlite::SqliteStore;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// A proxy at work. Dropping it leaves the workers running.
pub struct Running {
    pub(super) stop: watch::Sender<bool>,
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) figures: Figures,
    pub(super) address: SocketAddr,
}

impl Running {
    /// The address clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What the cache did so far; nothing, where there is none.
    pub fn counters(&self) -> CountersSnapshot {
        self.shared().map(|shared| shared.counters.snapshot()).unwrap_or_default()
    }

    /// Every figure of this process with its name: what the engine counts, after that each tier, and tunnels.
    pub fn figures(&self) -> Vec<(String, u64)> {
        self.figures.list()
    }

    /// What the workers share of a cache: store and counters. `None` for a recording or a replay.
    pub fn shared(&self) -> Option<&Arc<Shared>> {
        self.figures.shared.as_ref()
    }

    /// The store on disk, where the configuration has one.
    pub fn disk(&self) -> Option<&Arc<SqliteStore>> {
        self.figures.disk.as_ref()
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
        if let Some(disk) = &self.figures.disk {
            disk.close();
        }
        self.figures.list()
    }
}
