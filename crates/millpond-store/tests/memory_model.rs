//! Random histories of the memory tier beside a model that could not be simpler: lists in a map, and every purge since
//! the beginning.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use bytes::Bytes;
use millpond_exchange::{
    Fields, Key, KeyParts, PurgeMode, Record, Scheme, Selector, Timestamp, VarySelector,
};
use millpond_store::laws::{UNTIL, body_of, entry, head, record};
use millpond_store::{Epoch, MAX_VARIANTS, MemoryOptions, MemoryStore, NewEntry, Store, StoreError, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

const AUTHORITIES: [&str; 3] = ["a", "b", "a:81"];
const PATHS: [&str; 4] = ["/", "/x", "/x/y", "/xy?z"];
const NAMES: [&str; 3] = ["t", "u", "T"];

/// Where something is stored, in terms the model understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    https: bool,
    authority: usize,
    path: usize,
    partition: bool,
}

impl Place {
    fn key(self) -> Key {
        let scheme = if self.https { Scheme::Https } else { Scheme::Http };
        let mut parts = KeyParts::new(scheme, AUTHORITIES[self.authority], PATHS[self.path]);
        parts.partition = self.partition.then_some("p");
        parts.to_key()
    }

    fn origin(self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, AUTHORITIES[self.authority])
    }

    fn url(self) -> String {
        format!("{}{}", self.origin(), PATHS[self.path])
    }
}

/// The facts of an entry that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    variant: u8,
    tags: Vec<usize>,
    groups: Vec<usize>,
    stale_from: Option<i64>,
}

impl Facts {
    fn record(&self) -> Record {
        let boxed = |names: &[usize]| names.iter().map(|name| NAMES[*name].into()).collect();
        let vary = VarySelector { name: "accept".into(), value: Some([self.variant].into()) };
        let stale_from = self.stale_from.map(Timestamp::from_secs);
        Record { vary: [vary].into(), stale_from, ..record(Timestamp::from_secs(0)) }
            .with_rare(|rare| (rare.tags, rare.groups) = (boxed(&self.tags), boxed(&self.groups)))
    }
}

/// What a purge covers, in terms the model understands.
#[derive(Clone, Debug)]
enum Cover {
    Place(Place),
    Url(Place),
    Prefix(String),
    Tag(Option<Place>, usize),
    Group(Place, usize),
    Host(usize),
    All,
}

impl Cover {
    fn selector(&self) -> Selector {
        match self {
            Self::Place(place) => Selector::Key(place.key()),
            Self::Url(place) => Selector::Url(place.url()),
            Self::Prefix(prefix) => Selector::Prefix(prefix.clone()),
            Self::Tag(place, tag) => {
                Selector::Tag { origin: place.map(Place::origin), tag: NAMES[*tag].to_owned() }
            }
            Self::Group(place, group) => {
                Selector::Group { origin: place.origin(), group: NAMES[*group].to_owned() }
            }
            Self::Host(authority) => Selector::Host(AUTHORITIES[*authority].to_owned()),
            Self::All => Selector::All,
        }
    }

    fn covers(&self, place: Place, facts: &Facts) -> bool {
        let same_origin = |other: &Place| (other.https, other.authority) == (place.https, place.authority);
        match self {
            Self::Place(other) => *other == place,
            Self::Url(other) => same_origin(other) && other.path == place.path,
            Self::Prefix(prefix) => place.url().starts_with(prefix.as_str()),
            Self::Tag(other, tag) => other.as_ref().is_none_or(same_origin) && facts.tags.contains(tag),
            Self::Group(other, group) => same_origin(other) && facts.groups.contains(group),
            Self::Host(authority) => *authority == place.authority,
            Self::All => true,
        }
    }
}

/// One step of a history. `usize` fields choose among what is there, modulo its number.
#[derive(Clone, Debug)]
enum Step {
    Open { place: Place, facts: Facts },
    Write { writer: usize, chunk: Vec<u8> },
    Commit { writer: usize },
    Abort { writer: usize },
    Look { place: Place },
    Refresh { looked: usize, facts: Facts },
    Purge { cover: Cover, hard: bool, now: i64 },
}

fn places() -> impl Strategy<Value = Place> {
    (any::<bool>(), 0..AUTHORITIES.len(), 0..PATHS.len(), any::<bool>())
        .prop_map(|(https, authority, path, partition)| Place { https, authority, path, partition })
}

fn facts() -> impl Strategy<Value = Facts> {
    let names = || vec(0..NAMES.len(), 0..3);
    (0..3u8, names(), names()).prop_map(|(variant, tags, groups)| Facts {
        variant,
        tags,
        groups,
        stale_from: None,
    })
}

