//! Random histories of the store beside a model that could not be simpler: for each slot the responses given for it, the
//! newest last, of which a crash may take back those that were not flushed.

use crate::support::{
    Clock, bodies, content, database, integrity, numbered, options, runtime, scratch, store_new, until,
    versioned,
};
use bytes::Bytes;
use millpond_exchange::{Fields, PurgeMode, Record, Selector, Timestamp, VarySelector};
use millpond_store::laws::{UNTIL, body_of, entry, head};
use millpond_store::{Entry, Store, StoreError, Writer, covers};
use millpond_store_sqlite::{SqliteOptions, SqliteStore};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const TAGS: [&str; 3] = ["red", "green", "blue"];
/// Nothing; in the row; in the row but over the threshold of compression; in a file; in a file of several chunks.
const LENGTHS: [usize; 6] = [0, 10, 1_500, 3_000, 9_000, 300_000];

/// Where something is stored: a key and the value it varies by.
type Slot = (u64, u8);

#[derive(Clone, Debug)]
enum Cover {
    Key(u64),
    Url(u64),
    Prefix(u64),
    Tag(usize),
    Group(usize),
    Host(bool),
    All,
}

impl Cover {
    fn selector(&self) -> Selector {
        let origin = || "http://survival.test".to_owned();
        let name = |name: &usize| TAGS[*name].to_owned();
        match self {
            Self::Key(number) => Selector::Key(numbered(*number)),
            Self::Url(number) => Selector::Url(numbered(*number).url()),
            Self::Prefix(number) => Selector::Prefix(numbered(*number).url()),
            Self::Tag(tag) if tag % 2 == 0 => Selector::Tag { origin: None, tag: name(tag) },
            Self::Tag(tag) => Selector::Tag { origin: Some(origin()), tag: name(tag) },
            Self::Group(group) => Selector::Group { origin: origin(), group: name(group) },
            Self::Host(ours) => Selector::Host(if *ours { "survival.test" } else { "other.test" }.to_owned()),
            Self::All => Selector::All,
        }
    }
}

