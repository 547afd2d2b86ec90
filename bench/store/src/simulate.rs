//! What a cache of so many bytes would have had of a trace, had it nothing else to do: the policies on paper.
//!
//! Written from the papers, not from the store: that the two agree is what is to be shown.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// A policy that is asked for one object after the other.
pub trait Policy {
    /// True for a hit; a miss takes the object in.
    fn request(&mut self, object: usize, bytes: u64) -> bool;
}

/// What was used least lately leaves.
pub struct Lru {
    capacity: u64,
    held: u64,
    now: u64,
    /// When each object was used last, and its bytes.
    objects: HashMap<usize, (u64, u64)>,
    by_age: BTreeMap<u64, usize>,
}

impl Lru {
    /// An empty one.
    pub fn new(capacity: u64) -> Self {
        Self { capacity, held: 0, now: 0, objects: HashMap::new(), by_age: BTreeMap::new() }
    }
}

impl Policy for Lru {
    fn request(&mut self, object: usize, bytes: u64) -> bool {
        self.now += 1;
        if bytes > self.capacity {
            return false;
        }
        let before = self.objects.insert(object, (self.now, bytes));
        self.by_age.insert(self.now, object);
        if let Some((used, _)) = before {
            self.by_age.remove(&used);
            return true;
        }
        self.held += bytes;
        while self.held > self.capacity {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.held -= self.objects.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
        false
    }
}

/// Uses beyond this many are not counted.
const MOST_USES: u8 = 3;

/// How many uses keep an object that has its turn on probation.
const USES_TO_STAY: u8 = 2;

/// S3-FIFO (Yang et al., SOSP 2023): newcomers in a small queue, a tenth of the bytes; those used more than once there
/// go on to the main queue, the others are remembered for a while. The main queue is a second chance for each use.
pub struct S3Fifo {
    capacity: u64,
    small: VecDeque<usize>,
    small_bytes: u64,
    main: VecDeque<usize>,
    main_bytes: u64,
    /// Bytes and uses of what is held.
    objects: HashMap<usize, (u64, u8)>,
    /// What left the small queue, with the number of its leaving.
    ghosts: HashMap<usize, u64>,
    ghosts_in_order: VecDeque<(usize, u64)>,
    left: u64,
}

impl S3Fifo {
    /// An empty one.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            small: VecDeque::new(),
            small_bytes: 0,
            main: VecDeque::new(),
            main_bytes: 0,
            objects: HashMap::new(),
            ghosts: HashMap::new(),
            ghosts_in_order: VecDeque::new(),
            left: 0,
        }
    }

    fn evict(&mut self) {
        if self.main.is_empty() || self.small_bytes > (self.small_bytes + self.main_bytes) / 10 {
            self.evict_small();
        } else {
            self.evict_main();
        }
    }

    fn evict_small(&mut self) {
        let Some(object) = self.small.pop_front() else { return };
        let Some(held) = self.objects.get_mut(&object) else { return };
        let (bytes, uses) = *held;
        self.small_bytes -= bytes;
        if uses >= USES_TO_STAY {
            held.1 = 0;
            self.main.push_back(object);
            self.main_bytes += bytes;
            return;
        }
        self.objects.remove(&object);
        self.left += 1;
        self.ghosts.insert(object, self.left);
        self.ghosts_in_order.push_back((object, self.left));
        while self.ghosts.len() > self.objects.len() {
            let Some((oldest, number)) = self.ghosts_in_order.pop_front() else { break };
            if self.ghosts.get(&oldest) == Some(&number) {
                self.ghosts.remove(&oldest);
            }
        }
    }

    fn evict_main(&mut self) {
        let Some(object) = self.main.pop_front() else { return };
        let Some(held) = self.objects.get_mut(&object) else { return };
        if held.1 > 0 {
            held.1 -= 1;
            self.main.push_back(object);
        } else {
            self.main_bytes -= held.0;
            self.objects.remove(&object);
        }
    }
}

impl Policy for S3Fifo {
    fn request(&mut self, object: usize, bytes: u64) -> bool {
        if let Some((_, uses)) = self.objects.get_mut(&object) {
            *uses = (*uses + 1).min(MOST_USES);
            return true;
        }
        if bytes > self.capacity {
            return false;
        }
        while self.small_bytes + self.main_bytes + bytes > self.capacity {
            self.evict();
        }
        if self.ghosts.remove(&object).is_some() {
            self.main.push_back(object);
            self.main_bytes += bytes;
        } else {
            self.small.push_back(object);
            self.small_bytes += bytes;
        }
        self.objects.insert(object, (bytes, 0));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(policy: &mut dyn Policy, objects: &[usize]) -> Vec<bool> {
        objects.iter().map(|object| policy.request(*object, 1)).collect()
    }

    #[test]
    fn lru_lets_the_least_lately_used_go() {
        let mut lru = Lru::new(2);
        assert_eq!(hits(&mut lru, &[1, 2, 1, 3, 1, 2]), [false, false, true, false, true, false]);
    }

    #[test]
    fn neither_holds_more_than_its_bytes() {
        let (mut lru, mut s3) = (Lru::new(100), S3Fifo::new(100));
        for (object, bytes) in
            crate::trace::Zipf::new(50, 0.9, 1).take(5_000).map(|rank| (rank, rank as u64 % 40))
        {
            lru.request(object, bytes);
            s3.request(object, bytes);
            assert!(lru.held <= 100 && s3.small_bytes + s3.main_bytes <= 100);
            let held: u64 = s3.objects.values().map(|(bytes, _)| bytes).sum();
            assert_eq!(held, s3.small_bytes + s3.main_bytes);
        }
    }

    #[test]
    fn a_scan_does_not_drive_out_what_is_used() {
        let mut s3 = S3Fifo::new(20);
        let used: Vec<usize> = (0..10).collect();
        for _ in 0..4 {
            hits(&mut s3, &used);
        }
        hits(&mut s3, &(100..200).collect::<Vec<_>>());
        assert_eq!(hits(&mut s3, &used), [true; 10]);
        let mut lru = Lru::new(20);
        hits(&mut lru, &used);
        hits(&mut lru, &(100..200).collect::<Vec<_>>());
        assert_eq!(hits(&mut lru, &used), [false; 10]);
    }

    #[test]
    fn what_comes_back_soon_after_probation_is_kept() {
        let mut s3 = S3Fifo::new(10);
        hits(&mut s3, &(0..11).collect::<Vec<_>>());
        assert_eq!(hits(&mut s3, &[0]), [false], "it was the first to go");
        hits(&mut s3, &(100..110).collect::<Vec<_>>());
        assert_eq!(hits(&mut s3, &[0]), [true], "it came back into the main queue");
    }

    #[test]
    fn what_is_larger_than_the_cache_passes_by() {
        let (mut lru, mut s3) = (Lru::new(10), S3Fifo::new(10));
        for policy in [&mut lru as &mut dyn Policy, &mut s3] {
            policy.request(1, 10);
            assert!(!policy.request(2, 11) && policy.request(1, 10));
        }
    }
}
