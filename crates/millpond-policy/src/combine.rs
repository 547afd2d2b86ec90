//! What the response to a request for a range means for a stored part, and what the two are together (RFC 9111 section 3.4);
//! what it takes for a 206 to be stored at all (section 3.3). Which bytes go together is in `join`.

use crate::content_range::{ContentRange, content_range, number};
use crate::freshen::{Fate, freshen};
use crate::join::{Join, joins, take_on};
use crate::profile::Profile;
use crate::reason::Reason;
use crate::request::{RequestFacts, RequestFlags};
use crate::stored::Times;
use crate::validate::Stored;
use millpond_exchange::{Part, Record, RecordFlags, RequestHead, ResponseHead, StatusCode};

/// What the response to a request for a range means for a stored part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Combine {
    /// It goes on where the part ends: see [`combined`].
    Append(Join),
    /// It is an answer of its own, such as a 200 because If-Range failed, or an error: pass it on as if no part had been
    /// there, and store it if [`crate::admit`] says so.
    Replace,
    /// The two do not belong together. To a range that the client itself asked for, the response is still the answer; to
    /// [`crate::Fetch::fields`] it is none, and the client's request is to be sent as it is.
    No(Reason),
}

/// A stored part as a newer response completes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// The facts of the two together.
    pub record: Record,
    /// Their head: that of the representation, with status 200.
    pub head: ResponseHead,
    /// What to do with them.
    pub fate: Fate,
}

/// Judges whether `response`, to the request `sent`, goes on where a stored part of `body_len` bytes ends (RFC 9110 section
/// 15.3.7.3).
pub fn combines(stored: Stored<'_>, body_len: u64, sent: &RequestHead, response: &ResponseHead) -> Combine {
    match response.status {
        StatusCode::PARTIAL_CONTENT => {
            joins(Some((stored, body_len)), None, sent, response).map_or_else(Combine::No, Combine::Append)
        }
        // Both answer what was asked for the part's sake, and the client's own request is another one.
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PRECONDITION_FAILED => {
            Combine::No(Reason::RequestSpecific)
        }
        StatusCode::NOT_MODIFIED => Combine::No(Reason::NotModified),
        _ => Combine::Replace,
    }
}

/// The record and head of stored parts with what `join` adds to them (RFC 9111 section 3.4): the fields of the newer response
/// take the place of those of the newest part, which comes before the other one if there are two, but for the ones that are
/// about its bytes alone.
///
/// What a part could be purged by, the outcome can be as well: a purge that comes before it is stored is about its bytes too.
pub fn combined(
    (newest, other): (Stored<'_>, Option<Stored<'_>>),
    join: &Join,
    sent: &RequestHead,
    facts: &RequestFacts,
    response: &ResponseHead,
    times: Times,
    profile: &Profile,
) -> Combined {
    let updated = freshen(0, newest, sent, facts, response, times, profile);
    // An older response, out of another cache on the way, brings bytes but no news.
    let (mut record, head) = if updated.record.date < newest.record.date {
        (newest.record.clone(), newest.head.clone())
    } else {
        (updated.record, updated.head)
    };
    for part in [Some(newest), other].into_iter().flatten() {
        take_on(&mut record, part.record);
    }
    set_part(&mut record, join.part);
    Combined { record, head, fate: updated.fate }
}

pub(crate) fn set_part(record: &mut Record, part: Option<Part>) {
    record.set_rare(|rare| rare.part = part);
    record.flags.set(RecordFlags::PARTIAL, part.is_some());
}

/// The one range of bytes that a 206 holds, if it holds one and says nothing that contradicts it.
pub(crate) fn single_range(response: &ResponseHead) -> Result<ContentRange, Reason> {
    let media_type = response.fields.get("content-type").unwrap_or_default();
    let multipart = b"multipart/byteranges";
    if media_type.get(..multipart.len()).is_some_and(|text| text.eq_ignore_ascii_case(multipart)) {
        return Err(Reason::Multipart);
    }
    let range = content_range(&response.fields).ok_or(Reason::ContentRange)?;
    let length_agrees = |line: &[u8]| number(line) == Some(range.body_len());
    let agrees = response.fields.get_all("content-length").all(length_agrees);
    if agrees { Ok(range) } else { Err(Reason::ContentRange) }
}

/// Whether a 206 may be stored, as far as that concerns its being a part (RFC 9111 section 3.3); which one it is.
pub(crate) fn storable_part(facts: &RequestFacts, response: &ResponseHead) -> Result<ContentRange, Reason> {
    if !facts.has(RequestFlags::RANGE) {
        return Err(Reason::Partial);
    }
    let range = single_range(response)?;
    // RFC 9110 section 15.3.7: a 206 to If-Range leaves out what the client has already, so it may not be the head of the
    // representation. One that states the media type has evidently left out nothing.
    if facts.has(RequestFlags::IF_RANGE) && !response.fields.contains("content-type") {
        return Err(Reason::IfRangeHead);
    }
    Ok(range)
}

/// Turns the head of a 206 as it is stored into that of the representation: what a 200 would have said.
pub(crate) fn make_whole_head(head: &mut ResponseHead) {
    const OF_THE_PART: [&str; 3] = ["content-range", "content-md5", "content-digest"];
    head.status = StatusCode::OK;
    head.reason = None;
    head.fields.retain(|field| !OF_THE_PART.iter().any(|name| field.is(name)));
    head.fields.shrink();
}
