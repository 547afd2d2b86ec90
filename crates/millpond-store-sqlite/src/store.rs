//! The store as everybody else sees it.
//!
//! What must not live here: SQL that changes anything; that is `writer`'s.

use crate::behind;
use crate::draft::Draft;
use crate::error::{Fault, OpenError, unavailable};
use crate::health::Health;
use crate::inspect::Verified;
use crate::options::SqliteOptions;
use crate::pending::{Purge, Refresh};
use crate::rows::{self, Place};
use crate::shared::Shared;
use crate::stats::{SqliteStats, count};
use crate::writer;
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, Key, PurgeMode, Record, ResponseHead, Selector, Timestamp};
use millpond_store::{Above, Capabilities, Entry, Epoch, NewEntry, Store, StoreError, Variants, Writer};
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Entries in a SQLite file, larger bodies in files beside it; several processes may use the same one.
pub struct SqliteStore {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    check: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store, for a command that cannot do without: a damaged file is set aside and a new one begun.
    ///
    /// # Errors
    /// [`OpenError`] where the file cannot be used: no right to write, a newer schema, another program's database.
    pub fn open(options: SqliteOptions) -> Result<Arc<Self>, OpenError> {
        let (store, opened) = Self::spawn(options, true)?;
        match opened.recv() {
            Ok(Ok(())) => Ok(store),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(OpenError::Thread(std::io::Error::other("it ended at once"))),
        }
    }

    /// Opens the store, for a server that goes on without: where [`SqliteStore::open`] would fail the store is down,
    /// every operation is refused at once, and opening is tried again now and then.
    pub fn start(options: SqliteOptions) -> Arc<Self> {
        let path = options.path.clone();
        let shared = Arc::new(Shared::new(options));
        match Self::spawn_with(Arc::clone(&shared), false) {
            Ok((store, opened)) => {
                // A failure has made the store down already.
                let _ = opened.recv();
                store
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the store is down for good");
                shared.set_down(error.to_string());
                Arc::new(Self { shared, thread: Mutex::default(), check: Mutex::default() })
            }
        }
    }

    fn spawn(options: SqliteOptions, must_open: bool) -> Result<(Arc<Self>, Opened), OpenError> {
        Self::spawn_with(Arc::new(Shared::new(options)), must_open)
    }