fn covers() -> impl Strategy<Value = Cover> {
    prop_oneof![
        4 => places().prop_map(Cover::Place),
        4 => places().prop_map(Cover::Url),
        4 => (places(), 0..24usize).prop_map(|(place, cut)| {
            let url = place.url();
            Cover::Prefix(url[..cut.min(url.len())].to_owned())
        }),
        4 => (proptest::option::of(places()), 0..NAMES.len()).prop_map(|(place, tag)| Cover::Tag(place, tag)),
        4 => (places(), 0..NAMES.len()).prop_map(|(place, group)| Cover::Group(place, group)),
        2 => (0..AUTHORITIES.len()).prop_map(Cover::Host),
        1 => Just(Cover::All),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (places(), facts()).prop_map(|(place, facts)| Step::Open { place, facts }),
        6 => (any::<usize>(), vec(any::<u8>(), 0..3_000)).prop_map(|(writer, chunk)| Step::Write { writer, chunk }),
        6 => any::<usize>().prop_map(|writer| Step::Commit { writer }),
        1 => any::<usize>().prop_map(|writer| Step::Abort { writer }),
        3 => places().prop_map(|place| Step::Look { place }),
        3 => (any::<usize>(), facts()).prop_map(|(looked, facts)| Step::Refresh { looked, facts }),
        2 => (covers(), any::<bool>(), 0..100i64).prop_map(|(cover, hard, now)| Step::Purge { cover, hard, now }),
    ]
}

/// An entry as the model has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    id: u64,
    facts: Facts,
    body: Vec<u8>,
}

struct OpenWriter {
    writer: Box<dyn Writer>,
    place: Place,
    facts: Facts,
    body: Vec<u8>,
    begun: usize,
}

struct Looked {
    entry: std::sync::Arc<millpond_store::Entry>,
    place: Place,
    begun: usize,
    epoch: Epoch,
}

/// The model, the store, and what a client has in hand.
struct World {
    store: MemoryStore,
    kept: BTreeMap<Place, Vec<Kept>>,
    purges: Vec<Cover>,
    writers: Vec<OpenWriter>,
    looked: Vec<Looked>,
}

impl World {
    fn new(store: MemoryStore) -> Self {
        Self { store, kept: BTreeMap::new(), purges: Vec::new(), writers: Vec::new(), looked: Vec::new() }
    }

    fn overtaken(&self, begun: usize, place: Place, facts: &[&Facts]) -> bool {
        self.purges[begun..].iter().any(|cover| facts.iter().any(|facts| cover.covers(place, facts)))
    }

