//! The state of the memory tier and every change to it.
//!
//! Lookups go to the cache alone: one shard, a read lock, one `Arc` cloned. Changes are made under one mutex, which
//! keeps cache, indexes and purge log in step; bodies that leave are freed after it is released.

use super::changes::Changes;
use super::doorkeeper::Doorkeeper;
use super::index::Index;
use super::ledger::Ledger;
use super::options::{GHOST_SHARE, HOT_SHARE, Layout, MemoryOptions};
use super::slot::{ByBytes, Leavers, Slot};
use crate::{Entry, Epoch, MAX_VARIANTS, NewEntry, PurgeLog, StoreError, Variants, covers};
use foldhash::fast::RandomState;
use millpond_exchange::{Fields, Key, PurgeMode, Record, ResponseHead, Segments, Selector, Timestamp};
use quick_cache::OptionsBuilder;
use quick_cache::sync::Cache;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Slots that left, to be dropped once no lock is held.
pub(super) type Gone = Vec<(Key, Slot)>;

/// Set in the identities of entries that the tier behind this one does not have.
pub(super) const ALONE: u64 = 1 << 63;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cache: Cache<Key, Slot, ByBytes, RandomState, Leavers>,
    hasher: RandomState,
    pub(super) layout: Layout,
    pub(super) ledger: Arc<Ledger>,
    /// False where a tier lies behind this one.
    standalone: AtomicBool,
    pub(super) changes: Changes,
    /// A copy of the purge log's epoch, for reading without the mutex.
    epoch: AtomicU64,
    state: Mutex<State>,
}

/// What the mutex guards.
#[derive(Debug, Default)]
pub(super) struct State {
    index: Index,
    pub(super) purges: PurgeLog,
    doorkeeper: Doorkeeper,
    /// Of bodies that the tier behind was asked for.
    pub(super) readers: Doorkeeper,
    last_id: u64,
    /// The number of the newest list; begins anew after 2^32, when no stamp of the old one is left.
    last_list: u32,
    pub(super) counts: Counts,
}

/// Running figures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) evicted: u64,
    pub(super) index_rows: u64,
    /// What is in the tier weighs this much, bytes.
    weight: u64,
    /// Content in the tier, bytes.
    pub(super) content: u64,
}

