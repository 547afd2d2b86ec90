//! What was recorded that is nearest to a request which nothing matches, and what differs.
//!
//! Values of fields and of bodies are never told, only their names; parameters of the query are told without secrets.

use super::{Asked, Difference, MatchRules, body, conditions, fields, query};
use crate::RecordedRequest;
use crate::redact::media::Media;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;

/// How many recorded requests are read to compare them whole.
const READ_AT_MOST: usize = 64;
/// How much of their bodies is read, bytes.
const BODIES_AT_MOST: u64 = 8 << 20;
/// How many parameters of a query or a form are compared.
const PAIRS_AT_MOST: usize = 128;
/// How many recorded requests to the same place are looked at.
const LISTED_AT_MOST: usize = 2000;
/// How many differences are told.
const TOLD_AT_MOST: usize = 16;
/// How much of a value is told, characters.
const SHOWN_AT_MOST: usize = 60;

/// A recorded request as an index lists it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a, P> {
    /// What finds it again.
    pub place: P,
    /// Its method.
    pub method: &'a str,
    /// Its URL.
    pub url: &'a str,
}

/// The nearest recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest<P> {
    /// What finds it again.
    pub place: P,
    /// Its method.
    pub method: String,
    /// Its URL, without secrets.
    pub url: String,
    /// What differs; empty where the two are the same after all, and only the answer cannot be given again.
    pub differences: Vec<Difference>,
}

/// The recorded request that is nearest to `asked`: one with the same host and path, else with the same path, else with the
/// same host. `read` gives the whole of the few that are compared further; those it cannot give are passed over.
///
/// # Errors
/// What the system says of reading bodies.
pub fn nearest<'a, P: Copy>(
    rules: &MatchRules,
    asked: &Asked<'_>,
    listed: impl Iterator<Item = Candidate<'a, P>>,
    mut read: impl FnMut(P) -> Option<RecordedRequest>,
) -> io::Result<Option<Nearest<P>>> {
    let mut found = near(rules, asked, listed);
    found.truncate(READ_AT_MOST);
    let asked_body = if rules.ignore_body { Body::NONE } else { Body::of(rules, asked)? };
    let mut read_bytes = 0;
    let mut best: Option<(usize, Nearest<P>)> = None;
    for Near { score, candidate, differences } in found {
        if best.as_ref().is_some_and(|(least, _)| *least <= score) {
            break;
        }
        let Some(recorded) = read(candidate.place) else { continue };
        let mut differences = differences;
        differences.extend(field_differences(rules, &recorded, asked));
        if !rules.ignore_body && read_bytes < BODIES_AT_MOST {
            let body = Body::of(rules, &Asked::from(&recorded))?;
            read_bytes += body.text.as_ref().map_or(0, |text| text.len() as u64);
            differences.extend(body_differences(rules, &body, &asked_body));
        }
        if differences.is_empty() {
            // Then that is why: a part, or nothing since nothing changed, does not answer every request.
            let names = conditions::differences(&recorded.fields, asked.fields);
            differences.extend(names.map(|name| Difference::Field { name: name.to_owned() }));
        }
        let score: usize = differences.iter().map(Difference::weight).sum();
        differences.truncate(TOLD_AT_MOST);
        if best.as_ref().is_none_or(|(least, _)| score < *least) {
            let url = shown_url(rules, candidate.url);
            let method = candidate.method.to_owned();
            best = Some((score, Nearest { place: candidate.place, method, url, differences }));
        }
    }
    Ok(best.map(|(_, nearest)| nearest))
}

fn shown_url(rules: &MatchRules, url: &str) -> String {
    let redacted = rules.redaction().and_then(|rules| rules.target(url.as_bytes()));
    redacted.map_or_else(|| url.to_owned(), |url| String::from_utf8_lossy(&url).into_owned())
}

struct Near<'a, P> {
    score: usize,
    candidate: Candidate<'a, P>,
    differences: Vec<Difference>,
}

/// The candidates that share most with `asked` by their URL, the nearest first.
fn near<'a, P: Copy>(
    rules: &MatchRules,
    asked: &Asked<'_>,
    listed: impl Iterator<Item = Candidate<'a, P>>,
) -> Vec<Near<'a, P>> {
    let asked_url = asked.url();
    let url = Url::of(&asked_url);
    let target = rules.target(url.target.as_bytes());
    let mut tiers: [Vec<Candidate<'a, P>>; 3] = [const { Vec::new() }; 3];
    for candidate in listed {
        let other = Url::of(candidate.url);
        let tier = match (other.host == url.host, other.path == url.path) {
            (true, true) => &mut tiers[0],
            (false, true) => &mut tiers[1],
            (true, false) => &mut tiers[2],
            (false, false) => continue,
        };
        if tier.len() < LISTED_AT_MOST {
            tier.push(candidate);
        }
    }
    let [same, same_path, same_host] = tiers;
    let chosen = [same, same_path, same_host].into_iter().find(|tier| !tier.is_empty()).unwrap_or_default();
    let mut found: Vec<_> = chosen
        .into_iter()
        .map(|candidate| {
            let differences = url_differences(rules, &candidate, asked, &url, &target);
            let weight: usize = differences.iter().map(Difference::weight).sum();
            let shared = shared_segments(Url::of(candidate.url).path, url.path).min(20);
            Near { score: weight.saturating_sub(shared), candidate, differences }
        })
        .collect();
    found.sort_by_key(|near| near.score);
    found
}

