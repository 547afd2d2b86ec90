//! The entries of one key as the cache holds them, and what they weigh.

use super::index::ROW_OVERHEAD;
use crate::{Entries, Entry, Variants, entries};
use millpond_exchange::{Key, Record, Segments};
use quick_cache::{Lifecycle, Weighter};
use std::sync::Arc;

/// What a key costs beyond its text, bytes: slab and map slots of the cache with their spare room, the row of the
/// ordered index, the counters of its `Arc`, allocation headers. A test compares the sum with what the allocator says.
const KEY_OVERHEAD: u64 = 208;
/// What an entry costs beyond its parts, bytes: counters of its `Arc`, its place in the list, allocation headers.
const ENTRY_OVERHEAD: u64 = 80;
/// What a body segment costs beyond its content, bytes: the handle, where there are several, the shared counter with the
/// lease, two allocation headers.
const SEGMENT_OVERHEAD: u64 = 96;

/// All entries of one key. Small: the cache moves it about, and has room for twice as many at times.
#[derive(Clone, Debug)]
pub(super) struct Slot(Form);

/// As in [`Entries`]. The number tells this list from another of the same entries: one that came and left again looks the
/// same. It stands with `complete` in each of them, where that costs nothing.
#[derive(Clone, Debug)]
enum Form {
    None { complete: bool, number: u32 },
    One { complete: bool, number: u32, entry: Arc<Entry> },
    Many { complete: bool, number: u32, list: Arc<Vec<Arc<Entry>>> },
}

impl Slot {
    pub(super) fn new(entries: Entries, complete: bool, number: u32) -> Self {
        Self(match entries.0 {
            entries::Form::None => Form::None { complete, number },
            entries::Form::One(entry) => Form::One { complete, number, entry },
            entries::Form::Many(list) => Form::Many { complete, number, list },
        })
    }

    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        match &self.0 {
            Form::None { .. } => &[],
            Form::One { entry, .. } => std::slice::from_ref(entry),
            Form::Many { list, .. } => list,
        }
    }

    /// What a lookup says of it.
    pub(super) fn into_variants(self) -> Variants {
        let (complete, form) = match self.0 {
            Form::None { complete, .. } => (complete, entries::Form::None),
            Form::One { complete, entry, .. } => (complete, entries::Form::One(entry)),
            Form::Many { complete, list, .. } => (complete, entries::Form::Many(list)),
        };
        Variants { entries: Entries(form), complete }
    }

    pub(super) fn complete(&self) -> bool {
        self.facts().0
    }

    fn facts(&self) -> (bool, u32) {
        match self.0 {
            Form::None { complete, number }
            | Form::One { complete, number, .. }
            | Form::Many { complete, number, .. } => (complete, number),
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries().iter().map(|entry| &entry.record)
    }

    /// Bytes for all of it, the key included. Counted anew each time: entries do not change, and lookups do not ask.
    pub(super) fn weight(&self) -> u64 {
        let key = self.entries().first().map_or(0, |entry| entry.key.as_bytes().len() as u64);
        KEY_OVERHEAD + key + self.entries().iter().map(|entry| entry_weight(entry)).sum::<u64>()
    }

    /// Bytes of content; a part of the weight.
    pub(super) fn content(&self) -> u64 {
        self.entries().iter().filter_map(|entry| entry.body.as_ref()).map(Segments::len).sum()
    }

    /// True when `other` is this very list, not one that looks the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = match (&self.0, &other.0) {
            (Form::None { .. }, Form::None { .. }) => true,
            (Form::One { entry, .. }, Form::One { entry: other, .. }) => Arc::ptr_eq(entry, other),
            (Form::Many { list, .. }, Form::Many { list: other, .. }) => Arc::ptr_eq(list, other),
            _ => false,
        };
        same && self.facts().1 == other.facts().1
    }
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
        slot.weight()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// There is one of these for each entry held, and at times room for another.
    #[test]
    fn a_slot_takes_two_words() {
        assert_eq!(size_of::<Slot>(), 16);
        assert_eq!(size_of::<Entry>() + 2 * size_of::<usize>(), 256, "a size that allocators have");
    }
}