    fn spawn_with(shared: Arc<Shared>, must_open: bool) -> Result<(Arc<Self>, Opened), OpenError> {
        let (tell, opened) = sync_channel(1);
        let writer = writer::Writer::new(Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("millpond-store".to_owned())
            .spawn(move || writer.run(must_open, &tell))
            .map_err(OpenError::Thread)?;
        let check = behind::spawn(&shared);
        let store = Self { shared, thread: Mutex::new(Some(thread)), check: Mutex::new(check) };
        Ok((Arc::new(store), opened))
    }

    /// Whether it works.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// The figures of now.
    pub fn stats(&self) -> SqliteStats {
        let counters = &self.shared.counters;
        let in_progress_bytes = self.shared.disk.in_progress();
        let counted = counters.read();
        let disk_bytes = counted.disk_bytes + in_progress_bytes + self.shared.disk.useless();
        SqliteStats { disk_bytes, in_progress_bytes, ..counted }
    }

    /// Waits until all that was accepted so far is written, or given up.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.shared.flush(Box::new(move || {
            // Who waited may have gone.
            let _ = done.send(());
        }));
        // The writer ends only after it has written all, so that its end says the same.
        let _ = wait.await;
    }

    /// [`SqliteStore::flush`] for callers that may block.
    pub fn flush_blocking(&self) {
        // As above.
        let _ = self.shared.flush_blocking();
    }

    /// Checks the whole file now, at full pace, and has what is wrong put right: the same check that is made behind what
    /// goes on (see [`SqliteOptions::check_every`]). Blocks for as long as that takes. Broken entries are removed; a file
    /// whose structure is damaged is set aside and a new one begun.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store is down, or the file cannot be read now.
    pub fn check(&self) -> Result<Verified, StoreError> {
        self.shared.check(&mut |_| true)
    }

    /// Writes what waits and ends the thread that writes; the store is down from then on. Blocks for as long as that
    /// takes. Dropping the store does the same.
    pub fn close(&self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle may be let go by the thread itself, which lends what lies above the store.
        let own = thread.as_ref().is_some_and(|thread| thread.thread().id() == std::thread::current().id());
        let check = self.check.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|_| !own)
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes to the store panicked");
        }
        // It may wait for the thread that writes, and ends when that has.
        if let Some(check) = check.filter(|_| !own)
            && check.join().is_err()
        {
            tracing::error!("the thread that checks the store panicked");
        }
    }

    /// The entries of `key`.
    fn find(&self, key: &Key) -> Result<Variants, StoreError> {
        self.shared.check_up()?;
        // What waits first: what is written between the two looks is then seen twice, and not never.
        let waiting = self.shared.changes(key);
        let (mut entries, complete) = match self.rows(key) {
            Ok(entries) => (entries, true),
            Err(error) => {
                self.shared.read_failed(&error);
                (Vec::new(), false)
            }
        };
        if let Some(waiting) = waiting {
            entries = waiting.apply(entries);
        }
        Ok(Variants { entries: entries.into(), complete })
    }

    /// The rows of `key` as entries, the newest first. Those that are not what was written are dropped.
    fn rows(&self, key: &Key) -> rusqlite::Result<Vec<Arc<Entry>>> {
        let hash = rows::hash_of(key);
        if self.shared.filters.excludes(hash) {
            count(&self.shared.counters.excluded);
            return Ok(Vec::new());
        }
        let place = Place::hashed(key, hash);
        let mut broken = Vec::new();
        let mut found = self.shared.pool.with(|connection| {
            let mut statement = connection.prepare_cached(rows::SELECT)?;
            let mut rows = statement.query((&place.url, place.hash, place.key))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                match rows::found(row, key)? {
                    Ok(entry) => found.push(entry),
                    Err(row) => broken.push(row),
                }
            }
            Ok(found)
        })?;
        for row in broken {
            self.shared.drop_row(row);
        }
        if found.len() > 1 {
            found.sort_unstable_by_key(|found| std::cmp::Reverse((found.born, found.seq)));
        }
        let entries = found.into_iter().map(|found| {
            self.shared.uses.note(found.entry.id, found.seq);
            Arc::new(found.entry)
        });
        Ok(entries.collect())
    }

    fn refreshed(
        &self,
        entry: &Entry,
        record: Record,
        mut head: ResponseHead,
        fresh_until: Timestamp,
        epoch: Epoch,
    ) -> Result<Arc<Entry>, StoreError> {
        let found = self.find(&entry.key)?;
        let Some(current) = found.entries.iter().find(|other| other.id == entry.id) else {
            return Err(if found.complete { StoreError::Gone } else { unavailable("the store is busy") });
        };
        head.fields.shrink();
        let fresh = Arc::new(Entry { record, head, ..Entry::clone(current) });
        let refresh = Refresh::new(fresh, fresh_until, &current.record);
        self.shared.accept_refresh(refresh, &current.record, epoch)
    }
}

/// How a store tells whoever opens it how that went.
type Opened = Receiver<Result<(), OpenError>>;

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "sqlite",
            persistent: true,
            shared: true,
            lists: true,
            largest_object: self.shared.options.max_object,
        }
    }

    fn lookup(&self, key: &[u8]) -> Option<Variants> {
        // A lookup of a row is a read of the file that the caller waits for in either case.
        let found = self.find(&Key::decode(key)?).ok()?;
        (found.complete && !found.entries.is_empty()).then_some(found)
    }

    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        Box::pin(async { self.find(key) })
    }

    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(crate::body::read(&self.shared, entry, range))
    }

    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        Box::pin(async { Ok(Box::new(Draft::open(&self.shared, new)?) as Box<dyn Writer>) })
    }

    fn refresh<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        record: Record,
        head: ResponseHead,
        fresh_until: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>> {
        Box::pin(async move { self.refreshed(entry, record, head, fresh_until, epoch) })
    }

    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.shared.accept_purge(Purge { selector: selector.clone(), mode, now }, reply)?;
            answer.await.unwrap_or_else(|_| Err(unavailable("the store was closed during the purge")))
        })
    }

    fn heads_of_path(
        &self,
        path: &str,
        most: usize,
        look: &mut dyn FnMut(&ResponseHead),
    ) -> Result<bool, StoreError> {
        self.shared.check_up()?;
        self.shared.pool.with(|connection| rows::heads_of_path(connection, path, most, look)).map_err(
            |error| {
                self.shared.read_failed(&error);
                unavailable(error.to_string())
            },
        )
    }

    fn epoch(&self) -> Epoch {
        self.shared.epoch()
    }

    fn attach(&self, above: Weak<dyn Above>) {
        self.shared.attach(above);
    }
}

impl Shared {
    /// A lookup failed: it misses, and the writer looks after the file where that is damaged.
    pub(crate) fn read_failed(&self, error: &rusqlite::Error) {
        match Fault::of(error) {
            Fault::Busy => count(&self.counters.busy_reads),
            Fault::Damaged => {
                count(&self.counters.failed_reads);
                self.report_damage();
            }
            Fault::Disk | Fault::Other => count(&self.counters.failed_reads),
        }
    }
}