/// A URL cut into its parts, as written.
struct Url<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    target: &'a str,
}

impl<'a> Url<'a> {
    fn of(url: &'a str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = target.split('?').next().unwrap_or(target);
        Self { scheme, host, path, target }
    }
}

fn shared_segments(one: &str, other: &str) -> usize {
    one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other).count()
}

fn url_differences<P>(
    rules: &MatchRules,
    recorded: &Candidate<'_, P>,
    asked: &Asked<'_>,
    url: &Url<'_>,
    target: &[u8],
) -> Vec<Difference> {
    let mut found = Vec::new();
    let other = Url::of(recorded.url);
    let pair = |recorded: &str, asked: &str| (shown(recorded), shown(asked));
    let method = String::from_utf8_lossy(asked.method);
    if recorded.method != method {
        let (recorded, asked) = pair(recorded.method, &method);
        found.push(Difference::Method { recorded, asked });
    }
    if other.scheme != url.scheme {
        let (recorded, asked) = pair(other.scheme, url.scheme);
        found.push(Difference::Scheme { recorded, asked });
    }
    if other.host != url.host && !(rules.ignore_host && rules.ignore_port) {
        let (recorded, asked) = pair(other.host, url.host);
        found.push(Difference::Host { recorded, asked });
    }
    let recorded = rules.target(other.target.as_bytes());
    let ((recorded_path, recorded_query), (asked_path, asked_query)) =
        (query::split(&recorded), query::split(target));
    if recorded_path != asked_path {
        let (recorded, asked) =
            pair(&String::from_utf8_lossy(recorded_path), &String::from_utf8_lossy(asked_path));
        found.push(Difference::Path { recorded, asked });
    }
    found.extend(query_differences(rules, recorded_query, asked_query));
    found
}

/// Which parameters only one of the two queries has; those of one name are told together.
fn query_differences(rules: &MatchRules, recorded: &[u8], asked: &[u8]) -> Vec<Difference> {
    let counted = |query| -> Vec<_> {
        query::pairs(query).filter(|pair| !rules.ignores_query(pair)).take(PAIRS_AT_MOST).collect()
    };
    let (recorded, asked): (Vec<&[u8]>, Vec<&[u8]>) = (counted(recorded), counted(asked));
    if recorded == asked {
        return Vec::new();
    }
    let (missing, mut extra) = (without(&recorded, &asked), without(&asked, &recorded));
    let text = |pair: &[u8]| shown(&String::from_utf8_lossy(pair));
    let mut found = Vec::new();
    for pair in missing {
        let name = query::name_and_value(pair).0;
        let other = extra.iter().position(|other| query::name_and_value(other).0 == name);
        let other = other.map(|at| extra.remove(at));
        found.push(Difference::Query { recorded: Some(text(pair)), asked: other.map(text) });
    }
    found.extend(extra.into_iter().map(|pair| Difference::Query { recorded: None, asked: Some(text(pair)) }));
    if found.is_empty() {
        found.push(Difference::QueryOrder);
    }
    found
}

/// What of `all` is not among `others`, each of which stands for one.
fn without<'a>(all: &[&'a [u8]], others: &[&[u8]]) -> Vec<&'a [u8]> {
    let mut others = others.to_vec();
    let is_left = |pair: &&'a [u8]| match others.iter().position(|other| other == pair) {
        Some(at) => {
            others.swap_remove(at);
            false
        }
        None => true,
    };
    all.iter().copied().filter(is_left).collect()
}

