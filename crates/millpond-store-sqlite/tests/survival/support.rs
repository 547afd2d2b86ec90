//! What the tests here are written with: a directory, a clock, options, contents that say what they are, and waiting.

use bytes::Bytes;
use millpond_exchange::{Key, Record, Timestamp};
use millpond_store::laws::{entry, key, record};
use millpond_store::{Entry, NewEntry, Store, StoreError};
use millpond_store_sqlite::{SqliteOptions, SqliteStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest anything here is waited for. Decides only when a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A directory in memory where the system has one: thousands of syncs are asked for here, and none has to reach a disk.
pub fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// What all records are dated: so late that no clock of these tests, but those that jump, takes them for old.
pub const DATED: Timestamp = Timestamp::from_secs(4_102_444_800);

/// A clock that is set, not read.
#[derive(Clone)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub fn new() -> Self {
        Self::at(Timestamp::from_secs(1_000_000))
    }

    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.as_millis())))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    pub fn advance(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

/// The database in `directory`.
pub fn database(directory: &Path) -> PathBuf {
    directory.join("cache.db")
}

/// The directory of bodies beside it.
pub fn bodies(directory: &Path) -> PathBuf {
    directory.join("cache.db-bodies")
}

/// The finished files in the directory of bodies; none where that is not there.
pub fn body_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut left = vec![bodies(directory)];
    while let Some(next) = left.pop() {
        let Ok(list) = std::fs::read_dir(next) else { continue };
        for item in list.flatten() {
            if item.file_name() == "tmp" {
                continue;
            }
            if item.path().is_dir() { left.push(item.path()) } else { files.push(item.path()) }
        }
    }
    files.sort();
    files
}

/// Options with bounds that nothing here reaches, and everything else done at once.
pub fn options(directory: &Path, clock: &Clock) -> SqliteOptions {
    let clock = clock.clone();
    SqliteOptions {
        max_bytes: 1 << 30,
        inline_limit: 16 << 10,
        commit_interval: Duration::from_millis(1),
        poll_interval: Duration::from_millis(1),
        ..SqliteOptions::new(database(directory), Arc::new(move || clock.now()))
    }
}

/// A runtime for one test.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Looks again until there is an answer, and fails the test when there is none for a minute.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_micros(500));
        tokio::task::yield_now().await;
    }
}

/// Numbers that are the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}

/// A content that nothing else has: made of random bytes, or of text that can be compressed.
pub fn content(name: u64, version: u64, length: usize, text: bool) -> Vec<u8> {
    let mut random = Random::new(name << 32 ^ version << 1 ^ u64::from(text));
    let mut content = Vec::with_capacity(length + 64);
    while content.len() < length {
        if text {
            content.extend_from_slice(format!("line {} of {name} v{version}\n", random.next()).as_bytes());
        } else {
            content.extend_from_slice(&random.next().to_le_bytes());
        }
    }
    content.truncate(length);
    content
}

/// The key that goes by a number.
pub fn numbered(number: u64) -> Key {
    key("survival.test", &format!("/{number}"))
}

/// A record with the version in its entity tag, and tags to purge it by.
pub fn versioned(version: u64, tags: &[&str]) -> Record {
    let etag = format!("\"{version}\"").into_bytes();
    Record { etag: Some(etag.into()), ..record(DATED) }
        .with_rare(|rare| rare.tags = tags.iter().map(|tag| Box::from(*tag)).collect())
}

/// The version an entry says it is.
pub fn version(entry: &Entry) -> Option<u64> {
    let tag = std::str::from_utf8(entry.record.etag.as_ref()?).ok()?;
    tag.trim_matches('"').parse().ok()
}

/// Stores a body in pieces of 64 KiB.
pub async fn store(
    store: &dyn Store,
    key: &Key,
    record: Record,
    body: &[u8],
) -> Result<Arc<Entry>, StoreError> {
    store_new(store, entry(store, key, record), body).await
}

/// Stores what `new` announces.
pub async fn store_new(store: &dyn Store, new: NewEntry, body: &[u8]) -> Result<Arc<Entry>, StoreError> {
    let mut writer = store.writer(new).await?;
    for piece in body.chunks(64 << 10) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    writer.commit(millpond_exchange::Fields::new()).await
}

/// Asks SQLite itself whether the file is whole.
pub fn integrity(directory: &Path) {
    let connection = rusqlite::Connection::open(database(directory)).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    let mut statement = connection.prepare("PRAGMA integrity_check").unwrap();
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let lines: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(lines, ["ok"], "integrity of {}", directory.display());
    let sums = "SELECT (SELECT count(*) FROM entry) = entries AND (SELECT count(*) FROM label
        WHERE seq NOT IN (SELECT seq FROM entry)) = 0 FROM totals";
    assert!(
        connection.query_row(sums, [], |row| row.get::<_, bool>(0)).unwrap(),
        "totals differ from entries"
    );
}

/// Opens as a command does.
pub fn open(directory: &Path, clock: &Clock) -> Arc<SqliteStore> {
    SqliteStore::open(options(directory, clock)).unwrap()
}
