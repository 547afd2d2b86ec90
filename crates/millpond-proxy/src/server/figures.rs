//! Every figure of a process, with its name.

use crate::forward::Tunnels;
use millpond_engine::Shared;
use millpond_recorder::Tapes;
use millpond_store_sqlite::SqliteStore;
use std::sync::Arc;

/// Where the figures come from.
#[derive(Default)]
pub(crate) struct Figures {
    pub shared: Option<Arc<Shared>>,
    pub disk: Option<Arc<SqliteStore>>,
    pub tunnels: Option<Arc<Tunnels>>,
    pub tapes: Option<Arc<Tapes>>,
}

impl Figures {
    /// The engine's, each tier's, and those of tunnels.
    pub fn list(&self) -> Vec<(String, u64)> {
        let named = |part: &str, name: &str, value| (format!("{part}{name}"), value);
        let mut all = Vec::new();
        if let Some(shared) = &self.shared {
            all.extend(shared.counters.snapshot().iter().map(|(name, value)| named("", name, value)));
            let memory = shared.store.memory().stats();
            let memory = [
                ("entries", memory.entries),
                ("bytes", memory.bytes),
                ("held_bytes", memory.held_bytes),
                ("evicted", memory.evicted),
                ("refused", memory.refused),
            ];
            all.extend(memory.map(|(name, value)| named("memory_", name, value)));
        }
        if let Some(disk) = &self.disk {
            all.extend(disk.stats().iter().map(|(name, value)| named("disk_", name, value)));
        }
        if let Some(tapes) = &self.tapes {
            all.extend(tapes.totals().iter().map(|(name, value)| named("tape_", name, value)));
        }
        if let Some(tunnels) = &self.tunnels {
            all.extend(tunnels.figures().map(|(name, value)| named("tunnels_", name, value)));
        }
        all
    }
}