impl Shared {
    pub(super) fn new(options: &MemoryOptions) -> Self {
        let layout = Layout::new(options);
        let hasher = RandomState::default();
        let cache_options = OptionsBuilder::new()
            .weight_capacity(layout.weight)
            .estimated_items_capacity(layout.keys as usize)
            .shards(layout.shards as usize)
            .hot_allocation(HOT_SHARE)
            .ghost_allocation(GHOST_SHARE)
            .build()
            .expect("both capacities are given");
        Self {
            cache: Cache::with_options(cache_options, ByBytes, hasher.clone(), Leavers),
            hasher,
            layout,
            ledger: Arc::new(Ledger::new(layout.weight, options.max_in_flight.unwrap_or(options.capacity))),
            standalone: AtomicBool::new(options.standalone),
            changes: Changes::new(),
            epoch: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    pub(super) fn lookup(&self, key: &[u8]) -> Option<Variants> {
        let variants = self.cache.get(key)?.into_variants();
        if let Some(entry) = variants.entries.first() {
            entry.touch();
        }
        Some(variants)
    }

    /// What a lookup that finds nothing says.
    pub(super) fn nothing(&self) -> Variants {
        Variants { complete: self.standalone(), ..Variants::default() }
    }

    /// True when no tier lies behind this one.
    pub(super) fn standalone(&self) -> bool {
        self.standalone.load(Ordering::Relaxed)
    }

    /// From now on a tier lies behind this one.
    pub(super) fn set_before_another(&self) {
        self.standalone.store(false, Ordering::Relaxed);
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch::own(self.epoch.load(Ordering::Acquire))
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.lock();
        Counts { index_rows: state.index.len() as u64, ..state.counts }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    pub(super) fn commit(
        &self,
        new: NewEntry,
        body: Segments,
        trailers: Fields,
    ) -> Result<Arc<Entry>, StoreError> {
        let NewEntry { key, record, head, epoch, .. } = new;
        let (entry, _gone) = {
            let mut state = self.lock();
            state.purges.check(epoch, &key, &[&record])?;
            state.last_id += 1;
            // The tier behind gives the identities of what it has; what only this one has must not be taken for that.
            let alone = if self.standalone() { 0 } else { ALONE };
            let (id, body_len) = (state.last_id | alone, body.len());
            let entry = Entry { key: key.clone(), record, head, body: Some(body), body_len, trailers, id };
            let entry = Arc::new(entry);
            let old = self.cache.peek(key.as_bytes());
            let list = in_front(&entry, old.as_ref());
            (entry, self.place(&mut state, &key, old, list))
        };
        Ok(entry)
    }

    pub(super) fn refresh(
        &self,
        entry: &Entry,
        record: Record,
        head: ResponseHead,
        epoch: Epoch,
    ) -> Result<Arc<Entry>, StoreError> {
        let key = &entry.key;
        let (entry, _gone) = {
            let mut state = self.lock();
            let Some(old) = self.cache.peek(key.as_bytes()) else { return Err(StoreError::Gone) };
            let Some(current) = old.entries().iter().find(|other| other.id == entry.id) else {
                return Err(StoreError::Gone);
            };
            state.purges.check(epoch, key, &[&current.record, &record])?;
            let fresh = Arc::new(refreshed(current, record, head));
            let list = in_front(&fresh, Some(&old));
            (fresh, self.place(&mut state, key, Some(old), list))
        };
        Ok(entry)
    }

    pub(super) fn remove(&self, selector: &Selector, mode: PurgeMode, now: Timestamp) -> u64 {
        let mut state = self.lock();
        let epoch = state.purges.advance(selector);
        self.epoch.store(epoch.own, Ordering::Release);
        let (removed, gone) = self.apply(&mut state, selector, mode, now);
        drop(state);
        drop(gone);
        removed
    }

    /// Does to what is here what a purge does, and leaves the epoch as it is.
    pub(super) fn apply(
        &self,
        state: &mut State,
        selector: &Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> (u64, Gone) {
        let mut gone = Gone::new();
        let mut removed = 0;
        for key in state.index.candidates(selector) {
            let Some(old) = self.cache.peek(key.as_bytes()) else { continue };
            let covered = |entry: &&Arc<Entry>| covers(selector, &key, &entry.record);
            let count = old.entries().iter().filter(covered).count() as u64;
            if count == 0 {
                continue;
            }
            let list = match mode {
                PurgeMode::Hard => old.entries().iter().filter(|entry| !covered(entry)).cloned().collect(),
                PurgeMode::Soft => {
                    let marked =
                        |entry| if covered(&entry) { stale_from(entry, now) } else { Arc::clone(entry) };
                    old.entries().iter().map(marked).collect()
                }
            };
            removed += count;
            gone.extend(self.place(state, &key, Some(old), list));
        }
        (removed, gone)
    }

    /// Puts `list` in the place of `old` under `key`, as far as it fits, and keeps index and ledger in step. Gives back
    /// what is to be dropped after the mutex. A list that was complete stays so.
    pub(super) fn place(
        &self,
        state: &mut State,
        key: &Key,
        old: Option<Slot>,
        list: Vec<Arc<Entry>>,
    ) -> Gone {
        let complete = self.standalone() || old.as_ref().is_some_and(Slot::complete);
        if list.is_empty() {
            return self.take_out(state, key, old.as_ref());
        }
        let slot = self.fitting(state, list, complete);
        let Some(slot) = slot.filter(|slot| self.admits(state, key, old.as_ref(), slot)) else {
            state.counts.refused += 1;
            // What was there is older than what was refused, and must not outlive it.
            return self.take_out(state, key, old.as_ref());
        };
        self.put_in(state, key, old, &slot)
    }

    /// Takes `old` out, which is what lies under `key`.
    pub(super) fn take_out(&self, state: &mut State, key: &Key, old: Option<&Slot>) -> Gone {
        self.changes.note(self.hash(key));
        let gone = self.cache.remove(key.as_bytes()).into_iter().collect();
        state.forget(key, old);
        self.settle(state);
        gone
    }

    /// Puts `slot` in the place of `old`, which is what lies under `key`.
    pub(super) fn put_in(&self, state: &mut State, key: &Key, old: Option<Slot>, slot: &Slot) -> Gone {
        let mut gone = Gone::new();
        self.changes.note(self.hash(key));
        self.cache.insert_with_lifecycle(key.clone(), slot.clone(), &mut gone);
        state.note(key, old.as_ref(), slot);
        for (key, leaver) in &gone {
            if !old.as_ref().is_some_and(|old| old.is(leaver)) {
                state.counts.evicted += leaver.entries().len() as u64;
                state.forget(key, Some(leaver));
            }
        }
        gone.extend(old.map(|old| (key.clone(), old)));
        self.settle(state);
        gone
    }

    /// As much of `list`, from the newest on, as one key may weigh; none when the newest alone is too heavy.
    pub(super) fn fitting(
        &self,
        state: &mut State,
        mut list: Vec<Arc<Entry>>,
        mut complete: bool,
    ) -> Option<Slot> {
        list.truncate(MAX_VARIANTS);
        state.last_list = state.last_list.wrapping_add(1);
        loop {
            let slot = Slot::new(list.as_slice().into(), complete, state.last_list);
            if slot.weight() <= self.layout.max_key {
                return Some(slot);
            }
            list.pop();
            complete = self.standalone();
            if list.is_empty() {
                return None;
            }
        }
    }

    fn settle(&self, state: &State) {
        self.ledger.set_bookkeeping(state.counts.weight.saturating_sub(state.counts.content));
    }

    pub(super) fn hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Whether `slot` may come in. The cache itself protects what is in use from light newcomers; a heavy one would
    /// push out much at once, so it comes in only where there is room, or when asked for a second time.
    pub(super) fn admits(&self, state: &mut State, key: &Key, old: Option<&Slot>, slot: &Slot) -> bool {
        if !self.bears(state, old, slot) {
            return false;
        }
        let room = self.layout.weight.saturating_sub(self.cache.weight());
        old.is_some()
            || slot.weight() <= self.layout.light
            || slot.weight() <= room / self.layout.shards
            || state.doorkeeper.knows(self.hash(key))
    }

    /// Whether there is room for the heads of `slot`; its content is live already. Always, unless readers of what left
    /// the tier hold so much that even a full tier would be no compensation.
    pub(super) fn bears(&self, state: &State, old: Option<&Slot>, slot: &Slot) -> bool {
        let bookkeeping = |slot: &Slot| slot.weight().saturating_sub(slot.content());
        let more = bookkeeping(slot).saturating_sub(old.map_or(0, bookkeeping));
        let in_tier = state.counts.content + slot.content().saturating_sub(old.map_or(0, Slot::content));
        more == 0 || self.ledger.bears(more) || self.ledger.outside_is_modest(in_tier)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state usable at each step, so a panic elsewhere is no reason to stop caching.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// `slot` has come into the cache in the place of `old`.
    fn note(&mut self, key: &Key, old: Option<&Slot>, slot: &Slot) {
        self.index.replace(key, old.into_iter().flat_map(Slot::records), slot.records());
        if let Some(old) = old {
            self.counts.without(old);
        }
        self.counts.entries += slot.entries().len() as u64;
        self.counts.weight += slot.weight();
        self.counts.content += slot.content();
        self.counts.admitted += 1;
    }

    /// `slot` has left the cache.
    fn forget(&mut self, key: &Key, slot: Option<&Slot>) {
        let Some(slot) = slot else { return };
        self.index.replace(key, slot.records(), std::iter::empty());
        self.counts.without(slot);
    }
}

impl Counts {
    fn without(&mut self, slot: &Slot) {
        self.entries = self.entries.saturating_sub(slot.entries().len() as u64);
        self.weight = self.weight.saturating_sub(slot.weight());
        self.content = self.content.saturating_sub(slot.content());
    }
}

/// `entry`, and after it what it leaves of `old`.
pub(super) fn in_front(entry: &Arc<Entry>, old: Option<&Slot>) -> Vec<Arc<Entry>> {
    let others = old.into_iter().flat_map(Slot::entries);
    let others = others.filter(|other| other.id != entry.id && !entry.replaces(other));
    std::iter::once(entry).chain(others).cloned().collect()
}

/// `entry`, stale from `now` on at the latest.
fn stale_from(entry: &Arc<Entry>, now: Timestamp) -> Arc<Entry> {
    let mut marked = Entry::clone(entry);
    marked.record.stale_from = Some(marked.record.stale_from.map_or(now, |already| already.min(now)));
    Arc::new(marked)
}

/// `entry` with another record and head; the body is shared.
fn refreshed(entry: &Entry, record: Record, head: ResponseHead) -> Entry {
    Entry {
        key: entry.key.clone(),
        record,
        head,
        body: entry.body.clone(),
        body_len: entry.body_len,
        trailers: entry.trailers.clone(),
        id: entry.id,
    }
}
