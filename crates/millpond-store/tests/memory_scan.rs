//! Whom the memory tier keeps when it is full: those asked for again, not those that merely came last.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use millpond_exchange::{Key, Timestamp};
use millpond_store::laws::{key, put, record};
use millpond_store::{MemoryOptions, MemoryStore};
use std::collections::{BTreeMap, HashMap};

const BODY: usize = 4096;

/// A small generator of numbers, so that every run is the same run.
struct Numbers(u64);

impl Numbers {
    /// The next number in `0..1`.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Draws from `0..n` by Zipf's law with exponent `s`.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(n: usize, s: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=n).map(|rank| {
            sum += (rank as f64).powf(-s);
            sum
        });
        Self(cumulative.collect())
    }

    fn draw(&self, numbers: &mut Numbers) -> usize {
        let wanted = numbers.next() * self.0.last().unwrap();
        self.0.partition_point(|sum| *sum < wanted)
    }
}

/// Least recently used, bounded by bytes: what the tier is compared with.
struct Lru {
    capacity: u64,
    held: u64,
    clock: u64,
    by_key: HashMap<Key, (u64, u64)>,
    by_age: BTreeMap<u64, Key>,
}

impl Lru {
    fn new(capacity: u64) -> Self {
        Self { capacity, held: 0, clock: 0, by_key: HashMap::new(), by_age: BTreeMap::new() }
    }

    /// True on a hit; a miss stores.
    fn ask(&mut self, key: &Key, weight: u64) -> bool {
        self.clock += 1;
        let before = self.by_key.insert(key.clone(), (self.clock, weight));
        if let Some((age, _)) = before {
            self.by_age.remove(&age);
        } else {
            self.held += weight;
        }
        self.by_age.insert(self.clock, key.clone());
        while self.held > self.capacity {
            let (_, oldest) = self.by_age.pop_first().unwrap();
            self.held -= self.by_key.remove(&oldest).unwrap().1;
        }
        before.is_some()
    }
}

/// A request through the tier: true on a hit; a miss stores.
async fn ask(store: &MemoryStore, key: &Key, body: &[u8]) -> bool {
    let hit = store.lookup(key.as_bytes()).is_some();
    if !hit {
        put(store, key, record(Timestamp::from_secs(1)), body).await.unwrap();
    }
    hit
}

fn store(capacity: u64) -> MemoryStore {
    MemoryStore::new(MemoryOptions { capacity, ..MemoryOptions::default() })
}

/// What one small entry weighs, and what a store of `capacity` may weigh in all.
async fn measure(capacity: u64) -> (u64, u64) {
    let store = store(capacity);
    ask(&store, &key("scan.test", "/warm/0000"), &[0; BODY]).await;
    (store.stats().bytes, store.stats().capacity)
}

#[tokio::test]
async fn a_scan_does_not_push_out_the_working_set() {
    const CAPACITY: u64 = 8 << 20;
    let (weight, bound) = measure(CAPACITY).await;
    let (tier, mut lru) = (store(CAPACITY), Lru::new(bound));
    let (zipf, mut numbers) = (Zipf::new(4_000, 0.9), Numbers(42));
    let (mut ours, mut theirs, mut asked, mut scanned) = (0u32, 0u32, 0u32, 0u32);
    for step in 0..60_000 {
        let warm = key("scan.test", &format!("/warm/{:04}", zipf.draw(&mut numbers)));
        let (hit, lru_hit) = (ask(&tier, &warm, &[0; BODY]).await, lru.ask(&warm, weight));
        if step >= 20_000 {
            asked += 1;
            ours += u32::from(hit);
            theirs += u32::from(lru_hit);
        }
        // From the beginning, two one-hit wonders for each request that may come again.
        for _ in 0..2 {
            scanned += 1;
            let cold = key("scan.test", &format!("/cold/{scanned:06}"));
            assert!(!ask(&tier, &cold, &[0; BODY]).await, "a new key cannot hit");
            lru.ask(&cold, weight);
        }
    }
    let (ours, theirs) = (f64::from(ours) / f64::from(asked), f64::from(theirs) / f64::from(asked));
    println!("hit ratio {ours:.3}, of LRU {theirs:.3}");
    assert!(ours > theirs + 0.10, "hit ratio {ours:.3}, of LRU {theirs:.3}");
}

