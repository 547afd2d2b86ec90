//! What the tasks and this program say to each other. `cargo xtask` has this file too, so that both know one form of it and the
//! tasks need not be built with the stores.
//!
//! What must not live here: anything that works on a store, verdicts.

use clap::Args;
use serde::{Deserialize, Serialize};

/// Bytes of the largest object there is.
pub const LARGEST: u64 = 4 << 20;

/// Bytes of some files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Their lengths.
    pub length: u64,
    /// The blocks given to them.
    pub allocated: u64,
}

/// What a store takes on the disk.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// The database.
    pub database: Bytes,
    /// Its write-ahead log.
    pub log: Bytes,
    /// Bodies in files, those being written included.
    pub bodies: Bytes,
}

/// A SQLite store that was filled.
#[derive(Serialize, Deserialize)]
pub struct Filled {
    pub seconds: f64,
    /// Bytes of bodies.
    pub body_bytes: u64,
    /// Bytes of heads, as they would be sent.
    pub head_bytes: u64,
    /// Bytes of URLs.
    pub url_bytes: u64,
    /// On the disk, the store being closed.
    pub usage: Usage,
}

/// The memory tier with many entries.
#[derive(Serialize, Deserialize)]
pub struct InMemory {
    /// Resident memory before the first object, bytes.
    pub resident_before: u64,
    /// Resident memory with all of them.
    pub resident_after: u64,
    /// What the tier thinks it holds.
    pub counted: u64,
    /// CPU nanoseconds for each lookup with a look at the body.
    pub lookup_ns: f64,
}

/// How much is pushed through which store.
#[derive(Args)]
pub struct Push {
    /// GB (10^9 bytes) to store
    #[arg(long, default_value_t = 4.0)]
    pub gigabytes: f64,
    /// MiB the store may take on the disk
    #[arg(long, default_value_t = 256)]
    pub disk: u64,
    /// MiB the memory tier may take
    #[arg(long, default_value_t = 16)]
    pub memory: u64,
    /// Objects
    #[arg(long, default_value_t = 20_000)]
    pub objects: usize,
    /// Bytes of the smallest object
    #[arg(long, default_value_t = 1 << 10)]
    pub least: u64,
    /// Bytes of the largest object
    #[arg(long, default_value_t = 2 << 20, value_parser = clap::value_parser!(u64).range(1..=LARGEST))]
    pub most: u64,
    /// The exponent of Zipf's law, by which they are asked for
    #[arg(long, default_value_t = 0.9)]
    pub exponent: f64,
    /// Another seed is another trace
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What pushing many bytes through a small store came to.
#[derive(Default, Serialize, Deserialize)]
pub struct Pushed {
    pub seconds: f64,
    pub requests: u64,
    pub stored_bytes: u64,
    pub disk_limit: u64,
    pub memory_limit: u64,
    pub seen: Seen,
    pub hits: u64,
    pub s3_fifo_hits: u64,
    pub lru_hits: u64,
    /// The same, of all bytes asked for.
    pub requested_bytes: u64,
    pub hit_bytes: u64,
    pub s3_fifo_hit_bytes: u64,
    pub lru_hit_bytes: u64,
    /// What the store counted.
    pub evicted: u64,
    pub moved: u64,
    pub refused: u64,
    pub lost: u64,
}

/// The greatest of what was seen.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    pub looks: u64,
    /// The largest sum of database, log and bodies.
    pub disk: Bytes,
    /// The parts of the look at which their lengths were largest together.
    pub parts: Usage,
    /// What the memory tier said it held.
    pub memory: u64,
    /// The same with writes in progress and bodies that readers hold.
    pub memory_live: u64,
    /// What broke: the first of each kind.
    pub failed: Option<String>,
}
