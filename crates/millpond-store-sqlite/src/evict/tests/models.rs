//! Caches in memory: the evictor as a driver of rows would use it, and others beside it, as simple as they can be.

use super::super::{Evictor, Queue, Verdict};
use super::traces::Trace;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

pub(super) trait Cache {
    /// Asks for `key`; stores it when it is not there. True when it was there. `above` tells what is in use above.
    fn request(&mut self, key: u64, size: u64, above: &dyn Fn(u64) -> bool) -> bool;
    /// Loses what is only in memory.
    fn restart(&mut self) {}
}

pub(super) fn hit_ratio(cache: &mut dyn Cache, trace: &Trace) -> f64 {
    ratio_of(cache, &trace.requests)
}

/// The part of `requests` that find what they ask for.
pub(super) fn ratio_of(cache: &mut dyn Cache, requests: &[(u64, u64)]) -> f64 {
    let hits = requests.iter().filter(|(key, size)| cache.request(*key, *size, &|_| false)).count();
    hits as f64 / requests.len() as f64
}

/// One row of [`Driven`].
#[derive(Clone, Copy)]
struct Row {
    id: u64,
    key: u64,
    size: u64,
}

/// Rows in two queues, evicted as the evictor says.
pub(super) struct Driven {
    evictor: Evictor,
    limit: u64,
    rows: [VecDeque<Row>; 2],
    bytes: [u64; 2],
    ids: HashMap<u64, u64>,
    next_id: u64,
}

impl Driven {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            evictor: Evictor::new(),
            limit,
            rows: [VecDeque::new(), VecDeque::new()],
            bytes: [0; 2],
            ids: HashMap::new(),
            next_id: 0,
        }
    }

    fn push(&mut self, queue: Queue, row: Row) {
        self.rows[queue as usize].push_back(row);
        self.bytes[queue as usize] += row.size;
    }

    fn evict(&mut self, above: &dyn Fn(u64) -> bool) {
        self.evictor.holds(self.ids.len() as u64);
        let queue = self.evictor.next(self.bytes[0], self.bytes[1]);
        let row = self.rows[queue as usize].pop_front().expect("an empty queue is not named");
        self.bytes[queue as usize] -= row.size;
        match self.evictor.judge(row.id, row.key, queue, above(row.key)) {
            Verdict::Evict => drop(self.ids.remove(&row.key)),
            Verdict::Move(to) => self.push(to, row),
        }
    }
}

impl Cache for Driven {
    fn request(&mut self, key: u64, size: u64, above: &dyn Fn(u64) -> bool) -> bool {
        if let Some(id) = self.ids.get(&key) {
            self.evictor.used(*id);
            return true;
        }
        while self.bytes.iter().sum::<u64>() + size > self.limit {
            self.evict(above);
        }
        self.next_id += 1;
        let row = Row { id: self.next_id, key, size };
        let queue = self.evictor.place(key);
        self.push(queue, row);
        self.ids.insert(key, row.id);
        false
    }

    fn restart(&mut self) {
        self.evictor = Evictor::new();
    }
}

/// S3-FIFO as the paper has it, with sizes.
pub(super) struct Textbook {
    limit: u64,
    small: VecDeque<(u64, u64)>,
    main: VecDeque<(u64, u64)>,
    small_bytes: u64,
    main_bytes: u64,
    frequency: HashMap<u64, u8>,
    ghost: VecDeque<u64>,
    ghosts: HashSet<u64>,
}

impl Textbook {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            small: VecDeque::new(),
            main: VecDeque::new(),
            small_bytes: 0,
            main_bytes: 0,
            frequency: HashMap::new(),
            ghost: VecDeque::new(),
            ghosts: HashSet::new(),
        }
    }

    fn evict_small(&mut self) {
        let Some((key, size)) = self.small.pop_front() else {
            return;
        };
        self.small_bytes -= size;
        if self.frequency[&key] > 1 {
            self.frequency.insert(key, 0);
            self.main.push_back((key, size));
            self.main_bytes += size;
            return;
        }
        self.frequency.remove(&key);
        self.ghost.push_back(key);
        self.ghosts.insert(key);
        while self.ghosts.len() > self.frequency.len() {
            let Some(oldest) = self.ghost.pop_front() else {
                return;
            };
            self.ghosts.remove(&oldest);
        }
    }

    fn evict_main(&mut self) {
        while let Some((key, size)) = self.main.pop_front() {
            let frequency = self.frequency.get_mut(&key).expect("what is queued has a frequency");
            if *frequency == 0 {
                self.frequency.remove(&key);
                self.main_bytes -= size;
                return;
            }
            *frequency -= 1;
            self.main.push_back((key, size));
        }
    }
}

