//! The memory tier as a [`Store`].

use super::draft::Draft;
use super::options::MemoryOptions;
use super::shared::Shared;
use crate::{Capabilities, Entry, Epoch, NewEntry, PartialReader, Store, StoreError, Variants, Writer};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, Fields, Key, PurgeMode, Record, ResponseHead, Segments, Selector, Timestamp};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Entries with their bodies in memory, bounded by bytes and resistant to scans. Cloning gives another handle on the
/// same entries.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    pub(super) shared: Arc<Shared>,
}

/// Figures of a [`MemoryStore`]; counts since it was made, sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Entries held now.
    pub entries: u64,
    /// What they take, bookkeeping included.
    pub bytes: u64,
    /// The bound on `bytes`.
    pub capacity: u64,
    /// What writes in progress, and readers of aborted ones, hold.
    pub in_flight_bytes: u64,
    /// Content that anybody holds: the tier, writes in progress, readers.
    pub live_bytes: u64,
    /// The part of `live_bytes` that is neither in the tier nor in a write in progress: bodies that were evicted, purged
    /// or never let in, while readers still hold them. What is held here is missing to writes in progress, once the
    /// tier is full.
    pub held_bytes: u64,
    /// Lists of entries that came in or were replaced.
    pub admitted: u64,
    /// Entries that had to make room.
    pub evicted: u64,
    /// Entries not taken in: heavy, new, and in the way of what is in use.
    pub refused: u64,
    /// Rows in the purge indexes.
    pub index_rows: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(options: MemoryOptions) -> Self {
        Self { shared: Arc::new(Shared::new(&options)) }
    }

    /// The entries of a key, given as [`Key::as_bytes`] or [`millpond_exchange::KeyBuf::as_bytes`]; `None` when there
    /// are none. One hash, one shard's read lock, one `Arc` cloned.
    pub fn lookup(&self, key: &[u8]) -> Option<Variants> {
        self.shared.lookup(key)
    }

    /// True when there are entries of this key. Does not count as a use of them.
    pub fn holds(&self, key: &[u8]) -> bool {
        self.shared.cache.contains_key(key)
    }

    /// The figures of now.
    pub fn stats(&self) -> MemoryStats {
        let counts = self.shared.counts();
        let (live, in_flight) = (self.shared.ledger.live(), self.shared.ledger.in_flight());
        MemoryStats {
            entries: counts.entries,
            bytes: self.shared.bytes(),
            capacity: self.shared.layout.weight,
            in_flight_bytes: in_flight,
            live_bytes: live,
            held_bytes: live.saturating_sub(counts.content + in_flight),
            admitted: counts.admitted,
            evicted: counts.evicted,
            refused: counts.refused,
            index_rows: counts.index_rows,
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "memory",
            persistent: false,
            shared: false,
            lists: true,
            largest_object: self.shared.layout.max_object,
        }
    }

    fn lookup(&self, key: &[u8]) -> Option<Variants> {
        self.shared.lookup(key)
    }

    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        Box::pin(async { Ok(self.shared.lookup(key.as_bytes()).unwrap_or_else(|| self.shared.nothing())) })
    }

    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        // The body is part of the entry (or the tier behind has it), so whoever holds the entry can read it, whatever became of it here.
        Box::pin(async move {
            let body = entry.body.as_ref().ok_or(StoreError::Gone)?;
            let body = range.map_or_else(|| body.clone(), |range| body.slice(range));
            Ok(if body.is_empty() { Body::Empty } else { Body::Memory(body) })
        })
    }

    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        Box::pin(async {
            let writer = MemoryWriter::open(&self.shared, new)?;
            Ok(Box::new(writer) as Box<dyn Writer>)
        })
    }

    fn refresh<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        record: Record,
        mut head: ResponseHead,
        _: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>> {
        head.fields.shrink();
        Box::pin(async move { self.shared.refresh(entry, record, head, epoch) })
    }

    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.shared.remove(selector, mode, now)) })
    }

    fn epoch(&self) -> Epoch {
        self.shared.epoch()
    }
}

/// An entry on its way into memory.
pub(crate) struct MemoryWriter {
    shared: Arc<Shared>,
    new: NewEntry,
    draft: Arc<Mutex<Draft>>,
}

impl MemoryWriter {
    pub(super) fn open(shared: &Arc<Shared>, mut new: NewEntry) -> Result<Self, StoreError> {
        let limit = shared.layout.max_object;
        if let Some(size) = new.announced_len.filter(|size| *size > limit) {
            return Err(StoreError::TooLarge { size, limit });
        }
        new.head.fields.shrink();
        let draft = Draft::new(new.announced_len, Arc::clone(&shared.ledger));
        Ok(Self { shared: Arc::clone(shared), new, draft: Arc::new(Mutex::new(draft)) })
    }

    /// The whole body, when no more is to come.
    fn finish(&self) -> Segments {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner).finish()
    }

    /// The entry as it was written, under the identity that the tier behind gave it.
    pub(super) fn into_entry(self, id: u64, mut trailers: Fields) -> (Entry, Epoch) {
        trailers.shrink();
        let body = self.finish();
        let NewEntry { key, record, head, epoch, .. } = self.new;
        let body_len = body.len();
        (Entry { key, record, head, body: Some(body), body_len, trailers, id }, epoch)
    }

    /// Bytes written.
    pub(crate) fn len(&self) -> u64 {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Appends to the body, as [`Writer::write`] does.
    pub(crate) fn append(&self, chunk: &[u8]) -> Result<(), StoreError> {
        let mut draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner);
        let size = draft.len().saturating_add(chunk.len() as u64);
        let limit = self.shared.layout.max_object;
        if size > limit {
            return Err(StoreError::TooLarge { size, limit });
        }
        draft.append(chunk)
    }
}

impl Writer for MemoryWriter {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.append(&chunk) })
    }

    fn reader(&self) -> Arc<dyn PartialReader> {
        Arc::new(DraftReader(Arc::clone(&self.draft)))
    }

    fn commit(self: Box<Self>, mut trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>> {
        Box::pin(async move {
            trailers.shrink();
            let body = self.finish();
            self.shared.commit(self.new, body, trailers)
        })
    }
}

/// Reads a body in the making; holds on to what is there, also when it was aborted.
struct DraftReader(Arc<Mutex<Draft>>);

impl PartialReader for DraftReader {
    fn read_at(&self, offset: u64) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).read_at(offset)) })
    }
}
