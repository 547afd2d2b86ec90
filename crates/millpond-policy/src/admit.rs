//! Storing responses in caches (RFC 9111 section 3): all parsing of a response happens here, once.

use crate::combine::{make_whole_head, set_part, storable_part};
use crate::freshness::{Basis, is_forceable, is_success, standard_lifetime};
use crate::invalidate::is_target;
use crate::profile::Profile;
use crate::reason::Reason;
use crate::request::{MethodClass, RequestFacts, RequestFlags};
use crate::stored::{
    Origin, ResponseFacts, Times, is_heuristically_cacheable, record_of, single, stored_head,
};
use crate::vary::vary_selectors;
use millpond_exchange::{
    Admission, Method, Part, Record, RecordFlags, RequestHead, ResponseHead, StatusCode,
};

/// A response that may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The facts the policy needs at hit time.
    pub record: Record,
    /// The head as it is stored and replayed; without Content-Length and Age, which are computed for each
    /// reply. Of a 206 it is the head of the representation: with status 200, and without what is about the
    /// part alone.
    pub head: ResponseHead,
    /// Bytes the body must have to be stored, where Content-Range says so: a 206 with another length is not the
    /// part it claims to be.
    pub exact_len: Option<u64>,
}

/// Judges whether `response` may be stored. `request` is the request as it was sent to the origin, since Vary is
/// about what the origin saw; later requests are to be compared in the form in which they would be sent.
/// `partition` is the part of the key that names its user, if there is one.
///
/// # Errors
/// The [`Reason`] why it may not.
pub fn admit(
    request: &RequestHead,
    facts: &RequestFacts,
    response: &ResponseHead,
    times: Times,
    partition: Option<&str>,
    profile: &Profile,
) -> Result<Admitted, Reason> {
    // No option overrides what comes before the record is made.
    let posted = facts.method != MethodClass::Get;
    if posted && !is_answer_to_get(request, response) {
        return Err(Reason::Method);
    }
    if facts.has(RequestFlags::NO_STORE) {
        return Err(Reason::RequestNoStore);
    }
    match response.status.as_u16() {
        ..200 => return Err(Reason::NotFinal),
        304 => return Err(Reason::NotModified),
        412 | 416 if facts.flags.intersects(REQUEST_SPECIFIC) => return Err(Reason::RequestSpecific),
        _ => {}
    }
    let vary = vary_selectors(&response.fields, &request.fields)?;
    let range = match response.status {
        StatusCode::PARTIAL_CONTENT => Some(storable_part(facts, response)?),
        _ => None,
    };
    let said = ResponseFacts::of(&response.fields, profile);
    let mut head = stored_head(response, &said, times.response_time, profile);
    if range.is_some() {
        make_whole_head(&mut head);
    }
    let origin = Origin { request: facts, times, partition, vary };
    let mut record = record_of(&response.fields, &head, &said, origin, profile);
    // RFC 9111 section 3.3: what holds all bytes is a whole response, whatever its status was.
    let part = range.filter(|range| !range.is_whole());
    set_part(&mut record, part.map(|range| Part { first: range.first, complete_len: range.complete_len }));
    record.admission = judge(&record, said.directives.must_understand, profile)?;
    let lifetime = standard_lifetime(&record, profile);
    if posted
        && !(record.admission == Admission::Standards && lifetime.basis.is_explicit() && lifetime.secs > 0)
    {
        return Err(Reason::Method);
    }
    // RFC 9110 section 9.3.3: a response to POST is cacheable only with "explicit freshness information", or by an option.
    let says_nothing = matches!(lifetime.basis, Basis::None | Basis::Heuristic);
    if request.method == Method::POST && record.admission == Admission::Standards && says_nothing {
        record.admission = overridden(&record, Reason::NoFreshness, profile)?;
    }
    Ok(Admitted { record, head, exact_len: range.map(|range| range.body_len()) })
}

/// What in a request a 412 or 416 answers to.
const REQUEST_SPECIFIC: RequestFlags = RequestFlags::RANGE
    .union(RequestFlags::IF_MATCH)
    .union(RequestFlags::IF_NONE_MATCH)
    .union(RequestFlags::IF_MODIFIED_SINCE)
    .union(RequestFlags::IF_UNMODIFIED_SINCE);

/// RFC 9110 section 9.3.3: a response to POST whose Content-Location is its target is what a GET would have
/// brought. It is stored under the key of a GET, provided that it states its lifetime.
fn is_answer_to_get(request: &RequestHead, response: &ResponseHead) -> bool {
    // Several that differ name nothing.
    let location =
        single(&response.fields, "content-location").and_then(|value| std::str::from_utf8(value).ok());
    request.method == Method::POST
        && response.status == StatusCode::OK
        && location.is_some_and(|location| is_target(request, location))
}

/// What admits the response of `record`, or why nothing does.
pub(crate) fn judge(record: &Record, must_understand: bool, profile: &Profile) -> Result<Admission, Reason> {
    let standards = storable(record, must_understand, profile);
    let error_kept_out = profile.force_cache.is_some()
        && record.status >= 400
        && profile.negative_ttl(record.status).is_none();
    if error_kept_out {
        return Err(Reason::ErrorStatus);
    }
    match standards {
        Ok(()) => Ok(Admission::Standards),
        Err(reason) => overridden(record, reason, profile),
    }
}