impl Cache for Textbook {
    fn request(&mut self, key: u64, size: u64, _: &dyn Fn(u64) -> bool) -> bool {
        if let Some(frequency) = self.frequency.get_mut(&key) {
            *frequency = (*frequency + 1).min(3);
            return true;
        }
        while self.small_bytes + self.main_bytes + size > self.limit {
            if self.small_bytes * 10 > self.limit || self.main.is_empty() {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
        self.frequency.insert(key, 0);
        if self.ghosts.remove(&key) {
            self.ghost.retain(|ghost| *ghost != key);
            self.main.push_back((key, size));
            self.main_bytes += size;
        } else {
            self.small.push_back((key, size));
            self.small_bytes += size;
        }
        false
    }
}

/// The least recently used leaves.
pub(super) struct Lru {
    limit: u64,
    bytes: u64,
    now: u64,
    held: HashMap<u64, (u64, u64)>,
    order: BTreeMap<u64, u64>,
}

impl Lru {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, bytes: 0, now: 0, held: HashMap::new(), order: BTreeMap::new() }
    }
}

impl Cache for Lru {
    fn request(&mut self, key: u64, size: u64, _: &dyn Fn(u64) -> bool) -> bool {
        self.now += 1;
        let hit = if let Some((last, _)) = self.held.get(&key) {
            self.order.remove(last);
            true
        } else {
            self.bytes += size;
            false
        };
        self.held.insert(key, (self.now, size));
        self.order.insert(self.now, key);
        while self.bytes > self.limit {
            let (_, oldest) = self.order.pop_first().expect("bytes are held");
            let (_, size) = self.held.remove(&oldest).expect("what is in order is held");
            self.bytes -= size;
        }
        hit
    }
}

/// What came first leaves.
pub(super) struct Fifo {
    limit: u64,
    bytes: u64,
    held: HashSet<u64>,
    order: VecDeque<(u64, u64)>,
}

impl Fifo {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, bytes: 0, held: HashSet::new(), order: VecDeque::new() }
    }
}

impl Cache for Fifo {
    fn request(&mut self, key: u64, size: u64, _: &dyn Fn(u64) -> bool) -> bool {
        if !self.held.insert(key) {
            return true;
        }
        self.order.push_back((key, size));
        self.bytes += size;
        while self.bytes > self.limit {
            let (oldest, size) = self.order.pop_front().expect("bytes are held");
            self.held.remove(&oldest);
            self.bytes -= size;
        }
        false
    }
}

/// A memory tier above another cache, which hears only of what the memory tier does not have. What is evicted below stays
/// above, and what was asked for again while it lay above is in use there.
pub(super) struct TwoTiers<C> {
    above: Textbook,
    below: C,
    /// Whether the cache below is told what is in use above.
    tells: bool,
    used: HashSet<u64>,
}

impl<C: Cache> TwoTiers<C> {
    pub(super) fn new(above: u64, below: C, tells: bool) -> Self {
        Self { above: Textbook::new(above), below, tells, used: HashSet::new() }
    }
}

impl<C: Cache> Cache for TwoTiers<C> {
    fn request(&mut self, key: u64, size: u64, _: &dyn Fn(u64) -> bool) -> bool {
        if self.above.request(key, size, &|_| false) {
            self.used.insert(key);
            return true;
        }
        self.used.remove(&key);
        let (above, used, tells) = (&self.above, &self.used, self.tells);
        self.below
            .request(key, size, &|key| tells && above.frequency.contains_key(&key) && used.contains(&key))
    }

    fn restart(&mut self) {
        self.above = Textbook::new(self.above.limit);
        self.used.clear();
        self.below.restart();
    }
}
