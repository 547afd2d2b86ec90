//! Which fill a request may join.

use super::state::{Fill, Membership};
use foldhash::fast::RandomState;
use millpond_exchange::{Key, Selector, Timestamp, VarySelector};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a key whose response was not storable is fetched without waiting for each other.
const REMEMBERED: Duration = Duration::from_secs(10);
/// The largest number of such keys remembered.
const MAX_REMEMBERED: usize = 16 * 1024;

/// What makes two fetches the same: the key, and the values of the request fields its responses vary on, as far as they are
/// known before the response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FillKey {
    pub key: Key,
    pub selectors: Box<[VarySelector]>,
}

/// What a request is to a fill.
pub(crate) enum Role {
    /// The first: it runs the fetch.
    Leader(Arc<Fill>, Membership),
    /// One of those who wait for it.
    Waiter(Membership),
    /// There is no waiting for this key at the moment.
    Alone,
    /// What the request found in the store is out of date: a fill ended meanwhile.
    Changed,
}

/// The fills under way, and the keys not worth waiting for.
#[derive(Default)]
pub(crate) struct FillTable {
    fills: Mutex<HashMap<FillKey, Arc<Fill>, RandomState>>,
    unshared: Mutex<HashMap<Key, Unshared, RandomState>>,
}

/// Until when requests for a key do not wait for each other.
#[derive(Clone, Copy, Default)]
struct Unshared {
    /// Any of them.
    everyone: Timestamp,
    /// Those that name their user.
    named: Timestamp,
}

impl Unshared {
    fn over(&self, now: Timestamp) -> bool {
        self.everyone.max(self.named) <= now
    }
}

/// Whom an answer that may not be shared concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// Whoever asks for this.
    Everyone,
    /// Those whose request names its user.
    Named,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `selector` may cover a response for `key` whose head is not known yet.
fn may_cover(selector: &Selector, key: &Key) -> bool {
    match selector {
        Selector::All => true,
        Selector::Key(wanted) => wanted == key,
        Selector::Url(url) => key.url() == *url,
        Selector::Prefix(prefix) => key.url().starts_with(prefix),
        Selector::Host(authority) => key.authority() == authority,
        Selector::Tag { origin, .. } => origin.as_ref().is_none_or(|origin| key.origin() == *origin),
        Selector::Group { origin, .. } => key.origin() == *origin,
    }
}

impl FillTable {
    /// Joins the fill for `key`, or becomes its leader. `named` says that the request names its user. `unchanged` looks
    /// whether the store still has what the request found there: a fill commits before it leaves this table, so whoever
    /// finds neither fill nor change is the first. It is asked under the lock, hence must be quick.
    pub(crate) fn enter(
        &self,
        key: &FillKey,
        named: bool,
        now: Timestamp,
        unchanged: impl FnOnce() -> bool,
    ) -> Role {
        if self.is_unshared(&key.key, named, now) {
            return Role::Alone;
        }
        let mut fills = lock(&self.fills);
        if let Some(fill) = fills.get(key) {
            return Role::Waiter(fill.join());
        }
        if !unchanged() {
            return Role::Changed;
        }
        let fill = Fill::new(false);
        fills.insert(key.clone(), Arc::clone(&fill));
        let member = fill.join();
        Role::Leader(fill, member)
    }

    /// Joins the fill for `key` if there is one that others than its leader may join.
    pub(crate) fn join(&self, key: &FillKey, named: bool, now: Timestamp) -> Option<Membership> {
        if self.is_unshared(&key.key, named, now) {
            return None;
        }
        lock(&self.fills).get(key).map(Fill::join)
    }

    /// Starts a fill without a reader, unless there is one for `key` already.
    pub(crate) fn enter_detached(&self, key: &FillKey) -> Option<Arc<Fill>> {
        let mut fills = lock(&self.fills);
        if fills.contains_key(key) {
            return None;
        }
        let fill = Fill::new(true);
        fills.insert(key.clone(), Arc::clone(&fill));
        Some(fill)
    }

    /// Lets others join `fill` at another place too, unless there is one already or `purged` says that a purge came: it may
    /// have taken the fill out. It is asked under the lock, so that a purge which counts later finds the fill there.
    pub(crate) fn join_at(&self, key: &FillKey, fill: &Arc<Fill>, purged: impl FnOnce() -> bool) {
        let mut fills = lock(&self.fills);
        if !purged() {
            fills.entry(key.clone()).or_insert_with(|| Arc::clone(fill));
        }
    }

    /// Takes out every fill whose response `selector` covers, or may cover: it goes on for those who wait, and nobody
    /// joins it any more.
    pub(crate) fn part_with(&self, selector: &Selector) {
        lock(&self.fills).retain(|place, fill| match fill.head() {
            Some(head) => !millpond_store::covers(selector, &place.key, &head.record),
            None => !may_cover(selector, &place.key),
        });
    }

    /// Takes `fill` out, so that nobody joins it any more. Idempotent.
    pub(crate) fn leave(&self, key: &FillKey, fill: &Arc<Fill>) {
        let mut fills = lock(&self.fills);
        if fills.get(key).is_some_and(|present| Arc::ptr_eq(present, fill)) {
            fills.remove(key);
        }
    }

    fn is_unshared(&self, key: &Key, named: bool, now: Timestamp) -> bool {
        let unshared = lock(&self.unshared);
        unshared.get(key).is_some_and(|until| now < until.everyone || (named && now < until.named))
    }

    /// Remembers that responses of `key` are not shared at the moment.
    pub(crate) fn remember_unshared(&self, key: &Key, concerns: Concerns, now: Timestamp) {
        let mut unshared = lock(&self.unshared);
        if unshared.len() >= MAX_REMEMBERED {
            unshared.retain(|_, until| !until.over(now));
            if unshared.len() >= MAX_REMEMBERED {
                unshared.clear();
            }
        }
        let until = unshared.entry(key.clone()).or_default();
        match concerns {
            Concerns::Everyone => until.everyone = now.saturating_add(REMEMBERED),
            Concerns::Named => until.named = now.saturating_add(REMEMBERED),
        }
    }

    /// Forgets it: a shareable response came.
    pub(crate) fn forget_unshared(&self, key: &Key) {
        let mut unshared = lock(&self.unshared);
        if !unshared.is_empty() {
            unshared.remove(key);
        }
    }
}
