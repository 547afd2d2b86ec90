//! Purges by every selector, hard and soft, by this process and by another, of entries in both tiers, in memory alone and
//! below alone; and what the tiers tell each other and whoever is before them.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod tiers;

use millpond_exchange::{Key, PurgeMode, Record, Selector, Timestamp};
use millpond_store::laws::{UNTIL, head, key};
use millpond_store::{Above, Entry, Store, StoreError, Tiered};
use std::sync::{Arc, Mutex};
use tiers::{Lower, NOW, evict, held, keep, tiers, variant};

fn labelled() -> Record {
    variant("a", 1).with_rare(|rare| {
        rare.tags = ["t".into()].into();
        rare.groups = ["g".into()].into();
    })
}

/// Selectors that cover all of the world, and nothing else.
fn selectors() -> Vec<Selector> {
    let origin = || "http://tier.test".to_owned();
    vec![
        Selector::Prefix("http://tier.test/p".to_owned()),
        Selector::Tag { origin: None, tag: "t".to_owned() },
        Selector::Tag { origin: Some(origin()), tag: "t".to_owned() },
        Selector::Group { origin: origin(), group: "g".to_owned() },
        Selector::Host("tier.test".to_owned()),
        Selector::All,
    ]
}

/// Three keys: in both tiers, below alone, in memory alone.
async fn world(tiers: &Tiered, lower: &Lower) -> [(Key, Arc<Entry>); 3] {
    let keys = ["both", "below", "memory"].map(|place| key("tier.test", &format!("/p/{place}")));
    let [both, below, memory] = keys;
    let first = keep(tiers, &both, labelled(), "both").await;
    let second = keep(tiers, &below, labelled(), "below").await;
    evict(tiers, &below).await;
    lower.set_fails(true);
    let third = keep(tiers, &memory, labelled(), "memory").await;
    lower.set_fails(false);
    [(both, first), (below, second), (memory, third)]
}

async fn assert_purged(tiers: &Tiered, world: &[(Key, Arc<Entry>)], mode: PurgeMode) {
    for (key, _) in world {
        let found = tiers.variants(key).await.unwrap();
        match mode {
            PurgeMode::Hard => assert!(found.entries.is_empty(), "{key:?} outlived the purge"),
            PurgeMode::Soft => {
                assert_eq!(found.entries.len(), 1);
                assert_eq!(found.entries[0].record.stale_from, Some(NOW), "{key:?}");
            }
        }
    }
}

#[tokio::test]
async fn by_every_selector_wherever_the_entry_lies() {
    for selector in selectors() {
        for mode in [PurgeMode::Hard, PurgeMode::Soft] {
            let (tiers, lower) = tiers();
            let world = world(&tiers, &lower).await;
            let spared = key("other.test", "/");
            keep(&tiers, &spared, variant("a", 1), "spared").await;
            let before = tiers.epoch();
            let removed = tiers.remove(&selector, mode, NOW).await.unwrap();
            assert!(removed >= 2, "{selector:?} counts {removed}");
            let after = tiers.epoch();
            assert!(after.own > before.own && after.below > before.below);
            assert_purged(&tiers, &world, mode).await;
            let left = tiers.variants(&spared).await.unwrap().entries.len();
            let wanted = usize::from(selector != Selector::All || mode == PurgeMode::Soft);
            assert_eq!(left, wanted, "{selector:?} took what it does not cover, or left what it does");
            for (_, entry) in &world {
                let late = tiers.refresh(entry, labelled(), head("late"), UNTIL, before).await;
                assert!(
                    matches!(late, Err(StoreError::Gone | StoreError::Superseded)),
                    "{selector:?} {late:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn by_key_and_url_wherever_the_entry_lies() {
    for mode in [PurgeMode::Hard, PurgeMode::Soft] {
        for by_url in [false, true] {
            let (tiers, lower) = tiers();
            let world = world(&tiers, &lower).await;
            for (key, _) in &world {
                let selector = if by_url { Selector::Url(key.url()) } else { Selector::Key(key.clone()) };
                assert_eq!(tiers.remove(&selector, mode, NOW).await.unwrap(), 1);
            }
            assert_purged(&tiers, &world, mode).await;
        }
    }
}

#[tokio::test]
async fn by_another_process() {
    for selector in selectors() {
        for mode in [PurgeMode::Hard, PurgeMode::Soft] {
            let (tiers, lower) = tiers();
            let world = world(&tiers, &lower).await;
            let before = tiers.epoch();
            lower.purge_from_elsewhere(&selector, mode).await;
            assert_purged(&tiers, &world, mode).await;
            let late = tiers.refresh(&world[2].1, labelled(), head("late"), UNTIL, before).await;
            assert!(matches!(late, Err(StoreError::Gone | StoreError::Superseded)));
        }
    }
}

/// A refresh reaches both tiers, and memory gets back what it had lost.
#[tokio::test]
async fn a_refresh_wherever_the_entry_lies() {
    let (tiers, lower) = tiers();
    for (key, old) in world(&tiers, &lower).await {
        let record = Record { date: Timestamp::from_secs(9), ..labelled() };
        let fresh = tiers.refresh(&old, record.clone(), head("fresh"), UNTIL, tiers.epoch()).await.unwrap();
        assert_eq!(fresh.id, old.id);
        assert_eq!(held(&tiers, &key), [old.id]);
        for list in [tiers.lookup(key.as_bytes()), lower.inner.lookup(key.as_bytes())].into_iter().flatten() {
            assert_eq!(list.entries[0].record, record);
        }
    }
    let gone = key("tier.test", "/gone");
    let old = keep(&tiers, &gone, labelled(), "gone").await;
    tiers.remove(&Selector::Key(gone), PurgeMode::Hard, NOW).await.unwrap();
    let late = tiers.refresh(&old, labelled(), head("late"), UNTIL, tiers.epoch()).await;
    assert_eq!(late.unwrap_err(), StoreError::Gone);
}

/// What lies before the tiers.
#[derive(Default)]
struct Outer {
    told: Mutex<Vec<Selector>>,
    uses: Mutex<Vec<Key>>,
}

impl Above for Outer {
    fn purged(&self, selector: &Selector, _: PurgeMode, _: Timestamp) {
        self.told.lock().unwrap().push(selector.clone());
    }

    fn uses(&self, key: &Key) -> bool {
        self.uses.lock().unwrap().contains(key)
    }
}

#[tokio::test]
async fn the_tier_below_is_told_what_is_in_use_and_tells_of_purges() {
    let (tiers, lower) = tiers();
    let outer = Arc::new(Outer::default());
    let (in_memory, in_flight) = (key("tier.test", "/memory"), key("tier.test", "/flight"));
    keep(&tiers, &in_memory, labelled(), "content").await;
    assert!(lower.above().uses(&in_memory));
    assert!(!lower.above().uses(&in_flight));
    let weak = Arc::downgrade(&outer);
    tiers.attach(weak);
    outer.uses.lock().unwrap().push(in_flight.clone());
    assert!(lower.above().uses(&in_flight));
    lower.purge_from_elsewhere(&Selector::Key(in_memory.clone()), PurgeMode::Hard).await;
    assert_eq!(*outer.told.lock().unwrap(), [Selector::Key(in_memory.clone())]);
    assert!(!lower.above().uses(&in_memory));
    drop(outer);
    assert!(!lower.above().uses(&in_flight), "who is gone uses nothing");
}
