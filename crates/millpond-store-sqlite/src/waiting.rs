//! The purges that wait to be written, found by what they name, so that a lookup asks only those that can cover its
//! key however many wait.
//!
//! What must not live here: what else waits, and the order of both.

#[cfg(test)]
mod tests;

use crate::pending::Purge;
use foldhash::fast::RandomState;
use millpond_exchange::{Key, PurgeMode, Record, Selector};
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// How many purges may wait one by one; beyond it they are merged into broader ones.
pub(crate) const MOST: usize = 4096;
/// Bytes of memory they may hold.
pub(crate) const MOST_BYTES: u64 = 4 << 20;
/// What a purge holds beside its name, about.
const OVERHEAD: u64 = 320;

/// A purge with its place in the order of changes.
pub(crate) type Placed = (u64, Arc<Purge>);

/// A purge, as what it names.
#[derive(Clone)]
struct Name(Arc<Purge>);

impl Borrow<Selector> for Name {
    fn borrow(&self) -> &Selector {
        &self.0.selector
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.selector.hash(state);
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.selector == other.0.selector
    }
}

impl Eq for Name {}

/// Purges by what they name: few of each name, since equal ones are merged.
type Named = HashMap<Name, Vec<Placed>, RandomState>;

/// The purges that wait.
#[derive(Default)]
pub(crate) struct Waiting {
    named: Named,
    prefixes: BTreeMap<u64, Arc<Purge>>,
    /// Those by tag or group, by origin. Which of them cover an entry is known only when its record is: a lookup takes
    /// all those of its origin with it, and a change that comes meanwhile is made to a copy.
    labels: HashMap<Option<String>, Arc<Named>, RandomState>,
    count: usize,
    bytes: u64,
}

/// The purges that can cover entries of one key.
#[derive(Default)]
pub(crate) struct Candidates {
    pub(crate) certain: Vec<Placed>,
    labels: Vec<Arc<Named>>,
}

impl Candidates {
    pub(crate) fn is_empty(&self) -> bool {
        self.certain.is_empty() && self.labels.is_empty()
    }

    /// Adds those by tags and groups that `record`, of `origin`, has to `found`.
    pub(crate) fn by_labels(&self, origin: &str, record: &Record, found: &mut BTreeMap<u64, Arc<Purge>>) {
        let owned = || origin.to_owned();
        let tags = record.tags.iter().flat_map(|tag| {
            [None, Some(owned())].map(|origin| Selector::Tag { origin, tag: tag.to_string() })
        });
        let groups =
            record.groups.iter().map(|group| Selector::Group { origin: owned(), group: group.to_string() });
        for selector in tags.chain(groups) {
            let named = self.labels.iter().filter_map(|labels| labels.get(&selector));
            found.extend(named.flatten().cloned());
        }
    }

    pub(crate) fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Bytes of memory they hold, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn insert(&mut self, number: u64, purge: &Arc<Purge>) {
        self.count += 1;
        self.bytes += weight(purge);
        let placed = || (number, Arc::clone(purge));
        self.named.entry(Name(Arc::clone(purge))).or_default().push(placed());
        match &purge.selector {
            Selector::Prefix(_) => {
                self.prefixes.insert(number, Arc::clone(purge));
            }
            Selector::Tag { .. } | Selector::Group { .. } => {
                let labels = self.labels.entry(label_origin(&purge.selector)).or_default();
                let named = Arc::make_mut(labels).entry(Name(Arc::clone(purge)));
                named.or_default().push(placed());
            }
            _ => {}
        }
    }

    pub(crate) fn remove(&mut self, number: u64, purge: &Purge) {
        if !take(&mut self.named, number, &purge.selector) {
            return;
        }
        self.count -= 1;
        self.bytes -= weight(purge);
        match &purge.selector {
            Selector::Prefix(_) => {
                self.prefixes.remove(&number);
            }
            Selector::Tag { .. } | Selector::Group { .. } => {
                let origin = label_origin(&purge.selector);
                if let Some(labels) = self.labels.get_mut(&origin) {
                    let named = Arc::make_mut(labels);
                    take(named, number, &purge.selector);
                    if named.is_empty() {
                        self.labels.remove(&origin);
                    }
                }
            }
            _ => {}
        }
    }

    /// Those that `purge`, being the newest, makes needless once it does what they do: with the same name, and not
    /// harder.
    pub(crate) fn replaced_by(&self, purge: &Purge) -> Vec<u64> {
        let same = self.named.get(&purge.selector).map_or(&[][..], Vec::as_slice);
        let replaced = same.iter().filter(|(_, old)| purge.mode == PurgeMode::Hard || old.mode == purge.mode);
        replaced.map(|(number, _)| *number).collect()
    }

