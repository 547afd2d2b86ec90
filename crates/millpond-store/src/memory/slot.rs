//! The entries of one key as the cache holds them, and what they weigh.

use super::index::ROW_OVERHEAD;
use crate::{Entries, Entry, Variants};
use millpond_exchange::{Key, Record, Segments};
use quick_cache::{Lifecycle, Weighter};
use std::sync::Arc;

/// What a key costs beyond its text, bytes: slab and map slots of the cache with their spare room, the row of the
/// ordered index, the counters of its `Arc`, allocation headers. A test compares the sum with what the allocator says.
const KEY_OVERHEAD: u64 = 240;
/// What an entry costs beyond its parts, bytes: counters of its `Arc`, its place in the list, allocation headers.
const ENTRY_OVERHEAD: u64 = 80;
/// What a body segment costs beyond its content, bytes: the handle, where there are several, the shared counter with the
/// lease, two allocation headers.
const SEGMENT_OVERHEAD: u64 = 96;

/// All entries of one key. Small: the cache moves it about, and a lookup must not need a second line of it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    entries: Entries,
    weight: u64,
    /// Tells this list from another of the same entries: one that came and left again looks the same.
    number: u32,
    pub(super) complete: bool,
}

impl Slot {
    pub(super) fn new(key: &Key, entries: Entries, complete: bool, number: u32) -> Self {
        let weight = key_weight(key) + entries.iter().map(|entry| entry_weight(entry)).sum::<u64>();
        Self { entries, weight, number, complete }
    }

    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// What a lookup says of it.
    pub(super) fn into_variants(self) -> Variants {
        Variants { entries: self.entries, complete: self.complete }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries().iter().map(|entry| &entry.record)
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// Bytes of content; a part of the weight.
    pub(super) fn content(&self) -> u64 {
        self.entries().iter().filter_map(|entry| entry.body.as_ref()).map(Segments::len).sum()
    }

    /// True when `other` is this very list, not one that looks the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.number == other.number && self.entries.same(&other.entries)
    }
}

/// Bytes for a key, whatever is stored under it.
fn key_weight(key: &Key) -> u64 {
    KEY_OVERHEAD + key.as_bytes().len() as u64
}

/// Bytes for one entry, without its key.
pub(super) fn entry_weight(entry: &Entry) -> u64 {
    let body =
        entry.body.as_ref().map_or(0, |body| body.len() + body.slices().count() as u64 * SEGMENT_OVERHEAD);
    let head = entry.head.fields.memory() + entry.head.reason.as_ref().map_or(0, |reason| reason.len());
    let labels = entry.record.tags.iter().chain(&entry.record.groups);
    let indexed = labels.map(|label| ROW_OVERHEAD + label.len() as u64).sum::<u64>();
    let parts = size_of::<Entry>() + head + entry.record.memory() + entry.trailers.memory();
    ENTRY_OVERHEAD + parts as u64 + body + indexed
}

/// Weighs slots for the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByBytes;

impl Weighter<Key, Slot> for ByBytes {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        slot.weight
    }
}

/// Collects what leaves the cache, so that the indexes follow and bodies are freed outside the locks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leavers;

impl Lifecycle<Key, Slot> for Leavers {
    type RequestState = Vec<(Key, Slot)>;

    fn on_evict(&self, leavers: &mut Self::RequestState, key: Key, slot: Slot) {
        leavers.push((key, slot));
    }
}
