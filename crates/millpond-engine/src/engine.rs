//! The engine: what all workers share, and one worker's way to its origins.

use crate::clock::Clock;
use crate::content::Holding;
use crate::context::Context;
use crate::counters::Counters;
use crate::fill::FillTable;
use crate::origin::{Origin, OriginError, OriginRequest, OriginResponse};
use crate::search::{SearchRules, Stated};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use millpond_exchange::{Key, PurgeMode, Record, Selector, Timestamp};
use millpond_store::{Above, Store as _, StoreError, Tiered};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

/// What every worker of one process shares: the store, the fills under way, the clock, the counters.
pub struct Shared {
    /// Where responses are kept.
    pub store: Tiered,
    /// What happened so far.
    pub counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fills: FillTable,
    /// What origins say of queries.
    pub(crate) search: SearchRules,
    /// Content of requests that is held for their keys.
    pub(crate) holding: Holding,
    /// Whether there may be answers to POST that are kept for those who name a host: most caches never have any.
    pub(crate) keeps_for_hosts: AtomicBool,
    /// Purges so far, whoever asked for them.
    purges: AtomicU64,
    /// When the log was last told of a failing store, milliseconds since 1970.
    failure_told: AtomicI64,
    /// Tasks that see invalidations to their end.
    invalidating: AtomicUsize,
}

/// How many invalidations are seen to their end by a task each.
const INVALIDATIONS: usize = 64;

/// At how many stored responses of a path an invalidation looks for rules of No-Vary-Search: a client waits for it. Where there
/// are more, all of the path is invalidated, unless the rule is known.
const LOOKED_AT: usize = 256;

/// How often the log is told that the store fails.
const FAILURE_TOLD_EVERY: Duration = Duration::from_secs(10);

