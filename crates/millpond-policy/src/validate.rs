//! Validation (RFC 9111 section 4.3): the request that asks the origin, what its answer means, and freshening
//! what is stored by a 304 or a response to HEAD. How a client's own preconditions are answered is in
//! `precondition`.

use crate::etag::{EntityTag, entity_tags};
use crate::freshen::{Freshened, freshen};
use crate::profile::Profile;
use crate::reason::Reason;
use crate::request::RequestFacts;
use crate::reuse::{StaleCause, stale_on_error};
use crate::stored::Times;
use crate::vary::selects;
use millpond_exchange::{Fields, Record, RecordFlags, RequestHead, ResponseHead, StatusCode};

/// The most entity tags sent in one If-None-Match.
pub const MAX_TAGS: usize = 16;

/// A stored response as validation sees it.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its facts.
    pub record: &'a Record,
    /// Its head as stored.
    pub head: &'a ResponseHead,
}

/// What the answer to a validation request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validated {
    /// A 304 for these stored responses: never empty, and the first one, as updated, is the answer.
    Freshen(Vec<Freshened>),
    /// A 304 that fits nothing stored: send the request again without conditions.
    Refetch(Reason),
    /// The origin failed; answer with the selected stored response.
    ServeStale(Reason),
    /// Any other response: pass it on, and store it if [`crate::admit`] says so.
    Replace,
}

/// Removes the preconditions and the range of a client from `fields`: for a request by which the cache wants
/// the whole current representation.
pub fn remove_conditions(fields: &mut Fields) {
    const CONDITIONS: [&str; 6] =
        ["if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"];
    fields.retain(|field| !CONDITIONS.iter().any(|name| field.is(name)));
}

/// The fields of a request that validates stored responses (RFC 9111 section 4.3.1), made from those of a
/// client's `request`, whose own preconditions and range are left out; they are evaluated on the outcome.
/// With a `selected` response, its validators alone; without one, the entity tags of all whole `records` of the
/// key. `None` when there is no validator to send.
pub fn conditional_request<'a>(
    records: impl Iterator<Item = &'a Record>,
    selected: Option<&Record>,
    request: &Fields,
) -> Option<Fields> {
    let mut fields = request.clone();
    remove_conditions(&mut fields);
    let added = match selected {
        Some(record) => add_validators(record, &mut fields),
        None => add_tags(records, &mut fields),
    };
    added.then_some(fields)
}

/// Adds both validators where both are there (RFC 9110 section 8.8.4); true when there was one.
pub(crate) fn add_validators(record: &Record, fields: &mut Fields) -> bool {
    let mut added = false;
    if let Some(etag) = &record.etag {
        added |= fields.append("If-None-Match", etag).is_ok();
    }
    if let Some(last_modified) = record.last_modified_text() {
        added |= fields.append("If-Modified-Since", last_modified).is_ok();
    }
    added
}

/// Adds an If-None-Match with the tags of `records`, each once; true when there was one.
fn add_tags<'a>(records: impl Iterator<Item = &'a Record>, fields: &mut Fields) -> bool {
    let mut tags: Vec<&[u8]> = Vec::new();
    for etag in records.filter(|record| record.part.is_none()).filter_map(|record| record.etag.as_deref()) {
        if tags.len() < MAX_TAGS && !tags.contains(&etag) {
            tags.push(etag);
        }
    }
    !tags.is_empty() && fields.append("If-None-Match", tags.join(&b", "[..])).is_ok()
}