    /// The purges that can cover entries of `key`.
    pub(crate) fn candidates(&self, key: &Key) -> Candidates {
        if self.is_empty() {
            return Candidates::default();
        }
        let url = key.url();
        let mut certain: Vec<Placed> = self
            .prefixes
            .iter()
            .filter(
                |(_, purge)| matches!(&purge.selector, Selector::Prefix(prefix) if url.starts_with(prefix)),
            )
            .map(|(number, purge)| (*number, Arc::clone(purge)))
            .collect();
        let authority = key.authority().to_owned();
        let names =
            [Selector::Key(key.clone()), Selector::Url(url), Selector::Host(authority), Selector::All];
        certain.extend(names.iter().filter_map(|name| self.named.get(name)).flatten().cloned());
        let mut labels = Vec::new();
        if !self.labels.is_empty() {
            let origins = [None, Some(key.origin())];
            labels.extend(origins.iter().filter_map(|origin| self.labels.get(origin)).cloned());
        }
        Candidates { certain, labels }
    }
}

/// What these purges, being too many, are merged into: all of the authority that has most of them, where that helps, or
/// else everything.
pub(crate) fn broader<'a>(purges: impl Iterator<Item = &'a Purge>) -> Selector {
    let mut counts: HashMap<&str, (usize, u64), RandomState> = HashMap::default();
    for purge in purges {
        if let Some(authority) = authority(&purge.selector) {
            let (count, bytes) = counts.entry(authority).or_default();
            *count += 1;
            *bytes += weight(purge);
        }
    }
    let most = counts.into_iter().max_by_key(|(_, (count, bytes))| {
        // By whichever bound they fill more of.
        (*count as u64 * (MOST_BYTES / MOST as u64)).max(*bytes)
    });
    match most {
        // Merging a few would have to be done again in a moment.
        Some((authority, (count, bytes))) if count > MOST / 16 || bytes > MOST_BYTES / 16 => {
            Selector::Host(authority.to_owned())
        }
        _ => Selector::All,
    }
}

/// True when `broad`, as [`broader`] gives it, covers all that `selector` does.
pub(crate) fn includes(broad: &Selector, selector: &Selector) -> bool {
    match broad {
        Selector::All => true,
        Selector::Host(host) => authority(selector) == Some(host),
        _ => false,
    }
}

/// The one authority of all that `selector` can cover, where there is one.
fn authority(selector: &Selector) -> Option<&str> {
    let after_scheme = |url: &'_ str| url.find("://").map(|at| at + 3);
    match selector {
        Selector::Key(key) => Some(key.authority()),
        Selector::Host(authority) => Some(authority),
        Selector::Url(url) | Selector::Prefix(url) => {
            // A prefix that ends within the authority has many.
            let rest = &url[after_scheme(url)?..];
            rest.find('/').map(|end| &rest[..end])
        }
        Selector::Tag { origin: Some(origin), .. } | Selector::Group { origin, .. } => {
            Some(&origin[after_scheme(origin)?..])
        }
        Selector::Tag { origin: None, .. } | Selector::All => None,
    }
}

fn label_origin(selector: &Selector) -> Option<String> {
    match selector {
        Selector::Tag { origin, .. } => origin.clone(),
        Selector::Group { origin, .. } => Some(origin.clone()),
        _ => None,
    }
}

/// Removes the purge `number` from those named `selector`; false when it is not among them.
fn take(named: &mut Named, number: u64, selector: &Selector) -> bool {
    // The purge that is the name in the map may be another one of the same name: then it stays for that.
    let Some(mut placed) = named.remove(selector) else { return false };
    let before = placed.len();
    placed.retain(|(other, _)| *other != number);
    let removed = placed.len() < before;
    if let Some((_, first)) = placed.first() {
        named.insert(Name(Arc::clone(first)), placed);
    }
    removed
}

/// Bytes of memory a purge holds, about.
pub(crate) fn weight(purge: &Purge) -> u64 {
    let name = match &purge.selector {
        Selector::Key(key) => key.as_bytes().len(),
        Selector::Url(text) | Selector::Prefix(text) | Selector::Host(text) => text.len(),
        Selector::Tag { origin, tag } => origin.as_ref().map_or(0, String::len) + tag.len(),
        Selector::Group { origin, group } => origin.len() + group.len(),
        Selector::All => 0,
    };
    name as u64 + OVERHEAD
}
