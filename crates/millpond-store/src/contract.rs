//! The contract every store keeps. `laws` holds the suite that checks it.

use crate::Entries;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use millpond_exchange::{
    Fields, Holder, Key, PurgeMode, Record, ResponseHead, Segments, Selector, Timestamp,
};
use std::hint::black_box;
use std::ops::Range;
use std::sync::{Arc, Weak};
use thiserror::Error;

/// Why a store could not do what was asked. A miss is not an error.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    /// The object is larger than the store takes; the caller goes on without storing.
    #[error("object of {size} bytes or more exceeds the store's limit of {limit} bytes")]
    TooLarge {
        /// Bytes written or announced so far.
        size: u64,
        /// The largest object, bytes.
        limit: u64,
    },
    /// A purge that covers the entry happened after the ticket was taken.
    #[error("a purge overtook this write")]
    Superseded,
    /// The entry is gone (evicted or purged) since it was looked up.
    #[error("the entry is no longer stored")]
    Gone,
    /// The backend cannot do this at all.
    #[error("this store does not support {0}")]
    Unsupported(&'static str),
    /// The backend failed; the operation may work later.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// What was read does not match its checksum.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
}

/// What a backend can do, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Short name, for logs and metrics.
    pub name: &'static str,
    /// Entries survive a restart.
    pub persistent: bool,
    /// Other processes see the same entries.
    pub shared: bool,
    /// Can list its entries, and so purge by anything but key.
    pub lists: bool,
    /// The largest object it takes, bytes of body; zero for a store that keeps nothing.
    pub largest_object: u64,
}

/// A stored response. Immutable: a refresh or purge puts another `Entry` in its place.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key it is stored under.
    pub key: Key,
    /// The facts the policy needs.
    pub record: Record,
    /// The head as it is replayed: connection-specific fields already removed.
    pub head: ResponseHead,
    /// The body, where the store keeps it in memory.
    pub body: Option<Segments>,
    /// Bytes of body.
    pub body_len: u64,
    /// The trailer section, usually empty.
    pub trailers: Fields,
    /// Backend-chosen identity, below 2^63; differs for every commit, kept by a refresh. The upper half is that of
    /// entries that a memory tier keeps without the store behind it.
    pub id: u64,
}

/// Content beyond this many bytes comes in time by itself: the processor sees that it is read in order.
const TOUCHED: usize = 2048;
/// Bytes that come from memory at once.
const LINE: usize = 64;

impl Entry {
    /// The body in memory, none of it if it is not there. Keeps the whole entry: nothing of the body is looked at, which
    /// a reply that holds the entry for its head anyway need not wait for.
    pub fn content(self: &Arc<Self>) -> Segments {
        Segments::held(Arc::<Self>::clone(self))
    }

    /// Looks at what an answer from this entry will need, all of it at once: among very many entries none of it is in the
    /// processor's caches, and one wait for memory is cheaper than one for each part in its turn.
    pub(crate) fn touch(&self) {
        let Record { status, request_time, stale_from, vary, .. } = &self.record;
        let own = u64::from(*status) ^ request_time.as_millis() as u64 ^ vary.len() as u64 ^ self.id;
        let first = self.body.as_ref().and_then(|body| body.slices().next()).unwrap_or_default();
        let parts = [self.head.fields.wire(), &first[..first.len().min(TOUCHED)]];
        let lines = parts.iter().flat_map(|part| part.iter().step_by(LINE).chain(part.last()));
        let rare = (stale_from.is_some(), self.record.s_maxage.is_some());
        black_box((own, rare, lines.fold(0, |all, byte| all ^ byte)));
    }
}

impl Holder for Entry {
    fn content(&self) -> Option<&Segments> {
        self.body.as_ref()
    }
}

/// The stored responses of one key.
#[derive(Clone, Debug, Default)]
pub struct Variants {
    /// The entries; the newest first, [`MAX_VARIANTS`] at most.
    pub entries: Entries,
    /// True when the list holds all there are in every tier below, so that no further tier need be asked.
    pub complete: bool,
}

/// The largest number of variants kept for one key; the oldest leaves first.
pub const MAX_VARIANTS: usize = 64;

/// The purge epoch at which a fetch began. Taken before the request goes to the origin; a write that carries it is
/// refused when a purge covering it came later. Counted anew by each process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch {
    /// Purges seen by the store that gave the epoch.
    pub own: u64,
    /// Purges seen by the tier behind it, if there is one.
    pub below: u64,
}

