//! The contract every store keeps. `laws` holds the suite that checks it.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use millpond_exchange::{Fields, Key, PurgeMode, Record, ResponseHead, Segments, Selector, Timestamp};
use std::ops::Range;
use std::sync::Arc;
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
    /// Backend-chosen identity; differs for every commit, kept by a refresh.
    pub id: u64,
}

/// The stored responses of one key.
#[derive(Clone, Debug, Default)]
pub struct Variants {
    /// The entries; the newest first, [`MAX_VARIANTS`] at most.
    pub entries: Arc<[Arc<Entry>]>,
    /// True when the list holds all there are in every tier below, so that no further tier need be asked.
    pub complete: bool,
}

/// The largest number of variants kept for one key; the oldest leaves first.
pub const MAX_VARIANTS: usize = 64;

/// The purge epoch at which a fetch began. Taken before the request goes to the origin; a write that carries it is
/// refused when a purge covering it came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

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
    /// Puts a new record and head over an entry's body: what a 304 brings (RFC 9111 section 4.3.4).
    ///
    /// # Errors
    /// [`StoreError::Gone`] when the entry has left; [`StoreError::Superseded`] as for a commit.
    fn refresh<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        record: Record,
        head: ResponseHead,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>>;
    /// Removes, or marks stale from `now` on, what `selector` covers; answers how many entries that were. Advances the
    /// epoch, so that writes begun earlier do not bring back what it covers.
    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
    /// The current purge epoch. To be taken before a request goes to the origin.
    fn epoch(&self) -> Epoch;
}
