//! One list of what memory has and what the tier below has.

use crate::{Entry, MAX_VARIANTS};
use std::cmp::Ordering;
use std::sync::Arc;

/// The entries of both lists, the newest first: what only memory has, then what the tier below has in its order. An
/// entry in both (by identity) is there once.
pub(super) fn merged(memory: &[Arc<Entry>], mut below: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    if memory.is_empty() {
        return below;
    }
    let held = |id: u64| memory.iter().find(|entry| entry.id == id);
    let listed: Vec<u64> = below.iter().map(|entry| entry.id).collect();
    let mut all: Vec<Arc<Entry>> = memory
        .iter()
        .filter(|entry| !listed.contains(&entry.id))
        .filter(|entry| !below.iter().any(|other| held(other.id).is_none() && overtakes(other, entry)))
        .cloned()
        .collect();
    below.retain(|entry| held(entry.id).is_some() || !all.iter().any(|only| only.replaces(entry)));
    all.extend(below.into_iter().map(|entry| match held(entry.id) {
        Some(twin) => one_of(twin, entry),
        None => entry,
    }));
    all.truncate(MAX_VARIANTS);
    all
}

/// True when `below`, which memory does not know, takes the place of `held`, which the tier below does not have: another
/// process has stored it, later than this one has stored `held`.
fn overtakes(below: &Entry, held: &Entry) -> bool {
    below.replaces(held) && below.record.response_time > held.record.response_time
}

/// Of two that are one entry, the one refreshed last; with the body, if either has it.
fn one_of(held: &Arc<Entry>, mut below: Arc<Entry>) -> Arc<Entry> {
    let order = held.record.response_time.cmp(&below.record.response_time);
    if order == Ordering::Greater || (held.record == below.record && held.body.is_some()) {
        return Arc::clone(held);
    }
    let purged = if order == Ordering::Equal { held.record.stale_from } else { None };
    if held.body.is_none() && purged.is_none() {
        return below;
    }
    let one = Arc::make_mut(&mut below);
    one.body = held.body.clone().or(one.body.take());
    one.record.stale_from = match (one.record.stale_from, purged) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    below
}
