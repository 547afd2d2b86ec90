//! Random histories of two tiers beside a model: lists in a map. Memory is squeezed all the while; nothing purged is
//! found again, no body is another's, no list lacks anything.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod tiers;

use millpond_exchange::{Key, PurgeMode, Record, Selector};
use millpond_store::laws::{UNTIL, body_of, head, key, put};
use millpond_store::{Entry, Epoch, Store, StoreError, Tiered};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tiers::{Lower, NOW, evict, tiers_of, variant};

const PAGES: usize = 3;
const TAGS: [&str; 2] = ["t", "u"];

/// One step. `usize` fields choose among what is there, modulo its number.
#[derive(Clone, Debug)]
enum Step {
    Put { page: usize, variant: usize, tag: usize, size: usize },
    Look { page: usize },
    Read { page: usize },
    Note { page: usize },
    Refresh { noted: usize, tag: usize },
    Purge { cover: Cover, hard: bool, elsewhere: bool },
    Evict { page: usize },
    Squeeze,
}

#[derive(Clone, Copy, Debug)]
enum Cover {
    Page(usize),
    Tag(usize),
    All,
}

impl Cover {
    fn selector(self) -> Selector {
        match self {
            Self::Page(page) => Selector::Key(page_key(page)),
            Self::Tag(tag) => Selector::Tag { origin: None, tag: TAGS[tag].to_owned() },
            Self::All => Selector::Prefix("http://tier.test/".to_owned()),
        }
    }

    fn covers(self, page: usize, record: &Record) -> bool {
        match self {
            Self::Page(other) => page == other,
            Self::Tag(tag) => record.tags.iter().any(|held| **held == *TAGS[tag]),
            Self::All => true,
        }
    }
}

fn page_key(page: usize) -> Key {
    key("tier.test", &format!("/{page}"))
}

fn steps() -> impl Strategy<Value = Step> {
    let page = || 0..PAGES;
    let tag = || 0..TAGS.len();
    let cover = prop_oneof![page().prop_map(Cover::Page), tag().prop_map(Cover::Tag), Just(Cover::All)];
    prop_oneof![
        8 => (page(), 0..6usize, tag(), prop_oneof![0..3_000usize, 10_000..90_000usize, Just(60_000)])
            .prop_map(|(page, variant, tag, size)| Step::Put { page, variant, tag, size }),
        6 => page().prop_map(|page| Step::Look { page }),
        6 => page().prop_map(|page| Step::Read { page }),
        3 => page().prop_map(|page| Step::Note { page }),
        3 => (any::<usize>(), tag()).prop_map(|(noted, tag)| Step::Refresh { noted, tag }),
        2 => (cover, any::<bool>(), any::<bool>())
            .prop_map(|(cover, hard, elsewhere)| Step::Purge { cover, hard, elsewhere }),
        3 => page().prop_map(|page| Step::Evict { page }),
        1 => Just(Step::Squeeze),
    ]
}

/// An entry as the model has it.
#[derive(Clone, Debug)]
struct Kept {
    id: u64,
    record: Record,
    body: Vec<u8>,
}

struct Noted {
    entry: Arc<Entry>,
    page: usize,
    begun: usize,
    epoch: Epoch,
}

struct World {
    tiers: Tiered,
    lower: Arc<Lower>,
    kept: BTreeMap<usize, Vec<Kept>>,
    purges: Vec<Cover>,
    noted: Vec<Noted>,
    seconds: i64,
}

impl World {
    fn new() -> Self {
        let (tiers, lower) = tiers_of(256 << 10);
        lower.set_inline(2_000);
        Self { tiers, lower, kept: BTreeMap::new(), purges: vec![], noted: vec![], seconds: 0 }
    }

    fn record(&mut self, value: &str, tag: usize) -> Record {
        self.seconds += 1;
        variant(value, self.seconds).with_rare(|rare| rare.tags = [TAGS[tag].into()].into())
    }

