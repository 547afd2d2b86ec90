//! What keys the file may have, so that a lookup of one it has not costs no read: hashes of keys in a Bloom filter.
//!
//! What must not live here: SQL, lookups.
//!
//! # Why a no can be believed
//!
//! A row is in the filter before its transaction ends, hence before what waits forgets the entry; and lookups ask first
//! what waits. All that the filter lacks are rows other processes wrote since the file was last looked at: what they
//! store is found after one poll at the latest. Until the filter is filled from the index, and whenever the file becomes
//! another one, there is none, and everything may be there.
//!
//! Rows have ascending numbers that are never used twice, and whoever adds a row takes the next one from the file. So
//! one number says which rows a filter has seen ([`Filters::seen`]), and a transaction sees by it whether the filter
//! speaks for the whole file: then a new entry need not look for older ones of its key.
//!
//! Rows that leave stay in the filter. Once as many were added as it has room for, another one is filled behind it.

mod bloom;

use bloom::Bloom;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

/// Room is made for this many times the rows there are.
const GROWTH: u64 = 2;

/// Where the index has been read up to: URL and hash of the last row.
pub(crate) type At = (String, i64);

/// A filter that is being filled.
struct Coming {
    bloom: Bloom,
    room: u64,
    at: At,
}

/// The filter in use, and the next one. Changed by the thread that writes; asked by all.
#[derive(Default)]
pub(crate) struct Filters {
    present: RwLock<Option<Bloom>>,
    coming: Mutex<Option<Coming>>,
    /// Every row with a smaller number is in both, or will be read from the index for the one that is coming.
    seen: AtomicI64,
    /// True when a transaction met rows that are in neither.
    behind: AtomicBool,
    /// Hashes added to the present one, and how many it has room for.
    added: AtomicU64,
    room: AtomicU64,
}

impl Filters {
    /// True when no row has this hash, as far as this process knows.
    pub(crate) fn excludes(&self, hash: i64) -> bool {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        present.as_ref().is_some_and(|bloom| !bloom.may_have(hash as u64))
    }

    /// A row with this hash is about to be committed, or was by another process.
    pub(crate) fn add(&self, hash: i64) {
        if let Some(bloom) = &*self.present.read().unwrap_or_else(PoisonError::into_inner) {
            bloom.add(hash as u64);
        }
        if let Some(coming) = &*self.coming() {
            coming.bloom.add(hash as u64);
        }
        self.added.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing is known any more: the file may be another one.
    pub(crate) fn reset(&self) {
        *self.coming() = None;
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.behind.store(false, Ordering::Relaxed);
    }

    /// Whether a filter is to be filled now, where the file has `entries`.
    pub(crate) fn is_due(&self, entries: u64, from: u64) -> bool {
        if self.coming().is_some() {
            return false;
        }
        if self.is_present() {
            return self.added.load(Ordering::Relaxed) > self.room.load(Ordering::Relaxed);
        }
        entries >= from.max(1)
    }

    /// Begins a filter for `entries` rows. `next` is the number the next row will get.
    pub(crate) fn begin(&self, entries: u64, next: i64) {
        let room = entries.saturating_mul(GROWTH);
        if !self.is_present() {
            self.seen.store(next, Ordering::Relaxed);
        }
        let bloom = Bloom::new(room);
        self.added.store(0, Ordering::Relaxed);
        *self.coming() = Some(Coming { bloom, room: room - entries, at: (String::new(), i64::MIN) });
    }

    /// Where to read on in the index, if a filter is being filled.
    pub(crate) fn wants(&self) -> Option<At> {
        self.coming().as_ref().map(|coming| coming.at.clone())
    }

    /// Hashes from the index, up to the row `at`; none where there are no more.
    pub(crate) fn fill(&self, hashes: &[i64], at: Option<At>) {
        let mut coming = self.coming();
        let Some(next) = coming.as_mut() else { return };
        for hash in hashes {
            next.bloom.add(*hash as u64);
        }
        if let Some(at) = at {
            next.at = at;
            return;
        }
        self.room.store(next.room, Ordering::Relaxed);
        let bloom = coming.take().map(|coming| coming.bloom);
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = bloom;
    }

    /// True when all rows below the number `next` are known: those of other processes too.
    pub(crate) fn speaks_for(&self, next: i64) -> bool {
        let known = self.seen.load(Ordering::Relaxed) == next;
        if !known {
            self.behind.store(true, Ordering::Relaxed);
        }
        known && self.is_present()
    }

    /// The number of the first row that is not known, where there may be some.
    pub(crate) fn missing(&self) -> Option<i64> {
        let some = self.behind.load(Ordering::Relaxed) && (self.is_present() || self.coming().is_some());
        some.then(|| self.seen.load(Ordering::Relaxed))
    }

    /// Another process wrote something.
    pub(crate) fn changed_elsewhere(&self) {
        self.behind.store(true, Ordering::Relaxed);
    }

    /// All rows below the number `next` are known; `all` where these are all there are.
    pub(crate) fn saw(&self, next: i64, all: bool) {
        self.seen.store(next, Ordering::Relaxed);
        if all {
            self.behind.store(false, Ordering::Relaxed);
        }
    }

    fn is_present(&self) -> bool {
        self.present.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn coming(&self) -> MutexGuard<'_, Option<Coming>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_there_is_none_everything_may_be_there() {
        let filters = Filters::default();
        assert!(!filters.excludes(1) && filters.is_due(10, 5) && !filters.is_due(4, 5));
        filters.begin(10, 100);
        assert!(!filters.excludes(1) && !filters.is_due(10, 5));
        filters.add(7);
        filters.fill(&[1, 2], Some(("u".to_owned(), 2)));
        assert!(!filters.excludes(99));
        assert_eq!(filters.wants(), Some(("u".to_owned(), 2)));
        filters.fill(&[3], None);
        assert!([1, 2, 3, 7].iter().all(|hash| !filters.excludes(*hash)) && filters.excludes(1 << 40));
        filters.reset();
        assert!(!filters.excludes(1 << 40));
    }

    #[test]
    fn when_much_was_added_another_one_is_filled_behind_it() {
        let hash = |number: i64| number.wrapping_mul(0x1e37_79b9_7f4a_7c15);
        let filters = Filters::default();
        filters.begin(10, 100);
        filters.fill(&[], None);
        (0..11).for_each(|number| filters.add(hash(number)));
        assert!(filters.is_due(5, 5));
        filters.begin(5, 111);
        // One that comes meanwhile is in both.
        filters.add(hash(50));
        assert!(!filters.excludes(hash(50)) && !filters.excludes(hash(3)));
        filters.fill(&[hash(2)], None);
        assert!(!filters.excludes(hash(50)) && !filters.excludes(hash(2)) && filters.excludes(hash(3)));
    }

    #[test]
    fn rows_of_other_processes_are_missed_by_their_numbers() {
        let filters = Filters::default();
        filters.begin(10, 100);
        assert!(!filters.speaks_for(100), "not filled yet");
        filters.fill(&[], None);
        assert!(filters.speaks_for(100) && filters.missing().is_none());
        assert!(!filters.speaks_for(101));
        assert_eq!(filters.missing(), Some(100));
        filters.saw(101, true);
        assert!(filters.speaks_for(101) && filters.missing().is_none());
    }
}
