//! The entries of one key as the cache holds them, and what they weigh.

use super::index::ROW_OVERHEAD;
use crate::{Entry, Variants};
use millpond_exchange::{Key, Record};
use quick_cache::{Lifecycle, Weighter};
use std::sync::Arc;

/// What a key costs beyond its text, bytes: slab and map slots of the cache with their spare room, the row of the
/// ordered index, allocation headers. A test compares the sum with what the allocator says.
const KEY_OVERHEAD: u64 = 448;
/// What an entry costs beyond its parts, bytes: counters of its `Arc`, its place in the list, allocation headers.
const ENTRY_OVERHEAD: u64 = 96;
/// What a body segment costs beyond its content, bytes: the handle, the shared counter with the lease, two allocation
/// headers.
const SEGMENT_OVERHEAD: u64 = 96;

/// All entries of one key.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) variants: Variants,
    weight: u64,
}

impl Slot {
    pub(super) fn new(key: &Key, entries: &[Arc<Entry>], complete: bool) -> Self {
        let weight = key_weight(key) + entries.iter().map(|entry| entry_weight(entry)).sum::<u64>();
        Self { variants: Variants { entries: entries.into(), complete }, weight }
    }

    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        &self.variants.entries
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries().iter().map(|entry| &entry.record)
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// Bytes of content; a part of the weight.
    pub(super) fn content(&self) -> u64 {
        self.entries().iter().map(|entry| entry.body_len).sum()
    }

    /// True when `other` is this very list, not one that looks the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.variants.entries, &other.variants.entries)
    }
}

/// Bytes for a key, whatever is stored under it: the key itself, and its URL in the ordered index.
fn key_weight(key: &Key) -> u64 {
    let url = key.authority().len() + key.path_and_query().len() + "https://".len();
    KEY_OVERHEAD + key.as_bytes().len() as u64 + url as u64
}

/// Bytes for one entry, without its key.
pub(super) fn entry_weight(entry: &Entry) -> u64 {
    let body =
        entry.body.as_ref().map_or(0, |body| body.len() + body.iter().count() as u64 * SEGMENT_OVERHEAD);
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
