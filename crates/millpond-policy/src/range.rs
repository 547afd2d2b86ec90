//! Range requests answered from a complete stored response (RFC 9110 section 14): one range of bytes, or the
//! whole.

use crate::dates::parse_date;
use crate::etag::EntityTag;
use crate::request::{MethodClass, RequestFacts, RequestFlags};
use millpond_exchange::{Fields, Record, RecordFlags};
use std::ops::Range;

/// What part of a stored response a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// All of it, with its own status: no range, several, a malformed one, or an If-Range that does not
    /// match.
    Whole,
    /// These bytes, with 206.
    Part(Range<u64>),
    /// None of its bytes, with 416 and `Content-Range: bytes */length`.
    Unsatisfiable,
}

/// Evaluates Range and If-Range against a stored response of `total_len` bytes (RFC 9110 sections 13.1.5 and
/// 14.2). A server may ignore Range, which is what happens to anything but one well-formed range of bytes.
pub fn range(fields: &Fields, facts: &RequestFacts, total_len: u64, record: &Record) -> RangeAnswer {
    // Range means something for GET alone (RFC 9110 section 14.2).
    let applies = facts.has(RequestFlags::RANGE) && facts.method == MethodClass::Get && record.status == 200;
    if !applies || total_len == 0 {
        return RangeAnswer::Whole;
    }
    let mut lines = fields.get_all("range");
    let (Some(line), None) = (lines.next(), lines.next()) else { return RangeAnswer::Whole };
    if facts.has(RequestFlags::IF_RANGE) && !if_range_matches(fields, record) {
        return RangeAnswer::Whole;
    }
    match parse_range(line) {
        None => RangeAnswer::Whole,
        Some(Spec::Suffix(0)) => RangeAnswer::Unsatisfiable,
        Some(Spec::Suffix(length)) => RangeAnswer::Part(total_len.saturating_sub(length)..total_len),
        Some(Spec::From(first, _)) if first >= total_len => RangeAnswer::Unsatisfiable,
        Some(Spec::From(first, last)) => {
            let end = last.map_or(total_len, |last| last.saturating_add(1).min(total_len));
            RangeAnswer::Part(first..end)
        }
    }
}

/// One `range-spec` in bytes.
enum Spec {
    From(u64, Option<u64>),
    Suffix(u64),
}

/// RFC 9110 section 14.1.1; `None` for another unit, several ranges, or anything malformed.
fn parse_range(line: &[u8]) -> Option<Spec> {
    let (unit, set) = line.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let spec = set.trim_ascii();
    let dash = spec.iter().position(|b| *b == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    match (first, last) {
        ([], last) => Some(Spec::Suffix(position(last)?)),
        (first, []) => Some(Spec::From(position(first)?, None)),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// One or more digits; saturating, since any position past the end means the end.
fn position(digits: &[u8]) -> Option<u64> {
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| {
        digits.iter().fold(0u64, |sum, d| sum.saturating_mul(10).saturating_add(u64::from(d - b'0')))
    })
}

/// RFC 9110 section 13.1.5: a strong match of the entity tag, or exactly the Last-Modified date where that is
/// a strong validator.
fn if_range_matches(fields: &Fields, record: &Record) -> bool {
    let mut lines = fields.get_all("if-range");
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    if let Some(since) = parse_date(line) {
        return record.last_modified == Some(since) && has_strong_date(record);
    }
    let stored = record.etag.as_deref().map(EntityTag::parse);
    stored.is_some_and(|stored| stored.strong_eq(&EntityTag::parse(line)))
}

/// RFC 9110 section 8.8.2.2: Last-Modified is a strong validator when the origin's own clock puts it at least
/// one second before Date.
fn has_strong_date(record: &Record) -> bool {
    record.flags.contains(RecordFlags::HAS_DATE)
        && record.last_modified.is_some_and(|modified| record.date.as_secs() > modified.as_secs())
}
