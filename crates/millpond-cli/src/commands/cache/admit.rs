//! Responses from elsewhere on their way into the store: only as the policy admits them.

use super::named::keyed;
use super::{Cache, count};
use crate::failure::Failure;
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{KeyParts, RequestHead, ResponseHead};
use millpond::policy::{self, Reason, RequestFacts, Times};
use millpond::sqlite::SqliteStore;
use millpond::store::{NewEntry, Store as _, Writer};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Why a response is not stored.
pub(super) enum Left {
    /// The cache does not store such a response.
    Refused(Reason),
    /// The cache has a newer one.
    Older,
}

/// What came of taking responses over.
#[derive(Default)]
pub(super) struct Taken {
    pub imported: u64,
    pub older: u64,
    /// By reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Taken {
    /// Counts a response that is not stored.
    pub fn leave(&mut self, left: &Left) {
        match left {
            Left::Refused(reason) => *self.refused.entry(reason.as_str()).or_default() += 1,
            Left::Older => self.older += 1,
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        let mut out = format!("Imported {}.\n", count(self.imported, "response", "responses"));
        for (reason, number) in &self.refused {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "Refused {number}: {reason}.");
        }
        if self.older > 0 {
            let _ = writeln!(out, "Left {} of which the cache has a newer response.", self.older);
        }
        out
    }
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
    let url = KeyParts::of(request).to_key().url();
    let Some((key, profile)) = keyed(&cache.config, &url).into_iter().next() else {
        return Err(Failure::Usage(format!("{url}: no route takes it")));
    };
    let facts = RequestFacts::of(request);
    let admitted = match policy::admit(request, &facts, response, times, None, &profile) {
        Ok(admitted) => admitted,
        Err(reason) => return Ok(Err(Left::Refused(reason))),
    };
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
