//! Which stored parts a part that comes goes together with, and how (RFC 9111 section 3.4, RFC 9110 section 15.3.7.3). What the
//! fields of the outcome are is in `combine`.

use crate::combine::single_range;
use crate::content_range::ContentRange;
use crate::dates::parse_date;
use crate::etag::EntityTag;
use crate::parts::{Extent, codings, combining_validator};
use crate::reason::Reason;
use crate::validate::Stored;
use crate::vary::selects;
use millpond_exchange::{Fields, Part, Record, RecordFlags, RequestHead, ResponseHead, StatusCode};

/// How the body of a part that comes is joined with the stored parts around it: first the one before it, then its own bytes,
/// then the one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Bytes at the beginning of the new body that the part before it has already.
    pub skip: u64,
    /// Bytes the new body must have, those skipped included. A shorter or longer one is not to be stored.
    pub fetched_len: u64,
    /// Bytes at the beginning of the part behind it that are in the new body.
    pub overlap: u64,
    /// Bytes of all of them together.
    pub body_len: u64,
    /// Where they lie; `None` when they are the whole representation.
    pub part: Option<Part>,
}

/// Judges whether `response`, a 206 to the request `sent`, goes on where the stored part `before` it ends, and ends where
/// the one `behind` it begins, or overlaps them; each with the bytes of its body.
///
/// # Errors
/// The [`Reason`] why they do not belong together, or are not next to each other.
pub fn joins(
    before: Option<(Stored<'_>, u64)>,
    behind: Option<(Stored<'_>, u64)>,
    sent: &RequestHead,
    response: &ResponseHead,
) -> Result<Join, Reason> {
    if response.status != StatusCode::PARTIAL_CONTENT {
        return Err(Reason::RequestSpecific);
    }
    let range = single_range(response)?;
    let extent = |part: Option<(Stored<'_>, u64)>| match part {
        Some((stored, body_len)) => of_one_representation(stored, body_len, sent, response).map(Some),
        None => Ok(None),
    };
    let (before, behind) = (extent(before)?, extent(behind)?);
    let lengths = [&before, &behind].into_iter().flatten().map(|extent| extent.complete_len);
    let mut complete_len = range.complete_len;
    for known in lengths.flatten() {
        if *complete_len.get_or_insert(known) != known {
            return Err(Reason::PartChanged);
        }
    }
    let ends = [&before, &behind].into_iter().flatten().map(|extent| extent.end).chain([range.end()]);
    if ends.into_iter().any(|end| complete_len.is_some_and(|len| end > len)) {
        return Err(Reason::PartChanged);
    }
    let follows = |stored: &Extent| {
        stored.first <= range.first && range.first <= stored.end && stored.end < range.end()
    };
    let precedes = |stored: &Extent| {
        range.first < stored.first && stored.first <= range.end() && range.end() < stored.end
    };
    if !(before.as_ref().is_none_or(follows) && behind.as_ref().is_none_or(precedes)) {
        return Err(Reason::NotContiguous);
    }
    let first = before.as_ref().map_or(range.first, |stored| stored.first);
    let end = behind.as_ref().map_or(range.end(), |stored| stored.end);
    let whole = ContentRange { first, last: end - 1, complete_len }.is_whole();
    Ok(Join {
        skip: before.map_or(0, |stored| stored.end - range.first),
        fetched_len: range.body_len(),
        overlap: behind.map_or(0, |stored| range.end() - stored.first),
        body_len: end - first,
        part: (!whole).then_some(Part { first, complete_len }),
    })
}

/// Where a stored part lies, if `response` is of the same representation and the request selects both.
fn of_one_representation(
    stored: Stored<'_>,
    body_len: u64,
    sent: &RequestHead,
    response: &ResponseHead,
) -> Result<Extent, Reason> {
    if !selects(stored.record, &sent.fields) {
        return Err(Reason::VaryMismatch);
    }
    let validator = combining_validator(stored.record).ok_or(Reason::NoStrongValidator)?;
    same_representation(stored, &validator, sent, &response.fields)?;
    Extent::of(stored.record, body_len).ok_or(Reason::PartChanged)
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

/// Gives the record of a combination what it takes on from `other`, a further part it has bytes of: the labels by which that
/// one could be purged, and that it was fetched for a user.
pub(crate) fn take_on(record: &mut Record, other: &Record) {
    record.flags |= other.flags & (RecordFlags::AUTHORIZED | RecordFlags::COOKIE);
    let missing = |held: &[Box<str>], wanted: &[Box<str>]| -> Vec<Box<str>> {
        wanted.iter().filter(|label| !held.contains(label)).cloned().collect()
    };
    let tags = missing(&record.tags, &other.tags);
    let groups = missing(&record.groups, &other.groups);
    if !(tags.is_empty() && groups.is_empty()) {
        record.set_rare(|rare| {
            rare.tags.extend(tags);
            rare.groups.extend(groups);
        });
    }
}
