//! What the tests of the store have in common: a store in a directory of its own, and entries to put into it.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test uses a part of it, and fails by it"
)]

use bytes::Bytes;
use millpond_exchange::{Fields, Key, Record, Timestamp};
use millpond_store::laws::{entry, key, record};
use millpond_store::{Entry, Store, StoreError};
use millpond_store_sqlite::{SqliteOptions, SqliteStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// When the tests begin, seconds.
pub const BEGINNING: i64 = 1_000_000;

/// A directory for a store, and the time there.
pub struct Place {
    directory: tempfile::TempDir,
    clock: Arc<AtomicI64>,
}

impl Place {
    pub fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(BEGINNING));
        Self { directory: tempfile::tempdir().unwrap(), clock }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("cache.sqlite")
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn options(&self) -> SqliteOptions {
        let clock = Arc::clone(&self.clock);
        SqliteOptions::new(self.path(), Arc::new(move || Timestamp::from_secs(clock.load(Ordering::SeqCst))))
    }

    pub fn open(&self) -> Arc<SqliteStore> {
        SqliteStore::open(self.options()).unwrap()
    }

    /// Moves the clock `seconds` on.
    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Another way into the database.
    pub fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    /// The only value of a query.
    pub fn value(&self, sql: &str) -> i64 {
        self.sql().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// A record of the beginning.
pub fn plain() -> Record {
    record(Timestamp::from_secs(BEGINNING))
}

/// The key number `at`.
pub fn numbered(at: usize) -> Key {
    key("store.test", &format!("/{at}"))
}

/// Stores an entry under `key`.
pub async fn put(
    store: &dyn Store,
    key: &Key,
    record: Record,
    body: &[u8],
) -> Result<Arc<Entry>, StoreError> {
    let mut writer = store.writer(entry(store, key, record)).await?;
    if !body.is_empty() {
        writer.write(Bytes::copy_from_slice(body)).await?;
    }
    writer.commit(Fields::new()).await
}

/// The entries of `key`.
pub async fn stored(store: &dyn Store, key: &Key) -> Vec<Arc<Entry>> {
    store.variants(key).await.unwrap().entries.to_vec()
}

/// Bytes that do not compress.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}
