//! What is found through two tiers: lists that are whole, bodies from whichever tier has them, and when memory is asked
//! alone.

mod tiers;

use bytes::Bytes;
use millpond_exchange::{Fields, Key};
use millpond_store::laws::{UNTIL, body_of, entry, head, key};
use millpond_store::{MemoryOptions, MemoryStore, NoStore, Store, StoreError, Tiered};
use std::sync::Arc;
use tiers::{bodies, evict, held, keep, tiers, tiers_of, variant};

fn page() -> Key {
    key("tier.test", "/page")
}

#[tokio::test]
async fn what_memory_lost_is_found_below_and_promoted() {
    let (tiers, lower) = tiers();
    let stored = keep(&tiers, &page(), variant("a", 1), "content").await;
    assert_eq!(lower.ids(&page()), [stored.id], "one identity in both tiers");
    assert_eq!(held(&tiers, &page()), [stored.id], "one identity in both tiers");
    evict(&tiers, &page()).await;
    assert!(tiers.lookup(page().as_bytes()).is_none());
    assert_eq!(bodies(&tiers, &page()).await, ["content"]);
    let promoted = tiers.lookup(page().as_bytes()).unwrap();
    assert!(promoted.complete);
    assert_eq!(promoted.entries[0].id, stored.id);
    assert!(promoted.entries[0].body.is_some());
    let stats = tiers.stats();
    assert_eq!((stats.lookups, stats.found, stats.promoted, stats.reads), (1, 1, 1, 0));
    assert_eq!(bodies(&tiers, &page()).await, ["content"]);
    assert_eq!(tiers.stats(), stats, "a complete list asks nobody");
}

#[tokio::test]
async fn a_list_that_memory_has_in_part_is_made_whole() {
    let (tiers, _lower) = tiers();
    for value in ["a", "b", "c"] {
        keep(&tiers, &page(), variant(value, 1), value).await;
    }
    evict(&tiers, &page()).await;
    keep(&tiers, &page(), variant("d", 1), "d").await;
    let part = tiers.lookup(page().as_bytes()).unwrap();
    assert_eq!((part.entries.len(), part.complete), (1, false));
    assert_eq!(bodies(&tiers, &page()).await, ["d", "c", "b", "a"]);
    let whole = tiers.lookup(page().as_bytes()).unwrap();
    assert_eq!((whole.entries.len(), whole.complete), (4, true));
    keep(&tiers, &page(), variant("e", 1), "e").await;
    let longer = tiers.lookup(page().as_bytes()).unwrap();
    assert_eq!((longer.entries.len(), longer.complete), (5, true), "a complete list stays so");
}

#[tokio::test]
async fn a_miss_below_is_a_miss_and_keeps_nothing() {
    let (tiers, _lower) = tiers();
    let found = tiers.variants(&page()).await.unwrap();
    assert!(found.complete && found.entries.is_empty());
    assert_eq!(tiers.memory().stats().entries, 0);
    assert_eq!(tiers.stats().found, 0);
}

#[tokio::test]
async fn a_body_that_memory_does_not_take_is_kept_as_a_head() {
    let (tiers, lower) = tiers_of(256 << 10);
    lower.set_inline(1_000);
    let large = "x".repeat(100_000);
    let stored = keep(&tiers, &page(), variant("a", 1), &large).await;
    let found = tiers.lookup(page().as_bytes()).unwrap();
    assert_eq!((found.entries[0].id, found.entries[0].body_len), (stored.id, 100_000));
    assert!(found.entries[0].body.is_none());
    assert!(tiers.memory().stats().bytes < 10_000, "a head weighs no body");
    let alone = tiers.memory().read(&found.entries[0], None).await;
    assert_eq!(alone.unwrap_err(), StoreError::Gone);
    assert_eq!(body_of(&tiers, &found.entries[0], None).await.unwrap(), large.as_bytes());
    assert_eq!(body_of(&tiers, &found.entries[0], Some(5..9)).await.unwrap(), b"xxxx");
    let fresh =
        tiers.refresh(&found.entries[0], variant("a", 2), head("fresh"), UNTIL, tiers.epoch()).await.unwrap();
    assert_eq!(body_of(&tiers, &fresh, None).await.unwrap(), large.as_bytes());
}

#[tokio::test]
async fn a_body_read_twice_comes_into_memory() {
    let (tiers, lower) = tiers();
    lower.set_inline(1_000);
    let content = "y".repeat(20_000);
    keep(&tiers, &page(), variant("a", 1), &content).await;
    evict(&tiers, &page()).await;
    for (reads, kept) in [(1, false), (2, true), (2, true)] {
        let list = tiers.variants(&page()).await.unwrap();
        assert_eq!(body_of(&tiers, &list.entries[0], None).await.unwrap(), content.as_bytes());
        let now = tiers.lookup(page().as_bytes()).unwrap();
        assert!(now.complete);
        assert_eq!((tiers.stats().reads, now.entries[0].body.is_some()), (reads, kept));
    }
    let stats = tiers.memory().stats();
    assert_eq!((tiers.stats().bodies_promoted, stats.live_bytes, stats.held_bytes), (1, 20_000, 0));
}

