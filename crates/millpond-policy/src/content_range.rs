//! Content-Range (RFC 9110 section 14.4): reading and writing which bytes of a representation a response holds. What is
//! done with them is decided in `parts` and `combine`.

use millpond_exchange::Fields;
use std::fmt;

/// The largest representation of which a whole fill is worth starting for the sake of its ranges, bytes.
pub const RANGE_FILL_MAX: u64 = 64 << 20;

/// Which bytes of a representation a 206 (Partial Content) holds: `bytes first-last/complete_len`.
///
/// Always consistent when it comes from [`content_range`]: `first <= last < complete_len`, and `last` below `u64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The offset of its first byte.
    pub first: u64,
    /// The offset of its last byte.
    pub last: u64,
    /// Bytes of the whole representation; `None` where the origin does not know (`*`).
    pub complete_len: Option<u64>,
}

impl ContentRange {
    /// The offset behind its last byte.
    pub const fn end(&self) -> u64 {
        self.last.saturating_add(1)
    }

    /// How many bytes it holds; never zero.
    pub const fn body_len(&self) -> u64 {
        self.end().saturating_sub(self.first)
    }

    /// True when it holds the whole representation.
    pub fn is_whole(&self) -> bool {
        self.first == 0 && self.complete_len == Some(self.end())
    }

    /// True when the representation is known to be small enough to be fetched whole for the sake of its ranges.
    pub fn is_worth_filling(&self) -> bool {
        self.complete_len.is_some_and(|len| len <= RANGE_FILL_MAX)
    }
}

impl fmt::Display for ContentRange {
    /// The field value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}/", self.first, self.last)?;
        match self.complete_len {
            Some(len) => write!(f, "{len}"),
            None => f.write_str("*"),
        }
    }
}

/// Reads Content-Range. `None` where it is absent, repeated, of another unit or malformed, and for the form
/// `bytes */length` of a 416. RFC 9110 section 14.4: with an invalid one, a recipient must not try to recombine what it got.
pub fn content_range(fields: &Fields) -> Option<ContentRange> {
    let mut lines = fields.get_all("content-range");
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (unit, range) = line.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes ") {
        return None;
    }
    let (positions, complete) = split_once(range, b'/')?;
    let (first, last) = split_once(positions, b'-')?;
    let (first, last) = (number(first)?, number(last)?);
    let complete_len = if complete == b"*" { None } else { Some(number(complete)?) };
    let consistent = first <= last && last < complete_len.unwrap_or(u64::MAX);
    consistent.then_some(ContentRange { first, last, complete_len })
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// One or more digits. Unlike a position in Range, one that does not fit cannot mean "the end": it is an error.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let digit = |b: &u8| b.is_ascii_digit().then(|| u64::from(b - b'0'));
    let total = |sum: u64, b: &u8| sum.checked_mul(10)?.checked_add(digit(b)?);
    (!digits.is_empty()).then_some(())?;
    digits.iter().try_fold(0u64, total)
}
