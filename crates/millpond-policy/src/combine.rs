//! Combining a stored part with the bytes that follow it (RFC 9111 section 3.4, RFC 9110 section 15.3.7.3), and what it takes
//! for a 206 to be stored at all (RFC 9111 section 3.3).

use crate::content_range::{ContentRange, content_range, number};
use crate::dates::parse_date;
use crate::etag::EntityTag;
use crate::freshen::{Fate, freshen};
use crate::parts::{Extent, codings, combining_validator};
use crate::profile::Profile;
use crate::reason::Reason;
use crate::request::{RequestFacts, RequestFlags};
use crate::stored::Times;
use crate::validate::Stored;
use crate::vary::selects;
use millpond_exchange::{Fields, Part, Record, RecordFlags, RequestHead, ResponseHead, StatusCode};

/// What the response to a request for a range means for a stored part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Combine {
    /// It goes on where the part ends: see [`combined`].
    Append(Append),
    /// It is an answer of its own, such as a 200 because If-Range failed, or an error: pass it on as if no part had been
    /// there, and store it if [`crate::admit`] says so.
    Replace,
    /// The two do not belong together. To a range that the client itself asked for, the response is still the answer; to
    /// [`crate::Fetch::fields`] it is none, and the client's request is to be sent as it is.
    No(Reason),
}

/// How a response is appended to a stored part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append {
    /// Bytes at the beginning of the new body that are stored already.
    pub skip: u64,
    /// Bytes the new body must have, those skipped included. A shorter or longer one is not to be stored.
    pub fetched_len: u64,
    /// Bytes of the stored body and the new one together.
    pub body_len: u64,
    /// Where they lie; `None` when they are the whole representation.
    pub part: Option<Part>,
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
            appended(stored, body_len, sent, response).map_or_else(Combine::No, Combine::Append)
        }
        // Both answer what was asked for the part's sake, and the client's own request is another one.
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PRECONDITION_FAILED => {
            Combine::No(Reason::RequestSpecific)
        }
        StatusCode::NOT_MODIFIED => Combine::No(Reason::NotModified),
        _ => Combine::Replace,
    }
}

fn appended(
    stored: Stored<'_>,
    body_len: u64,
    sent: &RequestHead,
    response: &ResponseHead,
) -> Result<Append, Reason> {
    let range = single_range(response)?;
    if !selects(stored.record, &sent.fields) {
        return Err(Reason::VaryMismatch);
    }
    let validator = combining_validator(stored.record).ok_or(Reason::NoStrongValidator)?;
    same_representation(stored, validator, sent, &response.fields)?;
    let extent = Extent::of(stored.record, body_len).ok_or(Reason::PartChanged)?;
    let complete_len = match (extent.complete_len, range.complete_len) {
        (Some(old), Some(new)) if old != new => return Err(Reason::PartChanged),
        (old, new) => old.or(new),
    };
    if complete_len.is_some_and(|len| extent.end > len || range.end() > len) {
        return Err(Reason::PartChanged);
    }
    let continues = extent.first <= range.first && range.first <= extent.end && extent.end < range.end();
    if !continues {
        return Err(Reason::NotContiguous);
    }
    let whole = ContentRange { first: extent.first, last: range.last, complete_len }.is_whole();
    Ok(Append {
        skip: extent.end - range.first,
        fetched_len: range.body_len(),
        body_len: range.end() - extent.first,
        part: (!whole).then_some(Part { first: extent.first, complete_len }),
    })
}

/// Whether the response states the same strong `validator`. One that states none is not believed, even in answer to If-Range:
/// origins that do not know that field send the range all the same.
fn same_representation(
    stored: Stored<'_>,
    validator: &[u8],
    sent: &RequestHead,
    new: &Fields,
) -> Result<(), Reason> {
    let same = if stored.record.etag.is_some() {
        let tag = new.get("etag").ok_or(Reason::NoStrongValidator)?;
        EntityTag::parse(tag).strong_eq(&EntityTag::parse(validator))
    } else {
        let modified = new.get("last-modified").ok_or(Reason::NoStrongValidator)?;
        let strong = parse_date(modified)
            .zip(new.get("date").and_then(parse_date))
            .is_some_and(|(modified, date)| date.as_secs() > modified.as_secs());
        // A tag that was not there before says that something has changed.
        strong && modified == validator && !new.contains("etag")
    };
    // Some origins give all codings of a file one strong tag. Only in answer to If-Range may the field be left out (RFC 9110
    // section 15.3.7), and one that leaves it out leaves out the media type as well.
    let (old_coding, new_coding) = (codings(&stored.head.fields), codings(new));
    let left_out = new_coding.is_empty()
        && sent.fields.contains("if-range")
        && stored.head.fields.contains("content-type")
        && !new.contains("content-type");
    if same && (left_out || old_coding == new_coding) { Ok(()) } else { Err(Reason::PartChanged) }
}

/// The record and head of a stored part with what `append` adds to it (RFC 9111 section 3.4): the fields of the newer
/// response take the place of those stored, but for the ones that are about its bytes alone.
pub fn combined(
    stored: Stored<'_>,
    append: &Append,
    sent: &RequestHead,
    facts: &RequestFacts,
    response: &ResponseHead,
    times: Times,
    profile: &Profile,
) -> Combined {
    let updated = freshen(0, stored, sent, facts, response, times, profile);
    // An older response, out of another cache on the way, brings bytes but no news.
    let (mut record, head) = if updated.record.date < stored.record.date {
        (stored.record.clone(), stored.head.clone())
    } else {
        (updated.record, updated.head)
    };
    set_part(&mut record, append.part);
    Combined { record, head, fate: updated.fate }
}

pub(crate) fn set_part(record: &mut Record, part: Option<Part>) {
    record.part = part;
    record.flags.set(RecordFlags::PARTIAL, part.is_some());
}

/// The one range of bytes that a 206 holds, if it holds one and says nothing that contradicts it.
fn single_range(response: &ResponseHead) -> Result<ContentRange, Reason> {
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
