//! What a store is opened with.

use millpond_exchange::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Tells the present moment: a store reads no clock of its own.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Settings of a [`crate::SqliteStore`]. All sizes in bytes.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file. Bodies too large for it lie in the directory of the same name with `-bodies` at its end.
    pub path: PathBuf,
    /// What database, log and bodies may take on the disk together; 10 GiB by default.
    pub max_bytes: u64,
    /// The largest number of entries; 10 million by default.
    pub max_entries: u64,
    /// The largest body taken; 1 GiB by default.
    pub max_object: u64,
    /// Bodies up to this length are kept in the database itself; 64 KiB by default.
    pub inline_limit: u64,
    /// Bodies of compressible types from this length on are kept compressed; 1 KiB by default, `None` for never.
    pub compress_from: Option<u64>,
    /// How long a committed entry may wait to be written with others: what a killed process may lose. 200 ms by
    /// default.
    pub commit_interval: Duration,
    /// How many entries are written in one transaction at most; 1,000 by default.
    pub commit_entries: usize,
    /// Bytes of entries that may wait to be written; what comes when there are more is not kept. 64 MiB by default.
    pub max_waiting: u64,
    /// How often the file is looked at for purges of other processes; 100 ms by default.
    pub poll_interval: Duration,
    /// Entries from which on the process keeps a filter of keys in memory, so that a lookup of a key that is not stored
    /// reads nothing: two to four bytes for each entry, 32 MiB at most. Below it the few pages of the index stay in
    /// memory anyhow. What other processes store is found by the next poll at the latest. 10,000 by default.
    pub filter_from: u64,
    /// How long an entry is kept after it can no longer be used without validation; 7 days by default.
    pub keep_stale: Duration,
    /// Whether this process keeps the store within its bounds: evicts, sweeps what nobody will miss, collects files that
    /// no entry refers to, and gives free pages back. True by default. False is for whoever does not own the store, such
    /// as a command with limits of its own, and for one that is to stay as it is: a new entry for which there is no room
    /// is then not kept.
    pub upkeep: bool,
    /// How long the full checks of the file lie apart that are made behind what goes on, at a pace that leaves the machine
    /// to others; the first begins soon after the start. `None` for never, and there is none without `upkeep`. 24 hours by
    /// default.
    pub check_every: Option<Duration>,
    /// Tells the time.
    pub now: Now,
}

impl SqliteOptions {
    /// The defaults, for the database file `path`.
    pub fn new(path: impl Into<PathBuf>, now: Now) -> Self {
        Self {
            path: path.into(),
            max_bytes: 10 << 30,
            max_entries: 10_000_000,
            max_object: 1 << 30,
            inline_limit: 64 << 10,
            compress_from: Some(1 << 10),
            commit_interval: Duration::from_millis(200),
            commit_entries: 1_000,
            max_waiting: 64 << 20,
            poll_interval: Duration::from_millis(100),
            filter_from: 10_000,
            keep_stale: Duration::from_secs(7 * 24 * 3600),
            upkeep: true,
            check_every: Some(Duration::from_secs(24 * 3600)),
            now,
        }
    }
}
