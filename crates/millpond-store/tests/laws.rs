//! The law suite, held against the stores of this crate.

use millpond_store::laws::{LAWS, LAWS_OF_NOTHING, broken, laws_for};
use millpond_store::{MemoryOptions, MemoryStore, NoStore, Store, Tiered};
use std::sync::Arc;

fn report(violations: &[millpond_store::laws::Violation]) {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[tokio::test]
async fn the_memory_store_keeps_the_laws() {
    assert_eq!(laws_for(&MemoryStore::default().capabilities()).len(), LAWS.len());
    report(&broken(async || Arc::new(MemoryStore::default()) as Arc<dyn Store>).await);
}

#[tokio::test]
async fn the_memory_store_before_another_tier_keeps_the_laws() {
    let options = MemoryOptions { capacity: 8 << 20, standalone: false, ..MemoryOptions::default() };
    report(&broken(async || Arc::new(MemoryStore::new(options)) as Arc<dyn Store>).await);
}

#[tokio::test]
async fn two_tiers_keep_the_laws() {
    let tiers = async || {
        Arc::new(Tiered::new(MemoryStore::default(), Arc::new(MemoryStore::default()))) as Arc<dyn Store>
    };
    assert_eq!(laws_for(&tiers().await.capabilities()).len(), LAWS.len());
    report(&broken(tiers).await);
}

#[tokio::test]
async fn a_small_tier_before_a_large_one_keeps_the_laws() {
    let small = MemoryOptions { capacity: 256 << 10, ..MemoryOptions::default() };
    let tiers = async || {
        Arc::new(Tiered::new(MemoryStore::new(small), Arc::new(MemoryStore::default()))) as Arc<dyn Store>
    };
    report(&broken(tiers).await);
}

#[tokio::test]
async fn one_tier_alone_keeps_the_laws() {
    report(&broken(async || Arc::new(Tiered::alone(MemoryStore::default())) as Arc<dyn Store>).await);
}

#[tokio::test]
async fn the_store_of_nothing_keeps_its_laws() {
    assert_eq!(laws_for(&NoStore::new().capabilities()).len(), LAWS_OF_NOTHING.len());
    report(&broken(async || Arc::new(NoStore::new()) as Arc<dyn Store>).await);
}
