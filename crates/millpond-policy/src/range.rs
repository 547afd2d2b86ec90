//! Range requests answered from a complete stored response (RFC 9110 section 14): one range of bytes, several, or the
//! whole.

use crate::dates::parse_date;
use crate::etag::EntityTag;
use crate::range_set::{Selected, parse_set, selected};
use crate::request::{MethodClass, RequestFacts, RequestFlags};
use millpond_exchange::{Fields, Record, RecordFlags};
use std::ops::Range;

/// What part of a stored response a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// All of it, with its own status: no range, a malformed or abusive one, or an If-Range that does not match.
    Whole,
    /// These bytes, with 206.
    Part(Range<u64>),
    /// These, two ranges or more, with 206 and multipart/byteranges (section 14.6): none touches another, and they come in
    /// the order of the request.
    Parts(Vec<Range<u64>>),
    /// None of its bytes, with 416 and `Content-Range: bytes */length`.
    Unsatisfiable,
}

/// Evaluates Range and If-Range against a stored response of `total_len` bytes (RFC 9110 sections 13.1.5 and
/// 14.2). A server may ignore Range, which is what happens to anything malformed, and to what
/// [`MAX_RANGES`](crate::MAX_RANGES), [`MAX_OVERLAPS`](crate::MAX_OVERLAPS) or
/// [`MAX_UNORDERED`](crate::MAX_UNORDERED) forbid. `record` is of a whole response; for a part see [`crate::part_answer`].
pub fn range(fields: &Fields, facts: &RequestFacts, total_len: u64, record: &Record) -> RangeAnswer {
    if record.status != 200 || total_len == 0 {
        return RangeAnswer::Whole;
    }
    let asked = asked(fields, facts);
    if matches!(asked, Asked::Whole) {
        return RangeAnswer::Whole;
    }
    if facts.has(RequestFlags::IF_RANGE) && !if_range_matches(fields, record) {
        return RangeAnswer::Whole;
    }
    match asked {
        Asked::Whole => RangeAnswer::Whole,
        Asked::One(spec) => spec.within(total_len).map_or(RangeAnswer::Unsatisfiable, RangeAnswer::Part),
        Asked::Several(specs) => match selected(&specs, Some(total_len)) {
            Selected::Ignored | Selected::Unknown => RangeAnswer::Whole,
            Selected::Unsatisfiable => RangeAnswer::Unsatisfiable,
            Selected::Ranges(ranges) => match <[_; 1]>::try_from(ranges) {
                Ok([only]) => RangeAnswer::Part(only),
                Err(ranges) => RangeAnswer::Parts(ranges),
            },
        },
    }
}

/// What a request asks for by its Range.
pub(crate) enum Asked {
    /// The whole: no range, or one that is to be ignored.
    Whole,
    /// One range of bytes.
    One(Spec),
    /// Several ranges of bytes.
    Several(Vec<Spec>),
}

/// One `range-spec` in bytes.
#[derive(Clone, Copy)]
pub(crate) enum Spec {
    /// From this byte to that one, inclusive, or to the end.
    From(u64, Option<u64>),
    /// This many bytes at the end.
    Suffix(u64),
}

impl Spec {
    /// RFC 9110 section 14.1.1; `None` for anything malformed.
    pub(crate) fn parse(spec: &[u8]) -> Option<Self> {
        let dash = spec.iter().position(|b| *b == b'-')?;
        let (first, last) = (&spec[..dash], &spec[dash + 1..]);
        match (first, last) {
            ([], last) => Some(Self::Suffix(position(last)?)),
            (first, []) => Some(Self::From(position(first)?, None)),
            (first, last) => {
                let (first, last) = (position(first)?, position(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// The bytes it means of a representation of `len` bytes; `None` where that has none of them (section 14.1.2).
    pub(crate) fn within(&self, len: u64) -> Option<Range<u64>> {
        match *self {
            Self::Suffix(0) => None,
            Self::Suffix(count) => (len > 0).then(|| len.saturating_sub(count)..len),
            Self::From(first, _) if first >= len => None,
            Self::From(first, last) => Some(first..last.map_or(len, |last| last.saturating_add(1).min(len))),
        }
    }
}

/// Reads Range, which means something for GET alone (RFC 9110 section 14.2). Takes no memory for a single range.
pub(crate) fn asked(fields: &Fields, facts: &RequestFacts) -> Asked {
    if !facts.has(RequestFlags::RANGE) || facts.method != MethodClass::Get {
        return Asked::Whole;
    }
    let mut lines = fields.get_all("range");
    let (Some(line), None) = (lines.next(), lines.next()) else { return Asked::Whole };
    let Some(set) = line.get(6..).filter(|_| has_unit(line)) else { return Asked::Whole };
    if !set.contains(&b',') {
        return Spec::parse(set.trim_ascii()).map_or(Asked::Whole, Asked::One);
    }
    match parse_set(set).map(<[_; 1]>::try_from) {
        None => Asked::Whole,
        Some(Ok([only])) => Asked::One(only),
        Some(Err(specs)) => Asked::Several(specs),
    }
}

fn has_unit(line: &[u8]) -> bool {
    line.get(..6).is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes="))
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
