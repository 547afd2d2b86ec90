//! The memory tier before another one: what [`crate::Tiered`] asks of it beyond the contract.
//!
//! What must not live here: the order in which two tiers are changed; that is `Tiered`'s own.

use super::ledger::{Lease, whole};
use super::shared::{Gone, Shared, in_front};
use super::slot::Slot;
use super::store::{MemoryStore, MemoryWriter};
use crate::{Entry, Epoch, NewEntry, StoreError, Variants};
use millpond_exchange::{Fields, Key, PurgeMode, Record, Segments, Selector, Timestamp};
use std::sync::Arc;

/// What the memory tier knew of a key before the tier behind was asked. What the latter answered is let in only where
/// nothing happened to the key since.
#[derive(Debug)]
pub(crate) struct Stamp {
    changes: u32,
    epoch: Epoch,
    held: Option<Slot>,
}

impl Stamp {
    /// The entries that were in memory.
    pub(crate) fn entries(&self) -> &[Arc<Entry>] {
        self.held.as_ref().map_or(&[], Slot::entries)
    }

    /// The body of the entry with this identity, where it was in memory.
    pub(crate) fn body(&self, id: u64) -> Option<&Segments> {
        self.entries().iter().find(|entry| entry.id == id).and_then(|entry| entry.body.as_ref())
    }
}

/// Room for a body that is not there yet.
#[derive(Debug)]
pub(crate) struct Room(Lease);

impl Room {
    /// The body, accounted for as long as anybody holds it.
    pub(crate) fn filled_with(self, content: Vec<u8>) -> Segments {
        whole(content.into(), self.0).into()
    }
}

impl MemoryStore {
    /// Tells the tier that another one lies behind it. To be said before anything is stored.
    pub(crate) fn set_before_another(&self) {
        self.shared.set_before_another();
    }

    /// A stamp of now. Does not count as a use of the key.
    pub(crate) fn stamp(&self, key: &Key) -> Stamp {
        // In this order: what happens in between makes the stamp an old one.
        let changes = self.shared.changes.of(self.shared.hash(key));
        let epoch = self.shared.epoch();
        Stamp { changes, epoch, held: self.shared.cache.peek(key.as_bytes()) }
    }

    /// Opens a writer whose entry is to be given an identity of the tier behind.
    pub(crate) fn open(&self, new: NewEntry) -> Result<MemoryWriter, StoreError> {
        MemoryWriter::open(&self.shared, new)
    }

    /// Takes in what was written, under the identity that the tier behind has given it.
    pub(crate) fn commit_as(
        &self,
        stamp: &Stamp,
        id: u64,
        writer: MemoryWriter,
        trailers: Fields,
    ) -> Result<Arc<Entry>, StoreError> {
        let (entry, epoch) = writer.into_entry(id, trailers);
        self.shared.adopt(stamp, Arc::new(entry), epoch, None)
    }

    /// Takes in an entry that the tier behind has just got, in the place of what it replaces; its body, if it has one
    /// here, must be [`Self::own`]. Where the key changed since the stamp, nobody knows which change the tier behind saw
    /// last: then what is here leaves. `was` is the record that a refresh put aside.
    pub(crate) fn adopt(
        &self,
        stamp: &Stamp,
        entry: Arc<Entry>,
        epoch: Epoch,
        was: Option<&Record>,
    ) -> Result<Arc<Entry>, StoreError> {
        self.shared.adopt(stamp, entry, epoch, was)
    }

    /// Takes in all entries of a key, as the tier behind gave them after the stamp. False when they were refused, and
    /// what is here was left as it is.
    pub(crate) fn promote(&self, stamp: &Stamp, key: &Key, all: &Variants) -> bool {
        self.shared.promote(stamp, key, all)
    }

    /// Gives a body, asked for twice, to an entry that is here without. False when it is not here any more, or there is no room.
    pub(crate) fn embody(&self, key: &Key, id: u64, body: &Segments) -> bool {
        self.shared.embody(key, id, body)
    }

