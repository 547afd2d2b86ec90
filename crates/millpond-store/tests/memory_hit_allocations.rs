//! Making a key and looking it up allocates nothing. Alone in its binary: it counts every allocation of the process.

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

#[test]
fn a_hit_allocates_nothing() {
    let store = MemoryStore::default();
    let key = key("hit.test", "/path?query");
    let stored = put(&store, &key, record(Timestamp::from_secs(1)), b"content");
    stored.now_or_never().unwrap().unwrap();
    assert!(ask(&store, "/path?query").is_some());
    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        assert!(ask(&store, "/path?query").is_some());
    }
    assert_eq!(region.change().allocations, 0, "allocations for a hit");
    assert!(ask(&store, "/%70ath?query").is_some());
    assert!(region.change().allocations > 0, "the count sees what normalising a path allocates");

    let tiers = Tiered::new(store, Arc::new(MemoryStore::default()));
    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        let buffer = KeyParts::new(Scheme::Http, "hit.test:80", "/path?query").to_buf();
        assert!(tiers.lookup(buffer.as_bytes()).is_some());
    }
    assert_eq!(region.change().allocations, 0, "allocations for a hit before another tier");
}