/// RFC 9111 section 3, clause by clause, then whether storing would be of any use.
fn storable(record: &Record, must_understand: bool, profile: &Profile) -> Result<(), Reason> {
    let has = |flag| record.flags.contains(flag);
    // "the request method is understood by the cache", "the response status code is final": seen to by the
    // caller.
    if matches!(record.status, 428 | 429 | 431 | 511) {
        return Err(Reason::StatusNeverStored);
    }
    // "the must-understand cache directive is present: the cache understands the response status code"
    if must_understand && !is_understood(record.status) {
        return Err(Reason::StatusNotUnderstood);
    }
    // "the no-store cache directive is not present"; section 5.2.2.3 lets must-understand overrule it.
    if has(RecordFlags::NO_STORE) && !must_understand {
        return Err(Reason::NoStore);
    }
    // "if the cache is shared: the private response directive is either not present or allows a shared cache
    // to store a modified response"
    if has(RecordFlags::PRIVATE) && profile.is_shared() {
        return Err(Reason::Private);
    }
    // "if the cache is shared: the Authorization header field is not present in the request or a response
    // directive is present that explicitly allows shared caching" (section 3.5)
    let shareable =
        has(RecordFlags::PUBLIC) || has(RecordFlags::MUST_REVALIDATE) || record.s_maxage.is_some();
    if has(RecordFlags::AUTHORIZED) && profile.is_shared() && !shareable {
        return Err(Reason::Authorization);
    }
    let personal = has(RecordFlags::PRIVATE) || (has(RecordFlags::AUTHORIZED) && !shareable);
    if personal && !profile.is_shared() && !has(RecordFlags::USER_KEY) {
        return Err(Reason::NoPartition);
    }
    // "the response contains at least one of ..."
    let cacheable = has(RecordFlags::PUBLIC)
        || (has(RecordFlags::PRIVATE) && !profile.is_shared())
        || record.expires.is_some()
        || record.max_age.is_some()
        || (record.s_maxage.is_some() && profile.is_shared())
        || is_heuristically_cacheable(record.status);
    if !cacheable {
        return Err(Reason::StatusNotDefault);
    }
    worthwhile(record, profile)
}

/// Refuses what could never be used again, and what might hand one user's cookie to another.
fn worthwhile(record: &Record, profile: &Profile) -> Result<(), Reason> {
    let has = |flag| record.flags.contains(flag);
    let lifetime = standard_lifetime(record, profile);
    let fresh = lifetime.secs > 0 && !has(RecordFlags::NO_CACHE);
    if has(RecordFlags::SET_COOKIE) {
        if profile.refuse_set_cookie {
            return Err(Reason::SetCookieRefused);
        }
        if profile.is_shared() && !(fresh && lifetime.basis.is_explicit()) {
            return Err(Reason::SetCookie);
        }
    }
    let validator = record.etag.is_some() || record.has_last_modified();
    let window = record.stale_while_revalidate.max(record.stale_if_error).unwrap_or(0) > 0;
    if fresh || validator || (window && !has(RecordFlags::NO_CACHE)) {
        return Ok(());
    }
    let says_nothing =
        matches!(lifetime.basis, Basis::None | Basis::Heuristic) && !has(RecordFlags::NO_CACHE);
    Err(if says_nothing { Reason::NoFreshness } else { Reason::NeverFresh })
}

/// The option that admits what the RFC alone refuses for `reason`.
fn overridden(record: &Record, reason: Reason, profile: &Profile) -> Result<Admission, Reason> {
    let says_nothing =
        matches!(reason, Reason::NoFreshness | Reason::StatusNotDefault | Reason::StatusNeverStored);
    let stated = standard_lifetime(record, profile).basis.is_explicit();
    let admission = if profile.force_cache.is_some() && is_forceable(record.status) {
        Admission::ForceCache
    } else if says_nothing && !stated && profile.negative_ttl(record.status).is_some() {
        Admission::NegativeTtl
    } else if says_nothing && !stated && profile.default_ttl.is_some() && is_success(record.status) {
        Admission::DefaultTtl
    } else {
        return Err(reason);
    };
    if record.flags.contains(RecordFlags::SET_COOKIE) {
        return Err(Reason::SetCookieRefused);
    }
    let names_user = record.flags.intersects(RecordFlags::AUTHORIZED | RecordFlags::COOKIE);
    if names_user && !record.flags.contains(RecordFlags::USER_KEY) {
        return Err(Reason::UserRequest);
    }
    Ok(admission)
}

/// The statuses whose caching requirements this cache implements: the final ones of RFC 9110 section 15 and
/// their registered companions, without 304; a 206 is judged as the 200 it is a part of.
const fn is_understood(status: u16) -> bool {
    matches!(status,
        200..=205 | 207 | 208 | 226
        | 300..=303 | 305 | 307 | 308
        | 400..=417 | 421..=426 | 428 | 429 | 431 | 451
        | 500..=508 | 510 | 511)
}