/// A body is not taken in where readers of others hold all the room there is, and is given all the same.
#[tokio::test]
async fn a_body_for_which_there_is_no_room_stays_below() {
    let lower = Arc::new(tiers::Lower::default());
    let memory =
        MemoryOptions { capacity: 64 << 10, max_in_flight: Some(64 << 10), ..MemoryOptions::default() };
    let tiers = Tiered::new(MemoryStore::new(memory), Arc::<tiers::Lower>::clone(&lower));
    lower.set_inline(1_000);
    let mut held = Vec::new();
    for at in 0..20 {
        let key = key("tier.test", &format!("/{at}"));
        let content = format!("{at:02}").repeat(6_000);
        keep(&tiers, &key, variant("a", 1), &content).await;
        evict(&tiers, &key).await;
        for _ in 0..3 {
            let list = tiers.variants(&key).await.unwrap();
            let body = tiers.read(&list.entries[0], None).await.unwrap();
            assert_eq!(body.length(), Some(12_000));
            assert_eq!(body_of(&tiers, &list.entries[0], None).await.unwrap(), content.as_bytes());
            held.push(body);
        }
        let stats = tiers.memory().stats();
        assert!(stats.live_bytes <= 128 << 10, "{stats:?}");
    }
}

#[tokio::test]
async fn a_head_whose_body_is_gone_leaves() {
    let (tiers, lower) = tiers();
    lower.set_inline(1_000);
    keep(&tiers, &page(), variant("a", 1), "small").await;
    keep(&tiers, &page(), variant("b", 1), &"z".repeat(5_000)).await;
    evict(&tiers, &page()).await;
    let list = tiers.variants(&page()).await.unwrap();
    let large = &list.entries[0];
    lower
        .inner
        .remove(&millpond_exchange::Selector::All, millpond_exchange::PurgeMode::Hard, tiers::NOW)
        .await
        .unwrap();
    assert_eq!(tiers.read(large, None).await.unwrap_err(), StoreError::Gone);
    let left = tiers.lookup(page().as_bytes()).unwrap();
    assert_eq!(left.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [list.entries[1].id]);
}

#[tokio::test]
async fn promoted_bodies_are_accounted_for() {
    let (tiers, _lower) = tiers();
    for at in 0..20 {
        let key = key("tier.test", &format!("/{at}"));
        keep(&tiers, &key, variant("a", 1), &"b".repeat(1_000)).await;
        evict(&tiers, &key).await;
        tiers.variants(&key).await.unwrap();
    }
    let stats = tiers.memory().stats();
    assert_eq!((stats.entries, stats.live_bytes, stats.held_bytes), (20, 20_000, 0));
}

#[tokio::test]
async fn a_list_too_heavy_for_memory_is_answered_all_the_same() {
    let (tiers, _lower) = tiers_of(256 << 10);
    let large: Vec<String> = ["a", "b", "c", "d", "e"].map(|value| value.repeat(60_000)).into();
    for body in &large {
        keep(&tiers, &page(), variant(&body[..1], 1), body).await;
    }
    for _ in 0..3 {
        let found = bodies(&tiers, &page()).await;
        assert!(found.iter().rev().eq(&large), "a body is missing");
        let stats = tiers.memory().stats();
        assert!(stats.bytes <= stats.capacity);
    }
}

/// A scan of the tier below does not push out of memory what is in use there.
#[tokio::test]
async fn a_scan_below_leaves_memory_in_peace() {
    let (tiers, lower) = tiers_of(256 << 10);
    let path = |at: usize| key("tier.test", &format!("/{at}"));
    for at in 0..400 {
        keep(&*lower, &path(at), variant("a", 1), &"s".repeat(2_000)).await;
    }
    let hot = key("tier.test", "/hot");
    keep(&tiers, &hot, variant("a", 1), "hot").await;
    for at in 0..400 {
        assert!(tiers.lookup(hot.as_bytes()).is_some(), "pushed out by the {at}th of a scan");
        assert_eq!(tiers.variants(&path(at)).await.unwrap().entries.len(), 1);
    }
}

