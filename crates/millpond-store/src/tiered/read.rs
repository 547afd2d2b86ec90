//! What memory has not: lists and bodies, read from the tier below and promoted.

use super::below::Below;
use super::merge::merged;
use crate::memory::Stamp;
use crate::{Entries, Entry, MemoryStore, StoreError, Variants};
use futures_util::StreamExt;
use millpond_exchange::{Body, Frame, Key};
use std::ops::Range;
use std::sync::Arc;

/// The largest body that is read from below in one piece, to be kept in memory; bytes.
const LARGEST_PROMOTED: u64 = 1024 * 1024;

/// All entries of `key`, when memory's list is not known to be complete.
pub(super) async fn variants(memory: &MemoryStore, below: &Below, key: &Key) -> Result<Variants, StoreError> {
    let stamp = memory.stamp(key);
    below.lookups.add();
    let found = match below.counted(below.store.variants(key).await) {
        Ok(found) => found,
        Err(_) if !stamp.entries().is_empty() => {
            return Ok(Variants { entries: stamp.entries().into(), complete: false });
        }
        Err(error) => return Err(error),
    };
    Ok(promoted(memory, below, key, &stamp, found))
}

/// The same where the tier below can tell without waiting, and has something.
pub(super) fn lookup(memory: &MemoryStore, below: &Below, key: &Key) -> Option<Variants> {
    let stamp = memory.stamp(key);
    let found = below.store.lookup(key.as_bytes()).filter(|found| !found.entries.is_empty())?;
    below.lookups.add();
    Some(promoted(memory, below, key, &stamp, found))
}

/// What the tier below has found, with what memory had, and as far as it is worth it taken in there.
fn promoted(memory: &MemoryStore, below: &Below, key: &Key, stamp: &Stamp, found: Variants) -> Variants {
    if !found.entries.is_empty() {
        below.found.add();
    }
    if stamp.entries().is_empty() && (found.entries.is_empty() || !below.promotes(key, &found.entries)) {
        return found;
    }
    let complete = found.complete;
    let list = found.entries.to_vec();
    // The entries of a list that nobody else holds can be changed in place.
    drop(found);
    let (entries, kept) = owned(memory, stamp, merged(stamp.entries(), list));
    if !kept.is_empty() && memory.promote(stamp, key, &Variants { entries: kept, complete }) {
        below.promoted.add();
    }
    Variants { entries, complete }
}

/// `list` for the caller and for memory. The bodies in the latter are accounted for there; an entry whose body memory has
/// no room for, or would not take, is kept as a head.
fn owned(memory: &MemoryStore, stamp: &Stamp, mut list: Vec<Arc<Entry>>) -> (Entries, Entries) {
    let mut bare = Vec::new();
    for (at, entry) in list.iter_mut().enumerate() {
        let Some(body) = entry.body.as_ref().filter(|_| stamp.body(entry.id).is_none()) else { continue };
        match memory.own(body) {
            Some(body) => Arc::make_mut(entry).body = Some(body),
            None => bare.push(at),
        }
    }
    let all: Entries = list.into();
    if bare.is_empty() {
        return (all.clone(), all);
    }
    let mut kept = all.to_vec();
    for at in bare {
        kept[at] = Arc::new(Entry { body: None, ..Entry::clone(&all[at]) });
    }
    (all, kept.into())
}

/// The body of `entry`, or a part of it, when it is not in memory. One asked for whole a second time is taken into
/// memory, if it is small enough to be read in one piece.
pub(super) async fn body(
    memory: &MemoryStore,
    below: &Below,
    entry: &Arc<Entry>,
    range: Option<Range<u64>>,
) -> Result<Body, StoreError> {
    below.reads.add();
    let wanted = range.is_none()
        && entry.body_len <= LARGEST_PROMOTED.min(memory.max_object())
        && memory.knows_reader(&entry.key, entry.id);
    let room = if wanted { memory.room_for(entry.body_len) } else { None };
    let mut body = below.counted(below.store.read(entry, range).await);
    if let (Ok(found), Some(room)) = (&mut body, room) {
        let content = in_one_piece(entry, std::mem::take(found)).await;
        body = below.counted(content).map(|content| Body::Memory(room.filled_with(content)));
        if let Ok(Body::Memory(content)) = &body
            && memory.embody(&entry.key, entry.id, content)
        {
            below.bodies_promoted.add();
        }
    }
    if let Err(StoreError::Gone | StoreError::Corrupt(_)) = body {
        memory.forget_head(&entry.key, entry.id);
    }
    body
}

/// The content of `body`, which is all of that of `entry`.
async fn in_one_piece(entry: &Entry, body: Body) -> Result<Vec<u8>, StoreError> {
    let mut content = Vec::with_capacity(entry.body_len as usize);
    let mut frames = body.into_stream();
    while let Some(frame) = frames.next().await {
        match frame {
            Ok(Frame::Data(bytes)) => content.extend_from_slice(&bytes),
            Ok(Frame::Trailers(_)) => {}
            Err(error) => return Err(StoreError::Corrupt(error.message)),
        }
    }
    if content.len() as u64 == entry.body_len {
        return Ok(content);
    }
    let found = content.len();
    Err(StoreError::Corrupt(format!("a body of {found} bytes where {} were stored", entry.body_len)))
}
