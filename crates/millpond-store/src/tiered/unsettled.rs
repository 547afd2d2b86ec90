//! A change that has reached the tier below, or may have, and not yet memory.

use crate::MemoryStore;
use millpond_exchange::{Key, PurgeMode, Selector, Timestamp};

/// An entry under way from the tier below to memory. Where it does not arrive, be it that memory refused it or that the
/// task ended, the key leaves memory, so that no older list stands in its way.
pub(super) struct Unsettled<'a> {
    memory: &'a MemoryStore,
    key: &'a Key,
    settled: bool,
}

impl<'a> Unsettled<'a> {
    pub(super) fn new(memory: &'a MemoryStore, key: &'a Key) -> Self {
        Self { memory, key, settled: false }
    }

    /// Memory agrees with the tier below.
    pub(super) fn settle(mut self) {
        self.settled = true;
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.memory.forget(self.key);
        }
    }
}

/// A purge under way. It comes to memory when the tier below has answered, or when nobody waits for that any longer.
pub(super) struct Purging<'a> {
    memory: &'a MemoryStore,
    selector: &'a Selector,
    mode: PurgeMode,
    now: Timestamp,
}

impl<'a> Purging<'a> {
    pub(super) fn new(
        memory: &'a MemoryStore,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> Self {
        Self { memory, selector, mode, now }
    }
}

impl Drop for Purging<'_> {
    fn drop(&mut self) {
        self.memory.purge(self.selector, self.mode, self.now);
    }
}
