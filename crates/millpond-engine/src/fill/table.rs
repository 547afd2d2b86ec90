//! Which fill a request may join.

use super::state::{Fill, Membership};
use foldhash::fast::RandomState;
use millpond_exchange::{Key, VarySelector};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millpond_exchange::Timestamp;

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
}

/// The fills under way, and the keys not worth waiting for.
#[derive(Default)]
pub(crate) struct FillTable {
    fills: Mutex<HashMap<FillKey, Arc<Fill>, RandomState>>,
    unshared: Mutex<HashMap<Key, Timestamp, RandomState>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FillTable {
    /// Joins the fill for `key`, or becomes its leader.
    pub(crate) fn enter(&self, key: &FillKey, now: Timestamp) -> Role {
        if lock(&self.unshared).get(&key.key).is_some_and(|until| now < *until) {
            return Role::Alone;
        }
        let mut fills = lock(&self.fills);
        if let Some(fill) = fills.get(key) {
            return Role::Waiter(fill.join());
        }
        let fill = Fill::new(false);
        fills.insert(key.clone(), Arc::clone(&fill));
        let member = fill.join();
        Role::Leader(fill, member)
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

    /// Takes `fill` out, so that nobody joins it any more. Idempotent.
    pub(crate) fn leave(&self, key: &FillKey, fill: &Arc<Fill>) {
        let mut fills = lock(&self.fills);
        if fills.get(key).is_some_and(|present| Arc::ptr_eq(present, fill)) {
            fills.remove(key);
        }
    }

    /// Remembers that responses of `key` are not shared at the moment.
    pub(crate) fn remember_unshared(&self, key: &Key, now: Timestamp) {
        let mut unshared = lock(&self.unshared);
        if unshared.len() >= MAX_REMEMBERED {
            unshared.retain(|_, until| now < *until);
            if unshared.len() >= MAX_REMEMBERED {
                unshared.clear();
            }
        }
        unshared.insert(key.clone(), now.saturating_add(REMEMBERED));
    }

    /// Forgets it: a shareable response came.
    pub(crate) fn forget_unshared(&self, key: &Key) {
        let mut unshared = lock(&self.unshared);
        if !unshared.is_empty() {
            unshared.remove(key);
        }
    }
}
