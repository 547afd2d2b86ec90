//! Ranges and conditions: fields on which it depends what kind of response a request gets.

use super::key::Parts;
use crate::Pairs;

/// The fields, in lower case and in the order in which they are counted (RFC 9110 sections 13.1 and 14.2).
const FIELDS: [&str; 6] =
    ["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"];

/// True for a request field that makes a range or a condition.
pub fn is_condition(name: &[u8]) -> bool {
    FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// True for the status of a response that answers only requests with the same range and conditions: a part, nothing since
/// nothing changed, or that a condition or a range does not hold.
pub(super) fn depends(status: u16) -> bool {
    matches!(status, 206 | 304 | 412 | 416)
}

/// The lines of these fields in `fields`, by name.
fn lines(fields: &Pairs) -> impl Iterator<Item = (&'static str, &[u8])> {
    FIELDS.iter().flat_map(move |known| {
        let lines = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        lines.map(|(_, value)| (*known, value.trim_ascii()))
    })
}

/// Adds the range and the conditions in `fields`, with their values: that nothing changed since one entity tag says nothing
/// of another. False when there are none.
pub(super) fn add(fields: &Pairs, parts: &mut Parts) -> bool {
    let mut any = false;
    for (name, value) in lines(fields) {
        parts.text(b'O', name.as_bytes());
        parts.text(b'V', value);
        any = true;
    }
    any
}

/// The names of these fields that differ between two requests.
pub(super) fn differences<'a>(one: &'a Pairs, other: &'a Pairs) -> impl Iterator<Item = &'static str> + 'a {
    let values = |fields: &'a Pairs, name| lines(fields).filter(move |line| line.0 == name);
    FIELDS.into_iter().filter(move |name| !values(one, *name).eq(values(other, *name)))
}
