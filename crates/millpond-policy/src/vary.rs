//! Calculating which stored response a request selects (RFC 9111 section 4.1), and the canonical form of the
//! request fields that responses vary on.

use crate::canonical::{
    canonical_accept, canonical_accept_equals, canonical_coding_equals, canonical_coding_list,
    canonical_equals, canonical_list,
};
use crate::lists::is_token;
use crate::reason::Reason;
use millpond_exchange::{Audience, Fields, Record, RequestHead, VarySelector};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// The fields whose values are those of a user: of these only a digest is kept, see [`normalise_vary`].
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
/// What is digested before the name and the value, so that these digests are of no use elsewhere.
const DIGEST_PREFIX: &[u8] = b"millpond vary selector\0";

/// How the values of a request field are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// Media ranges with parameters and weights (RFC 9110 section 12.5.1).
    Accept,
    /// Codings with weights, where order means nothing (RFC 9110 section 12.5.3).
    AcceptEncoding,
    /// Language ranges with weights, where order may mean something (RFC 9110 section 12.5.4).
    AcceptLanguage,
    /// One value, in which a comma does not separate: compared byte by byte.
    Singleton,
    /// The same, by digest: one of [`CREDENTIALS`].
    Credentials(&'static str),
    /// Any other field: a list, in which whitespace around commas means nothing.
    List,
}

impl Comparison {
    fn of(name: &str) -> Self {
        const SINGLETONS: [&str; 6] = ["from", "host", "origin", "referer", "user-agent", "content-type"];
        if name.eq_ignore_ascii_case("accept-encoding") {
            Self::AcceptEncoding
        } else if name.eq_ignore_ascii_case("accept") {
            Self::Accept
        } else if name.eq_ignore_ascii_case("accept-language") {
            Self::AcceptLanguage
        } else if SINGLETONS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            Self::Singleton
        } else if let Some(known) = CREDENTIALS.iter().find(|known| name.eq_ignore_ascii_case(known)) {
            Self::Credentials(known)
        } else {
            Self::List
        }
    }
}