    /// A copy of `body` that is accounted for here; none when there is no room for it.
    pub(crate) fn own(&self, body: &Segments) -> Option<Segments> {
        if body.is_empty() {
            return Some(Segments::default());
        }
        if body.len() > self.shared.layout.max_object {
            return None;
        }
        Some(self.room_for(body.len())?.filled_with(body.to_vec()))
    }

    /// Room for a body of `bytes` that is to be read from the tier behind; none when there is no room now.
    pub(crate) fn room_for(&self, bytes: u64) -> Option<Room> {
        self.shared.ledger.copy(bytes).map(Room)
    }

    /// True when the body of this entry was asked for lately; otherwise notes that it was.
    pub(crate) fn knows_reader(&self, key: &Key, id: u64) -> bool {
        self.shared.lock().readers.knows(self.shared.hash(key) ^ id)
    }

    /// A purge, as [`crate::Store::remove`] makes one.
    pub(crate) fn purge(&self, selector: &Selector, mode: PurgeMode, now: Timestamp) -> u64 {
        self.shared.remove(selector, mode, now)
    }

    /// The largest body taken in, bytes.
    pub(crate) fn max_object(&self) -> u64 {
        self.shared.layout.max_object
    }

    /// Lets go of all entries of a key, as an eviction does.
    pub(crate) fn forget(&self, key: &Key) {
        let _gone: Gone = {
            let mut state = self.shared.lock();
            let old = self.shared.cache.peek(key.as_bytes());
            self.shared.take_out(&mut state, key, old.as_ref())
        };
    }

    /// Lets go of one entry, if its body is not here.
    pub(crate) fn forget_head(&self, key: &Key, id: u64) {
        let _gone: Gone = {
            let mut state = self.shared.lock();
            let Some(old) = self.shared.cache.peek(key.as_bytes()) else { return };
            let dead = |entry: &&Arc<Entry>| entry.id == id && entry.body.is_none();
            if !old.entries().iter().any(|entry| dead(&entry)) {
                return;
            }
            let list = old.entries().iter().filter(|entry| !dead(entry)).cloned().collect();
            self.shared.place(&mut state, key, Some(old), list)
        };
    }

    /// Does to what is here what a purge does, but is none: the epoch stays.
    pub(crate) fn anticipate(&self, selector: &Selector, mode: PurgeMode, now: Timestamp) -> u64 {
        let (removed, _gone) = {
            let mut state = self.shared.lock();
            self.shared.apply(&mut state, selector, mode, now)
        };
        removed
    }
}

impl Shared {
    fn adopt(
        &self,
        stamp: &Stamp,
        entry: Arc<Entry>,
        epoch: Epoch,
        was: Option<&Record>,
    ) -> Result<Arc<Entry>, StoreError> {
        let _gone = {
            let mut state = self.lock();
            state.purges.check(epoch, &entry.key, &[&entry.record, was.unwrap_or(&entry.record)])?;
            let old = self.cache.peek(entry.key.as_bytes());
            if self.unchanged(stamp, &entry.key, old.as_ref()) {
                let list = in_front(&entry, old.as_ref());
                self.place(&mut state, &entry.key, old, list)
            } else {
                self.take_out(&mut state, &entry.key, old.as_ref())
            }
        };
        Ok(entry)
    }

    fn promote(&self, stamp: &Stamp, key: &Key, all: &Variants) -> bool {
        let _gone = {
            let mut state = self.lock();
            let old = self.cache.peek(key.as_bytes());
            let records: Vec<&Record> = all.entries.iter().map(|entry| &entry.record).collect();
            if !self.unchanged(stamp, key, old.as_ref())
                || state.purges.check(stamp.epoch, key, &records).is_err()
            {
                return false;
            }
            let slot = self.fitting(&mut state, all.entries.to_vec(), all.complete);
            // Nothing was written, so a list that is here already is no reason to let a heavy one in.
            let Some(slot) = slot.filter(|slot| self.admits(&mut state, key, None, slot)) else {
                state.counts.refused += 1;
                return false;
            };
            self.put_in(&mut state, key, old, &slot)
        };
        true
    }

