//! Where responses are kept: in memory, and on disk behind it.
//!
//! What must not live here: opening a store, which is the doors' work.

use crate::config::Config;
use crate::values::{ByteSize, Period};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The database file within the cache directory.
const DATABASE: &str = "millpond.db";
/// The certificate authority's directory within it.
pub(crate) const AUTHORITY: &str = "ca";

/// The memory tier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// How much memory stored responses may take.
    pub size: ByteSize,
    /// The largest response kept in memory; a quarter of `memory.size` where unset.
    pub max_object: Option<ByteSize>,
}

impl Memory {
    /// The largest response kept in memory, in bytes: as set, or a quarter of the size.
    pub const fn largest_object(&self) -> u64 {
        match self.max_object {
            Some(size) => size.bytes(),
            None => self.size.bytes() / 4,
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { size: ByteSize::mib(64), max_object: None }
    }
}

/// The store on disk, behind the memory tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Disk {
    /// How much of the disk the cache may take: database, its log and bodies together.
    pub size: ByteSize,
    /// The largest number of responses kept.
    #[schemars(range(min = 1))]
    pub max_entries: u32,
    /// Bodies up to this size are kept in the database itself, larger ones in files beside it.
    pub inline_limit: ByteSize,
    /// Keep bodies of compressible types compressed (zstd), from 1 KiB on.
    pub compress: bool,
    /// How long a stored response may wait to be written together with others: what a crash may lose.
    pub commit_interval: Period,
    /// How many responses are written together at most.
    #[schemars(range(min = 1))]
    pub commit_entries: u32,
    /// How long a response is kept after it can no longer be used without asking the origin.
    pub keep_stale: Period,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            size: ByteSize::gib(10),
            max_entries: 10_000_000,
            inline_limit: ByteSize::kib(64),
            compress: true,
            commit_interval: Period::from_millis(200),
            commit_entries: 1000,
            keep_stale: Period::from_secs(7 * 24 * 3600),
        }
    }
}

impl Config {
    /// The directory of what is kept on disk; `None` where responses are kept in memory only.
    pub fn store_dir(&self) -> Option<&Path> {
        match self.store {
            Some(crate::StoreUrl::Memory) => None,
            Some(crate::StoreUrl::Sqlite) | None => self.cache_dir.as_deref(),
        }
    }

    /// The database file in [`store_dir`](Self::store_dir).
    pub fn store_file(&self) -> Option<PathBuf> {
        Some(self.store_dir()?.join(DATABASE))
    }

    /// The directory of the certificate authority: `intercept.ca_dir`, else `ca` in `cache_dir`. Never one of tapes, which are
    /// for sharing: the authority's key is not.
    pub fn ca_dir(&self) -> Option<PathBuf> {
        let within = || self.cache_dir.as_ref().map(|dir| dir.join(AUTHORITY));
        self.intercept.ca_dir.clone().or_else(within)
    }

    /// The largest response body that any route stores, in bytes.
    pub fn largest_object(&self) -> u64 {
        let routes = self.route.iter().map(|route| route.limits.object.bytes());
        routes.fold(self.limits.object.bytes(), u64::max)
    }
}
