//! Which keys a purge may concern: one ordered set of (name, key), a name being a URL, a tag or a group. Touched by
//! writes and evictions, never by a lookup.
//!
//! What must not live here: the decision whether an entry is covered; that is [`crate::covers`], asked of each
//! candidate.

use millpond_exchange::{Key, Record, Selector};
use std::collections::BTreeSet;

/// What a row costs beyond the text of its name, bytes: its place in a node of the tree at the lowest filling, and the
/// header of the allocation.
pub(super) const ROW_OVERHEAD: u64 = 112;

/// What a key can be found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Url(Box<str>),
    Tag(Box<str>),
    Group(Box<str>),
}

/// The index of what is stored, key by key. In the rows the key is never absent; in a bound of a range its absence
/// stands for the beginning of all rows with that name.
#[derive(Debug, Default)]
pub(super) struct Index(BTreeSet<(Name, Option<Key>)>);

impl Index {
    /// Notes that the entries of `key` had the records `old` and now have the records `new`; no records mean that
    /// nothing was, or is, stored under the key.
    pub(super) fn replace<'a>(
        &mut self,
        key: &Key,
        old: impl Iterator<Item = &'a Record>,
        new: impl Iterator<Item = &'a Record>,
    ) {
        let (old, new) = (names(key, old), names(key, new));
        for name in old.difference(&new) {
            self.0.remove(&(name.clone(), Some(key.clone())));
        }
        for name in new.difference(&old) {
            self.0.insert((name.clone(), Some(key.clone())));
        }
    }

    /// Every key that may have an entry covered by `selector`.
    pub(super) fn candidates(&self, selector: &Selector) -> Vec<Key> {
        match selector {
            Selector::All => self.beginning_with(""),
            Selector::Key(key) => vec![key.clone()],
            Selector::Url(url) => self.named(Name::Url(url.as_str().into())),
            Selector::Prefix(prefix) => self.beginning_with(prefix),
            Selector::Host(authority) => {
                // After the authority comes a path, or the asterisk of OPTIONS.
                let beginnings = ["http", "https"].map(|scheme| format!("{scheme}://{authority}"));
                let beginnings =
                    beginnings.iter().flat_map(|origin| ["/", "*"].map(|next| format!("{origin}{next}")));
                beginnings.flat_map(|prefix| self.beginning_with(&prefix)).collect()
            }
            Selector::Tag { tag, .. } => self.named(Name::Tag(tag.as_str().into())),
            Selector::Group { group, .. } => self.named(Name::Group(group.as_str().into())),
        }
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn named(&self, name: Name) -> Vec<Key> {
        let from = (name, None);
        self.0
            .range(&from..)
            .take_while(|(other, _)| *other == from.0)
            .filter_map(|(_, key)| key.clone())
            .collect()
    }

    fn beginning_with(&self, prefix: &str) -> Vec<Key> {
        let from = (Name::Url(prefix.into()), None);
        let rows = self.0.range(from..);
        let rows = rows.take_while(|(name, _)| matches!(name, Name::Url(url) if url.starts_with(prefix)));
        rows.filter_map(|(_, key)| key.clone()).collect()
    }
}

/// The names by which `key` with entries of these records is found.
fn names<'a>(key: &Key, records: impl Iterator<Item = &'a Record>) -> BTreeSet<Name> {
    let mut all = BTreeSet::new();
    for record in records {
        if all.is_empty() {
            all.insert(Name::Url(key.url().into()));
        }
        all.extend(record.tags.iter().cloned().map(Name::Tag));
        all.extend(record.groups.iter().cloned().map(Name::Group));
    }
    all
}
