//! Several ranges in one request (RFC 9110 sections 14.1.1 and 14.2): reading the set, and which bytes of a representation
//! it means, within bounds. How stored responses answer it is in `range` and `parts`.

use crate::range::Spec;
use std::ops::Range;

/// The most ranges one request is given at a time. A Range with more is ignored, which RFC 9110 section 14.2 leaves to a
/// server: the representation itself is then the answer.
pub const MAX_RANGES: usize = 64;

/// The most ranges that may overlap what another one asks for: more than two are "indications of either a broken client or a
/// deliberate denial-of-service attack" (RFC 9110 section 14.2), and Range is ignored.
pub const MAX_OVERLAPS: usize = 2;

/// The most ranges that need not be listed in ascending order. "Many small ranges that are not" are the other of these
/// indications.
pub const MAX_UNORDERED: usize = 8;

/// What several ranges mean of one representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    /// They are to be ignored.
    Ignored,
    /// None of them has a byte in it.
    Unsatisfiable,
    /// That depends on a length that is not known.
    Unknown,
    /// These bytes: never empty, none of them touching another, in the order of the request.
    Ranges(Vec<Range<u64>>),
}

/// Reads `1#range-spec`; `None` for a set that is malformed or has more than [`MAX_RANGES`].
pub(crate) fn parse_set(set: &[u8]) -> Option<Vec<Spec>> {
    // RFC 9110 section 5.6.1.2: empty members do not count, but there may be only so many of them as well.
    let members = set.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let mut specs = Vec::new();
    for (count, member) in members.enumerate() {
        if count >= MAX_RANGES {
            return None;
        }
        if !member.is_empty() {
            specs.push(Spec::parse(member)?);
        }
    }
    (!specs.is_empty()).then_some(specs)
}

/// Which bytes `specs` mean of a representation of `complete_len` bytes.
pub(crate) fn selected(specs: &[Spec], complete_len: Option<u64>) -> Selected {
    let mut ranges = Vec::with_capacity(specs.len());
    for spec in specs {
        match (spec, complete_len) {
            (spec, Some(len)) => ranges.extend(spec.within(len)),
            (Spec::From(first, Some(last)), None) => ranges.push(*first..last.saturating_add(1)),
            (_, None) => return Selected::Unknown,
        }
    }
    if ranges.is_empty() {
        return Selected::Unsatisfiable;
    }
    coalesced(ranges).map_or(Selected::Ignored, Selected::Ranges)
}

/// Joins the ranges that overlap or touch, which RFC 9110 section 15.3.7.2 allows, each in the place of the first of them;
/// `None` where there are more overlaps, or more ranges in no order, than a request may have.
fn coalesced(ranges: Vec<Range<u64>>) -> Option<Vec<Range<u64>>> {
    let ascending = ranges.is_sorted_by_key(|range| range.start);
    if !ascending && ranges.len() > MAX_UNORDERED {
        return None;
    }
    let mut by_start: Vec<(usize, Range<u64>)> = ranges.into_iter().enumerate().collect();
    by_start.sort_by_key(|(_, range)| range.start);
    let mut overlaps = 0;
    let mut joined: Vec<(usize, Range<u64>)> = Vec::with_capacity(by_start.len());
    for (place, range) in by_start {
        match joined.last_mut() {
            Some((first_place, last)) if range.start <= last.end => {
                overlaps += usize::from(range.start < last.end);
                last.end = last.end.max(range.end);
                *first_place = place.min(*first_place);
            }
            _ => joined.push((place, range)),
        }
    }
    joined.sort_by_key(|(place, _)| *place);
    (overlaps <= MAX_OVERLAPS).then(|| joined.into_iter().map(|(_, range)| range).collect())
}
