//! Recorded answers by key, given in the order in which they were recorded.

use super::Index;
use crate::matching::MatchKey;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where an exchange is: which tape, and which entry of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The tape, as its owner counts them.
    pub tape: u32,
    /// The entry of the tape's index.
    pub entry: u32,
}

/// What is given when every recorded answer was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// The last one, again and again.
    #[default]
    Last,
    /// The first one, and so on.
    Loop,
    /// Nothing.
    Miss,
}

/// Which exchanges answer which requests. Those that broke off or have no response are not in it.
///
/// Asking takes no lock: many threads may ask at once, and each recorded answer is given to one of them.
#[derive(Debug, Default)]
pub struct Lookup {
    groups: HashMap<MatchKey, Group>,
    count: usize,
}

/// The exchanges of one key, in order.
#[derive(Debug)]
struct Group {
    first: Place,
    more: Vec<Place>,
    /// How many answers were given.
    given: AtomicU32,
}

impl Group {
    fn len(&self) -> u32 {
        u32::try_from(self.more.len()).unwrap_or(u32::MAX - 1) + 1
    }

    fn get(&self, at: u32) -> Option<Place> {
        at.checked_sub(1).map_or(Some(self.first), |at| self.more.get(at as usize).copied())
    }
}

impl Lookup {
    /// Nothing that answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the exchanges of a tape, behind those of the tapes before.
    pub fn add(&mut self, tape: u32, index: &Index) {
        self.groups.reserve(index.len());
        for (at, row) in index.rows.iter().enumerate() {
            let Ok(entry) = u32::try_from(at) else { return };
            if row.silent.is_none() {
                self.push(row.key, Place { tape, entry });
            }
        }
    }

    /// Adds one exchange behind all others: one that has a response which can be given again.
    pub fn push(&mut self, key: MatchKey, place: Place) {
        self.count += 1;
        let new = || Group { first: place, more: Vec::new(), given: AtomicU32::new(0) };
        self.groups.entry(key).and_modify(|group| group.more.push(place)).or_insert_with(new);
    }

    /// The next answer to a request; `None` where there is none, or none any more.
    pub fn next(&self, key: &MatchKey, repeat: Repeat) -> Option<Place> {
        let group = self.groups.get(key)?;
        let len = group.len();
        // A single answer that is given for ever needs no count, and threads that share it nothing to write to.
        if len == 1 && repeat != Repeat::Miss {
            return Some(group.first);
        }
        let step = |given: u32| match repeat {
            Repeat::Loop => Some((given % len) + 1),
            Repeat::Last | Repeat::Miss => (given < len).then_some(given + 1),
        };
        match group.given.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
            Ok(given) => group.get(given % len),
            Err(_) if repeat == Repeat::Last => group.get(len - 1),
            Err(_) => None,
        }
    }

    /// The answer that [`Self::next`] would give, without giving it.
    pub fn peek(&self, key: &MatchKey, repeat: Repeat) -> Option<Place> {
        let group = self.groups.get(key)?;
        let (len, given) = (group.len(), group.given.load(Ordering::Relaxed));
        match repeat {
            Repeat::Loop => group.get(given % len),
            Repeat::Last => group.get(given.min(len - 1)),
            Repeat::Miss => (given < len).then(|| group.get(given))?,
        }
    }

    /// How many answers there are to a request, given or not.
    pub fn answers(&self, key: &MatchKey) -> usize {
        self.groups.get(key).map_or(0, |group| group.len() as usize)
    }

    /// How many answers were never given.
    pub fn never_given(&self) -> usize {
        let left = |group: &Group| group.len().saturating_sub(group.given.load(Ordering::Relaxed)) as usize;
        self.groups.values().map(left).sum()
    }

    /// Gives every answer again, from the first on.
    pub fn rewind(&self) {
        self.groups.values().for_each(|group| group.given.store(0, Ordering::Relaxed));
    }

    /// How many exchanges answer.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True when nothing answers.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
