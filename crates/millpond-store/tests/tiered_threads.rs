//! Several threads store, look up, refresh and purge the same few keys at once. When all are done, the tiers agree, and
//! what is purged last is gone.

mod tiers;

use futures_util::FutureExt;
use millpond_exchange::{Key, PurgeMode, Selector};
use millpond_store::laws::{UNTIL, head, key};
use millpond_store::{MemoryStore, Store, Tiered};
use std::sync::Arc;
use std::thread;
use tiers::{Lower, NOW, assert_agreement, keep_if_let, tiers_of, variant};

const KEYS: usize = 4;
const THREADS: usize = 4;
const ROUNDS: usize = 1_500;

fn page(at: usize) -> Key {
    key("tier.test", &format!("/{}", at % KEYS))
}

/// What one thread does in one round; all differ, none waits.
fn work(tiers: &Tiered, lower: &Lower, thread: usize, round: usize) {
    let page = page(round / 3 + thread);
    let record = variant(["a", "b", "c"][round % 3], 1);
    let body = format!("{thread} {round}");
    match (round * 7 + thread * 3) % 11 {
        0..=3 => keep_if_let(tiers, &page, record, &body),
        4..=6 => drop(tiers.variants(&page).now_or_never()),
        7 | 8 => {
            let epoch = tiers.epoch();
            let Some(found) = tiers.lookup(page.as_bytes()) else { return };
            let entry = &found.entries[0];
            let refreshed =
                tiers.refresh(entry, entry.record.clone(), head(&body), UNTIL, epoch).now_or_never();
            drop(refreshed);
        }
        9 => drop(tiers.remove(&Selector::Key(page), PurgeMode::Hard, NOW).now_or_never()),
        _ => drop(lower.purge_from_elsewhere(&Selector::Url(page.url()), PurgeMode::Hard).now_or_never()),
    }
}

#[test]
fn the_tiers_agree_when_all_is_done() {
    let (tiers, lower) = tiers_of(1 << 20);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tiers, lower) = (&tiers, &lower);
            scope.spawn(move || (0..ROUNDS).for_each(|round| work(tiers, lower, thread, round)));
        }
    });
    for at in 0..KEYS {
        assert_agreement(&tiers, &lower, &page(at));
        let found = tiers.variants(&page(at)).now_or_never().expect("at once").expect("no failure");
        assert_eq!(found.entries.len(), lower.ids(&page(at)).len());
        assert_agreement(&tiers, &lower, &page(at));
    }
    assert!(tiers.stats().promoted > 0 && tiers.memory().stats().admitted > 0, "nothing was tried");
    tiers.remove(&Selector::All, PurgeMode::Hard, NOW).now_or_never().expect("at once").expect("no failure");
    assert_eq!((tiers.memory().stats().entries, lower.inner.stats().entries), (0, 0));
}

/// The same handle from many threads: the stores are those of one pair.
#[test]
fn a_clone_is_another_handle_on_the_same_tiers() {
    let tiers = Tiered::new(MemoryStore::default(), Arc::new(MemoryStore::default()));
    let other = tiers.clone();
    thread::scope(|scope| {
        scope.spawn(|| keep_if_let(&other, &page(0), variant("a", 1), "content"));
    });
    assert_eq!(tiers::held(&tiers, &page(0)).len(), 1);
}