/// The names a response varies on, in lower case, sorted, each once.
///
/// # Errors
/// [`Reason::VaryAny`] for `*` anywhere in the list; [`Reason::VaryMalformed`] for a member that is not a
/// field name.
pub fn vary_names(response: &Fields) -> Result<Vec<String>, Reason> {
    let mut names = Vec::new();
    for line in response.get_all("vary") {
        for member in line.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty()) {
            match member {
                b"*" => return Err(Reason::VaryAny),
                name if is_token(name) => names.push(String::from_utf8_lossy(name).to_ascii_lowercase()),
                _ => return Err(Reason::VaryMalformed),
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// What a record keeps of `request` for the fields a response varies on.
///
/// # Errors
/// As [`vary_names`].
pub fn vary_selectors(response: &Fields, request: &Fields) -> Result<Box<[VarySelector]>, Reason> {
    let names = vary_names(response)?;
    Ok(names
        .into_iter()
        .map(|name| VarySelector {
            value: normalise_vary(&name, request).map(|value| value.into_owned().into_boxed_slice()),
            name: name.into_boxed_str(),
        })
        .collect())
}

/// The canonical value of the request field `name`: its lines combined, whitespace removed where the syntax
/// allows, in Accept, Accept-Encoding and Accept-Language weights in one form, and in the latter two case and the order by
/// weight as well. `None` when the field is absent, which is not the same as empty.
///
/// Of Authorization, Cookie and Proxy-Authorization it is the SHA-256 of a fixed text, the name and the value: what it
/// gives is kept in records, and with these on disk and in copies of it. The digest does not give a value back, but
/// whoever has the record can try values: one that can be guessed, such as `theme=dark` or the password of a common
/// user name in `Basic`, is found that way. It also tells that two records were stored for the same value.
pub fn normalise_vary<'a>(name: &str, fields: &'a Fields) -> Option<Cow<'a, [u8]>> {
    let mut lines = fields.iter().filter(|field| field.is(name)).map(|field| field.value);
    let first = lines.next()?;
    let comparison = Comparison::of(name);
    let Some(second) = lines.next() else { return Some(normalise_line(comparison, Cow::Borrowed(first))) };
    let separator: &[u8] = if name.eq_ignore_ascii_case("cookie") { b"; " } else { b"," };
    let mut combined = first.to_vec();
    for line in std::iter::once(second).chain(lines) {
        combined.extend_from_slice(separator);
        combined.extend_from_slice(line);
    }
    Some(normalise_line(comparison, Cow::Owned(combined)))
}

fn normalise_line(comparison: Comparison, value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let canonical = match comparison {
        Comparison::Singleton => None,
        Comparison::Credentials(name) => return Cow::Owned(digest(name, &value).to_vec()),
        Comparison::List => canonical_list(&value),
        Comparison::Accept => canonical_accept(&value).or_else(|| canonical_list(&value)),
        Comparison::AcceptEncoding => canonical_coding_list(&value, true).or_else(|| canonical_list(&value)),
        Comparison::AcceptLanguage => canonical_coding_list(&value, false).or_else(|| canonical_list(&value)),
    };
    match canonical {
        Some(canonical) if *canonical != *value => Cow::Owned(canonical),
        _ => value,
    }
}

/// What stands for the value of the field `name`, one of [`CREDENTIALS`].
fn digest(name: &str, value: &[u8]) -> [u8; 32] {
    let begun = Sha256::new_with_prefix(DIGEST_PREFIX).chain_update(name).chain_update(b"\0");
    begun.chain_update(value).finalize().into()
}

/// True when `fields` are those of a request that selects `record` (RFC 9111 section 4.1). Allocates only
/// where a field has several lines.
pub fn selects(record: &Record, fields: &Fields) -> bool {
    record.vary.iter().all(|selector| selector_matches(selector, fields))
}

pub(crate) fn selector_matches(selector: &VarySelector, fields: &Fields) -> bool {
    let name: &str = &selector.name;
    let mut lines = fields.iter().filter(|field| field.is(name)).map(|field| field.value);
    let (first, stored) = match (lines.next(), selector.value.as_deref()) {
        (None, None) => return true,
        (None, Some(_)) | (Some(_), None) => return false,
        (Some(first), Some(stored)) => (first, stored),
    };
    if lines.next().is_some() {
        return normalise_vary(name, fields).is_some_and(|value| *value == *stored);
    }
    // What is stored is canonical, and canonical forms are their own canonical form; but a digest is no value.
    match Comparison::of(name) {
        Comparison::Credentials(name) => digest(name, first) == stored,
        _ if first == stored => true,
        Comparison::Singleton => false,
        Comparison::List => canonical_equals(first, stored),
        Comparison::Accept => {
            canonical_accept_equals(first, stored).unwrap_or_else(|| canonical_equals(first, stored))
        }
        Comparison::AcceptEncoding => coding_equals(first, true, stored),
        Comparison::AcceptLanguage => coding_equals(first, false, stored),
    }
}

fn coding_equals(value: &[u8], sort_equal: bool, stored: &[u8]) -> bool {
    canonical_coding_equals(value, sort_equal, stored).unwrap_or_else(|| canonical_equals(value, stored))
}

/// The index of the whole stored response that a request with `fields`, of a client of `partition`, selects: among
/// those that match, the one with the newest Date (RFC 9111 section 4.1). Private entries are seen by their
/// own partition alone. For stored parts see [`crate::parts_for`].
pub fn select<'a>(
    records: impl Iterator<Item = &'a Record>,
    fields: &Fields,
    partition: Option<&str>,
) -> Option<usize> {
    let mut best: Option<(usize, &Record)> = None;
    for (index, record) in records.enumerate() {
        let newer =
            best.is_none_or(|(_, old)| (record.date, record.response_time) > (old.date, old.response_time));
        if newer && record.part.is_none() && may_be_given(record, partition) && selects(record, fields) {
            best = Some((index, record));
        }
    }
    best.map(|(index, _)| index)
}

/// True when a client of `partition` is in the record's audience.
pub fn may_be_given(record: &Record, partition: Option<&str>) -> bool {
    match &record.audience {
        Audience::Shared => true,
        Audience::Private(owner) => partition == Some(&**owner),
    }
}

/// Rewrites Accept-Encoding and Accept-Language to the form in which requests are compared, so that what
/// selects a response is also what the origin chose it by. Nothing changes in what the fields mean.
pub fn normalise_request(request: &mut RequestHead) {
    for name in ["Accept-Encoding", "Accept-Language"] {
        if let Some(canonical) = rewritten(name, &request.fields) {
            // Made of the bytes of valid values, so it is one.
            let _ = request.fields.set(name, &canonical);
        }
    }
}

/// The canonical value of the field `name`, where it is not in that form on one line.
fn rewritten(name: &str, fields: &Fields) -> Option<Vec<u8>> {
    match normalise_vary(name, fields)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(canonical) => Some(canonical),
    }
}