impl Shared {
    /// An engine's common part over `store`, told the time by `clock`.
    pub fn new(store: Tiered, clock: Arc<dyn Clock>) -> Arc<Self> {
        let counters = Counters::default();
        // What was stored before may be for those who name a host.
        let stored = store.below().is_some();
        let shared = Arc::new(Self {
            store,
            counters,
            clock,
            fills: FillTable::default(),
            search: SearchRules::default(),
            keeps_for_hosts: AtomicBool::new(stored),
            holding: Holding::default(),
            purges: AtomicU64::new(0),
            failure_told: AtomicI64::new(i64::MIN / 2),
            invalidating: AtomicUsize::new(0),
        });
        let above: Weak<dyn Above> = Arc::<Self>::downgrade(&shared);
        shared.store.attach(above);
        shared
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets how much content of requests may be held for their keys at one time, bytes; 64 MiB if never called. A request
    /// for which there is no room goes past the cache.
    pub fn set_content_limit(&self, bytes: u64) {
        self.holding.set_most(bytes);
    }

    /// Purges so far, those of other processes included. Counted before they take effect here, and before it is looked up
    /// what they cover beyond what they name.
    pub(crate) fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    /// Removes what `selector` covers from the store, or marks it as stale; answers how many entries that were. Fetches of
    /// it that are under way finish for those who wait, but whoever asks from now on waits for a new one. A purge must
    /// come through here: the store knows nothing of fetches, nor that what was fetched for one URL may be stored for another
    /// that stands for it (No-Vary-Search).
    ///
    /// # Errors
    /// As [`millpond_store::Store::remove`].
    pub async fn purge(&self, selector: &Selector, mode: PurgeMode) -> Result<u64, StoreError> {
        self.purge_looking_at(selector, mode, usize::MAX).await
    }

    /// Purges as [`Shared::purge`] does, and looks at `most` stored responses for rules of No-Vary-Search.
    async fn purge_looking_at(
        &self,
        selector: &Selector,
        mode: PurgeMode,
        most: usize,
    ) -> Result<u64, StoreError> {
        // Before the rules are looked at: a fill that brings one after that finds that this has changed.
        self.purges.fetch_add(1, Ordering::SeqCst);
        let stated = Stated::in_store(&self.store, selector, most);
        let others = self.search.also_covered(selector, &stated);
        if others.is_empty() {
            return self.purge_one(selector, mode).await;
        }
        // All of them begin at once.
        let purging = std::iter::once(selector).chain(&others).map(|selector| self.purge_one(selector, mode));
        join_all(purging).await.into_iter().sum()
    }

    async fn purge_one(&self, selector: &Selector, mode: PurgeMode) -> Result<u64, StoreError> {
        let mut removing = self.store.remove(selector, mode, self.now());
        // The tiers of this process are purged at the first step, and the rest may take a commit.
        let begun = poll_fn(|context| Poll::Ready(removing.as_mut().poll(context))).await;
        self.fills.part_with(selector);
        if let Poll::Ready(removed) = begun {
            return removed;
        }
        let removed = removing.await;
        // Where the store took its time to begin, a fetch may have begun in between.
        self.fills.part_with(selector);
        removed
    }

    /// Purges as [`Shared::purge`] does, waiting only until this process gives out nothing of it any more: that other
    /// processes and the disk know as well is the store's affair from then on. A task sees how that ends and counts it.
    /// Where a store is slow there are only so many of them, because clients can ask for any number of invalidations.
    /// For who compares [`Shared::purges`], that is one.
    pub(crate) async fn invalidate(self: &Arc<Self>, selector: Selector) {
        let shared = Arc::clone(self);
        let mut purging = Box::pin(async move {
            let _one = Invalidating::of(&shared);
            match shared.purge_looking_at(&selector, PurgeMode::Hard, LOOKED_AT).await {
                Ok(count) => shared.counters.invalidated.add_n(count),
                Err(error) => shared.store_failed(&error),
            }
        });
        let done = poll_fn(|context| Poll::Ready(purging.as_mut().poll(context))).await;
        if done.is_pending() && self.invalidating.load(Ordering::Relaxed) <= INVALIDATIONS {
            tokio::spawn(purging);
        }
    }

    /// Counts what a store could not do, and tells the log now and then: a store that is down fails every request.
    pub(crate) fn store_failed(&self, error: &StoreError) {
        self.counters.store_failures.add();
        let now = self.now().as_millis();
        let told = self.failure_told.load(Ordering::Relaxed);
        if now.abs_diff(told) >= FAILURE_TOLD_EVERY.as_millis() as u64 {
            self.failure_told.store(now, Ordering::Relaxed);
            tracing::warn!(%error, "store failed; the request goes on without it");
        } else {
            tracing::debug!(%error, "store failed");
        }
    }
}

/// One invalidation that is not at its end.
struct Invalidating<'a>(&'a AtomicUsize);

impl<'a> Invalidating<'a> {
    fn of(shared: &'a Shared) -> Self {
        shared.invalidating.fetch_add(1, Ordering::Relaxed);
        Self(&shared.invalidating)
    }
}

impl Drop for Invalidating<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Above for Shared {
    fn purged(&self, selector: &Selector, mode: PurgeMode, now: Timestamp) {
        self.purges.fetch_add(1, Ordering::SeqCst);
        self.fills.part_with(selector);
        // Who purged has looked at what is stored, and names what else it found there.
        for more in self.search.also_covered(selector, &Stated::NONE) {
            // Once begun it is done, without anyone waiting for it.
            let _ = self.store.remove(&more, mode, now).now_or_never();
            self.fills.part_with(&more);
        }
    }

    fn uses(&self, _: &Key) -> bool {
        false
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

    /// Until when `record`, stored now, is fresh: what stores are told of it.
    pub(crate) fn fresh_until(&self, record: &Record, context: &Context) -> Timestamp {
        let now = self.now();
        let ttl = millpond_policy::time_to_live(record, now, &context.profile);
        now.saturating_add(Duration::from_secs(u64::try_from(ttl).unwrap_or(0)))
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
