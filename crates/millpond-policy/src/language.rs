//! Responses that vary on Accept-Language and answer a request whose list of languages is another one: the same languages
//! in another order (RFC 9111 section 4.1), and, as a deviation, the one language the request likes best (RFC 4647).
//!
//! Looked at only when nothing stored matches as it is written; see [`crate::select`] for that. The language of a response
//! is read from its stored head here, which no other part of the way to a hit does.

use crate::canonical::{Weighted, sorted_members};
use crate::profile::{LanguageMatch, Profile};
use crate::selecting::Selecting;
use crate::validate::Stored;
use crate::vary::{has_many_members, may_be_given, normalise_vary};
use millpond_exchange::{Fields, Record};
use smallvec::SmallVec;

/// Longer lists are not compared: nobody speaks as many languages, and comparing takes the square of their number.
const MAX_RANGES: usize = 32;

/// How a stored response suits a request whose Accept-Language is not the one that fetched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LanguageFit {
    /// It is in the language the request likes best. A deviation: see [`LanguageMatch::Preferred`].
    Preferred,
    /// It was fetched for the same languages of the same weights.
    SameLanguages,
}

/// The index of the stored response that a request with `fields`, of a client of `partition`, may be answered with
/// although its Accept-Language is another than the one that fetched it; of several the better fit, then the newest.
///
/// Such a response is for answering as long as it is fresh, not for validating: what a 304 says of it is said to this
/// request's languages.
pub fn select_language<'a>(
    stored: impl Iterator<Item = Stored<'a>>,
    fields: &Fields,
    partition: Option<&str>,
    profile: &Profile,
) -> Option<(usize, LanguageFit)> {
    if profile.languages == LanguageMatch::Exact {
        return None;
    }
    let value = normalise_vary(ACCEPT_LANGUAGE, fields)?;
    let wanted = ranges(&value)?;
    let mut selecting = Selecting::new(fields);
    let fitting = stored.enumerate().filter_map(|(index, entry)| {
        let record = entry.record;
        let usable = record.part.is_none() && may_be_given(record, partition);
        let fit = if usable { fit(&entry, &mut selecting, &wanted, profile)? } else { return None };
        Some((fit, record.date, record.response_time, index))
    });
    fitting
        .max_by_key(|(fit, date, received, index)| (*fit, *date, *received, std::cmp::Reverse(*index)))
        .map(|(fit, _, _, index)| (index, fit))
}

const ACCEPT_LANGUAGE: &str = "accept-language";

type Ranges<'a> = SmallVec<[Weighted<'a>; 8]>;

/// The language ranges of a value, the heaviest first; those of equal weight in the order they have.
fn ranges(value: &[u8]) -> Option<Ranges<'_>> {
    if has_many_members(value) {
        return None;
    }
    sorted_members(value, false).filter(|ranges| (1..=MAX_RANGES).contains(&ranges.len()))
}

fn fit<'a>(
    entry: &Stored<'a>,
    selecting: &mut Selecting<'a, '_>,
    wanted: &Ranges<'_>,
    profile: &Profile,
) -> Option<LanguageFit> {
    let fetched_for = fetched_for(entry.record, selecting)?;
    let language = Language::of(&entry.head.fields);
    let by_order = match language {
        Language::Unsaid => false,
        Language::One(language) => goes_by_order(&fetched_for, wanted, language),
        Language::Unclear => true,
    };
    if same_ranges(&fetched_for, wanted) && !by_order {
        return Some(LanguageFit::SameLanguages);
    }
    match language {
        Language::One(language) if profile.languages == LanguageMatch::Preferred => {
            is_preferred(&fetched_for, wanted, language).then_some(LanguageFit::Preferred)
        }
        _ => None,
    }
}

/// The languages that the response of `record` was fetched for, if it varies on them and matches the request in every
/// other field it varies on.
fn fetched_for<'a>(record: &'a Record, selecting: &mut Selecting<'a, '_>) -> Option<Ranges<'a>> {
    let is_language = |name: &str| name == ACCEPT_LANGUAGE;
    let selector = record.vary.iter().find(|selector| is_language(&selector.name))?;
    let mut others = record.vary.iter().filter(|selector| !is_language(&selector.name));
    let matches = others.all(|selector| selecting.matches(selector));
    if matches { ranges(selector.value.as_deref()?) } else { None }
}

