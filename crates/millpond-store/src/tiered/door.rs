//! Which keys the tier below was asked for lately: one asked for once is cold by nature, and would push out of a full
//! memory tier what is warmer.
//!
//! What must not live here: whether memory is full.

use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};

/// Places for this many bytes of the memory tier: about one for each key it holds.
const BYTES_PER_PLACE: u64 = 2048;
/// The fewest and the most places; four bytes each.
const PLACES: (u64, u64) = (1 << 10, 1 << 18);

/// A bounded memory of keys: each has one place, which it loses to the next key with the same one. So a key is
/// remembered for about as many others as there are places, which is about as long as memory would have kept it.
#[derive(Debug)]
pub(super) struct Door {
    places: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl Door {
    /// For a memory tier of `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        let places = (capacity / BYTES_PER_PLACE).clamp(PLACES.0, PLACES.1).next_power_of_two();
        Self { places: (0..places).map(|_| AtomicU32::new(0)).collect(), hasher: RandomState::default() }
    }

    /// True when `key` was noted lately; notes it.
    pub(super) fn knows(&self, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one(key);
        // The upper half is what is kept; zero is the mark of a place nobody has had.
        let mark = (hash >> 32) as u32 | 1;
        let place = &self.places[hash as usize & (self.places.len() - 1)];
        if place.load(Ordering::Relaxed) == mark {
            return true;
        }
        place.store(mark, Ordering::Relaxed);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_from_the_second_time_on_until_others_took_its_place() {
        let door = Door::new(0);
        assert!(!door.knows(b"key") && door.knows(b"key"));
        for other in 0..100_000_u32 {
            door.knows(&other.to_le_bytes());
        }
        assert!(!door.knows(b"key"));
    }

    #[test]
    fn it_has_about_a_place_for_each_key_that_memory_holds_and_a_bound() {
        let places = |capacity| Door::new(capacity).places.len();
        assert_eq!((places(0), places(64 << 20), places(1 << 40)), (1 << 10, 1 << 15, 1 << 18));
    }
}