    fn keep(&mut self, place: Place, new: Kept) {
        let list = self.kept.entry(place).or_default();
        list.retain(|kept| kept.id != new.id && kept.facts.variant != new.facts.variant);
        list.insert(0, new);
        list.truncate(MAX_VARIANTS);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Open { place, facts } => {
                let new =
                    NewEntry { record: facts.record(), ..entry(&self.store, &place.key(), facts.record()) };
                let writer = self.store.writer(new).await.unwrap();
                let begun = self.purges.len();
                self.writers.push(OpenWriter { writer, place, facts, body: Vec::new(), begun });
            }
            Step::Write { writer, chunk } if !self.writers.is_empty() => {
                let at = writer % self.writers.len();
                let open = &mut self.writers[at];
                open.writer.write(Bytes::copy_from_slice(&chunk)).await.unwrap();
                open.body.extend_from_slice(&chunk);
            }
            Step::Commit { writer } if !self.writers.is_empty() => {
                let open = self.writers.swap_remove(writer % self.writers.len());
                let overtaken = self.overtaken(open.begun, open.place, &[&open.facts]);
                match open.writer.commit(Fields::new()).await {
                    Ok(entry) => {
                        assert!(!overtaken, "a write overtaken by a purge was let through");
                        self.keep(open.place, Kept { id: entry.id, facts: open.facts, body: open.body });
                    }
                    Err(error) => assert!(overtaken && error == StoreError::Superseded, "{error}"),
                }
            }
            Step::Abort { writer } if !self.writers.is_empty() => {
                let at = writer % self.writers.len();
                self.writers.swap_remove(at);
            }
            Step::Look { place } => {
                let found = self.store.variants(&place.key()).await.unwrap();
                let (begun, epoch) = (self.purges.len(), self.store.epoch());
                let found = found.entries.iter().cloned();
                self.looked.extend(found.map(|entry| Looked { entry, place, begun, epoch }));
            }
            Step::Refresh { looked, facts } if !self.looked.is_empty() => {
                let looked = self.looked.swap_remove(looked % self.looked.len());
                self.refresh(&looked, facts).await;
            }
            Step::Purge { cover, hard, now } => self.purge(cover, hard, now).await,
            _ => {}
        }
    }

    async fn refresh(&mut self, looked: &Looked, facts: Facts) {
        let current = self.kept.get(&looked.place).into_iter().flatten();
        let current = current.clone().find(|kept| kept.id == looked.entry.id).cloned();
        let result =
            self.store.refresh(&looked.entry, facts.record(), head("fresh"), UNTIL, looked.epoch).await;
        let Some(current) = current else {
            assert_eq!(result.unwrap_err(), StoreError::Gone);
            return;
        };
        if self.overtaken(looked.begun, looked.place, &[&current.facts, &facts]) {
            assert_eq!(result.unwrap_err(), StoreError::Superseded);
            return;
        }
        assert_eq!(result.unwrap().id, current.id);
        self.keep(looked.place, Kept { facts, ..current });
    }

    async fn purge(&mut self, cover: Cover, hard: bool, now: i64) {
        let mut count = 0;
        for (place, list) in &mut self.kept {
            list.retain_mut(|kept| {
                let covered = cover.covers(*place, &kept.facts);
                count += u64::from(covered);
                if covered {
                    kept.facts.stale_from =
                        Some(kept.facts.stale_from.map_or(now, |already| already.min(now)));
                }
                !(covered && hard)
            });
        }
        let mode = if hard { PurgeMode::Hard } else { PurgeMode::Soft };
        let removed = self.store.remove(&cover.selector(), mode, Timestamp::from_secs(now)).await.unwrap();
        assert_eq!(removed, count, "entries covered by {cover:?}");
        self.purges.push(cover);
    }

    async fn compare(&self) {
        let mut entries = 0;
        for (place, list) in &self.kept {
            let found = self.store.variants(&place.key()).await.unwrap();
            assert_eq!(found.entries.len(), list.len(), "entries at {place:?}");
            for (entry, kept) in found.entries.iter().zip(list) {
                assert_eq!(entry.id, kept.id);
                assert_eq!(entry.record, kept.facts.record());
                assert_eq!(body_of(&self.store, entry, None).await.unwrap(), kept.body);
            }
            entries += list.len() as u64;
        }
        assert_eq!(self.store.stats().entries, entries);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_roomy_tier_is_a_map(history in vec(steps(), 1..120)) {
        runtime().block_on(async {
            let mut world = World::new(MemoryStore::default());
            for step in history {
                world.step(step).await;
            }
            world.compare().await;
            world.writers.clear();
            prop_assert_eq!(world.store.stats().in_flight_bytes, 0);
            Ok(())
        })?;
    }

    #[test]
    fn a_tight_tier_is_bounded_and_exact(
        puts in vec((0..40usize, 0..3u8, 0..9_000usize, any::<bool>()), 1..200),
        purges in vec(0..40usize, 0..20),
    ) {
        runtime().block_on(async {
            let capacity = 64 << 10;
            let store = MemoryStore::new(MemoryOptions { capacity, ..MemoryOptions::default() });
            let key = |at: usize| KeyParts::new(Scheme::Http, "tight", &format!("/{at}")).to_key();
            let body = |at: usize, variant: u8, size: usize| -> Vec<u8> {
                (0..size).map(|byte| (byte * 7 + at * 13 + size) as u8 ^ variant).collect()
            };
            let mut newest = BTreeMap::new();
            for (step, (at, variant, size, look)) in puts.into_iter().enumerate() {
                let facts = Facts { variant, tags: vec![at % 3], groups: vec![], stale_from: None };
                let mut writer = store.writer(entry(&store, &key(at), facts.record())).await.unwrap();
                writer.write(body(at, variant, size).into()).await.unwrap();
                writer.commit(Fields::new()).await.unwrap();
                newest.insert((at, variant), size);
                if let Some(purged) = purges.get(step) {
                    let selector = Selector::Key(key(*purged));
                    store.remove(&selector, PurgeMode::Hard, Timestamp::from_secs(1)).await.unwrap();
                    newest.retain(|(at, _), _| at != purged);
                }
                let stats = store.stats();
                prop_assert!(stats.bytes <= stats.capacity && stats.capacity <= capacity, "{:?}", stats);
                let found = if look { store.lookup(key(at).as_bytes()) } else { None };
                for entry in found.iter().flat_map(|variants| variants.entries.iter()) {
                    let variant = entry.record.vary[0].value.as_ref().unwrap()[0];
                    let wanted = newest.get(&(at, variant)).map(|size| body(at, variant, *size));
                    let content = body_of(&store, entry, None).await.unwrap();
                    prop_assert_eq!(Some(content), wanted, "not the newest body of {} {}", at, variant);
                }
            }
            store.remove(&Selector::All, PurgeMode::Hard, Timestamp::from_secs(1)).await.unwrap();
            let stats = store.stats();
            prop_assert_eq!((stats.entries, stats.bytes, stats.index_rows), (0, 0, 0));
            Ok(())
        })?;
    }
}
