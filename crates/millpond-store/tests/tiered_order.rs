//! Two operations at once on two tiers, in every order in which their steps can come; and one that is given up at each
//! of its steps.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod tiers;

use futures_util::FutureExt;
use millpond_exchange::{Fields, Key, PurgeMode, Record, Selector};
use millpond_store::laws::{UNTIL, entry, head, key};
use millpond_store::{Store, StoreError, Tiered, Writer};
use std::sync::Arc;
use tiers::{
    Lower, NOW, abandon, assert_agreement, bodies, evict, held, interleave, keep, tiers, variant, written,
};

/// Every order of the three steps of one operation (before the tier below, in it, after it) and those of another.
fn schedules() -> impl Iterator<Item = u32> {
    (0..1u32 << 6).filter(|schedule| schedule.count_ones() == 3)
}

const MODES: [PurgeMode; 2] = [PurgeMode::Hard, PurgeMode::Soft];

fn page() -> Key {
    key("tier.test", "/page")
}

/// A record that every selector covers.
fn labelled(value: &str, at: i64) -> Record {
    variant(value, at).with_rare(|rare| rare.tags = ["t".into()].into())
}

/// One selector of each way in which purges are remembered.
fn selectors() -> [Selector; 3] {
    let tag = Selector::Tag { origin: None, tag: "t".to_owned() };
    [tag, Selector::Prefix("http://tier.test/p".to_owned()), Selector::All]
}

/// Nothing is left of the page, or all that is left is stale.
fn assert_purged(tiers: &Tiered, lower: &Lower, mode: PurgeMode) {
    for list in [tiers.lookup(page().as_bytes()), lower.inner.lookup(page().as_bytes())].into_iter().flatten()
    {
        for entry in list.entries.iter() {
            assert_eq!(mode, PurgeMode::Soft, "an entry outlived its purge");
            assert_eq!(entry.record.stale_from, Some(NOW), "an entry outlived its purge unmarked");
        }
    }
    assert_agreement(tiers, lower, &page());
}

/// Runs `test` for every selector, mode and schedule, with an entry in both tiers, only below, or nowhere.
fn for_each_purge(test: impl Fn(&Tiered, &Arc<Lower>, &Selector, PurgeMode, u32)) {
    for selector in selectors() {
        for mode in MODES {
            for schedule in schedules() {
                for place in ["both", "below", "nowhere"] {
                    let (tiers, lower) = tiers();
                    if place != "nowhere" {
                        keep(&tiers, &page(), labelled("a", 1), "old").now_or_never().unwrap();
                    }
                    if place == "below" {
                        evict(&tiers, &page()).now_or_never().unwrap();
                    }
                    test(&tiers, &lower, &selector, mode, schedule);
                }
            }
        }
    }
}

fn write(tiers: &Tiered, value: &str, at: i64, body: &str) -> Box<dyn Writer> {
    written(tiers, &page(), labelled(value, at), body).now_or_never().unwrap()
}

#[test]
fn a_purge_and_a_commit() {
    for_each_purge(|tiers, lower, selector, mode, schedule| {
        let writer = write(tiers, "a", 2, "new");
        lower.set_stops(true);
        let (_, removed) =
            interleave(schedule, writer.commit(Fields::new()), tiers.remove(selector, mode, NOW));
        removed.unwrap();
        assert_purged(tiers, lower, mode);
    });
}

#[test]
fn a_purge_by_another_process_and_a_commit() {
    for_each_purge(|tiers, lower, selector, mode, schedule| {
        let writer = write(tiers, "b", 2, "new");
        lower.set_stops(true);
        let purge = lower.purge_from_elsewhere(selector, mode);
        let _either_way = interleave(schedule, writer.commit(Fields::new()), purge);
        assert_purged(tiers, lower, mode);
    });
}

#[test]
fn a_purge_and_a_promotion() {
    for_each_purge(|tiers, lower, selector, mode, schedule| {
        lower.set_stops(true);
        let key = page();
        let (found, removed) = interleave(schedule, tiers.variants(&key), tiers.remove(selector, mode, NOW));
        found.unwrap();
        removed.unwrap();
        assert_purged(tiers, lower, mode);
    });
}

#[test]
fn a_purge_by_another_process_and_a_promotion() {
    for_each_purge(|tiers, lower, selector, mode, schedule| {
        lower.set_stops(true);
        let key = page();
        let purge = lower.purge_from_elsewhere(selector, mode);
        interleave(schedule, tiers.variants(&key), purge).0.unwrap();
        assert_purged(tiers, lower, mode);
    });
}

