//! The engine: what all workers share, and one worker's way to its origins.

use crate::clock::Clock;
use crate::counters::Counters;
use crate::fill::FillTable;
use crate::origin::{Origin, OriginError, OriginRequest, OriginResponse};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use millpond_store::{MemoryStore, Store as _, StoreError};
use std::sync::Arc;

/// What every worker of one process shares: the store, the fills under way, the clock, the counters.
pub struct Shared {
    /// Where responses are kept.
    pub store: MemoryStore,
    /// What happened so far.
    pub counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fills: FillTable,
}

impl Shared {
    /// An engine's common part over `store`, told the time by `clock`.
    pub fn new(store: MemoryStore, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { store, counters: Counters::default(), clock, fills: FillTable::default() })
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Removes what `selector` covers from the store, or marks it as stale; answers how many entries that were. Fetches of
    /// it that are under way finish for those who wait, but whoever asks from now on waits for a new one. A purge must
    /// come through here: the store knows nothing of fetches.
    ///
    /// # Errors
    /// As [`millpond_store::Store::remove`].
    pub async fn purge(&self, selector: &Selector, mode: PurgeMode) -> Result<u64, StoreError> {
        let removed = self.store.remove(selector, mode, self.now()).await;
        self.fills.part_with(selector);
        removed
    }

    pub(crate) fn store_failed(&self, error: &StoreError) {
        self.counters.store_failures.add();
        tracing::warn!(%error, "store failed; the request goes on without it");
    }
}

/// Answers requests from the store or from an origin. One for each worker, over one [`Shared`].
pub struct Engine<O> {
    pub(crate) shared: Arc<Shared>,
    origin: O,
}

impl<O: Origin> Engine<O> {
    /// An engine that fetches from `origin`.
    pub fn new(shared: Arc<Shared>, origin: O) -> Arc<Self> {
        Arc::new(Self { shared, origin })
    }

    /// What this engine shares with those of other workers.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    pub(crate) async fn fetch(&self, request: OriginRequest) -> Result<OriginResponse, OriginError> {
        self.shared.counters.origin_requests.add();
        let fetched = self.origin.fetch(request).await;
        if let Err(error) = &fetched {
            self.shared.counters.origin_failures.add();
            tracing::warn!(upstream = %error.upstream, fault = error.fault.as_str(), message = %error.message, "origin failed");
        }
        fetched
    }
}