    fn embody(&self, key: &Key, id: u64, body: &Segments) -> bool {
        let _gone = {
            let mut state = self.lock();
            let Some(old) = self.cache.peek(key.as_bytes()) else { return false };
            let bare = |entry: &Arc<Entry>| entry.id == id && entry.body.is_none();
            if !old.entries().iter().any(bare) {
                return false;
            }
            let with_body = |entry: &Arc<Entry>| {
                if bare(entry) {
                    Arc::new(Entry { body: Some(body.clone()), ..Entry::clone(entry) })
                } else {
                    Arc::clone(entry)
                }
            };
            let list: Vec<_> = old.entries().iter().map(with_body).collect();
            let (complete, length) = (old.complete(), list.len());
            let slot = self.fitting(&mut state, list, complete);
            let slot = slot.filter(|slot| slot.entries().len() == length);
            // It was asked for twice, which is all that a heavy one needs.
            let Some(slot) = slot.filter(|slot| self.bears(&state, Some(&old), slot)) else {
                return false;
            };
            self.put_in(&mut state, key, Some(old), &slot)
        };
        true
    }

    /// True when nothing happened to `key`, under which `now` lies, since the stamp. That it was evicted is nothing.
    fn unchanged(&self, stamp: &Stamp, key: &Key, now: Option<&Slot>) -> bool {
        // Another key may have the same counter; a list that is still the same one tells them apart.
        let same_list = stamp.held.as_ref().zip(now).is_some_and(|(held, now)| held.is(now));
        same_list || stamp.changes == self.changes.of(self.hash(key))
    }
}

#[cfg(all(test, feature = "laws"))]
mod tests {
    use super::*;
    use crate::Store as _;
    use crate::laws::{entry, key, record};
    use futures_util::FutureExt as _;
    use millpond_exchange::VarySelector;

    fn variant(tag: &str) -> Record {
        let vary = VarySelector { name: "accept".into(), value: Some(tag.as_bytes().into()) };
        let record = Record { vary: [vary].into(), ..record(Timestamp::from_secs(1)) };
        record.with_rare(|rare| rare.tags = [tag.into()].into())
    }

    fn put(store: &MemoryStore, key: &Key, tag: &str) {
        let writer = store.writer(entry(store, key, variant(tag))).now_or_never();
        let writer = writer.and_then(Result::ok).expect("memory takes it at once");
        let committed = writer.commit(Fields::new()).now_or_never().and_then(Result::ok);
        committed.expect("nothing was purged");
    }

    /// A list of one entry has no identity but its number: the same entry alone again is not the list of before.
    #[test]
    fn a_list_that_came_back_is_not_the_one_of_the_stamp() {
        let (store, key) = (MemoryStore::default(), key("memory.test", "/"));
        store.set_before_another();
        put(&store, &key, "stays");
        let found = store.lookup(key.as_bytes()).expect("it was stored");
        let stamp = store.stamp(&key);
        assert!(store.promote(&stamp, &key, &found), "nothing has happened");
        let stamp = store.stamp(&key);
        put(&store, &key, "goes");
        let goes = Selector::Tag { origin: None, tag: "goes".into() };
        assert_eq!(store.anticipate(&goes, PurgeMode::Hard, Timestamp::from_secs(2)), 1);
        let now = store.lookup(key.as_bytes()).expect("the other was not purged");
        assert!(now.entries.len() == 1 && Arc::ptr_eq(&now.entries[0], &found.entries[0]));
        assert!(!store.promote(&stamp, &key, &found), "a change was overlooked");
    }
}
