//! What the laws are written with: small keys, records and bodies, and checks that say what was seen.

use super::Verdict;
use crate::{Entry, Epoch, NewEntry, Store, StoreError};
use bytes::Bytes;
use futures_util::StreamExt;
use millpond_exchange::{
    Admission, Body, Fields, Frame, Key, KeyParts, Rare, Record, RecordFlags, ResponseHead, Scheme,
    StatusCode, Timestamp, VarySelector,
};
use std::fmt::{Debug, Display};
use std::ops::Range;
use std::sync::Arc;

/// Until when what is refreshed is fresh.
pub const UNTIL: Timestamp = Timestamp::from_secs(2_000_000_000);

/// A record with nothing but a date: the one place where the suite makes records.
pub fn record(date: Timestamp) -> Record {
    Record {
        status: 200,
        request_time: date,
        response_time: date,
        date,
        initial_age: 0,
        max_age: None,
        expires: None,
        last_modified: None,
        stale_from: None,
        flags: RecordFlags::default(),
        admission: Admission::default(),
        etag: None,
        vary: Box::default(),
        rare: Rare::default(),
    }
}

/// `record`, varying on one request field with this value.
pub(super) fn varied(value: &str) -> Record {
    let selector = VarySelector { name: "x-law".into(), value: Some(value.as_bytes().into()) };
    Record { vary: [selector].into(), ..plain() }
}

/// A record of the time when the suite's world begins.
pub(super) fn plain() -> Record {
    record(Timestamp::from_secs(1_000_000))
}

/// The key of a GET for `path_and_query` at `http://authority`.
pub fn key(authority: &str, path_and_query: &str) -> Key {
    KeyParts::new(Scheme::Http, authority, path_and_query).to_key()
}

/// A 200 with one field that tells it from others.
pub fn head(mark: &str) -> ResponseHead {
    let fields: Fields = [("Content-Type", "text/plain"), ("X-Mark", mark)].into_iter().collect();
    ResponseHead { fields, ..ResponseHead::new(StatusCode::OK) }
}

/// What a writer is opened with, as of the store's present epoch.
pub fn entry(store: &dyn Store, key: &Key, record: Record) -> NewEntry {
    let fresh_until = record.response_time.saturating_add(std::time::Duration::from_secs(60));
    let (key, head) = (key.clone(), head("law"));
    NewEntry { key, record, head, announced_len: None, epoch: store.epoch(), fresh_until }
}

/// Stores `body` in one piece.
///
/// # Errors
/// What the store's writer says.
pub async fn put(
    store: &dyn Store,
    key: &Key,
    record: Record,
    body: &[u8],
) -> Result<Arc<Entry>, StoreError> {
    let mut writer = store.writer(entry(store, key, record)).await?;
    if !body.is_empty() {
        writer.write(Bytes::copy_from_slice(body)).await?;
    }
    writer.commit(Fields::new()).await
}

/// The body of a stored entry, or a part of it.
///
/// # Errors
/// What the store says, or the body when it ends early.
pub async fn body_of(
    store: &dyn Store,
    entry: &Arc<Entry>,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, String> {
    collect(seen(store.read(entry, range).await)?).await
}

/// The content of a body.
pub(super) async fn collect(body: Body) -> Result<Vec<u8>, String> {
    let mut stream = body.into_stream();
    let mut content = Vec::new();
    while let Some(frame) = stream.next().await {
        if let Frame::Data(bytes) = seen(frame)? {
            content.extend_from_slice(&bytes);
        }
    }
    Ok(content)
}

/// The entries of `key`, newest first.
pub(super) async fn stored(store: &dyn Store, key: &Key) -> Result<Vec<Arc<Entry>>, String> {
    Ok(seen(store.variants(key).await)?.entries.to_vec())
}

/// The only entry of `key`.
pub(super) async fn only(store: &dyn Store, key: &Key) -> Result<Arc<Entry>, String> {
    let entries = stored(store, key).await?;
    match entries.as_slice() {
        [entry] => Ok(Arc::clone(entry)),
        _ => Err(format!("{} entries under {key:?} instead of one", entries.len())),
    }
}

/// The value, or the error as a finding.
pub(super) fn seen<T, E: Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("unexpected error: {error}"))
}

/// That `condition` holds.
pub(super) fn check(condition: bool, otherwise: &str) -> Verdict {
    if condition { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// That `found` is what it should be.
pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: &T, wanted: &T) -> Verdict {
    if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:?}, wanted {wanted:?}")) }
}

/// That an operation failed in a way `wanted` accepts.
pub(super) fn refused<T>(
    what: &str,
    result: Result<T, StoreError>,
    wanted: impl FnOnce(&StoreError) -> bool,
) -> Verdict {
    match result {
        Ok(_) => Err(format!("{what} was not refused")),
        Err(error) if wanted(&error) => Ok(()),
        Err(error) => Err(format!("{what} was refused for another reason: {error}")),
    }
}

/// Content of `length` bytes that differs by `seed` and by position.
pub(super) fn pattern(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add((at >> 8) as u8) ^ seed).collect()
}

/// The epoch before anything happened.
pub(super) const BEGINNING: Epoch = Epoch { own: 0, below: 0 };
