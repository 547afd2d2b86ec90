//! Who was turned away lately. A heavy newcomer would push out much that is in use, so it must have been asked for twice.

use std::collections::HashSet;

/// Keys remembered in each of two generations.
const REMEMBERED: usize = 2048;

/// A bounded memory of key hashes: the newest few thousand, no counts.
#[derive(Debug, Default)]
pub(super) struct Doorkeeper {
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl Doorkeeper {
    /// True when `hash` was noted lately; otherwise notes it.
    pub(super) fn knows(&mut self, hash: u64) -> bool {
        if self.young.remove(&hash) || self.old.remove(&hash) {
            return true;
        }
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash);
        false
    }
}
