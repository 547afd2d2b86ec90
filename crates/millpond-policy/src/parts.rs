//! Answering requests from stored parts of a representation (RFC 9111 section 3.3, RFC 9110 section 14): which parts a
//! request may use, which of their bytes answer it, and what is missing. How a part grows is in `combine`; ranges of whole
//! stored responses are in `range`.

use crate::content_range::ContentRange;
use crate::etag::EntityTag;
use crate::range::{Asked, Spec, asked, has_strong_date, if_range_matches};
use crate::range_set::{Selected, selected};
use crate::request::{MethodClass, RequestFacts, RequestFlags};
use crate::selecting::Selecting;
use crate::validate::{Stored, add_validators, remove_conditions};
use crate::vary::may_be_given;
use millpond_exchange::{Fields, Record, RecordFlags};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

/// The bytes of a stored part that answer a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRange {
    /// Where they lie in the stored body.
    pub body: Range<u64>,
    /// Where they lie in the representation: the Content-Range of the 206.
    pub content_range: ContentRange,
}

/// How a stored part answers the range of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartAnswer {
    /// With these bytes and 206.
    Covers(PartRange),
    /// With these, two ranges or more, 206 and multipart/byteranges (RFC 9110 section 14.6), in the order of the request.
    CoversAll(Vec<PartRange>),
    /// With 416 and `Content-Range: bytes */complete_len`: the representation has no such byte.
    Unsatisfiable {
        /// Bytes of the whole representation.
        complete_len: u64,
    },
    /// Not, or not wholly: some of it lies outside, or its end is not known. See [`missing_for`] and [`parts_together`].
    Outside,
    /// Not: If-Range names something else than what is stored, so only the origin knows which bytes are meant.
    IfRangeFailed,
    /// Not: the request asks for no range, or for one that is to be ignored, and so for the whole.
    NotARange,
}

/// What to ask the origin for, so that a stored part and what comes answer a request together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The part is of no use for the request, or answers it alone.
    Nothing,
    /// The bytes behind the part. Its own bytes come before them in the answer.
    Fetch(Fetch),
}

/// A request for the bytes that are missing behind a stored part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The bytes of the stored body with which the answer begins; never empty.
    pub stored: Range<u64>,
    /// The offset in the representation of the first missing byte.
    pub first: u64,
    /// The offset of the last byte asked for; `None` asks for all that is left.
    pub last: Option<u64>,
    /// The strong validator of the part, as it goes into If-Range.
    pub if_range: Box<[u8]>,
}

impl Fetch {
    /// The fields of the request to the origin, made from those of a client's `request`, whose own preconditions and range
    /// are left out; they are evaluated on the outcome.
    pub fn fields(&self, request: &Fields) -> Fields {
        let mut fields = request.clone();
        remove_conditions(&mut fields);
        let last = self.last.map(|last| last.to_string()).unwrap_or_default();
        // Digits, and a value that was received in a field, are valid values.
        let _ = fields.append("Range", format!("bytes={}-{last}", self.first));
        let _ = fields.append("If-Range", &self.if_range);
        fields
    }
}

/// The validator by which a stored response may be combined with parts (RFC 9110 section 15.3.7.3): a strong entity tag,
/// or, where there is no tag at all, a Last-Modified that is strong (section 8.8.2.2). With a weak tag the origin says that
/// equal dates may stand for different bytes, and section 13.1.5 forbids a date in If-Range where there is a tag.
pub fn combining_validator(record: &Record) -> Option<Cow<'_, [u8]>> {
    match record.etag.as_deref() {
        Some(tag) => record.flags.contains(RecordFlags::STRONG_ETAG).then_some(Cow::Borrowed(tag)),
        None => record.last_modified_text().filter(|_| has_strong_date(record)),
    }
}

/// The indexes of the stored parts that a request with `fields`, of a client of `partition`, may be answered from: those of
/// the variant it selects, the newest first (RFC 9111 section 4.1). Parts that a newer response of the variant contradicts,
/// whole or part, are of a representation that is gone, and left out.
pub fn parts_for<'a>(
    records: impl Iterator<Item = &'a Record>,
    fields: &Fields,
    partition: Option<&str>,
) -> Vec<usize> {
    let mut selecting = Selecting::new(fields);
    let mut found: Vec<(usize, &Record)> = records
        .enumerate()
        .filter(|(_, record)| may_be_given(record, partition) && selecting.selects(record))
        .collect();
    if found.iter().all(|(_, record)| record.part.is_none()) {
        return Vec::new();
    }
    found.sort_by_key(|(_, record)| Reverse((record.date, record.response_time)));
    let newest = found[0].1;
    found.retain(|(_, record)| record.part.is_some() && !contradicts(newest, record));
    found.into_iter().map(|(index, _)| index).collect()
}

