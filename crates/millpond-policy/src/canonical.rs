//! Canonical forms of list-valued request fields. Every form is its own canonical form, and means what the
//! original means.

use crate::lists::{Members, is_token};
use smallvec::SmallVec;

/// The list without whitespace around its commas, or `None` when a quoted string in it is not closed.
pub(crate) fn canonical_list(value: &[u8]) -> Option<Vec<u8>> {
    let mut members = Members::new(value);
    let mut canonical = Vec::with_capacity(value.len());
    for (index, member) in members.by_ref().enumerate() {
        if index > 0 {
            canonical.push(b',');
        }
        canonical.extend_from_slice(member);
    }
    (!members.unterminated).then_some(canonical)
}

/// True when [`canonical_list`] of `value` is `canonical`; without building it.
pub(crate) fn canonical_equals(value: &[u8], canonical: &[u8]) -> bool {
    let mut rest = canonical;
    let mut members = Members::new(value);
    for (index, member) in members.by_ref().enumerate() {
        if index > 0 {
            let Some(after) = rest.strip_prefix(b",") else { return false };
            rest = after;
        }
        let Some(after) = rest.strip_prefix(member) else { return false };
        rest = after;
    }
    rest.is_empty() && !members.unterminated
}

/// The canonical form of an Accept field: no whitespace around commas and semicolons, no empty members, a weight that ends
/// a member in its shortest form and left out when 1. Order and case stay: origins read an order into media types, and
/// what differs in case alone reaches them as it is written. `None` when a quoted string is not closed.
pub(crate) fn canonical_accept(value: &[u8]) -> Option<Vec<u8>> {
    let mut canonical = Vec::with_capacity(value.len());
    write_accept(value, |byte| {
        canonical.push(byte);
        true
    })?;
    Some(canonical)
}

/// True when [`canonical_accept`] of `value` is `canonical`, without building it; `None` when `value` has none.
pub(crate) fn canonical_accept_equals(value: &[u8], canonical: &[u8]) -> Option<bool> {
    let mut rest = canonical.iter();
    let same = write_accept(value, |byte| rest.next() == Some(&byte))?;
    Some(same && rest.len() == 0)
}

/// Hands the canonical form to `put`, byte by byte, until that answers false; true when it never did.
fn write_accept(value: &[u8], mut put: impl FnMut(u8) -> bool) -> Option<bool> {
    let mut members = Members::new(value);
    let mut first = true;
    let mut same = true;
    for member in members.by_ref().filter(|member| !member.is_empty()) {
        same = same && (std::mem::take(&mut first) || put(b','));
        same = same && write_media_range(member, &mut put);
    }
    (!members.unterminated).then_some(same)
}

fn write_media_range(member: &[u8], put: &mut impl FnMut(u8) -> bool) -> bool {
    let mut parts = Members::of_member(member).enumerate().peekable();
    let mut weighted = false;
    while let Some((index, part)) = parts.next() {
        let weight = if index > 0 { weight_of(part) } else { None };
        // One that does not end the member, or is not the first, is left as it is: who knows what it means.
        let same = match weight.filter(|_| parts.peek().is_none() && !weighted) {
            Some(weight) => write_weight(weight, &mut *put),
            None => (index == 0 || put(b';')) && part.iter().all(|byte| put(*byte)),
        };
        if !same {
            return false;
        }
        weighted |= weight.is_some();
    }
    true
}

/// One member of a list with weights: `name;q=0.5`.
#[derive(Clone, Copy)]
pub(crate) struct Weighted<'a> {
    pub(crate) name: &'a [u8],
    /// In thousandths.
    pub(crate) weight: u16,
}

/// A list of names with weights in canonical form: lower case, no whitespace, the heaviest first, weights in
/// their shortest form and left out when 1. Members of equal weight are sorted by name when `sort_equal`,
/// else they keep their order. `None` when the value does not have this syntax.
pub(crate) fn canonical_coding_list(value: &[u8], sort_equal: bool) -> Option<Vec<u8>> {
    let mut canonical = Vec::with_capacity(value.len());
    write_members(&sorted_members(value, sort_equal)?, |byte| {
        canonical.push(byte);
        true
    });
    Some(canonical)
}

/// True when [`canonical_coding_list`] of `value` is `canonical`, without building it; `None` when the value
/// does not have this syntax.
pub(crate) fn canonical_coding_equals(value: &[u8], sort_equal: bool, canonical: &[u8]) -> Option<bool> {
    let mut rest = canonical.iter();
    let same = write_members(&sorted_members(value, sort_equal)?, |byte| rest.next() == Some(&byte));
    Some(same && rest.len() == 0)
}

/// The members of a list with weights, the heaviest first; those of equal weight by name when `sort_equal`, else in the
/// order they have. `None` when the value does not have this syntax.
pub(crate) fn sorted_members(value: &[u8], sort_equal: bool) -> Option<SmallVec<[Weighted<'_>; 8]>> {
    let mut members: SmallVec<[Weighted<'_>; 8]> = SmallVec::new();
    for member in value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty()) {
        members.push(weighted(member)?);
    }
    members.sort_by(|a, b| {
        let by_weight = b.weight.cmp(&a.weight);
        if sort_equal { by_weight.then_with(|| lower(a.name).cmp(lower(b.name))) } else { by_weight }
    });
    Some(members)
}

/// Hands the canonical form to `put`, byte by byte, until that answers false; true when it never did.
fn write_members(members: &[Weighted<'_>], mut put: impl FnMut(u8) -> bool) -> bool {
    members.iter().enumerate().all(|(index, member)| {
        (index == 0 || put(b',')) && lower(member.name).all(&mut put) && write_weight(member.weight, &mut put)
    })
}

fn lower(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    name.iter().map(u8::to_ascii_lowercase)
}

/// Reads `name` or `name;q=weight` (RFC 9110 section 12.4.2).
fn weighted(member: &[u8]) -> Option<Weighted<'_>> {
    let mut parts = member.splitn(2, |b| *b == b';');
    let name = parts.next()?.trim_ascii();
    if !is_token(name) {
        return None;
    }
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => weight_of(parameter.trim_ascii())?,
    };
    Some(Weighted { name, weight })
}

/// The weight that the parameter `q=weight` states, in thousandths.
fn weight_of(parameter: &[u8]) -> Option<u16> {
    qvalue(parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?)
}

/// RFC 9110 section 12.4.2: 0 or 1 with up to three decimals, in thousandths.
fn qvalue(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text.split_first()? {
        (whole, []) => (whole, &[][..]),
        (whole, [b'.', decimals @ ..]) => (whole, decimals),
        _ => return None,
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut thousandths = 0u16;
    for place in 0..3 {
        thousandths = thousandths * 10 + decimals.get(place).map_or(0, |digit| u16::from(digit - b'0'));
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Hands `;q=0.5` for 500 to `put`, nothing for 1000; true when `put` never answered false.
fn write_weight(thousandths: u16, mut put: impl FnMut(u8) -> bool) -> bool {
    if thousandths == 1000 {
        return true;
    }
    let mut same = b";q=0".iter().all(|byte| put(*byte)) && (thousandths == 0 || put(b'.'));
    let (mut rest, mut place) = (thousandths, 100);
    while same && rest > 0 {
        same = put(b'0' + (rest / place) as u8);
        rest %= place;
        place /= 10;
    }
    same
}
