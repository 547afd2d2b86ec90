//! Which keys a purge may concern: the keys in the order of their URLs, and an ordered set of (label, key), a label being a
//! tag or a group. Touched by writes and evictions, never by a lookup.
//!
//! What must not live here: the decision whether an entry is covered; that is [`crate::covers`], asked of each
//! candidate.

use crate::purge::{after_url, begins_with, url_pieces};
use millpond_exchange::{Key, Record, Selector};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

/// What a row of a label costs beyond the text of its name, bytes: its place in a node of the tree at the lowest filling,
/// and the header of the allocation.
pub(super) const ROW_OVERHEAD: u64 = 112;

/// What a key can be found by besides its URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Tag(Box<str>),
    Group(Box<str>),
}

/// The index of what is stored, key by key. In the rows of labels the key is never absent; in a bound of a range its
/// absence stands for the beginning of all rows with that label.
#[derive(Debug, Default)]
pub(super) struct Index {
    urls: BTreeSet<ByUrl>,
    labels: BTreeSet<(Label, Option<Key>)>,
}

impl Index {
    /// Notes that the entries of `key` had the records `old` and now have the records `new`; no records mean that
    /// nothing was, or is, stored under the key.
    pub(super) fn replace<'a>(
        &mut self,
        key: &Key,
        old: impl Iterator<Item = &'a Record>,
        new: impl Iterator<Item = &'a Record>,
    ) {
        let (mut old, mut new) = (old.peekable(), new.peekable());
        match (old.peek().is_some(), new.peek().is_some()) {
            (true, false) => {
                self.urls.remove(key as &dyn Url);
            }
            (false, true) => {
                self.urls.insert(ByUrl(key.clone()));
            }
            _ => {}
        }
        let (old, new) = (labels(old), labels(new));
        for label in old.difference(&new) {
            self.labels.remove(&(label.clone(), Some(key.clone())));
        }
        for label in new.difference(&old) {
            self.labels.insert((label.clone(), Some(key.clone())));
        }
    }

    /// Every key that may have an entry covered by `selector`.
    pub(super) fn candidates(&self, selector: &Selector) -> Vec<Key> {
        match selector {
            Selector::All => self.beginning_with(""),
            Selector::Key(key) => vec![key.clone()],
            Selector::Url(url) => {
                self.from(url).take_while(|key| after_url(key, url) == Some("")).cloned().collect()
            }
            Selector::Prefix(prefix) => self.beginning_with(prefix),
            Selector::Host(authority) => {
                // After the authority comes a path, or the asterisk of OPTIONS.
                let beginnings = ["http", "https"].map(|scheme| format!("{scheme}://{authority}"));
                let beginnings =
                    beginnings.iter().flat_map(|origin| ["/", "*"].map(|next| format!("{origin}{next}")));
                beginnings.flat_map(|prefix| self.beginning_with(&prefix)).collect()
            }
            Selector::Tag { tag, .. } => self.labelled(Label::Tag(tag.as_str().into())),
            Selector::Group { group, .. } => self.labelled(Label::Group(group.as_str().into())),
        }
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.urls.len() + self.labels.len()
    }

    fn labelled(&self, label: Label) -> Vec<Key> {
        let from = (label, None);
        self.labels
            .range(&from..)
            .take_while(|(other, _)| *other == from.0)
            .filter_map(|(_, key)| key.clone())
            .collect()
    }

    fn beginning_with(&self, prefix: &str) -> Vec<Key> {
        self.from(prefix).take_while(|key| begins_with(key, prefix)).cloned().collect()
    }

    /// The keys in the order of their URLs, from the first that is not before `url`.
    fn from(&self, url: &str) -> impl Iterator<Item = &Key> {
        let from: Bound<&dyn Url> = Bound::Included(&url);
        self.urls.range::<dyn Url, _>((from, Bound::Unbounded)).map(|row| &row.0)
    }
}

/// The labels by which entries of these records are found.
fn labels<'a>(records: impl Iterator<Item = &'a Record>) -> BTreeSet<Label> {
    let mut all = BTreeSet::new();
    for record in records {
        all.extend(record.tags.iter().cloned().map(Label::Tag));
        all.extend(record.groups.iter().cloned().map(Label::Group));
    }
    all
}

/// A key in its place by URL, so that no row has to have the URL again; keys of one URL are told apart by the rest.
#[derive(Debug)]
struct ByUrl(Key);

/// A URL in pieces, for finding a row by a key that is borrowed, or by a text that is no key. A text comes before the keys of the
/// same URL.
trait Url {
    fn pieces(&self) -> [&str; 4];
    fn key(&self) -> Option<&Key>;
}

impl Url for Key {
    fn pieces(&self) -> [&str; 4] {
        url_pieces(self)
    }

    fn key(&self) -> Option<&Key> {
        Some(self)
    }
}

impl Url for &str {
    fn pieces(&self) -> [&str; 4] {
        [self, "", "", ""]
    }

    fn key(&self) -> Option<&Key> {
        None
    }
}

impl Ord for dyn Url + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (self.pieces(), other.pieces());
        let order = if one[..3] == two[..3] {
            one[3].cmp(two[3])
        } else {
            one.iter().flat_map(|piece| piece.bytes()).cmp(two.iter().flat_map(|piece| piece.bytes()))
        };
        order.then_with(|| self.key().cmp(&other.key()))
    }
}

impl PartialOrd for dyn Url + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Url + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Url + '_ {}

impl<'a> Borrow<dyn Url + 'a> for ByUrl {
    fn borrow(&self) -> &(dyn Url + 'a) {
        &self.0
    }
}

impl Ord for ByUrl {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two): (&dyn Url, &dyn Url) = (&self.0, &other.0);
        one.cmp(two)
    }
}

impl PartialOrd for ByUrl {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ByUrl {}
