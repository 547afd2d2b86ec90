//! The store a configuration asks for: the memory tier, and what lies behind it.
//!
//! What must not live here: how a store works; what is stored.

use millpond_config::Config;
use millpond_engine::Clock;
use millpond_store::{MemoryOptions, MemoryStore, Store, Tiered};
use millpond_store_sqlite::{Now, SqliteOptions, SqliteStore};
use std::path::Path;
use std::sync::Arc;

/// Bodies of compressible types are kept compressed from this length on, bytes.
const COMPRESS_FROM: u64 = 1024;

/// The tiers, and what there is to do with each when the server stops.
pub(crate) struct Stores {
    pub tiered: Tiered,
    pub disk: Option<Arc<SqliteStore>>,
}

/// Opens what `config` asks for. A store that cannot be opened is no reason not to serve: it is tried again, and
/// meanwhile responses are kept in memory.
pub(crate) fn open(config: &Config, clock: &Arc<dyn Clock>) -> Stores {
    let Some(path) = config.store_file() else {
        return Stores { tiered: Tiered::alone(memory(config, true)), disk: None };
    };
    let disk = SqliteStore::start(disk_options(config, &path, clock));
    let below = Arc::clone(&disk) as Arc<dyn Store>;
    Stores { tiered: Tiered::new(memory(config, false), below), disk: Some(disk) }
}

/// What the store on disk is opened with by `config`, its database being the file `path`.
pub fn disk_options(config: &Config, path: &Path, clock: &Arc<dyn Clock>) -> SqliteOptions {
    let clock = Arc::clone(clock);
    let now: Now = Arc::new(move || clock.now());
    let disk = &config.disk;
    SqliteOptions {
        max_bytes: disk.size.bytes(),
        max_entries: disk.max_entries.into(),
        max_object: config.largest_object(),
        inline_limit: disk.inline_limit.bytes(),
        compress_from: disk.compress.then_some(COMPRESS_FROM),
        commit_interval: disk.commit_interval.duration(),
        commit_entries: disk.commit_entries as usize,
        keep_stale: disk.keep_stale.duration(),
        // What is served without origins is not to be had again.
        upkeep: !config.offline,
        ..SqliteOptions::new(path, now)
    }
}

fn memory(config: &Config, standalone: bool) -> MemoryStore {
    MemoryStore::new(MemoryOptions {
        capacity: config.memory.size.bytes(),
        max_object: Some(config.memory.largest_object().min(config.limits.object.bytes())),
        standalone,
        ..MemoryOptions::default()
    })
}
