//! Calculating which stored response a request selects (RFC 9111 section 4.1), and the canonical form of the
//! request fields that responses vary on.

use crate::canonical::{canonical_accept, canonical_coding_list, canonical_list};
use crate::freshness::current_age;
use crate::lists::is_token;
use crate::reason::Reason;
use crate::selecting::{Selecting, selects_only};
use crate::withdraw::is_withdrawn;
use millpond_exchange::{Audience, Fields, Record, RequestHead, Timestamp, VarySelector};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// The fields whose values are those of a user: of these only a digest is kept, see [`normalise_vary`].
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
/// What is digested before the name and the value, so that these digests are of no use elsewhere.
const DIGEST_PREFIX: &[u8] = b"millpond vary selector\0";

/// A list of more members is compared as it is written: sorting it would be work that a client can cause with a few bytes,
/// since HTTP/2 sends a long field again as one byte.
const MOST_MEMBERS: usize = 64;
/// A response that names more fields is taken as one that says `Vary: *`.
const MOST_NAMES: usize = 64;

/// How the values of a request field are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
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
    pub(crate) fn of(name: &str) -> Self {
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
/// [`Reason::VaryAny`] for `*` anywhere in the list, and for more than 64 names; [`Reason::VaryMalformed`] for a member that is not a
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
    if names.len() > MOST_NAMES { Err(Reason::VaryAny) } else { Ok(names) }
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
        _ if has_many_members(&value) => None,
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

/// True for a list that is compared as it is written. Commas in quoted strings count as well.
pub(crate) fn has_many_members(value: &[u8]) -> bool {
    // Each member but the last takes a comma, so that the usual values need not be looked at.
    value.len() >= MOST_MEMBERS && value.split(|byte| *byte == b',').nth(MOST_MEMBERS).is_some()
}

/// What stands for the value of the field `name`, one of [`CREDENTIALS`].
pub(crate) fn digest(name: &str, value: &[u8]) -> [u8; 32] {
    let begun = Sha256::new_with_prefix(DIGEST_PREFIX).chain_update(name).chain_update(b"\0");
    begun.chain_update(value).finalize().into()
}

/// True when `fields` are those of a request that selects `record` (RFC 9111 section 4.1). For several records see
/// [`crate::select`] and the like, which bring each field into its canonical form once.
pub fn selects(record: &Record, fields: &Fields) -> bool {
    selects_only(record, fields)
}

/// The index of the whole stored response that a request with `fields`, of a client of `partition`, selects: among
/// those that match, the one with the newest Date (RFC 9111 section 4.1). Private entries are seen by their
/// own partition alone. For stored parts see [`crate::parts_for`].
///
/// Where the newest omits Vary, the newest of those that do not is preferred, as that section has it: some origins send Vary only
/// where a request states a preference. But not one that was stale when the other came: that may well have been fetched in
/// its place, and the origin have ceased to vary.
pub fn select<'a>(
    mut records: impl Iterator<Item = &'a Record>,
    fields: &Fields,
    partition: Option<&str>,
) -> Option<usize> {
    let first = records.next()?;
    // Most keys have one.
    let Some(second) = records.next() else {
        let given = first.part.is_none() && may_be_given(first, partition) && selects_only(first, fields);
        return given.then_some(0);
    };
    select_among([first, second].into_iter().chain(records), fields, partition)
}

fn select_among<'a>(
    records: impl Iterator<Item = &'a Record>,
    fields: &Fields,
    partition: Option<&str>,
) -> Option<usize> {
    let mut selecting = Selecting::new(fields);
    let is_newer = |best: Option<(usize, &Record)>, record: &Record| {
        best.is_none_or(|(_, old)| (record.date, record.response_time) > (old.date, old.response_time))
    };
    let (mut best, mut best_varied) = (None, None);
    for (index, record) in records.enumerate() {
        let varied = !record.vary.is_empty();
        let newer = is_newer(best, record);
        let wanted = newer || (varied && is_newer(best_varied, record));
        if wanted && record.part.is_none() && may_be_given(record, partition) && selecting.selects(record) {
            if newer {
                best = Some((index, record));
            }
            if varied {
                best_varied = Some((index, record));
            }
        }
    }
    let (index, newest) = best?;
    match best_varied {
        Some((varied, record)) if newest.vary.is_empty() && was_fresh(record, newest.response_time) => {
            Some(varied)
        }
        _ => Some(index),
    }
}

/// True when `record` was fresh at `then` by what its response states.
fn was_fresh(record: &Record, then: Timestamp) -> bool {
    let stated = record.s_maxage.or(record.max_age).or(record.expires);
    let purged = record.stale_from.is_some_and(|from| from <= then);
    !purged && stated.is_some_and(|secs| current_age(record, then) < secs)
}

/// True when a client of `partition` is in the record's audience, and the origin has not taken the response back.
pub fn may_be_given(record: &Record, partition: Option<&str>) -> bool {
    !is_withdrawn(record) && is_for(record, partition)
}

fn is_for(record: &Record, partition: Option<&str>) -> bool {
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
