//! Whom the evictor sent away lately.

use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};

/// The most that are remembered: some 30 bytes of memory each.
pub(super) const MOST: usize = 2_000_000;

/// Fingerprints of keys in the order in which they came, the oldest leaving first.
///
/// Four bytes of each are kept. With the most there may be, one new key in two thousand is taken for another one, and
/// stays somewhat longer than it should.
pub(super) struct Ghost {
    limit: usize,
    /// The number given to each that is remembered.
    members: HashMap<u32, u32, RandomState>,
    /// In order of number; holds also those that were taken since, or came again under a later number.
    order: VecDeque<(u32, u32)>,
    next: u32,
}

impl Ghost {
    pub(super) fn new() -> Self {
        Self { limit: 0, members: HashMap::default(), order: VecDeque::new(), next: 0 }
    }

    /// Remembers up to `entries` from now on.
    pub(super) fn limit(&mut self, entries: u64) {
        self.limit = usize::try_from(entries).unwrap_or(MOST).min(MOST);
        self.trim();
    }

    pub(super) fn add(&mut self, fingerprint: u64) {
        let fingerprint = short(fingerprint);
        self.members.insert(fingerprint, self.next);
        self.order.push_back((fingerprint, self.next));
        self.next = self.next.wrapping_add(1);
        self.trim();
    }

    /// True when it is remembered; it is forgotten thereby.
    pub(super) fn take(&mut self, fingerprint: u64) -> bool {
        self.members.remove(&short(fingerprint)).is_some()
    }

    fn trim(&mut self) {
        while self.members.len() > self.limit || self.order.len() > self.limit.saturating_mul(2) {
            let Some((fingerprint, number)) = self.order.pop_front() else {
                break;
            };
            if self.members.get(&fingerprint) == Some(&number) {
                self.members.remove(&fingerprint);
            }
        }
    }
}

fn short(fingerprint: u64) -> u32 {
    (fingerprint ^ (fingerprint >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_as_many_as_it_may_and_each_once() {
        let mut ghost = Ghost::new();
        ghost.limit(3);
        for key in 1..=4 {
            ghost.add(key);
        }
        assert!(!ghost.take(1), "the oldest left");
        assert!(ghost.take(2) && !ghost.take(2));
        ghost.limit(1);
        assert!(!ghost.take(3) && ghost.take(4));
    }

    #[test]
    fn one_that_comes_again_is_as_young_as_its_last_coming() {
        let mut ghost = Ghost::new();
        ghost.limit(2);
        for key in [1, 2, 1, 3] {
            ghost.add(key);
        }
        assert!(ghost.take(1) && !ghost.take(2));
    }

    #[test]
    fn what_is_taken_again_and_again_does_not_pile_up() {
        let mut ghost = Ghost::new();
        ghost.limit(10);
        for _ in 0..1_000 {
            ghost.add(7);
            assert!(ghost.take(7));
        }
        assert!(ghost.order.len() <= 20);
    }
}