/// What a response says of its language (RFC 9110 section 8.5).
#[derive(Clone, Copy)]
enum Language<'a> {
    /// Nothing.
    Unsaid,
    /// One tag.
    One(&'a [u8]),
    /// Several, or none that is a tag.
    Unclear,
}

impl<'a> Language<'a> {
    fn of(fields: &'a Fields) -> Self {
        let mut lines = fields.get_all("content-language");
        let Some(line) = lines.next() else { return Self::Unsaid };
        let tag = line.trim_ascii();
        let is_tag = !tag.is_empty() && tag.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        if is_tag && lines.next().is_none() { Self::One(tag) } else { Self::Unclear }
    }
}

/// True when both have the same ranges with the same weights.
fn same_ranges(one: &Ranges<'_>, other: &Ranges<'_>) -> bool {
    let sorted = |ranges: &Ranges<'_>| {
        let mut names: SmallVec<[(u16, SmallVec<[u8; 16]>); 8]> = ranges
            .iter()
            .map(|range| (range.weight, range.name.iter().map(u8::to_ascii_lowercase).collect()))
            .collect();
        names.sort_unstable();
        names
    };
    one.len() == other.len() && sorted(one) == sorted(other)
}

/// True when the response may be in `language` because of the order in which its request listed languages of equal weight,
/// and another order could have brought another. "Some recipients treat the order in which language tags are listed as an
/// indication of descending priority" (RFC 9110 section 12.5.4); such an origin would have given the request what comes
/// before `language` in its own order, if it has that. Where the response does not say its language, the section's other
/// half counts: that clients cannot rely on it.
fn goes_by_order(fetched_for: &Ranges<'_>, wanted: &Ranges<'_>, language: &[u8]) -> bool {
    let before = |ranges: &Ranges<'_>| ranges.iter().position(|range| is_about(range.name, language));
    let (Some(first), Some(second)) = (before(fetched_for), before(wanted)) else { return false };
    let passed_over = &fetched_for[..first];
    wanted[..second]
        .iter()
        .any(|range| !passed_over.iter().any(|old| old.name.eq_ignore_ascii_case(range.name)))
}

/// True when one of the two is the other, or the other with further subtags: `de` and `de-AT`.
fn is_about(range: &[u8], language: &[u8]) -> bool {
    is_within(range, language) || is_within(language, range)
}

/// True when `tag` is `range` or begins with it and a hyphen (RFC 4647 section 3.3.1).
fn is_within(tag: &[u8], range: &[u8]) -> bool {
    tag.len() >= range.len()
        && tag[..range.len()].eq_ignore_ascii_case(range)
        && tag.get(range.len()).is_none_or(|next| *next == b'-')
}

/// True when `language` is what a lookup (RFC 4647 section 3.4) finds for the one range that `wanted` likes best, whatever
/// else the origin has: it is that range, or what the origin gave for that range before. And it is what was liked best
/// by the request that fetched the response, which is therefore no substitute for something else.
fn is_preferred(fetched_for: &Ranges<'_>, wanted: &Ranges<'_>, language: &[u8]) -> bool {
    let [best, rest @ ..] = wanted.as_slice() else { return false };
    let alone = rest.first().is_none_or(|next| next.weight < best.weight);
    if !alone || best.weight == 0 || best.name == b"*" {
        return false;
    }
    let heaviest = fetched_for[0].weight;
    let liked =
        |range: &&Weighted<'_>| range.weight == heaviest && range.name.eq_ignore_ascii_case(best.name);
    match fetched_for.iter().position(|range| liked(&range)) {
        Some(_) if language.eq_ignore_ascii_case(best.name) => true,
        // Looked up before anything else then, and found by leaving out its last subtags.
        Some(0) => is_within(best.name, language),
        _ => false,
    }
}
