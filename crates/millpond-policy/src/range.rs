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
/// 14.2). A server may ignore Range, which is what happens to anything but one well-formed range of bytes. `record` is of a
/// whole response; for a part see [`crate::part_answer`].
pub fn range(fields: &Fields, facts: &RequestFacts, total_len: u64, record: &Record) -> RangeAnswer {
    if record.status != 200 || total_len == 0 {
        return RangeAnswer::Whole;
    }
    let Asked::One(spec) = asked(fields, facts) else { return RangeAnswer::Whole };
    if facts.has(RequestFlags::IF_RANGE) && !if_range_matches(fields, record) {
        return RangeAnswer::Whole;
    }
    match spec {
        Spec::Suffix(0) => RangeAnswer::Unsatisfiable,
        Spec::Suffix(length) => RangeAnswer::Part(total_len.saturating_sub(length)..total_len),
        Spec::From(first, _) if first >= total_len => RangeAnswer::Unsatisfiable,
        Spec::From(first, last) => {
            let end = last.map_or(total_len, |last| last.saturating_add(1).min(total_len));
            RangeAnswer::Part(first..end)
        }
    }
}

/// What a request asks for by its Range.
pub(crate) enum Asked {
    /// The whole: no range, or one that is to be ignored.
    Whole,
    /// One range of bytes.
    One(Spec),
    /// Several ranges of bytes, well-formed or not.
    Several,
}

/// One `range-spec` in bytes.
pub(crate) enum Spec {
    /// From this byte to that one, inclusive, or to the end.
    From(u64, Option<u64>),
    /// This many bytes at the end.
    Suffix(u64),
}

/// Reads Range, which means something for GET alone (RFC 9110 section 14.2).
pub(crate) fn asked(fields: &Fields, facts: &RequestFacts) -> Asked {
    if !facts.has(RequestFlags::RANGE) || facts.method != MethodClass::Get {
        return Asked::Whole;
    }
    let mut lines = fields.get_all("range");
    let (Some(line), None) = (lines.next(), lines.next()) else { return Asked::Whole };
    match parse_range(line) {
        Some(spec) => Asked::One(spec),
        None if has_unit(line) && line.contains(&b',') => Asked::Several,
        None => Asked::Whole,
    }
}

fn has_unit(line: &[u8]) -> bool {
    line.get(..6).is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes="))
}

/// RFC 9110 section 14.1.1; `None` for another unit, several ranges, or anything malformed.
fn parse_range(line: &[u8]) -> Option<Spec> {
    let spec = line.get(6..).filter(|_| has_unit(line))?.trim_ascii();
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
pub(crate) fn if_range_matches(fields: &Fields, record: &Record) -> bool {
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
pub(crate) fn has_strong_date(record: &Record) -> bool {
    record.flags.contains(RecordFlags::HAS_DATE)
        && record.last_modified.is_some_and(|modified| record.date.as_secs() > modified.as_secs())
}
