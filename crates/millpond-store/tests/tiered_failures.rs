//! The tier below fails in each operation: memory serves and stores what it can, and says nothing untrue.

mod tiers;

use bytes::Bytes;
use millpond_exchange::{Fields, Key, PurgeMode, Selector};
use millpond_store::laws::{UNTIL, body_of, entry, head, key};
use millpond_store::{Store, StoreError};
use tiers::{NOW, bodies, evict, held, keep, tiers, variant, written};

fn page() -> Key {
    key("tier.test", "/page")
}

fn down<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn a_lookup() {
    let (tiers, lower) = tiers();
    keep(&tiers, &page(), variant("a", 1), "a").await;
    lower.set_fails(true);
    let list = tiers.variants(&page()).await.unwrap();
    assert_eq!((list.entries.len(), list.complete), (1, false), "what memory has is answered");
    evict(&tiers, &page()).await;
    assert!(down(&tiers.variants(&page()).await), "what nobody can know is no miss");
    assert_eq!(tiers.stats().failures, 2);
    lower.set_fails(false);
    assert_eq!(bodies(&tiers, &page()).await, ["a"]);
}

#[tokio::test]
async fn a_write() {
    let (tiers, lower) = tiers();
    keep(&tiers, &page(), variant("a", 1), "old").await;
    for (failing_from, path) in
        ["the opening", "the first chunk", "the commit"].iter().zip(["/o", "/w", "/c"])
    {
        let key = key("tier.test", path);
        lower.set_fails(path == "/o");
        let mut writer = tiers.writer(entry(&tiers, &key, variant("a", 2))).await.unwrap();
        lower.set_fails(path != "/c");
        writer.write(Bytes::from_static(b"one ")).await.unwrap();
        let reader = writer.reader();
        writer.write(Bytes::from_static(b"two")).await.unwrap();
        lower.set_fails(true);
        let stored = writer.commit(Fields::new()).await.unwrap();
        assert!(stored.id >= 1 << 63, "{failing_from}: an identity the tier below does not know");
        assert_eq!(reader.read_at(4).await.unwrap(), "two", "{failing_from}");
        assert_eq!(bodies(&tiers, &key).await, ["one two"], "{failing_from}");
        lower.set_fails(false);
        assert!(lower.ids(&key).is_empty(), "{failing_from}");
        assert_eq!(bodies(&tiers, &key).await, ["one two"], "{failing_from}: the tier below is back");
        assert!(tiers.lookup(key.as_bytes()).unwrap().complete, "and has been asked");
    }
    assert_eq!(tiers.stats().alone, 3);
    assert!(tiers.stats().failures >= 3);
}

#[tokio::test]
async fn a_write_that_memory_does_not_take_either() {
    let (tiers, lower) = tiers();
    let limit = tiers.memory().capabilities().largest_object;
    let mut writer = tiers.writer(entry(&tiers, &page(), variant("a", 1))).await.unwrap();
    for _ in 0..=limit / 100_000 {
        writer.write(Bytes::from(vec![1; 100_000])).await.unwrap();
    }
    lower.set_fails(true);
    assert!(down(&writer.write(Bytes::from_static(b"more")).await), "it may be taken another time");
    assert!(!writer.reader().read_at(limit).await.unwrap().is_empty(), "what was written can still be read");
    drop(writer);
    let announced = millpond_store::NewEntry {
        announced_len: Some(limit + 1),
        ..entry(&tiers, &page(), variant("a", 1))
    };
    assert!(down(&tiers.writer(announced).await.map(drop)));
    assert!(held(&tiers, &page()).is_empty());
}

#[tokio::test]
async fn a_newer_entry_in_memory_hides_the_older_one_below() {
    let (tiers, lower) = tiers();
    keep(&tiers, &page(), variant("a", 1), "old").await;
    keep(&tiers, &page(), variant("b", 1), "other").await;
    evict(&tiers, &page()).await;
    lower.set_fails(true);
    keep(&tiers, &page(), variant("a", 2), "new").await;
    lower.set_fails(false);
    assert_eq!(bodies(&tiers, &page()).await, ["new", "other"]);
    assert_eq!(bodies(&tiers, &page()).await, ["new", "other"], "and from memory");
}

#[tokio::test]
async fn a_refresh() {
    let (tiers, lower) = tiers();
    let old = keep(&tiers, &page(), variant("a", 1), "content").await;
    lower.set_fails(true);
    let fresh = tiers.refresh(&old, variant("a", 2), head("fresh"), UNTIL, tiers.epoch()).await.unwrap();
    assert_eq!(fresh.id, old.id);
    lower.set_fails(false);
    let list = tiers.variants(&page()).await.unwrap();
    assert_eq!(list.entries[0].record, variant("a", 2), "the later refresh wins");
    lower.set_fails(true);
    evict(&tiers, &page()).await;
    let refreshed = tiers.refresh(&old, variant("a", 3), head("late"), UNTIL, tiers.epoch()).await;
    assert!(down(&refreshed), "whether it is gone cannot be known");
}

#[tokio::test]
async fn a_purge() {
    let (tiers, lower) = tiers();
    keep(&tiers, &page(), variant("a", 1), "content").await;
    let late = written(&tiers, &page(), variant("a", 2), "late").await;
    lower.set_fails(true);
    let removed = tiers.remove(&Selector::Key(page()), PurgeMode::Hard, NOW).await;
    assert!(down(&removed), "a purge that was not made is not said to be");
    assert!(tiers.lookup(page().as_bytes()).is_none(), "memory is purged all the same");
    assert_eq!(late.commit(Fields::new()).await.unwrap_err(), StoreError::Superseded);
}

#[tokio::test]
async fn a_read() {
    let (tiers, lower) = tiers();
    lower.set_inline(1_000);
    let content = "r".repeat(5_000);
    keep(&tiers, &page(), variant("a", 1), &content).await;
    evict(&tiers, &page()).await;
    let list = tiers.variants(&page()).await.unwrap();
    lower.set_fails(true);
    assert!(down(&tiers.read(&list.entries[0], None).await));
    lower.set_fails(false);
    assert_eq!(held(&tiers, &page()).len(), 1, "a failure takes nothing out of memory");
    assert_eq!(body_of(&tiers, &list.entries[0], None).await.unwrap(), content.as_bytes());
}