/// Judges the `response` to a validation request (RFC 9111 section 4.3.3). `sent` is that request, conditions
/// included, `facts` are those of the client's request, `stored` the responses of the key that could have been
/// chosen (so none of another audience), and `selected` the index of the one that Vary selects, if any.
pub fn validated(
    stored: &[Stored<'_>],
    selected: Option<usize>,
    sent: &RequestHead,
    facts: &RequestFacts,
    response: &ResponseHead,
    times: Times,
    profile: &Profile,
) -> Validated {
    let status = response.status.as_u16();
    if status == 304 {
        let found = identify(stored, selected, &sent.fields, response);
        if answers_nothing(stored, selected, &found) {
            return Validated::Refetch(Reason::Unmatched);
        }
        let updates = found.into_iter();
        return Validated::Freshen(
            updates
                .map(|index| freshen(index, stored[index], sent, facts, response, times, profile))
                .collect(),
        );
    }
    let now = times.response_time;
    let stale = selected
        .and_then(|index| stored.get(index))
        .and_then(|entry| stale_on_error(entry.record, facts, now, profile, StaleCause::Status(status)));
    stale.map_or(Validated::Replace, Validated::ServeStale)
}

/// True when no stored response is `found` to be confirmed, or only parts are, of which the request did not select one: a
/// part that happens to have the same validator is no answer to it.
fn answers_nothing(stored: &[Stored<'_>], selected: Option<usize>, found: &[usize]) -> bool {
    found.first().is_none_or(|answer| stored[*answer].record.part.is_some() && Some(*answer) != selected)
}

/// The stored responses a 304 is about (RFC 9111 section 4.3.4), the answer first.
fn identify(
    stored: &[Stored<'_>],
    selected: Option<usize>,
    sent: &Fields,
    response: &ResponseHead,
) -> Vec<usize> {
    // Only what this request selects may take over what the 304 says of it: variants with the same tag, as a server that
    // compresses on the fly sends them, would otherwise become each other.
    let selectable = |record: &Record| selects(record, sent);
    let matching = |fits: &dyn Fn(&Record) -> bool| -> Vec<usize> {
        let fitting = |index: &usize| selectable(stored[*index].record) && fits(stored[*index].record);
        let mut found: Vec<usize> = (0..stored.len()).filter(fitting).collect();
        found.sort_by_key(|index| {
            let record = stored[*index].record;
            let newest_first = std::cmp::Reverse((record.date, record.response_time));
            (Some(*index) != selected, record.part.is_some(), newest_first)
        });
        found
    };
    let etag = response.fields.get("etag").map(EntityTag::parse);
    let modified = response.fields.get("last-modified");
    let found = match (etag, modified) {
        // "one or more strong validators": every stored response with the same one.
        (Some(tag), _) if tag.is_strong() => matching(&|record| {
            record.etag.as_deref().is_some_and(|own| EntityTag::parse(own).strong_eq(&tag))
        }),
        // "no strong validators but one or more weak": the most recent of those that correspond.
        (Some(tag), _) => first(matching(&|record| {
            record.etag.as_deref().is_some_and(|own| EntityTag::parse(own).weak_eq(&tag))
        })),
        // Variants of one resource often share their date, strong or not, so it is about one of them.
        (None, Some(date)) => first(matching(&|record| record.last_modified_text().as_deref() == Some(date))),
        (None, None) => Vec::new(),
    };
    if !found.is_empty() {
        return found;
    }
    first(identified_by_request(stored, selected, sent, etag.is_some() || modified.is_some()))
}

fn first(mut found: Vec<usize>) -> Vec<usize> {
    found.truncate(1);
    found
}

/// A 304 that names no validator, or one that fits nothing, to a request that asked about one stored response
/// only. Its answer can only be about that one: see docs/decisions/0003.
fn identified_by_request(
    stored: &[Stored<'_>],
    selected: Option<usize>,
    sent: &Fields,
    names_validator: bool,
) -> Vec<usize> {
    let mut tags = entity_tags(sent.get_all("if-none-match"));
    let (tag, more) = (tags.next(), tags.next().is_some());
    let dated = sent.contains("if-modified-since");
    if more || (names_validator && dated) {
        return Vec::new();
    }
    let asked_about = |record: &Record| match (tag, record.etag.as_deref()) {
        (Some(tag), Some(own)) => EntityTag::parse(own) == tag,
        (None, _) => dated && record.last_modified_text().as_deref() == sent.get("if-modified-since"),
        (Some(_), None) => false,
    };
    let fits = |record: &Record| selects(record, sent) && asked_about(record);
    let candidates: Vec<usize> = (0..stored.len()).filter(|index| fits(stored[*index].record)).collect();
    match (selected, candidates.as_slice()) {
        (Some(selected), found) if found.contains(&selected) => vec![selected],
        (_, [only]) => vec![*only],
        _ => Vec::new(),
    }
}

/// What a response to HEAD does to a stored response to GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadEffect {
    /// Nothing.
    Nothing,
    /// It agrees: store this in place of record and head.
    Freshen(Box<Freshened>),
    /// It does not agree: store this record, which is stale from now on.
    Stale(Record),
}

/// Freshening by HEAD (RFC 9111 section 4.3.5). `stored` is what a GET would have selected, `body_len` the
/// length of its body.
pub fn freshened_by_head(
    stored: Stored<'_>,
    body_len: u64,
    request: &RequestHead,
    facts: &RequestFacts,
    response: &ResponseHead,
    times: Times,
    profile: &Profile,
) -> HeadEffect {
    if response.status != StatusCode::OK || stored.record.status != 200 {
        return HeadEffect::Nothing;
    }
    let record = stored.record;
    let agrees = |name: &str, own: Option<&[u8]>| match response.fields.get(name) {
        Some(value) => Some(value) == own,
        None => true,
    };
    let length = response.fields.get_str("content-length").map(str::parse::<u64>);
    let whole_len = record.part.map_or(Some(body_len), |part| part.complete_len);
    let same = agrees("etag", record.etag.as_deref())
        && agrees("last-modified", record.last_modified_text().as_deref())
        && length.is_none_or(|length| whole_len.is_none_or(|whole_len| length == Ok(whole_len)));
    if same {
        return HeadEffect::Freshen(Box::new(freshen(0, stored, request, facts, response, times, profile)));
    }
    let mut stale = Record { stale_from: Some(times.response_time), ..record.clone() };
    stale.flags |= RecordFlags::DISAGREES;
    HeadEffect::Stale(stale)
}
