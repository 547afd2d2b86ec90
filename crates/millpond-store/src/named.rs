//! When each name was last purged: a table of fixed size, so that neither its memory nor a look into it grows with the
//! number of purges. Names are what a purge gives exactly: a key, a URL, a host, a tag, a group.
//!
//! What must not live here: purges that cover by more than a name; those are [`crate::PurgeLog`]'s own.

use foldhash::fast::RandomState;
use millpond_exchange::{Key, Record, Selector};
use std::hash::BuildHasher;

/// Buckets of the table; a power of two.
const BUCKETS: usize = 4096;
/// Names remembered in each bucket: so many that one rarely overflows before the table as a whole is half full.
const WAYS: usize = 15;

/// What an entry can be purged by exactly.
#[derive(Clone, Copy, Debug, Hash)]
enum Name<'a> {
    Key(&'a [u8]),
    Url(&'a str),
    Host(&'a str),
    Tag(Option<&'a str>, &'a str),
    Group(&'a str, &'a str),
}

impl<'a> Name<'a> {
    /// The name `selector` goes by, if it goes by one.
    fn of(selector: &'a Selector) -> Option<Self> {
        match selector {
            Selector::Key(key) => Some(Self::Key(key.as_bytes())),
            Selector::Url(url) => Some(Self::Url(url)),
            Selector::Host(authority) => Some(Self::Host(authority)),
            Selector::Tag { origin, tag } => Some(Self::Tag(origin.as_deref(), tag)),
            Selector::Group { origin, group } => Some(Self::Group(origin, group)),
            Selector::Prefix(_) | Selector::All => None,
        }
    }
}

/// The names whose hashes fall together.
#[derive(Clone, Debug, Default)]
struct Bucket {
    /// Another part of the hash of each name. Two names alike in both parts count as one, which refuses a write
    /// without need (once in many millions) and never lets one through.
    marks: [u32; WAYS],
    /// The epoch of the last purge of each; zero where there is none.
    epochs: [u64; WAYS],
    /// The newest epoch among names that had to give way.
    forgotten: u64,
}

impl Bucket {
    fn note(&mut self, mark: u32, epoch: u64) {
        let known = (0..WAYS).find(|way| self.epochs[*way] > 0 && self.marks[*way] == mark);
        let way = known.unwrap_or_else(|| {
            let oldest = (1..WAYS).fold(0, |a, b| if self.epochs[b] < self.epochs[a] { b } else { a });
            self.forgotten = self.forgotten.max(self.epochs[oldest]);
            oldest
        });
        (self.marks[way], self.epochs[way]) = (mark, epoch);
    }

    /// The newest purge that may have been of the name with this mark.
    fn latest(&self, mark: u32) -> u64 {
        let held = self.marks.iter().zip(&self.epochs).filter(|(held, _)| **held == mark);
        held.map(|(_, epoch)| *epoch).fold(self.forgotten, u64::max)
    }
}

/// The table. Takes 768 KiB from the first purge by name on, nothing before.
#[derive(Debug, Default)]
pub(crate) struct NamedPurges {
    hasher: RandomState,
    buckets: Box<[Bucket]>,
}

impl NamedPurges {
    /// Notes a purge by name; false when `selector` covers by more than a name.
    pub(crate) fn note(&mut self, selector: &Selector, epoch: u64) -> bool {
        let Some(name) = Name::of(selector) else { return false };
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS].into();
        }
        let (at, mark) = self.place(name);
        self.buckets[at].note(mark, epoch);
        true
    }

    /// Forgets every purge, and gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.buckets = Box::default();
    }

    /// True when a purge after `begun` may have been of a name that an entry with this key and one of `records` has.
    pub(crate) fn covered_since(&self, begun: u64, key: &Key, records: &[&Record]) -> bool {
        if self.buckets.is_empty() {
            return false;
        }
        let since = |name: Name<'_>| {
            let (at, mark) = self.place(name);
            self.buckets[at].latest(mark) > begun
        };
        if since(Name::Key(key.as_bytes()))
            || since(Name::Url(&key.url()))
            || since(Name::Host(key.authority()))
        {
            return true;
        }
        let origin = key.origin();
        records.iter().any(|record| {
            let tagged = |tag: &str| since(Name::Tag(None, tag)) || since(Name::Tag(Some(&origin), tag));
            record.tags.iter().any(|tag| tagged(tag))
                || record.groups.iter().any(|group| since(Name::Group(&origin, group)))
        })
    }

    fn place(&self, name: Name<'_>) -> (usize, u32) {
        let hash = self.hasher.hash_one(name);
        (hash as usize % BUCKETS, (hash >> 32) as u32)
    }
}
