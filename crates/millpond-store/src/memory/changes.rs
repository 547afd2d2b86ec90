//! Whether something happened to a key while the tier behind was asked: a table of counters of fixed size.
//!
//! Why not compare lists: a list that came and left again looks as if nothing had happened.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counters; a power of two. Keys that share one refuse each other a change now and then, never let a wrong one through.
const COUNTERS: usize = 4096;

/// Counts the changes of each key, together with those of some others. 16 KiB.
#[derive(Debug)]
pub(super) struct Changes(Box<[AtomicU32]>);

impl Changes {
    pub(super) fn new() -> Self {
        Self((0..COUNTERS).map(|_| AtomicU32::new(0)).collect())
    }

    /// Notes a change of the key with this hash.
    pub(super) fn note(&self, hash: u64) {
        self.counter(hash).fetch_add(1, Ordering::AcqRel);
    }

    /// A number that every change alters.
    pub(super) fn of(&self, hash: u64) -> u32 {
        self.counter(hash).load(Ordering::Acquire)
    }

    fn counter(&self, hash: u64) -> &AtomicU32 {
        &self.0[hash as usize % COUNTERS]
    }
}