#[derive(Clone, Debug)]
struct Given {
    slot: Slot,
    length: usize,
    text: bool,
    tags: Vec<usize>,
    groups: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Step {
    Put(Given),
    /// A writer that is opened now and committed, or dropped, some time later.
    Begin(Given),
    Commit(usize),
    Abort(usize),
    Read {
        slot: Slot,
        from: u64,
        to: u64,
    },
    Refresh {
        slot: Slot,
        tags: Vec<usize>,
    },
    Purge {
        cover: Cover,
        hard: bool,
    },
    /// By the other process, while this one is writing `racing`.
    PurgeElsewhere {
        cover: Cover,
        hard: bool,
        racing: Option<Given>,
    },
    /// The other process goes on where this one has flushed.
    Change,
    Flush,
    Reopen,
    Crash,
}

fn slots() -> impl Strategy<Value = Slot> {
    (prop_oneof![Just(1u64), Just(2), Just(12), Just(3)], 0..2u8)
}

fn given_entries() -> impl Strategy<Value = Given> {
    let names = || vec(0..TAGS.len(), 0..2);
    (slots(), 0..LENGTHS.len(), any::<bool>(), names(), names()).prop_map(
        |(slot, length, text, tags, groups)| Given { slot, length: LENGTHS[length], text, tags, groups },
    )
}

fn covers_of() -> impl Strategy<Value = Cover> {
    let keys = || prop_oneof![Just(1u64), Just(2), Just(12), Just(4)];
    prop_oneof![
        3 => keys().prop_map(Cover::Key),
        2 => keys().prop_map(Cover::Url),
        2 => keys().prop_map(Cover::Prefix),
        2 => (0..TAGS.len()).prop_map(Cover::Tag),
        2 => (0..TAGS.len()).prop_map(Cover::Group),
        1 => any::<bool>().prop_map(Cover::Host),
        1 => Just(Cover::All),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let purge = || (covers_of(), any::<bool>());
    prop_oneof![
        10 => given_entries().prop_map(Step::Put),
        3 => given_entries().prop_map(Step::Begin),
        3 => any::<usize>().prop_map(Step::Commit),
        1 => any::<usize>().prop_map(Step::Abort),
        3 => (slots(), 0..310_000u64, 0..310_000u64).prop_map(|(slot, from, to)| Step::Read { slot, from, to }),
        3 => (slots(), vec(0..TAGS.len(), 0..2)).prop_map(|(slot, tags)| Step::Refresh { slot, tags }),
        4 => purge().prop_map(|(cover, hard)| Step::Purge { cover, hard }),
        2 => (purge(), proptest::option::of(given_entries()))
            .prop_map(|((cover, hard), racing)| Step::PurgeElsewhere { cover, hard, racing }),
        1 => Just(Step::Change),
        3 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        2 => Just(Step::Crash),
    ]
}

/// A response as the model has it.
#[derive(Clone, Debug)]
struct Kept {
    record: Record,
    body: Bytes,
    flushed: bool,
}

struct Late {
    writer: Box<dyn Writer>,
    given: Given,
    record: Record,
    body: Bytes,
    begun: usize,
}

struct World {
    directories: Vec<TempDir>,
    clock: Clock,
    store: Arc<SqliteStore>,
    other: Option<Arc<SqliteStore>>,
    slots: BTreeMap<Slot, Vec<Kept>>,
    late: Vec<Late>,
    purges: Vec<Selector>,
    versions: u64,
    /// Purges of these files so far, and how many there had been when either store was opened.
    counted: u64,
    born: (u64, u64),
}

/// Nothing is written unless asked for, so that what a crash takes is known.
fn quiet(directory: &Path, clock: &Clock) -> SqliteOptions {
    SqliteOptions {
        inline_limit: 4 << 10,
        commit_interval: Duration::from_secs(3_600),
        commit_entries: usize::MAX,
        ..options(directory, clock)
    }
}

fn opened(directory: &Path, clock: &Clock) -> Arc<SqliteStore> {
    SqliteStore::open(quiet(directory, clock)).unwrap()
}

/// A picture of the files as a crash now would leave them. The log comes first: what a checkpoint moves meanwhile is
/// then in it or already in the database.
fn copy(from: &Path, to: &Path) {
    let wal = |directory: &Path| PathBuf::from(format!("{}-wal", database(directory).display()));
    for name in [wal, database] {
        if name(from).exists() {
            std::fs::copy(name(from), name(to)).unwrap();
        }
    }
    for file in crate::support::body_files(from) {
        let target = bodies(to).join(file.strip_prefix(bodies(from)).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

impl World {
    fn new() -> Self {
        let (directory, clock) = (scratch(), Clock::new());
        let store = opened(directory.path(), &clock);
        Self {
            directories: vec![directory],
            clock,
            store,
            other: None,
            slots: BTreeMap::new(),
            late: Vec::new(),
            purges: Vec::new(),
            versions: 0,
            counted: 0,
            born: (0, 0),
        }
    }

    fn directory(&self) -> &Path {
        self.directories.last().unwrap().path()
    }

    fn other(&mut self) -> Arc<SqliteStore> {
        let (directory, clock) = (self.directory().to_owned(), self.clock.clone());
        let (born, counted) = (&mut self.born.1, self.counted);
        Arc::clone(self.other.get_or_insert_with(|| {
            *born = counted;
            opened(&directory, &clock)
        }))
    }

    fn next(&mut self, given: &Given) -> (Record, Bytes) {
        self.versions += 1;
        let boxed = |names: &[usize]| names.iter().map(|name| Box::from(TAGS[*name])).collect();
        let vary = VarySelector { name: "x-slot".into(), value: Some([given.slot.1].into()) };
        let record = Record { vary: [vary].into(), ..versioned(self.versions, &[]) }
            .with_rare(|rare| (rare.tags, rare.groups) = (boxed(&given.tags), boxed(&given.groups)));
        (record, content(given.slot.0, self.versions, given.length, given.text).into())
    }

    fn overtaken(&self, begun: usize, slot: Slot, records: &[&Record]) -> bool {
        let key = numbered(slot.0);
        self.purges[begun..].iter().any(|cover| records.iter().any(|record| covers(cover, &key, record)))
    }

    fn keep(&mut self, slot: Slot, record: Record, body: Bytes) {
        self.slots.entry(slot).or_default().push(Kept { record, body, flushed: false });
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Put(given) => {
                let (record, body) = self.next(&given);
                let new = entry(&*self.store, &numbered(given.slot.0), record.clone());
                store_new(&*self.store, new, &body).await.unwrap();
                self.keep(given.slot, record, body);
            }
            Step::Begin(given) => {
                let (record, body) = self.next(&given);
                let new = entry(&*self.store, &numbered(given.slot.0), record.clone());
                let mut writer = self.store.writer(new).await.unwrap();
                writer.write(body.slice(..body.len() / 2)).await.unwrap();
                self.late.push(Late { writer, given, record, body, begun: self.purges.len() });
            }
            Step::Commit(at) if !self.late.is_empty() => {
                let late = self.late.swap_remove(at % self.late.len());
                self.commit(late).await;
            }
            Step::Abort(at) if !self.late.is_empty() => drop(self.late.swap_remove(at % self.late.len())),
            Step::Read { slot, from, to } => self.read(slot, from, to).await,
            Step::Refresh { slot, tags } => self.refresh(slot, &tags).await,
            Step::Purge { cover, hard } => self.purge(&cover.selector(), hard).await,
            Step::PurgeElsewhere { cover, hard, racing } => {
                self.purge_elsewhere(&cover.selector(), hard, racing).await;
            }
            Step::Change => {
                self.flush().await;
                self.late.clear();
                let other = self.other();
                self.other = Some(std::mem::replace(&mut self.store, other));
                self.born = (self.born.1, self.born.0);
                self.all_seen().await;
            }
            Step::Flush => self.flush().await,
            Step::Reopen => self.reopen().await,
            Step::Crash => self.crash().await,
            Step::Commit(_) | Step::Abort(_) => {}
        }
    }

    async fn commit(&mut self, mut late: Late) {
        late.writer.write(late.body.slice(late.body.len() / 2..)).await.unwrap();
        let overtaken = self.overtaken(late.begun, late.given.slot, &[&late.record]);
        match late.writer.commit(Fields::new()).await {
            Ok(_) => {
                assert!(!overtaken, "a write overtaken by a purge was let through");
                self.keep(late.given.slot, late.record, late.body);
            }
            Err(error) => assert!(overtaken && error == StoreError::Superseded, "{error}"),
        }
    }

    async fn found(&self, slot: Slot) -> Option<Arc<Entry>> {
        let found = self.store.variants(&numbered(slot.0)).await.unwrap();
        let mut same =
            found.entries.iter().filter(|entry| entry.record.vary[0].value.as_deref() == Some(&[slot.1]));
        let one = same.next().cloned();
        assert!(same.next().is_none(), "one variant is found twice");
        one
    }

    async fn read(&self, slot: Slot, from: u64, to: u64) {
        let Some(found) = self.found(slot).await else { return };
        let kept = &self.slots[&slot].last().unwrap().body;
        let length = kept.len() as u64;
        let range = from.min(length) as usize..to.max(from).min(length) as usize;
        let part = body_of(&*self.store, &found, Some(from..to.max(from))).await.unwrap();
        assert!(part == kept[range], "range {from}..{to} of {slot:?} differs");
    }

    async fn refresh(&mut self, slot: Slot, tags: &[usize]) {
        let Some(found) = self.found(slot).await else { return };
        let tags = tags.iter().map(|name| Box::from(TAGS[*name])).collect();
        let record = Record { stale_from: None, ..found.record.clone() }.with_rare(|rare| rare.tags = tags);
        let epoch = self.store.epoch();
        let fresh = self.store.refresh(&found, record.clone(), head("fresh"), UNTIL, epoch).await.unwrap();
        assert_eq!(fresh.id, found.id);
        let body = self.slots[&slot].last().unwrap().body.clone();
        self.keep(slot, record, body);
    }

    /// What a purge does to the model; how many of the entries that are found now it covers.
    fn apply(&mut self, selector: &Selector, hard: bool, now: Timestamp) -> u64 {
        let mut count = 0;
        for (slot, kept) in &mut self.slots {
            let key = numbered(slot.0);
            let covered = |kept: &Kept| covers(selector, &key, &kept.record);
            let newest_goes = kept.last().is_some_and(covered);
            count += u64::from(newest_goes);
            for kept in kept.iter_mut().filter(|kept| covered(kept)) {
                let stale = kept.record.stale_from.map_or(now, |from| from.min(now));
                kept.record.stale_from = Some(stale);
            }
            if hard && newest_goes {
                // What it had replaced is gone too.
                kept.clear();
            } else if hard {
                kept.retain(|kept| !covered(kept));
            }
        }
        self.purges.push(selector.clone());
        count
    }

    /// What a purge by another process does: it finds what is flushed, and takes from what waits here what it covers. What
    /// that would have replaced is found again.
    fn apply_elsewhere(&mut self, selector: &Selector, hard: bool, now: Timestamp) {
        for (slot, kept) in &mut self.slots {
            let key = numbered(slot.0);
            let mut left: Vec<Kept> = Vec::new();
            let mut gone = Vec::new();
            for mut item in kept.drain(..) {
                let covered = covers(selector, &key, &item.record);
                let refreshes = left.iter().any(|other| other.record.etag == item.record.etag);
                if gone.contains(&item.record.etag) || covered && refreshes {
                    gone.push(item.record.etag);
                    continue;
                }
                if covered {
                    // And what waits to take its place is not stored.
                    gone.push(item.record.etag.clone());
                }
                if covered && hard {
                    continue;
                }
                if covered {
                    item.record.stale_from = Some(item.record.stale_from.map_or(now, |from| from.min(now)));
                }
                left.push(item);
            }
            *kept = left;
        }
        self.purges.push(selector.clone());
    }

    async fn purge(&mut self, selector: &Selector, hard: bool) {
        self.clock.advance(1_000);
        let now = self.clock.now();
        let mode = if hard { PurgeMode::Hard } else { PurgeMode::Soft };
        let removed = self.store.remove(selector, mode, now).await.unwrap();
        self.counted += 1;
        assert_eq!(removed, self.apply(selector, hard, now), "entries covered by {selector:?}");
        self.flushed();
    }

    /// The other process purges. This one learns of it by itself, and advances its epoch when it has.
    async fn purge_elsewhere(&mut self, selector: &Selector, hard: bool, racing: Option<Given>) {
        let other = self.other();
        self.clock.advance(1_000);
        let now = self.clock.now();
        let mode = if hard { PurgeMode::Hard } else { PurgeMode::Soft };
        other.remove(selector, mode, now).await.unwrap();
        self.counted += 1;
        self.apply_elsewhere(selector, hard, now);
        let mut raced = None;
        if let Some(given) = racing {
            let (record, body) = self.next(&given);
            let new = entry(&*self.store, &numbered(given.slot.0), record.clone());
            let stored = store_new(&*self.store, new, &body).await;
            let covered = covers(selector, &numbered(given.slot.0), &record);
            assert!(covered || stored.is_ok(), "{stored:?}");
            assert!(matches!(stored, Ok(_) | Err(StoreError::Superseded)), "{stored:?}");
            raced = stored.is_ok().then_some((given.slot, record, body, covered));
        }
        self.all_seen().await;
        if let Some((slot, record, body, covered)) = raced {
            // Nobody can tell whether its fetch began before the purge: it may be dropped.
            let found = self.found(slot).await;
            let there = found.filter(|found| found.record.etag == record.etag);
            assert!(there.is_some() || covered, "a write that no purge covers is lost");
            if let Some(there) = there {
                let marked = Record { stale_from: Some(now), ..record.clone() };
                assert!(there.record == record || covered && !hard && there.record == marked);
                self.keep(slot, there.record.clone(), body);
            }
        }
    }

    /// Waits until this process has seen all purges; each advances its epoch by one.
    async fn all_seen(&self) {
        let (store, all) = (Arc::clone(&self.store), self.counted - self.born.0);
        until("the purges elsewhere are seen", async || (store.epoch().own >= all).then_some(())).await;
        assert_eq!(store.epoch().own, all, "every purge is seen once");
    }

    async fn flush(&mut self) {
        self.store.flush().await;
        self.flushed();
    }

    /// All that waited is written: a purge does that too, since it comes after it.
    fn flushed(&mut self) {
        for kept in self.slots.values_mut() {
            kept.drain(..kept.len().saturating_sub(1));
            for kept in kept.iter_mut() {
                kept.flushed = true;
            }
        }
    }

    async fn reopen(&mut self) {
        self.late.clear();
        self.other = None;
        self.store.close();
        self.flush().await;
        integrity(self.directory());
        self.store = opened(self.directory(), &self.clock);
        self.born.0 = self.counted;
    }

    /// Goes on with a picture of the files, which lacks what was not flushed.
    async fn crash(&mut self) {
        let picture = scratch();
        copy(self.directory(), picture.path());
        self.late.clear();
        self.other = None;
        self.store = opened(picture.path(), &self.clock);
        self.directories.push(picture);
        self.purges.clear();
        self.born.0 = self.counted;
        for (slot, mut kept) in std::mem::take(&mut self.slots) {
            let found = self.found(slot).await;
            let Some(found) = found else {
                assert!(kept.iter().all(|kept| !kept.flushed), "{slot:?} was flushed and is lost");
                continue;
            };
            let like = kept.iter().rposition(|kept| kept.record == found.record);
            let like = like.unwrap_or_else(|| panic!("{slot:?} comes back as {:?}", found.record));
            let flushed = kept.iter().rposition(|kept| kept.flushed);
            assert!(
                flushed.is_none_or(|flushed| flushed <= like),
                "{slot:?} comes back older than it was flushed"
            );
            self.slots.insert(slot, vec![Kept { flushed: true, ..kept.swap_remove(like) }]);
        }
    }

    async fn compare(&self) {
        let all = [1, 2, 3, 12].into_iter().flat_map(|number| [(number, 0), (number, 1)]);
        for slot in all {
            let found = self.found(slot).await;
            let kept = self.slots.get(&slot).and_then(|kept| kept.last());
            assert_eq!(
                found.as_ref().map(|entry| &entry.record),
                kept.map(|kept| &kept.record),
                "at {slot:?}"
            );
            if let (Some(found), Some(kept)) = (&found, kept) {
                assert!(body_of(&*self.store, found, None).await.unwrap() == kept.body, "body at {slot:?}");
            }
        }
    }
}

fn cases() -> u32 {
    std::env::var("SURVIVAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: cases(),
        max_shrink_time: 30_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn histories_with_restarts_and_crashes_are_those_of_a_map(history in vec(steps(), 1..80)) {
        runtime().block_on(async {
            let mut world = World::new();
            for step in history {
                world.step(step).await;
                world.compare().await;
            }
            world.reopen().await;
            world.compare().await;
        });
    }
}
