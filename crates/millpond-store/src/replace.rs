//! Which entries a new one takes the place of.
//!
//! What must not live here: where they are found.

use crate::Entry;
use millpond_exchange::Record;

impl Entry {
    /// True when this one, stored now, takes the place of `other`: see [`replaces`].
    pub fn replaces(&self, other: &Self) -> bool {
        replaces((&self.record, self.body_len), (&other.record, other.body_len))
    }
}

/// True when an entry, stored now, takes the place of another one of its key, each with the bytes of its body: as
/// [`Record::replaces`] says, and a part also that of parts all of whose bytes it has. A client that reads backwards would
/// leave every step of it behind otherwise.
pub fn replaces((new, len): (&Record, u64), (old, old_len): (&Record, u64)) -> bool {
    let has_all = match (new.part, old.part) {
        (Some(part), Some(other)) => {
            part.first <= other.first && other.first.saturating_add(old_len) <= part.first.saturating_add(len)
        }
        _ => false,
    };
    new.replaces(old) || (has_all && new.same_selectors(old))
}
