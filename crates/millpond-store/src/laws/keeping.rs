//! Laws about variants and refreshing.

use super::Verdict;
use super::kit::{UNTIL, body_of, check, equal, head, key, only, plain, put, refused, seen, stored, varied};
use crate::{MAX_VARIANTS, Store, StoreError};
use millpond_exchange::{Audience, Key, Part, PurgeMode, Record, Selector, Timestamp};
use std::sync::Arc;

/// A second response for the same selecting fields takes the place of the first.
pub(super) async fn the_same_variant_is_replaced(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/same");
    seen(put(&*store, &key, varied("a"), b"first").await)?;
    seen(put(&*store, &key, varied("a"), b"second").await)?;
    let found = only(&*store, &key).await?;
    check(body_of(&*store, &found, None).await? == b"second", "the older response is found")
}

/// Responses for other selecting fields are kept side by side, the newest first.
pub(super) async fn other_variants_stay(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/other");
    for value in ["a", "b", "c"] {
        seen(put(&*store, &key, varied(value), value.as_bytes()).await)?;
    }
    let mut bodies = Vec::new();
    for entry in stored(&*store, &key).await? {
        bodies.push(body_of(&*store, &entry, None).await?);
    }
    equal("bodies", &bodies, &vec![b"c".to_vec(), b"b".to_vec(), b"a".to_vec()])
}

/// There are never more variants than the limit; the oldest leaves for the newest.
pub(super) async fn the_oldest_variant_leaves(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/many");
    for at in 0..MAX_VARIANTS + 3 {
        seen(put(&*store, &key, varied(&at.to_string()), b"x").await)?;
    }
    let records: Vec<Record> =
        stored(&*store, &key).await?.iter().map(|entry| entry.record.clone()).collect();
    let wanted: Vec<Record> = (3..MAX_VARIANTS + 3).rev().map(|at| varied(&at.to_string())).collect();
    check(records == wanted, &format!("{} variants are kept, or not the newest", records.len()))
}

/// The record of a part that begins with this byte.
fn part(first: u64) -> Record {
    let part = Part { first, complete_len: Some(100) };
    Record { status: 206, ..plain() }.with_rare(|rare| rare.part = Some(part))
}

/// Where the bodies of the entries of `key` begin, the newest first; none for a whole one.
async fn beginnings(store: &dyn Store, key: &Key) -> Result<Vec<Option<u64>>, String> {
    let entries = stored(store, key).await?;
    Ok(entries.iter().map(|entry| entry.record.part.map(|part| part.first)).collect())
}

/// Parts that begin with different bytes are kept side by side, and beside a whole response that was there; a part that
/// begins with the same byte replaces.
pub(super) async fn parts_stand_side_by_side(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/parts");
    seen(put(&*store, &key, plain(), b"whole").await)?;
    for (first, body) in [(0, b"one"), (50, b"two"), (0, b"six")] {
        seen(put(&*store, &key, part(first), body).await)?;
    }
    equal("parts", &beginnings(&*store, &key).await?, &vec![Some(0), Some(50), None])?;
    let mut bodies = Vec::new();
    for entry in stored(&*store, &key).await? {
        bodies.push(body_of(&*store, &entry, None).await?);
    }
    equal("bodies", &bodies, &vec![b"six".to_vec(), b"two".to_vec(), b"whole".to_vec()])
}

/// A part takes the place of those all of whose bytes it has, and of no other: neither of one it has some of, nor of one for
/// other selecting fields.
pub(super) async fn a_part_replaces_those_within(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/within");
    let other = Record { status: 206, rare: part(12).rare, ..varied("a") };
    seen(put(&*store, &key, other, b"abc").await)?;
    for (first, body) in [(10, &b"abc"[..]), (14, b"d"), (20, b"efg"), (8, b"0123456789abc")] {
        seen(put(&*store, &key, part(first), body).await)?;
    }
    equal("parts", &beginnings(&*store, &key).await?, &vec![Some(8), Some(20), Some(12)])
}