fn field_differences(rules: &MatchRules, recorded: &RecordedRequest, asked: &Asked<'_>) -> Vec<Difference> {
    let (recorded, asked) = (fields::counted(rules, &recorded.fields), fields::counted(rules, asked.fields));
    let names: BTreeSet<&String> = recorded.iter().chain(&asked).map(|(name, _)| name).collect();
    let lines = |all: &[(String, _)], name: &String| -> Vec<_> {
        all.iter()
            .filter(|line| line.0 == *name)
            .map(|line: &(String, std::borrow::Cow<'_, [u8]>)| line.1.to_vec())
            .collect()
    };
    let differs = |name: &&&String| lines(&recorded, name) != lines(&asked, name);
    names.iter().filter(differs).map(|name| Difference::Field { name: shown(name) }).collect()
}

fn body_differences(rules: &MatchRules, recorded: &Body, asked: &Body) -> Vec<Difference> {
    let lengths = || Difference::Body { recorded: recorded.len, asked: asked.len };
    if recorded.len.is_none() || asked.len.is_none() {
        return if recorded.len == asked.len { Vec::new() } else { vec![lengths()] };
    }
    if recorded.same_bytes(asked) {
        return Vec::new();
    }
    let told = match (&recorded.json, &asked.json) {
        (Some(one), Some(other)) => {
            let mut names = Vec::new();
            members(one, other, &mut String::new(), &mut names);
            names.into_iter().map(|name| Difference::Member { name: shown(&name) }).collect()
        }
        _ => form_differences(rules, recorded, asked),
    };
    if told.is_empty() { vec![lengths()] } else { told }
}

/// A body, as far as it can be looked into.
struct Body {
    /// Bytes; `None` without a body.
    len: Option<u64>,
    text: Option<Vec<u8>>,
    json: Option<Value>,
    is_form: bool,
}

impl Body {
    const NONE: Self = Self { len: None, text: None, json: None, is_form: false };

    fn of(rules: &MatchRules, asked: &Asked<'_>) -> io::Result<Self> {
        let Some(content) = asked.content.filter(|content| !content.is_empty()) else {
            return Ok(Self::NONE);
        };
        let Some((content, fields)) = body::redacted(rules, asked.fields, content)? else {
            return Ok(Self::NONE);
        };
        let text = body::text(&content, &fields)?;
        let normal = text.as_deref().and_then(|text| body::normal_json(&rules.ignore_body_params, text));
        let json = normal.as_deref().and_then(|text| serde_json::from_slice(text).ok());
        let is_form = Media::of(&fields) == Media::Form && json.is_none();
        Ok(Self { len: Some(content.len()), text: normal.or(text), json, is_form })
    }

    fn same_bytes(&self, other: &Self) -> bool {
        self.text.is_some() && self.text == other.text
    }
}

fn form_differences(rules: &MatchRules, recorded: &Body, asked: &Body) -> Vec<Difference> {
    let (Some(one), Some(other), true, true) = (&recorded.text, &asked.text, recorded.is_form, asked.is_form)
    else {
        return Vec::new();
    };
    let (one, other): (Vec<_>, Vec<_>) =
        (query::pairs(one).take(PAIRS_AT_MOST).collect(), query::pairs(other).take(PAIRS_AT_MOST).collect());
    let different = without(&one, &other).into_iter().chain(without(&other, &one));
    let names: BTreeSet<Vec<u8>> =
        different.map(|pair| query::decoded(query::name_and_value(pair).0)).collect();
    let counts = |name: &Vec<u8>| !rules.ignore_body_params.iter().any(|known| known.as_bytes() == &name[..]);
    let names = names.into_iter().filter(counts);
    names.map(|name| Difference::FormParameter { name: shown(&String::from_utf8_lossy(&name)) }).collect()
}

/// The names of the members that differ, with the names that lead to them.
fn members(recorded: &Value, asked: &Value, path: &mut String, found: &mut Vec<String>) {
    if recorded == asked || found.len() >= TOLD_AT_MOST {
        return;
    }
    match (recorded, asked) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let (one, other) = (one.get(name), other.get(name));
                within(path, name, |path| differ(one, other, path, found));
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for at in 0..one.len().max(other.len()) {
                within(path, &at.to_string(), |path| differ(one.get(at), other.get(at), path, found));
            }
        }
        _ if path.is_empty() => {}
        _ => found.push(path.clone()),
    }
}

fn differ(recorded: Option<&Value>, asked: Option<&Value>, path: &mut String, found: &mut Vec<String>) {
    match (recorded, asked) {
        (Some(recorded), Some(asked)) => members(recorded, asked, path, found),
        _ if found.len() < TOLD_AT_MOST => found.push(path.clone()),
        _ => {}
    }
}

/// Goes one name further down, and back.
fn within(path: &mut String, name: &str, go: impl FnOnce(&mut String)) {
    let before = path.len();
    if before > 0 {
        path.push('.');
    }
    path.push_str(name);
    go(path);
    path.truncate(before);
}

/// As much of a text as a message should hold, without control characters.
fn shown(text: &str) -> String {
    let mut out: String =
        text.chars().take(SHOWN_AT_MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN_AT_MOST).is_some() {
        out.push('…');
    }
    out
}
