//! Responses from elsewhere on their way into the store: only as the policy admits them.

use super::Cache;
use crate::failure::Failure;
use millpond::config::{NamePattern, Query};
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Key, KeyParts, QueryRules, RequestHead, ResponseHead};
use millpond::policy::{self, Reason, RequestFacts, Times};
use millpond::proxy::profile_for;
use millpond::sqlite::SqliteStore;
use millpond::store::{NewEntry, Store as _, Writer};
use std::time::Duration;

/// Why a response is not stored.
pub(super) enum Left {
    /// The cache does not store such a response.
    Refused(Reason),
    /// The cache has a newer one.
    Older,
}

/// Begins to store a response that came at `times`, with a body of `len` bytes.
pub(super) async fn begin(
    cache: &Cache,
    store: &SqliteStore,
    request: &RequestHead,
    response: &ResponseHead,
    times: Times,
    len: u64,
) -> Result<Result<Box<dyn Writer>, Left>, Failure> {
    let profile = profile_for(&cache.config, request);
    let facts = RequestFacts::of(request);
    let admitted = match policy::admit(request, &facts, response, times, None, &profile) {
        Ok(admitted) => admitted,
        Err(reason) => return Ok(Err(Left::Refused(reason))),
    };
    let key = key_of(request, &cache.config.query);
    let stored = store.variants(&key).await?;
    let newer = stored.entries.iter().any(|entry| {
        entry.record.same_selectors(&admitted.record) && entry.record.response_time >= times.response_time
    });
    if newer {
        return Ok(Err(Left::Older));
    }
    let now = SystemClock.now();
    let ttl = policy::time_to_live(&admitted.record, now, &profile);
    let from_now = Duration::from_secs(ttl.unsigned_abs());
    let new = NewEntry {
        key,
        fresh_until: if ttl < 0 { now.saturating_sub(from_now) } else { now.saturating_add(from_now) },
        record: admitted.record,
        head: admitted.head,
        announced_len: Some(len),
        epoch: store.epoch(),
    };
    Ok(Ok(store.writer(new).await?))
}

/// The key under which a server with these settings looks for the response.
fn key_of(request: &RequestHead, query: &Query) -> Key {
    let names =
        |list: &[NamePattern]| -> Vec<String> { list.iter().map(|name| name.as_str().to_owned()).collect() };
    let rules =
        QueryRules { sort: query.sort, drop: names(&query.drop), keep: query.keep.as_deref().map(names) };
    KeyParts::of(request).with_query(&rules).to_key()
}
