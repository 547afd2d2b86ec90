//! What readers hold of bodies that left the memory tier is counted, and no more room is given than there is.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use bytes::Bytes;
use millpond_exchange::{Body, Fields, PurgeMode, Selector, Timestamp};
use millpond_store::laws::{entry, key, put, record};
use millpond_store::{Entry, MemoryOptions, MemoryStats, MemoryStore, NewEntry, Store, StoreError, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_secs(1);
const CAPACITY: u64 = 1 << 20;
/// The head and bookkeeping of one entry as these tests make it, bytes, generously.
const HEAD: u64 = 2_000;

fn store(max_in_flight: u64) -> MemoryStore {
    let options =
        MemoryOptions { capacity: CAPACITY, max_in_flight: Some(max_in_flight), ..MemoryOptions::default() };
    MemoryStore::new(options)
}

async fn purge_all(store: &MemoryStore) {
    store.remove(&Selector::All, PurgeMode::Hard, NOW).await.unwrap();
}

fn all(stats: &MemoryStats) -> u64 {
    stats.bytes + stats.held_bytes + stats.in_flight_bytes
}

/// Stores bodies of `size` and holds them all, until the store refuses.
async fn hold_until_refused(store: &MemoryStore, size: usize) -> (Vec<Arc<Entry>>, StoreError) {
    let (mut held, before) = (Vec::new(), store.stats().live_bytes);
    loop {
        let path = format!("/held/{}", held.len());
        match put(store, &key("h", &path), record(NOW), &vec![1; size]).await {
            Ok(entry) => held.push(entry),
            Err(refusal) => return (held, refusal),
        }
        let stats = store.stats();
        assert!(all(&stats) <= CAPACITY + 500_000, "{stats:?}");
        assert_eq!(stats.live_bytes, before + (held.len() * size) as u64);
    }
}

#[tokio::test]
async fn writers_are_refused_while_readers_hold_what_left() {
    for size in [3_000, 20_000, 100_000] {
        let store = store(500_000);
        let (mut held, refusal) = hold_until_refused(&store, size).await;
        assert!(matches!(refusal, StoreError::Unavailable(_)), "{refusal}");
        let stats = store.stats();
        assert!(stats.evicted + stats.refused > 0 && stats.held_bytes > 300_000, "{stats:?}");
        // Those that stay in the tier are not what keeps writers out.
        held.retain(|entry| store.lookup(entry.key.as_bytes()).is_some());
        assert_eq!(store.stats().held_bytes, 0);
        put(&store, &key("h", "/again"), record(NOW), &vec![1; size]).await.unwrap();
        drop(held);
        purge_all(&store).await;
        assert_eq!(store.stats().live_bytes, 0);
    }
}

#[tokio::test]
async fn a_body_counts_until_its_last_piece_is_dropped() {
    let store = store(CAPACITY);
    let entry = put(&store, &key("h", "/"), record(NOW), &vec![1; 200_000]).await.unwrap();
    let Body::Memory(body) = store.read(&entry, Some(10..20)).await.unwrap() else { panic!("not in memory") };
    let piece = body.iter().next().unwrap();
    let held = |store: &MemoryStore| (store.stats().live_bytes, store.stats().held_bytes);
    assert_eq!(held(&store), (200_000, 0));
    purge_all(&store).await;
    drop((entry, body));
    let (live, kept) = held(&store);
    assert!(live == kept && live >= 10, "the ten bytes keep their segment: {live}, {kept}");
    drop(piece);
    assert_eq!(held(&store), (0, 0));
}

#[tokio::test]
async fn pieces_read_before_the_commit_count() {
    for size in [3_000, 200_000, 1_000_000] {
        let store = MemoryStore::default();
        let mut writer = store.writer(entry(&store, &key("h", "/"), record(NOW))).await.unwrap();
        let (reader, mut pieces) = (writer.reader(), Vec::new());
        for at in (0..size).step_by(1_000) {
            writer.write(Bytes::from(vec![(at / 1_000) as u8; 1_000])).await.unwrap();
            pieces.push(reader.read_at(at).await.unwrap());
        }
        let entry = writer.commit(Fields::new()).await.unwrap();
        assert_eq!(store.stats().in_flight_bytes, 0);
        assert!(
            store.stats().live_bytes >= 2 * size,
            "the pieces were joined, and the old ones are still held"
        );
        assert!(pieces.iter().enumerate().all(|(at, piece)| piece.iter().all(|byte| *byte == at as u8)));
        drop((pieces, reader));
        assert_eq!((store.stats().live_bytes, store.stats().held_bytes), (size, 0));
        purge_all(&store).await;
        assert_eq!(store.stats().held_bytes, size);
        drop(entry);
        assert_eq!(store.stats().live_bytes, 0);
    }
}

#[tokio::test]
async fn pieces_are_not_joined_where_there_is_no_room_for_both() {
    // Within one segment, and with an earlier one that is full.
    for more in [0, 3_000] {
        pin_and_commit(more).await;
    }
}

/// Writes 3,000 bytes that a reader holds, and `more`, many times; fills the store; commits them all.
async fn pin_and_commit(more: usize) {
    let (store, mut open) = (store(500_000), Vec::new());
    for at in 0..50 {
        let new = entry(&store, &key("h", &format!("/open/{at}")), record(NOW));
        let mut writer = store.writer(new).await.unwrap();
        writer.write(Bytes::from(vec![at as u8; 3_000])).await.unwrap();
        let piece = writer.reader().read_at(0).await.unwrap();
        writer.write(Bytes::from(vec![at as u8; more])).await.unwrap();
        let again = writer.reader().read_at(0).await.unwrap();
        open.push((writer, [piece, again]));
    }
    let (held, _) = hold_until_refused(&store, 20_000).await;
    let mut pieces = Vec::new();
    for (at, (writer, piece)) in open.into_iter().enumerate() {
        let entry = writer.commit(Fields::new()).await.unwrap();
        assert_eq!(entry.body.as_ref().unwrap().to_vec(), vec![at as u8; 3_000 + more]);
        pieces.push((entry, piece));
        let stats = store.stats();
        assert!(all(&stats) <= CAPACITY + 500_000 + HEAD, "{stats:?}");
    }
    drop((held, pieces));
    purge_all(&store).await;
    assert_eq!(store.stats().live_bytes, 0);
}

#[tokio::test]
async fn a_full_tier_takes_nothing_from_writes_in_progress() {
    let (store, mut writers) = (store(500_000), Vec::new());
    for at in 0..3_000 {
        put(&store, &key("h", &format!("/{at}")), record(NOW), b"").await.unwrap();
    }
    assert!(store.stats().evicted > 0);
    for at in 0..100 {
        let new = entry(&store, &key("h", &format!("/w{at}")), record(NOW));
        let new = NewEntry { announced_len: Some(5_000), ..new };
        let mut writer = store.writer(new).await.unwrap();
        writer.write(Bytes::from(vec![1; 5_000])).await.unwrap();
        writers.push(writer);
    }
    assert_eq!((store.stats().in_flight_bytes, store.stats().held_bytes), (500_000, 0));
    for writer in writers {
        let entry = writer.commit(Fields::new()).await.unwrap();
        let stats = store.stats();
        assert!(all(&stats) <= CAPACITY + 500_000, "{stats:?}");
        assert!(store.lookup(entry.key.as_bytes()).is_some(), "not let in: {stats:?}");
    }
    assert_eq!((store.stats().in_flight_bytes, store.stats().held_bytes), (0, 0));
}

#[tokio::test]
async fn heads_do_not_fill_a_tier_whose_bodies_are_all_held() {
    let store = store(500_000);
    let (held, _) = hold_until_refused(&store, 20_000).await;
    purge_all(&store).await;
    for at in 0..4_000 {
        put(&store, &key("h", &format!("/{at}")), record(NOW), b"").await.unwrap();
        let stats = store.stats();
        assert!(all(&stats) <= CAPACITY + 500_000 + HEAD, "{stats:?}");
    }
    assert!(store.stats().refused > 0);
    drop(held);
    put(&store, &key("h", "/after"), record(NOW), b"").await.unwrap();
    assert!(store.lookup(key("h", "/after").as_bytes()).is_some());
}

/// One step of a random life. `usize` fields choose among what is there, modulo its number.
#[derive(Clone, Debug)]
enum Step {
    Open { path: usize, announced: Option<u64> },
    Write { writer: usize, size: usize },
    Peek { writer: usize, offset: u64 },
    Commit { writer: usize, hold: bool },
    Abort { writer: usize },
    Hold { path: usize },
    LetGo { held: usize },
    Purge { path: Option<usize> },
}

fn steps() -> impl Strategy<Value = Step> {
    let index = any::<usize>;
    prop_oneof![
        6 => (0..60usize, proptest::option::of(0..90_000u64))
            .prop_map(|(path, announced)| Step::Open { path, announced }),
        12 => (index(), 0..60_000usize).prop_map(|(writer, size)| Step::Write { writer, size }),
        4 => (index(), 0..60_000u64).prop_map(|(writer, offset)| Step::Peek { writer, offset }),
        6 => (index(), any::<bool>()).prop_map(|(writer, hold)| Step::Commit { writer, hold }),
        1 => index().prop_map(|writer| Step::Abort { writer }),
        3 => (0..60usize).prop_map(|path| Step::Hold { path }),
        3 => index().prop_map(|held| Step::LetGo { held }),
        1 => proptest::option::of(0..60usize).prop_map(|path| Step::Purge { path }),
    ]
}

/// What a client may hold.
enum Held {
    Entry(Arc<Entry>),
    Piece(Bytes),
}

#[derive(Default)]
struct Hands {
    writers: Vec<Box<dyn Writer>>,
    held: Vec<Held>,
}

impl Hands {
    async fn step(&mut self, store: &MemoryStore, step: Step) {
        let path = |path: usize| key("h", &format!("/{path}"));
        let choose = |at: usize, of: usize| at.checked_rem(of);
        match step {
            Step::Open { path: at, announced } => {
                let new = entry(store, &path(at), record(NOW));
                let new = NewEntry { announced_len: announced, ..new };
                self.writers.push(store.writer(new).await.unwrap());
            }
            Step::Write { writer, size } => {
                let Some(at) = choose(writer, self.writers.len()) else { return };
                if self.writers[at].write(Bytes::from(vec![1; size])).await.is_err() {
                    self.writers.swap_remove(at);
                }
            }
            Step::Peek { writer, offset } => {
                let Some(at) = choose(writer, self.writers.len()) else { return };
                let piece = self.writers[at].reader().read_at(offset).await.unwrap();
                self.held.push(Held::Piece(piece));
            }
            Step::Commit { writer, hold } => {
                let Some(at) = choose(writer, self.writers.len()) else { return };
                let entry = self.writers.swap_remove(at).commit(Fields::new()).await;
                self.held.extend(entry.ok().filter(|_| hold).map(Held::Entry));
            }
            Step::Abort { writer } => {
                let Some(at) = choose(writer, self.writers.len()) else { return };
                self.writers.swap_remove(at);
            }
            Step::Hold { path: at } => {
                let found = store.lookup(path(at).as_bytes());
                self.held.extend(found.and_then(|found| found.entries.first().cloned()).map(Held::Entry));
            }
            Step::LetGo { held } => {
                let Some(at) = choose(held, self.held.len()) else { return };
                self.held.swap_remove(at);
            }
            Step::Purge { path: at } => {
                let selector = at.map_or(Selector::All, |at| Selector::Key(path(at)));
                store.remove(&selector, PurgeMode::Hard, NOW).await.unwrap();
            }
        }
    }

    /// Content of the entries in hand, each once.
    fn content(&self) -> u64 {
        let entries = self.held.iter().filter_map(|held| match held {
            Held::Entry(entry) => Some((entry.id, entry.body_len)),
            Held::Piece(_) => None,
        });
        entries.collect::<BTreeMap<_, _>>().values().sum()
    }

    /// The longest piece in hand: that much is live at least.
    fn longest(&self) -> u64 {
        let pieces = self.held.iter().map(|held| match held {
            Held::Entry(_) => 0,
            Held::Piece(piece) => piece.len() as u64,
        });
        pieces.max().unwrap_or(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_bound_holds_whatever_is_held(history in vec(steps(), 1..250), max_in_flight in 100_000..600_000u64) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let (store, mut hands) = (store(max_in_flight), Hands::default());
            for step in history {
                hands.step(&store, step).await;
                let stats = store.stats();
                prop_assert!(stats.in_flight_bytes <= max_in_flight, "{:?}", stats);
                prop_assert!(all(&stats) <= CAPACITY + max_in_flight + HEAD, "{:?}", stats);
                prop_assert!(stats.live_bytes >= hands.content().max(hands.longest()), "{:?}", stats);
            }
            drop(hands);
            purge_all(&store).await;
            let stats = store.stats();
            prop_assert_eq!((stats.live_bytes, stats.held_bytes, stats.in_flight_bytes), (0, 0, 0));
            Ok(())
        })?;
    }
}
