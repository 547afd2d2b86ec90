//! The store behind the memory tier, with the figures of what goes to it and comes from it, and the ear for what it tells.

use super::door::Door;
use crate::{Above, Entry, MemoryStore, Store, StoreError};
use millpond_exchange::{Key, PurgeMode, Selector, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// Memory has room while at least one part in this many of it is free.
const ROOM: u64 = 16;

/// Figures of a [`crate::Tiered`]; counts since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TieredStats {
    /// Keys the tier below was asked for.
    pub lookups: u64,
    /// Of these, keys it had entries of.
    pub found: u64,
    /// Lists taken into memory from below.
    pub promoted: u64,
    /// Bodies that were read from below and taken into memory.
    pub bodies_promoted: u64,
    /// Reads of bodies that went below.
    pub reads: u64,
    /// Operations the tier below failed in: [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub failures: u64,
    /// Entries that memory alone keeps, because the tier below refused them or failed.
    pub alone: u64,
}

/// A figure that many threads count.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The store behind the memory tier.
pub(super) struct Below {
    pub(super) store: Arc<dyn Store>,
    pub(super) lookups: Count,
    pub(super) found: Count,
    pub(super) promoted: Count,
    pub(super) bodies_promoted: Count,
    pub(super) reads: Count,
    failures: Count,
    pub(super) alone: Count,
    door: Door,
    /// What `store` knows only weakly.
    ear: Arc<Ear>,
}

impl Below {
    pub(super) fn new(store: Arc<dyn Store>, memory: &MemoryStore) -> Self {
        let ear = Arc::new(Ear { memory: memory.clone(), outer: RwLock::default() });
        let heard: Weak<Ear> = Arc::downgrade(&ear);
        store.attach(heard);
        let count = Count::default;
        Self {
            store,
            lookups: count(),
            found: count(),
            promoted: count(),
            bodies_promoted: count(),
            reads: count(),
            failures: count(),
            alone: count(),
            door: Door::new(memory.stats().capacity),
            ear,
        }
    }

    /// `result`, counted if it is a failure of the store rather than an answer.
    pub(super) fn counted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Unavailable(_) | StoreError::Corrupt(_)) = result {
            self.failures.add();
        }
        result
    }

    /// Whether the entries of `key` are to be promoted; see [`super`].
    pub(super) fn promotes(&self, key: &Key, entries: &[Arc<Entry>]) -> bool {
        let stats = self.ear.memory.stats();
        let has_room = stats.bytes < stats.capacity - stats.capacity / ROOM;
        has_room || entries.iter().any(|entry| entry.body.is_none()) || self.door.knows(key.as_bytes())
    }

    /// What lies before both tiers.
    pub(super) fn set_outer(&self, outer: Weak<dyn Above>) {
        *self.ear.outer.write().unwrap_or_else(PoisonError::into_inner) = Some(outer);
    }

    pub(super) fn stats(&self) -> TieredStats {
        TieredStats {
            lookups: self.lookups.get(),
            found: self.found.get(),
            promoted: self.promoted.get(),
            bodies_promoted: self.bodies_promoted.get(),
            reads: self.reads.get(),
            failures: self.failures.get(),
            alone: self.alone.get(),
        }
    }
}

/// Hears of purges by other processes, and speaks for what memory uses.
struct Ear {
    memory: MemoryStore,
    outer: RwLock<Option<Weak<dyn Above>>>,
}

impl Ear {
    fn outer(&self) -> Option<Arc<dyn Above>> {
        self.outer.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Weak::upgrade)
    }
}

impl Above for Ear {
    fn purged(&self, selector: &Selector, mode: PurgeMode, now: Timestamp) {
        self.memory.purge(selector, mode, now);
        if let Some(outer) = self.outer() {
            outer.purged(selector, mode, now);
        }
    }

    fn uses(&self, key: &Key) -> bool {
        self.memory.holds(key.as_bytes()) || self.outer().is_some_and(|outer| outer.uses(key))
    }
}