#[test]
fn a_purge_and_a_refresh() {
    for_each_purge(|tiers, lower, selector, mode, schedule| {
        let list = lower.inner.lookup(page().as_bytes());
        let Some(old) = list.map(|list| Arc::clone(&list.entries[0])) else { return };
        let epoch = tiers.epoch();
        lower.set_stops(true);
        let refresh = tiers.refresh(&old, labelled("a", 2), head("fresh"), UNTIL, epoch);
        let (_, removed) = interleave(schedule, refresh, tiers.remove(selector, mode, NOW));
        removed.unwrap();
        assert_purged(tiers, lower, mode);
    });
}

/// A fetch that begins while the purge is under way is younger than the purge, or counts as older; in neither case does
/// memory keep what the tier below has not.
#[test]
fn a_fetch_that_begins_during_a_purge() {
    for_each_purge(|tiers, lower, selector, mode, schedule| {
        lower.set_stops(true);
        let fetch = async {
            let new = entry(tiers, &page(), labelled("c", 2));
            let writer = tiers.writer(new).await?;
            writer.commit(Fields::new()).await
        };
        let (stored, removed) = interleave(schedule, fetch, tiers.remove(selector, mode, NOW));
        removed.unwrap();
        assert!(matches!(stored, Ok(_) | Err(StoreError::Superseded)));
        let below = lower.ids(&page());
        assert!(held(tiers, &page()).iter().all(|id| below.contains(id)), "memory has it alone");
    });
}

#[test]
fn a_promotion_and_a_commit() {
    for value in ["a", "b"] {
        for schedule in schedules() {
            let (tiers, lower) = tiers();
            keep(&tiers, &page(), labelled("a", 1), "old").now_or_never().unwrap();
            evict(&tiers, &page()).now_or_never().unwrap();
            let writer = write(&tiers, value, 1, "new");
            lower.set_stops(true);
            let key = page();
            let (found, stored) = interleave(schedule, tiers.variants(&key), writer.commit(Fields::new()));
            found.unwrap();
            stored.unwrap();
            lower.set_stops(false);
            assert_agreement(&tiers, &lower, &page());
            let wanted: &[&str] = if value == "a" { &["new"] } else { &["new", "old"] };
            assert_eq!(bodies(&tiers, &page()).now_or_never().unwrap(), wanted);
        }
    }
}

#[test]
fn two_commits_and_a_commit_and_a_refresh() {
    for schedule in schedules() {
        for refreshes in [false, true] {
            let (tiers, lower) = tiers();
            let old = keep(&tiers, &page(), labelled("a", 1), "old").now_or_never().unwrap();
            let (first, second) = (write(&tiers, "a", 2, "one"), write(&tiers, "a", 2, "two"));
            let epoch = tiers.epoch();
            lower.set_stops(true);
            let other = async {
                if refreshes {
                    tiers.refresh(&old, labelled("a", 3), head("fresh"), UNTIL, epoch).await.map(drop)
                } else {
                    second.commit(Fields::new()).await.map(drop)
                }
            };
            let (stored, _) = interleave(schedule, first.commit(Fields::new()), other);
            stored.unwrap();
            lower.set_stops(false);
            assert_agreement(&tiers, &lower, &page());
            let list = tiers.variants(&page()).now_or_never().unwrap().unwrap();
            assert_eq!(list.entries.len(), 1);
            assert_eq!(list.entries[0].id, lower.ids(&page())[0], "not the one that came below last");
        }
    }
}

/// What is given up half-way leaves no list in memory that contradicts the tier below.
#[test]
fn operations_that_are_given_up() {
    for polls in 0..4 {
        for mode in MODES {
            let (tiers, lower) = tiers();
            let old = keep(&tiers, &page(), labelled("a", 1), "old").now_or_never().unwrap();
            tiers.variants(&page()).now_or_never().unwrap().unwrap();
            assert!(tiers.lookup(page().as_bytes()).unwrap().complete);
            let writer = write(&tiers, "b", 2, "new");
            lower.set_stops(true);
            abandon(polls, writer.commit(Fields::new()));
            assert_agreement(&tiers, &lower, &page());
            abandon(polls, tiers.refresh(&old, labelled("a", 3), head("fresh"), UNTIL, tiers.epoch()));
            assert_agreement(&tiers, &lower, &page());
            abandon(polls, tiers.remove(&Selector::Key(page()), mode, NOW));
            lower.set_stops(false);
            if polls >= 2 {
                assert_purged(&tiers, &lower, mode);
            }
        }
    }
}