/// True when the two cannot be of the same representation.
fn contradicts(a: &Record, b: &Record) -> bool {
    let lengths = a.part.and_then(|part| part.complete_len).zip(b.part.and_then(|part| part.complete_len));
    let validators = match (&a.etag, &b.etag) {
        (Some(a), Some(b)) => !EntityTag::parse(a).weak_eq(&EntityTag::parse(b)),
        _ => a.last_modified_text() != b.last_modified_text(),
    };
    validators || lengths.is_some_and(|(a, b)| a != b)
}

/// Evaluates Range and If-Range of a request against a stored part of `body_len` bytes (RFC 9110 sections 13.1.5 and
/// 14.2). Of a whole stored response it says what [`crate::range`] says.
pub fn part_answer(fields: &Fields, facts: &RequestFacts, body_len: u64, record: &Record) -> PartAnswer {
    let without_ranges = record.part.is_none() && (record.status != 200 || body_len == 0);
    let asked = asked(fields, facts);
    if without_ranges || matches!(asked, Asked::Whole) {
        return PartAnswer::NotARange;
    }
    if facts.has(RequestFlags::IF_RANGE) && !if_range_matches(fields, record) {
        return PartAnswer::IfRangeFailed;
    }
    let Some(extent) = Extent::of(record, body_len) else { return PartAnswer::Outside };
    match asked {
        Asked::Whole => PartAnswer::NotARange,
        Asked::One(spec) => extent.answer_one(&spec),
        Asked::Several(specs) => extent.answer_several(&specs),
    }
}

