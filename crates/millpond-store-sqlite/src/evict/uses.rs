//! How often entries were used, as far as it matters to the evictor.
//!
//! What must not live here: the counts people read.

use foldhash::fast::RandomState;
use std::collections::HashMap;

/// More uses than this make no difference to the evictor.
pub(super) const MOST: u8 = 3;

/// How many ids one generation holds; there are two.
const GENERATION: usize = 1_000_000;

type Map = HashMap<u64, u8, RandomState>;

/// Uses of those entries that were used at all.
///
/// Memory is bounded by two generations of ids, some 20 bytes each: when the young one is full it becomes the old one and
/// what was the old one is forgotten. So an entry is taken for unused only when a million others were used since.
pub(super) struct Uses {
    generation: usize,
    young: Map,
    old: Map,
}

impl Uses {
    pub(super) fn new() -> Self {
        Self::with_generation(GENERATION)
    }

    fn with_generation(generation: usize) -> Self {
        Self { generation, young: Map::default(), old: Map::default() }
    }

    pub(super) fn add(&mut self, id: u64) {
        if let Some(uses) = self.young.get_mut(&id) {
            *uses = (*uses + 1).min(MOST);
            return;
        }
        let before = self.old.remove(&id).unwrap_or(0);
        self.set(id, (before + 1).min(MOST));
    }

    fn set(&mut self, id: u64, uses: u8) {
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, uses);
    }

    /// Uses of `id` that were not taken back, [`MOST`] at most.
    pub(super) fn of(&self, id: u64) -> u8 {
        self.young.get(&id).or_else(|| self.old.get(&id)).copied().unwrap_or(0)
    }

    /// Takes back one use.
    pub(super) fn take_one(&mut self, id: u64) {
        for map in [&mut self.young, &mut self.old] {
            if let Some(uses) = map.get_mut(&id) {
                *uses -= 1;
                if *uses == 0 {
                    map.remove(&id);
                }
                return;
            }
        }
    }

    /// Takes back all uses.
    pub(super) fn forget(&mut self, id: u64) {
        self.young.remove(&id);
        self.old.remove(&id);
    }

    /// The uses of `old` are those of `new` from now on.
    pub(super) fn rename(&mut self, old: u64, new: u64) {
        let uses = self.of(old);
        self.forget(old);
        if uses > 0 {
            self.set(new, uses);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_lately_is_known_and_memory_is_bounded() {
        let mut uses = Uses::with_generation(10);
        for _ in 0..3 {
            uses.add(1_000);
        }
        for id in 0..100 {
            uses.add(id);
            if id % 8 == 0 {
                uses.add(1_000);
            }
            assert!(uses.young.len() + uses.old.len() <= 20);
        }
        assert_eq!((uses.of(1_000), uses.of(99), uses.of(0)), (MOST, 1, 0));
    }

    #[test]
    fn uses_are_taken_back_one_by_one_or_all_at_once() {
        let mut uses = Uses::new();
        for _ in 0..5 {
            uses.add(1);
        }
        uses.take_one(1);
        assert_eq!(uses.of(1), 2);
        uses.rename(1, 2);
        assert_eq!((uses.of(1), uses.of(2)), (0, 2));
        uses.forget(2);
        uses.take_one(2);
        assert_eq!(uses.of(2), 0);
        assert!(uses.young.is_empty(), "what has no uses takes no room");
    }
}
