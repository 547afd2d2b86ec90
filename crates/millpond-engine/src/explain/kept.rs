//! What would be kept of an origin's answer.

use super::change::{self, Change};
use crate::context::Context;
use millpond_exchange::{Record, RequestHead, ResponseHead};
use millpond_policy::{Admitted, Lifetime, Profile, Reason, RequestFacts, Times, Verdict};

/// An answer that would be stored.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The facts that would be stored.
    pub record: Record,
    /// How long it would be fresh, and what that comes from.
    pub lifetime: Lifetime,
    /// Its age on arrival, seconds.
    pub age: u32,
    /// What the same request would get from it at once.
    pub next: Verdict,
}

impl Kept {
    /// True when the same request, sent at once, would be answered from it.
    pub const fn serves(&self) -> bool {
        matches!(self.next, Verdict::Fresh { .. } | Verdict::ServeStale { .. })
    }
}

/// Whether the `response` to `request`, which came with `length` bytes of body, would be stored, or why not; and the
/// options of which each by itself would make it answer the next request, where it does not as it is. `request` is as
/// [`super::Explained::plain`].
pub fn kept(
    request: &RequestHead,
    context: &Context,
    response: &ResponseHead,
    length: u64,
    times: Times,
) -> (Result<Kept, Reason>, Vec<Change>) {
    let judge = |profile: &Profile| judge(request, context, response, length, times, profile);
    let judged = judge(&context.profile);
    if judged.as_ref().is_ok_and(Kept::serves) {
        return (judged, Vec::new());
    }
    let changes = change::that_help(&context.profile, &[response.status.as_u16()], |profile| {
        // Offline, nothing would have been fetched.
        !profile.offline && judge(&profile).as_ref().is_ok_and(Kept::serves)
    });
    (judged, changes)
}

fn judge(
    request: &RequestHead,
    context: &Context,
    response: &ResponseHead,
    length: u64,
    times: Times,
    profile: &Profile,
) -> Result<Kept, Reason> {
    let facts = RequestFacts::of(request);
    let Admitted { record, exact_len, .. } =
        millpond_policy::admit(request, &facts, response, times, None, profile)?;
    if exact_len.is_some_and(|exact| exact != length) {
        return Err(Reason::ContentRange);
    }
    if context.object_limit.is_some_and(|limit| length > limit) {
        return Err(Reason::ObjectTooLarge);
    }
    let now = times.response_time;
    Ok(Kept {
        lifetime: millpond_policy::freshness_lifetime(&record, profile),
        age: millpond_policy::current_age(&record, now),
        next: millpond_policy::reuse(&record, &facts, now, profile),
        record,
    })
}