/// Which of several stored parts have what a request for several ranges asks for, where no single one has all of it: for
/// each range, in the order of the request, the index of a part among `parts`, and its bytes there. `parts` are those of
/// [`parts_for`], in that order, each with the length of its body.
///
/// They are given together as bytes of one representation, so they must be parts that may be combined (RFC 9110 section
/// 15.3.7.3): those with the strong validator and the coding of the newest.
pub fn parts_together(
    fields: &Fields,
    facts: &RequestFacts,
    parts: &[(Stored<'_>, u64)],
) -> Option<Vec<(usize, PartRange)>> {
    let Asked::Several(specs) = asked(fields, facts) else { return None };
    let (newest, _) = parts.first()?;
    let validator = combining_validator(newest.record)?;
    if facts.has(RequestFlags::IF_RANGE) && !if_range_matches(fields, newest.record) {
        return None;
    }
    let coding = codings(&newest.head.fields);
    let fits = |part: &Stored<'_>| {
        combining_validator(part.record).as_ref() == Some(&validator) && codings(&part.head.fields) == coding
    };
    let extents: Vec<(usize, Extent)> = parts
        .iter()
        .enumerate()
        .filter(|(_, (part, _))| fits(part))
        .filter_map(|(index, (part, body_len))| Some((index, Extent::of(part.record, *body_len)?)))
        .collect();
    let mut lengths = extents.iter().filter_map(|(_, extent)| extent.complete_len);
    let complete_len = lengths.next();
    if lengths.any(|len| Some(len) != complete_len) {
        return None;
    }
    let Selected::Ranges(ranges) = selected(&specs, complete_len) else { return None };
    let found = ranges.into_iter().map(|range| {
        let (index, extent) = extents.iter().find(|(_, extent)| extent.has(&range))?;
        let found = extent.part_range(&range);
        let content_range = ContentRange { complete_len, ..found.content_range };
        Some((*index, PartRange { content_range, ..found }))
    });
    found.collect()
}

/// What a request, for the whole or for one range, needs beyond a stored part of `body_len` bytes, when the part holds the
/// first bytes of the answer and may be combined with what follows it (RFC 9110 section 15.3.7.3).
///
/// Nothing may be sent to the client before [`crate::combines`] has seen the head of what comes: it may be another
/// representation by then.
pub fn missing_for(fields: &Fields, facts: &RequestFacts, body_len: u64, record: &Record) -> Completion {
    let (Some(extent), Some(validator)) = (Extent::of(record, body_len), combining_validator(record)) else {
        return Completion::Nothing;
    };
    if facts.method != MethodClass::Get {
        return Completion::Nothing;
    }
    let (resolved, to_the_end) = match asked(fields, facts) {
        Asked::Whole => (Resolved::Bytes(0, None), true),
        Asked::Several(_) => return Completion::Nothing,
        Asked::One(_) if facts.has(RequestFlags::IF_RANGE) && !if_range_matches(fields, record) => {
            return Completion::Nothing;
        }
        Asked::One(spec) => (extent.resolve(&spec), !matches!(spec, Spec::From(_, Some(_)))),
    };
    let Resolved::Bytes(first, last) = resolved else { return Completion::Nothing };
    let begins_within = extent.first <= first && first < extent.end;
    let complete = extent.complete_len == Some(extent.end) || last.is_some_and(|last| last < extent.end);
    if !begins_within || complete {
        return Completion::Nothing;
    }
    Completion::Fetch(Fetch {
        stored: first - extent.first..extent.end - extent.first,
        first: extent.end,
        last: last.filter(|_| !to_the_end),
        if_range: validator.into(),
    })
}

/// The fields of a request that validates a stored part of which a range is asked for, and otherwise wants that range of what
/// there is now (RFC 9110 section 13.2.2). The client's Range and If-Range go along, so that a changed representation
/// reaches it as it asked; its other preconditions are left out and evaluated on the outcome. `None` when the part has no
/// validator.
pub fn conditional_part_request(record: &Record, request: &Fields) -> Option<Fields> {
    let mut fields = request.clone();
    remove_conditions(&mut fields);
    for field in request.iter().filter(|field| field.is("range") || field.is("if-range")) {
        // Valid by construction.
        let _ = fields.append(field.name, field.value);
    }
    add_validators(record, &mut fields).then_some(fields)
}

/// Where a stored body lies in its representation.
pub(crate) struct Extent {
    pub(crate) first: u64,
    /// The offset behind its last byte; greater than `first`.
    pub(crate) end: u64,
    pub(crate) complete_len: Option<u64>,
}

/// What a range means of one representation.
enum Resolved {
    /// From this byte to that one, both inclusive; without the latter to an end that is not known.
    Bytes(u64, Option<u64>),
    /// No byte; the representation has this many.
    Unsatisfiable(u64),
    /// That depends on a length that is not known.
    Unknown,
}

impl Extent {
    /// `None` for an empty body and for one that does not fit what the record says of it.
    pub(crate) fn of(record: &Record, body_len: u64) -> Option<Self> {
        let (first, complete_len) = match record.part {
            Some(part) => (part.first, part.complete_len),
            None => (0, Some(body_len)),
        };
        let end = first.checked_add(body_len).filter(|end| *end > first)?;
        complete_len.is_none_or(|len| end <= len).then_some(Self { first, end, complete_len })
    }

    fn resolve(&self, spec: &Spec) -> Resolved {
        match (spec, self.complete_len) {
            (spec, Some(len)) => spec.within(len).map_or(Resolved::Unsatisfiable(len), |range| {
                Resolved::Bytes(range.start, Some(range.end.saturating_sub(1)))
            }),
            (Spec::Suffix(_), None) => Resolved::Unknown,
            (Spec::From(first, last), None) => Resolved::Bytes(*first, *last),
        }
    }

    fn answer_one(&self, spec: &Spec) -> PartAnswer {
        let range = match self.resolve(spec) {
            Resolved::Bytes(first, Some(last)) => first..last.saturating_add(1),
            Resolved::Unsatisfiable(complete_len) => return PartAnswer::Unsatisfiable { complete_len },
            Resolved::Bytes(_, None) | Resolved::Unknown => return PartAnswer::Outside,
        };
        if self.has(&range) { PartAnswer::Covers(self.part_range(&range)) } else { PartAnswer::Outside }
    }

    fn answer_several(&self, specs: &[Spec]) -> PartAnswer {
        let ranges = match (selected(specs, self.complete_len), self.complete_len) {
            (Selected::Ignored, _) => return PartAnswer::NotARange,
            (Selected::Unsatisfiable, Some(complete_len)) => {
                return PartAnswer::Unsatisfiable { complete_len };
            }
            (Selected::Unsatisfiable, None) | (Selected::Unknown, _) => return PartAnswer::Outside,
            (Selected::Ranges(ranges), _) => ranges,
        };
        match ranges.as_slice() {
            ranges if !ranges.iter().all(|range| self.has(range)) => PartAnswer::Outside,
            [only] => PartAnswer::Covers(self.part_range(only)),
            ranges => PartAnswer::CoversAll(ranges.iter().map(|range| self.part_range(range)).collect()),
        }
    }

    /// True when all bytes of `range`, which is not empty, are there.
    fn has(&self, range: &Range<u64>) -> bool {
        self.first <= range.start && range.end <= self.end
    }

    /// Where the bytes of a range that is there lie.
    fn part_range(&self, range: &Range<u64>) -> PartRange {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        PartRange {
            body: first.saturating_sub(self.first)..range.end.saturating_sub(self.first),
            content_range: ContentRange { first, last, complete_len: self.complete_len },
        }
    }
}

/// The codings of a representation, as they are compared: in lower case.
pub(crate) fn codings(fields: &Fields) -> Vec<Vec<u8>> {
    fields.get_all("content-encoding").map(<[u8]>::to_ascii_lowercase).collect()
}
