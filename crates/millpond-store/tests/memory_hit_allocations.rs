//! Making a key and looking it up allocates nothing. Alone in its binary: it counts every allocation of the process, those of
//! the thread that runs the tests too, which is why the fewest of several times count.

use futures_util::FutureExt;
use millpond_exchange::{KeyParts, Scheme, Timestamp};
use millpond_store::laws::{key, put, record};
use millpond_store::{MemoryStore, Tiered, Variants};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn ask(store: &MemoryStore, path: &str) -> Option<Variants> {
    store.lookup(KeyParts::new(Scheme::Http, "hit.test:80", path).to_buf().as_bytes())
}

/// Allocations of `work` itself.
fn allocations(work: impl Fn()) -> usize {
    let once = |_| {
        let region = Region::new(ALLOCATOR);
        work();
        region.change().allocations
    };
    (0..10).map(once).min().unwrap_or_default()
}

#[test]
fn a_hit_allocates_nothing() {
    let store = MemoryStore::default();
    let key = key("hit.test", "/path?query");
    let stored = put(&store, &key, record(Timestamp::from_secs(1)), b"content");
    stored.now_or_never().unwrap().unwrap();
    assert!(ask(&store, "/path?query").is_some());
    let hit = || assert!(ask(&store, "/path?query").is_some());
    assert_eq!(allocations(hit), 0, "allocations for a hit");
    let other_spelling = || assert!(ask(&store, "/%70ath?query").is_some());
    assert!(allocations(other_spelling) > 0, "the count sees what normalising a path allocates");

    let tiers = Tiered::new(store.clone(), Arc::new(MemoryStore::default()));
    let hit = || {
        let buffer = KeyParts::new(Scheme::Http, "hit.test:80", "/path?query").to_buf();
        assert!(tiers.lookup(buffer.as_bytes()).is_some());
    };
    assert_eq!(allocations(hit), 0, "allocations for a hit before another tier");
}