    fn keep(&mut self, page: usize, new: Kept) {
        let list = self.kept.entry(page).or_default();
        list.retain(|kept| kept.id != new.id && !new.record.replaces(&kept.record));
        list.insert(0, new);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Put { page, variant, tag, size } => {
                let record = self.record(&variant.to_string(), tag);
                let body: Vec<u8> = (0..size).map(|at| (at as i64 * 7 + self.seconds) as u8).collect();
                let entry = put(&self.tiers, &page_key(page), record.clone(), &body).await.unwrap();
                self.keep(page, Kept { id: entry.id, record, body });
            }
            Step::Look { page } => self.look(page).await,
            Step::Read { page } => self.read(page).await,
            Step::Note { page } => {
                let (begun, epoch) = (self.purges.len(), self.tiers.epoch());
                let found = self.tiers.variants(&page_key(page)).await.unwrap();
                let found = found.entries.iter().cloned();
                self.noted.extend(found.map(|entry| Noted { entry, page, begun, epoch }));
            }
            Step::Refresh { noted, tag } if !self.noted.is_empty() => {
                let noted = self.noted.swap_remove(noted % self.noted.len());
                self.refresh(&noted, tag).await;
            }
            Step::Refresh { .. } => {}
            Step::Purge { cover, hard, elsewhere } => self.purge(cover, hard, elsewhere).await,
            Step::Evict { page } => evict(&self.tiers, &page_key(page)).await,
            Step::Squeeze => self.squeeze().await,
        }
        let stats = self.tiers.memory().stats();
        assert!(stats.bytes <= stats.capacity, "{stats:?}");
    }

    /// What memory has is the newest of what there is, and all of it where it says so.
    async fn look(&self, page: usize) {
        let kept = self.kept.get(&page).map_or(&[][..], Vec::as_slice);
        let wanted: Vec<u64> = kept.iter().map(|kept| kept.id).collect();
        if let Some(held) = self.tiers.lookup(page_key(page).as_bytes()) {
            let ids: Vec<u64> = held.entries.iter().map(|entry| entry.id).collect();
            assert!(wanted.starts_with(&ids), "memory has {ids:?} of {wanted:?}");
            assert!(!held.complete || ids == wanted, "{ids:?} is not all of {wanted:?}");
        }
        let found = self.tiers.variants(&page_key(page)).await.unwrap();
        assert!(found.complete);
        assert_eq!(found.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), wanted);
    }

    async fn read(&self, page: usize) {
        let found = self.tiers.variants(&page_key(page)).await.unwrap();
        for (entry, kept) in found.entries.iter().zip(self.kept.get(&page).into_iter().flatten()) {
            assert_eq!(entry.record, kept.record);
            assert!(body_of(&self.tiers, entry, None).await.unwrap() == kept.body, "another body");
        }
    }

    async fn refresh(&mut self, noted: &Noted, tag: usize) {
        let page = noted.page;
        let value = noted.entry.record.vary[0].value.clone().unwrap();
        let record = self.record(std::str::from_utf8(&value).unwrap(), tag);
        let current =
            self.kept.get(&page).into_iter().flatten().find(|kept| kept.id == noted.entry.id).cloned();
        let result =
            self.tiers.refresh(&noted.entry, record.clone(), head("fresh"), UNTIL, noted.epoch).await;
        let Some(current) = current else {
            assert_eq!(result.unwrap_err(), StoreError::Gone);
            return;
        };
        let overtaken = self.purges[noted.begun..]
            .iter()
            .any(|cover| [&current.record, &record].iter().any(|record| cover.covers(page, record)));
        match result {
            Ok(fresh) => {
                assert!(!overtaken, "a refresh overtaken by a purge was let through");
                assert_eq!(fresh.id, current.id);
                self.keep(page, Kept { record, ..current });
            }
            // An eviction is made by a purge of memory alone; the tier below has the refresh then.
            Err(StoreError::Superseded) if !overtaken => self.keep(page, Kept { record, ..current }),
            Err(error) => assert_eq!(error, StoreError::Superseded),
        }
    }

    async fn purge(&mut self, cover: Cover, hard: bool, elsewhere: bool) {
        let mut count = 0;
        for (page, list) in &mut self.kept {
            list.retain_mut(|kept| {
                let covered = cover.covers(*page, &kept.record);
                count += u64::from(covered);
                if covered {
                    kept.record.stale_from = kept.record.stale_from.or(Some(NOW));
                }
                !(covered && hard)
            });
        }
        let mode = if hard { PurgeMode::Hard } else { PurgeMode::Soft };
        if elsewhere {
            self.lower.purge_from_elsewhere(&cover.selector(), mode).await;
        } else {
            let removed = self.tiers.remove(&cover.selector(), mode, NOW).await.unwrap();
            assert_eq!(removed, count, "entries covered by {cover:?}");
        }
        self.purges.push(cover);
    }

    /// Other keys, small and large, want their place in memory.
    async fn squeeze(&mut self) {
        for at in 0..40usize {
            let key = key("filler.test", &format!("/{at}"));
            let size = if at % 4 == 0 { 30_000 } else { 2_000 };
            let record = self.record("filler", 0);
            put(&self.tiers, &key, record.with_rare(|rare| rare.tags.clear()), &vec![0; size]).await.unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn two_tiers_are_a_map(history in vec(steps(), 1..100)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in history {
                world.step(step).await;
            }
            for page in 0..PAGES {
                world.look(page).await;
                world.read(page).await;
            }
            let everything = Selector::All;
            world.tiers.remove(&everything, PurgeMode::Hard, NOW).await.unwrap();
            world.noted.clear();
            let stats = world.tiers.memory().stats();
            prop_assert_eq!((stats.entries, stats.bytes, stats.index_rows, stats.live_bytes), (0, 0, 0, 0));
            Ok(())
        })?;
    }
}
