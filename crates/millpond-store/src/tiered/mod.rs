//! The memory tier before another store: one store to whoever uses it.
//!
//! What is stored goes to both tiers, under one identity. What memory lost is found below and promoted, a key's whole
//! list at a time, so that memory knows when it need not ask.
//!
//! # The order of changes
//!
//! A change goes to the tier below first and to memory second, be it a commit, a refresh or a purge; a purge by another
//! process comes that way by itself. Each tier holds its own purges against its own part of the epoch, at the moment of
//! the change. So a purge P and a commit C can never leave in one tier what P covers (C's epoch being older than P):
//!
//! - C reaches the tier below after P did: refused there, and memory is not asked.
//! - C reaches the tier below before P does: P takes the entry from there. In memory, C comes before P and is taken
//!   out by it, or comes after P and is refused.
//!
//! The same holds for a refresh. An entry whose fetch began between the two halves of P is younger than P; memory may
//! refuse it, the tier below has it. For a promotion the epoch is memory's when the tier below was asked: either
//! P reaches memory later and takes out what was promoted, or P was there before the promotion, which is refused, or P
//! was there before the question, and so was it below.
//!
//! Two commits of one key may reach the tiers in different orders, and an answer from below may be older than a commit
//! that has come meanwhile. Both are told by a stamp taken before the tier below is asked: where the key changed since,
//! a promotion is refused, and a commit or refresh leaves the key out of memory altogether. Whoever is cancelled between
//! the tiers does the same ([`unsettled::Unsettled`]). The tier below has everything then.
//!
//! So that a purge is felt at once, what memory has of it is removed once more beforehand. That is no part of the
//! argument.
//!
//! # What is promoted
//!
//! While memory has room, whatever is found below. When it is full, what was found below lately for the second time:
//! every promotion pushes something out then, and what is asked for once would push out what is warmer. Lists without
//! their bodies are promoted at once, since they are small and save the question when the body is read.
//!
//! # What only memory has
//!
//! Where the tier below refuses an entry or fails, memory keeps it alone, under an identity of its own (the highest bit
//! is set; stores below must not use it). A complete list stays complete by that: it means that no tier below need be
//! asked for more. When such an entry leaves memory it is gone, and an older one that the tier below still has for the
//! same variant is found again.
//!
//! # What other processes do
//!
//! Their purges are heard of within a poll (100 ms). What they store or refresh is found when memory's list is not complete; a complete
//! one may lack it, which costs a fetch and never serves what is not fresh.
//!
//! What must not live here: what a tier does by itself.

mod below;
mod door;
mod merge;
mod read;
mod store;
mod unsettled;
mod writer;

use crate::{MemoryStore, Store, Variants};
use below::Below;
pub use below::TieredStats;
use millpond_exchange::Key;
use std::sync::Arc;

/// A memory tier, and the store behind it if there is one. Cloning gives another handle on the same entries.
#[derive(Clone)]
pub struct Tiered {
    memory: MemoryStore,
    below: Option<Arc<Below>>,
}

impl Tiered {
    /// `memory`, which must be empty, before `below`. Whether it was made to stand alone does not matter. `below` must be
    /// no pair of tiers itself, since an epoch has two parts.
    pub fn new(memory: MemoryStore, below: Arc<dyn Store>) -> Self {
        memory.set_before_another();
        let below = Some(Arc::new(Below::new(below, &memory)));
        Self { memory, below }
    }

    /// `memory` with nothing behind it.
    pub fn alone(memory: MemoryStore) -> Self {
        Self { memory, below: None }
    }

    /// The memory tier.
    pub fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    /// The store behind it.
    pub fn below(&self) -> Option<&Arc<dyn Store>> {
        self.below.as_ref().map(|below| &below.store)
    }

    /// What memory has of a key, without waiting; costs what [`MemoryStore::lookup`] does. An incomplete list lacks
    /// only what is older than what it has, and what other processes have stored.
    pub fn lookup(&self, key: &[u8]) -> Option<Variants> {
        self.memory.lookup(key)
    }

    /// What the tier below has of a key that memory has not, where that can be told without waiting; found, it may
    /// be promoted. `None` says nothing about what [`Store::variants`] would find.
    pub fn lookup_below(&self, key: &Key) -> Option<Variants> {
        read::lookup(&self.memory, self.below.as_ref()?, key)
    }

    /// The figures of the traffic between the tiers; all zero where there is only one.
    pub fn stats(&self) -> TieredStats {
        self.below.as_ref().map_or_else(TieredStats::default, |below| below.stats())
    }
}