#[tokio::test]
async fn without_a_scan_it_is_no_worse_than_lru() {
    const CAPACITY: u64 = 8 << 20;
    let (weight, bound) = measure(CAPACITY).await;
    let (tier, mut lru) = (store(CAPACITY), Lru::new(bound));
    let (zipf, mut numbers) = (Zipf::new(6_000, 0.8), Numbers(7));
    let (mut ours, mut theirs) = (0u32, 0u32);
    for step in 0..60_000 {
        let warm = key("scan.test", &format!("/warm/{:04}", zipf.draw(&mut numbers)));
        let (hit, lru_hit) = (ask(&tier, &warm, &[0; BODY]).await, lru.ask(&warm, weight));
        if step >= 20_000 {
            ours += u32::from(hit);
            theirs += u32::from(lru_hit);
        }
    }
    println!("{ours} hits, {theirs} of LRU");
    assert!(ours >= theirs, "{ours} hits, {theirs} of LRU");
}

#[tokio::test]
async fn a_new_working_set_replaces_the_old() {
    const CAPACITY: u64 = 4 << 20;
    let tier = store(CAPACITY);
    let mut hits = [0u32; 2];
    for (set, hits) in hits.iter_mut().enumerate() {
        let (zipf, mut numbers) = (Zipf::new(500, 0.7), Numbers(3));
        for step in 0..20_000 {
            let warm = key("scan.test", &format!("/set{set}/{:04}", zipf.draw(&mut numbers)));
            let hit = ask(&tier, &warm, &[0; BODY]).await;
            *hits += u32::from(hit && step >= 10_000);
        }
    }
    assert!(f64::from(hits[1]) > 0.95 * f64::from(hits[0]), "hits of the old set and the new: {hits:?}");
}

#[tokio::test]
async fn heavy_one_hit_wonders_leave_the_warm_alone() {
    let tier = store(16 << 20);
    let warm: Vec<Key> = (0..2_500).map(|at| key("scan.test", &format!("/warm/{at:04}"))).collect();
    for _ in 0..4 {
        for key in &warm {
            ask(&tier, key, &[0; BODY]).await;
        }
    }
    let heavy_body = vec![0; 3 << 20];
    for at in 0..200 {
        let heavy = key("scan.test", &format!("/heavy/{at}"));
        assert!(!ask(&tier, &heavy, &heavy_body).await);
        let warm = warm.iter().cycle().skip(at * 13).take(13);
        for key in warm {
            ask(&tier, key, &[0; BODY]).await;
        }
    }
    let kept = warm.iter().filter(|key| tier.lookup(key.as_bytes()).is_some()).count();
    assert!(kept * 100 >= warm.len() * 95, "{kept} of {} warm entries are left", warm.len());
    assert!(tier.stats().refused > 100, "{:?}", tier.stats());
}

#[tokio::test]
async fn a_heavy_object_asked_for_twice_comes_in() {
    let tier = store(16 << 20);
    for at in 0..5_000 {
        ask(&tier, &key("scan.test", &format!("/warm/{at:04}")), &[0; BODY]).await;
    }
    let (heavy, body) = (key("scan.test", "/heavy"), vec![0; 4 << 20]);
    let hits =
        [ask(&tier, &heavy, &body).await, ask(&tier, &heavy, &body).await, ask(&tier, &heavy, &body).await];
    assert_eq!(hits, [false, false, true]);
    assert!(tier.stats().bytes <= tier.stats().capacity);
}

#[tokio::test]
async fn while_there_is_room_everything_comes_in() {
    let tier = MemoryStore::default();
    let body = vec![0; 16 << 20];
    let (first, second) = (key("scan.test", "/first"), key("scan.test", "/second"));
    for key in [&first, &second] {
        assert!(!ask(&tier, key, &body).await);
        assert!(ask(&tier, key, &body).await, "an object as large as allowed is not kept");
    }
    assert_eq!(tier.stats().refused, 0);
}