/// Nor does a scan of heavy ones, each asked for once.
#[tokio::test]
async fn a_scan_of_heavy_entries_below_leaves_memory_in_peace() {
    let (tiers, lower) = tiers_of(256 << 10);
    let hot = |at: usize| key("hot.test", &format!("/{at}"));
    let heavy = |at: usize| key("heavy.test", &format!("/{at}"));
    for at in 0..200 {
        keep(&tiers, &hot(at), variant("a", 1), &"h".repeat(2_000)).await;
        assert!(tiers.lookup(hot(at).as_bytes()).is_some());
        keep(&*lower, &heavy(at), variant("a", 1), &"s".repeat(20_000)).await;
    }
    let in_memory = || (0..200).filter(|at| tiers.memory().holds(hot(*at).as_bytes())).count();
    let before = in_memory();
    assert!(before > 50, "memory is full of {before}");
    for at in 0..200 {
        assert_eq!(tiers.variants(&heavy(at)).await.unwrap().entries.len(), 1);
    }
    assert_eq!(in_memory(), before, "pushed out by a scan");
    // Once to be noted below, where another may have had its place since, once at memory's door.
    for _ in 0..3 {
        tiers.variants(&heavy(7)).await.unwrap();
    }
    assert!(tiers.memory().holds(heavy(7).as_bytes()), "what is asked for again comes in");
    lower.set_inline(1_000);
    for (read, comes_in) in [(1, false), (2, true)] {
        let list = tiers.variants(&heavy(8)).await.unwrap();
        body_of(&tiers, &list.entries[0], None).await.unwrap();
        let now = tiers.lookup(heavy(8).as_bytes()).unwrap();
        assert_eq!(now.entries[0].body.is_some(), comes_in, "after {read} reads of the body");
    }
}

#[tokio::test]
async fn writing_goes_on_with_the_tier_that_takes_it() {
    let (tiers, lower) = tiers_of(256 << 10);
    let limit = tiers.memory().capabilities().largest_object;
    let mut writer = tiers.writer(entry(&tiers, &page(), variant("a", 1))).await.unwrap();
    let reader = writer.reader();
    let mut size = 0;
    while size < limit * 3 {
        writer.write(Bytes::from(vec![7; 10_000])).await.unwrap();
        size += 10_000;
        assert!(!reader.read_at(size - 1).await.unwrap().is_empty(), "what was written can be read");
        assert!(!reader.read_at(0).await.unwrap().is_empty(), "what was written can be read");
    }
    assert_eq!(tiers.memory().stats().in_flight_bytes, 0, "memory lets go of what it will not keep");
    let stored = writer.commit(Fields::new()).await.unwrap();
    assert_eq!((stored.body_len, lower.ids(&page())), (size, vec![stored.id]));
    assert_eq!(held(&tiers, &page()), [stored.id]);

    // The other way round.
    let below = MemoryStore::new(MemoryOptions { max_object: Some(100), ..MemoryOptions::default() });
    let tiers = Tiered::new(MemoryStore::default(), Arc::new(below));
    keep(&tiers, &page(), variant("a", 1), &"m".repeat(5_000)).await;
    assert_eq!(bodies(&tiers, &page()).await, ["m".repeat(5_000)]);
    assert_eq!((tiers.stats().alone, tiers.stats().failures), (1, 0));
}

/// A process beside this one stores, replaces and refreshes; what memory has in part is completed with the newest.
#[tokio::test]
async fn what_other_processes_store_is_found() {
    let (tiers, lower) = tiers();
    keep(&tiers, &page(), variant("a", 1), "old").await;
    keep(&*lower, &page(), variant("a", 2), "newer").await;
    assert_eq!(bodies(&tiers, &page()).await, ["newer"], "the later response is found");
    evict(&tiers, &page()).await;
    let mine = keep(&tiers, &page(), variant("b", 3), "mine").await;
    lower.inner.refresh(&mine, variant("b", 4), head("fresh"), UNTIL, lower.inner.epoch()).await.unwrap();
    let list = tiers.variants(&page()).await.unwrap();
    assert_eq!(list.entries[0].head.fields.get_str("X-Mark"), Some("fresh"));
    assert_eq!(list.entries.len(), 2);
}

#[tokio::test]
async fn a_store_of_nothing_below_changes_nothing() {
    let tiers = Tiered::new(MemoryStore::default(), Arc::new(NoStore::new()));
    let stored = keep(&tiers, &page(), variant("a", 1), "content").await;
    assert!(stored.id >= 1 << 63, "an identity of memory's own");
    assert_eq!(bodies(&tiers, &page()).await, ["content"]);
    tiers.refresh(&stored, variant("a", 2), head("fresh"), UNTIL, tiers.epoch()).await.unwrap();
    assert!(tiers.lookup(page().as_bytes()).unwrap().complete);
    assert_eq!(tiers.stats().failures, 0);
}

#[tokio::test]
async fn one_tier_alone_is_a_memory_store() {
    let tiers = Tiered::alone(MemoryStore::default());
    keep(&tiers, &page(), variant("a", 1), "content").await;
    assert!(tiers.lookup(page().as_bytes()).unwrap().complete);
    assert!(tiers.below().is_none());
    assert_eq!(tiers.capabilities(), tiers.memory().capabilities());
    assert_eq!(tiers.epoch(), tiers.memory().epoch());
}
