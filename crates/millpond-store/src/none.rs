//! The store that keeps nothing: for doors and tests without a cache.

use crate::{Capabilities, Entry, Epoch, NewEntry, Store, StoreError, Variants, Writer};
use futures_util::future::{BoxFuture, ready};
use millpond_exchange::{Body, Key, PurgeMode, Record, ResponseHead, Selector, Timestamp};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keeps nothing: every lookup misses, every write is refused with [`StoreError::Unsupported`].
#[derive(Debug, Default)]
pub struct NoStore {
    epoch: AtomicU64,
}

impl NoStore {
    /// A store that keeps nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for NoStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "none", persistent: false, shared: false, lists: true, largest_object: 0 }
    }

    fn variants<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        Box::pin(ready(Ok(Variants { complete: true, ..Variants::default() })))
    }

    fn read<'a>(
        &'a self,
        _: &'a Arc<Entry>,
        _: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(ready(Err(StoreError::Gone)))
    }

    fn writer(&self, _: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        Box::pin(ready(Err(StoreError::Unsupported("keeping entries"))))
    }

    fn refresh<'a>(
        &'a self,
        _: &'a Arc<Entry>,
        _: Record,
        _: ResponseHead,
        _: Timestamp,
        _: Epoch,
    ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>> {
        Box::pin(ready(Err(StoreError::Gone)))
    }

    fn remove<'a>(
        &'a self,
        _: &'a Selector,
        _: PurgeMode,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        Box::pin(ready(Ok(0)))
    }

    fn epoch(&self) -> Epoch {
        Epoch::own(self.epoch.load(Ordering::Acquire))
    }
}