/// A whole response takes the place of the parts, and of the whole one, for the same selecting fields.
pub(super) async fn a_whole_replaces_parts(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/whole");
    seen(put(&*store, &key, plain(), b"old").await)?;
    for first in [0, 50] {
        seen(put(&*store, &key, part(first), b"part").await)?;
    }
    seen(put(&*store, &key, Record { vary: varied("a").vary, ..part(7) }, b"other").await)?;
    seen(put(&*store, &key, plain(), b"new").await)?;
    equal("parts", &beginnings(&*store, &key).await?, &vec![None, Some(7)])
}

/// Entries of different partitions do not replace each other.
pub(super) async fn partitions_are_variants(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/private");
    for partition in ["alice", "bob"] {
        let record = plain().with_rare(|rare| rare.audience = Audience::Private(partition.into()));
        seen(put(&*store, &key, record, partition.as_bytes()).await)?;
    }
    equal("number of entries", &stored(&*store, &key).await?.len(), &2)
}

/// A refresh brings a new record and head over the same body, under the same identity.
pub(super) async fn a_refresh_keeps_body_and_identity(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/refresh");
    seen(put(&*store, &key, varied("a"), b"content").await)?;
    seen(put(&*store, &key, varied("b"), b"other").await)?;
    let old = seen(stored(&*store, &key).await?.pop().ok_or("nothing is stored"))?;
    let newer = Record { date: Timestamp::from_secs(2_000_000), ..varied("a") };
    let fresh = seen(store.refresh(&old, newer.clone(), head("fresh"), UNTIL, store.epoch()).await)?;
    equal("identity", &fresh.id, &old.id)?;
    let entries = stored(&*store, &key).await?;
    equal("number of entries", &entries.len(), &2)?;
    let found =
        seen(entries.iter().find(|entry| entry.id == old.id).ok_or("the refreshed entry is not found"))?;
    equal("record", &found.record, &newer)?;
    equal("mark", &found.head.fields.get_str("X-Mark"), &Some("fresh"))?;
    equal("mark of the entry looked up earlier", &old.head.fields.get_str("X-Mark"), &Some("law"))?;
    check(body_of(&*store, found, None).await? == b"content", "the refresh changed the body")
}

/// What was purged cannot be refreshed.
pub(super) async fn a_refresh_of_what_left_is_refused(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/gone");
    let old = seen(put(&*store, &key, plain(), b"content").await)?;
    seen(store.remove(&Selector::Key(key.clone()), PurgeMode::Hard, Timestamp::from_secs(1)).await)?;
    let refreshed = store.refresh(&old, plain(), head("late"), UNTIL, store.epoch()).await;
    refused("the refresh of a purged entry", refreshed, |error| *error == StoreError::Gone)?;
    check(stored(&*store, &key).await?.is_empty(), "a refused refresh left an entry")
}

/// What was replaced cannot be refreshed: its validator says nothing about the body that is there now.
pub(super) async fn a_refresh_of_what_was_replaced_is_refused(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/replaced");
    let old = seen(put(&*store, &key, plain(), b"old").await)?;
    let new = seen(put(&*store, &key, plain(), b"new").await)?;
    let refreshed = store.refresh(&old, plain(), head("late"), UNTIL, store.epoch()).await;
    refused("the refresh of a replaced entry", refreshed, |error| *error == StoreError::Gone)?;
    let found = only(&*store, &key).await?;
    equal("identity", &found.id, &new.id)?;
    equal("mark", &found.head.fields.get_str("X-Mark"), &Some("law"))
}

/// Every commit makes an entry of its own.
pub(super) async fn identities_differ(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/identity");
    let first = seen(put(&*store, &key, plain(), b"content").await)?;
    let second = seen(put(&*store, &key, plain(), b"content").await)?;
    check(first.id != second.id, "two commits share an identity")
}