impl Epoch {
    /// The epoch of a store with no tier behind it.
    pub fn own(own: u64) -> Self {
        Self { own, below: 0 }
    }
}

/// What lies before a store that is a tier behind another, or beside other processes: it learns of purges that came by
/// another way than [`Store::remove`] of this process, and says what it uses itself.
pub trait Above: Send + Sync {
    /// Another process purged `selector`. The store itself has applied it already.
    fn purged(&self, selector: &Selector, mode: PurgeMode, now: Timestamp);
    /// True when the entries of `key` are in use above: they are worth keeping although nobody asks this store for them.
    fn uses(&self, key: &Key) -> bool;
}

/// What a writer is opened with.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The key to store under.
    pub key: Key,
    /// The facts.
    pub record: Record,
    /// The head as it will be replayed.
    pub head: ResponseHead,
    /// The announced length of the body, if any: lets a store refuse early.
    pub announced_len: Option<u64>,
    /// When the fetch began.
    pub epoch: Epoch,
    /// Until when it is fresh, as computed when it was admitted. For listings, and for a store to tell what nobody will
    /// miss; whether it may be reused is told by the record.
    pub fresh_until: Timestamp,
}

/// Reads what a writer has taken so far, before it commits.
pub trait PartialReader: Send + Sync {
    /// The bytes from `offset` on that are already written, at most one contiguous piece; empty when there are none yet.
    fn read_at(&self, offset: u64) -> BoxFuture<'_, Result<Bytes, StoreError>>;
}

/// An entry in the making. Dropping it aborts: nothing of it is ever seen by a lookup.
pub trait Writer: Send {
    /// Appends to the body. The store keeps a copy, so that a small chunk does not keep a large buffer alive.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when the body outgrows the limit, [`StoreError::Unavailable`] when there is no room now.
    /// Either way nothing more should be written, and what was written can still be read.
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>>;
    /// A reader of what has been written, usable while writing goes on and after the commit or abort.
    fn reader(&self) -> Arc<dyn PartialReader>;
    /// Makes the entry visible, in place of an older one for the same variant. A bounded store may decide not to keep it
    /// after all; the caller has the entry either way.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] when a purge covering the entry came after its epoch.
    fn commit(self: Box<Self>, trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>>;
}

/// A place where responses are kept.
pub trait Store: Send + Sync {
    /// What this store can do.
    fn capabilities(&self) -> Capabilities;
    /// The entries of a key given in its encoded form, where that can be told without waiting; `None` says nothing
    /// about what [`Store::variants`] would find.
    fn lookup(&self, key: &[u8]) -> Option<Variants> {
        let _ = key;
        None
    }
    /// All entries of `key`.
    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>>;
    /// The body of `entry`, or the part `range` of it, as pieces that come one after the other.
    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<millpond_exchange::Body, StoreError>>;
    /// Opens a writer.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when the announced length is over the limit.
    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>>;
    /// Puts a new record and head over an entry's body: what a 304 brings (RFC 9111 section 4.3.4). `fresh_until` is as in
    /// [`NewEntry::fresh_until`].
    ///
    /// # Errors
    /// [`StoreError::Gone`] when the entry has left; [`StoreError::Superseded`] as for a commit.
    fn refresh<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        record: Record,
        head: ResponseHead,
        fresh_until: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>>;
    /// Removes, or marks stale from `now` on, what `selector` covers; answers how many entries that were. Advances the
    /// epoch, so that writes begun earlier do not bring back what it covers.
    ///
    /// Once begun it is done, whether or not somebody waits for the end: a store takes a purge in at its first step. From
    /// then on nothing that it covers is found in this process, even where the answer is an error because the purge
    /// could not be written down.
    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
    /// Shows `look` the heads of what is stored under the URL `path`, which has no query, and under it with whatever query:
    /// `most` of them at most. True when these are all there are; a store that cannot tell shows none. What was accepted
    /// a moment ago may be missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn heads_of_path(
        &self,
        path: &str,
        most: usize,
        look: &mut dyn FnMut(&ResponseHead),
    ) -> Result<bool, StoreError> {
        let _ = (path, most, look);
        Ok(false)
    }
    /// The current purge epoch. To be taken before a request goes to the origin.
    fn epoch(&self) -> Epoch;
    /// Tells the store what lies before it. A store that only this process sees, and that has no use for advice, does
    /// nothing.
    fn attach(&self, above: Weak<dyn Above>) {
        let _ = above;
    }
}
