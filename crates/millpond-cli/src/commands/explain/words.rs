//! The words in which a story is told, for people and as JSON alike.

use super::Story;
use super::server::Asked;
use millpond::engine::explain::{Change, Decision, Explained};
use millpond::exchange::{Record, RequestHead, VarySelector};
use millpond::policy::{Basis, Reason, Verdict};
use millpond::proxy::explain::{Closed, Unrouted};
use std::time::Duration;

/// Fields of a request to the origin whose values are told: they say what of the response is wanted.
const TOLD: [&str; 6] =
    ["if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"];

/// What a lifetime comes from.
pub(super) const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::SMaxage => "s-maxage, RFC 9111 section 5.2.2.10",
        Basis::MaxAge => "max-age, RFC 9111 section 5.2.2.1",
        Basis::Expires => "Expires, RFC 9111 section 5.3",
        Basis::Heuristic => "a part of the time since Last-Modified, RFC 9111 section 4.2.2",
        Basis::None => "nothing says for how long, RFC 9111 section 4.2.1",
        Basis::Invalid => "what it says is malformed or contradictory, RFC 9111 section 4.2.1",
        Basis::DefaultTtl => "the option default_ttl",
        Basis::ForceCache => "the option force_cache",
        Basis::NegativeTtl => "the option negative_ttl",
    }
}

/// A word for a verdict, its reason, and a sentence.
pub(super) struct Told {
    pub word: &'static str,
    pub reason: Option<Reason>,
    pub sentence: String,
}

impl Told {
    fn because(word: &'static str, reason: Reason) -> Self {
        Self { word, reason: Some(reason), sentence: reason.explain().to_owned() }
    }

    pub fn reason(&self) -> Option<&'static str> {
        self.reason.map(Reason::as_str)
    }
}

/// What a verdict says of one stored response.
pub(super) fn verdict(verdict: Verdict) -> Told {
    match verdict {
        Verdict::Fresh { ttl } => {
            let left = if ttl > FOREVER {
                "until it is purged".to_owned()
            } else {
                format!("for {ttl} more seconds")
            };
            let sentence = format!("The stored response is fresh {left} (RFC 9111 section 4.2).");
            Told { word: "hit", reason: None, sentence }
        }
        Verdict::ServeStale { why, .. } => Told::because("stale", why),
        Verdict::Validate(reason) => Told::because("validate", reason),
        Verdict::Unusable(reason) => Told::because("miss", reason),
    }
}

/// Of a lifetime without end, which is 136 years, more than these seconds are left.
const FOREVER: i64 = u32::MAX as i64 / 2;

/// What would be done with the request.
pub(super) fn decision(explained: &Explained) -> Told {
    match &explained.decision {
        Decision::Serve { verdict: found, .. } => verdict(*found),
        Decision::Fetch(fetch) if fetch.past => Told::because("bypass", fetch.reason),
        Decision::Fetch(fetch) if fetch.validates.is_some() => Told::because("validate", fetch.reason),
        Decision::Fetch(fetch) => Told::because("miss", fetch.reason),
        Decision::Refuse(reason) => Told::because("refused", *reason),
    }
}

/// An option as it is given on the command line.
pub(super) fn option(change: Change) -> String {
    match change {
        Change::DefaultTtl(ttl) => format!("--default-ttl {}", duration(ttl)),
        Change::ForceCache(ttl) => format!("--force-cache {}", duration(ttl)),
        Change::NegativeTtl(status, ttl) => format!("--set policy.negative_ttl.{status}={}", duration(ttl)),
        Change::StaleWhileRevalidate(ttl) => {
            format!("--set policy.stale_while_revalidate={}", duration(ttl))
        }
        Change::IgnoreClientReload => "--set policy.ignore_client_reload=true".to_owned(),
        Change::AllowSetCookie => "--set policy.refuse_set_cookie=false".to_owned(),
        Change::Offline => "--offline".to_owned(),
    }
}

fn duration(ttl: Duration) -> String {
    let secs = ttl.as_secs();
    let fitting = [(24 * 3600, "d"), (3600, "h")].into_iter().find(|(unit, _)| secs.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{secs}s"), |(unit, name)| format!("{}{name}", secs / unit))
}

/// The setting of a route that sends a request past the cache.
pub(super) const fn pass_setting(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::PassPath => Some("pass.paths"),
        Reason::PassCookie => Some("pass.cookies"),
        Reason::PassField => Some("pass.fields"),
        _ => None,
    }
}

/// The value that selects a stored response, where it is surely no secret.
pub(super) fn selecting_value(selector: &VarySelector) -> Option<String> {
    if !selector.name.starts_with("accept") {
        return None;
    }
    Some(selector.value.as_ref().map_or("(absent)".to_owned(), |value| {
        String::from_utf8_lossy(value).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }))
}

/// The fields of a request to the origin that say what of the response is wanted, with their values; and the names of the
/// others.
pub(super) fn fields(request: &RequestHead) -> (Vec<(String, String)>, Vec<String>) {
    let (mut told, mut others) = (Vec::new(), Vec::new());
    for field in request.fields.iter() {
        let name = field.name_str().to_owned();
        if TOLD.iter().any(|known| field.is(known)) {
            told.push((name, String::from_utf8_lossy(field.value).into_owned()));
        } else {
            others.push(name);
        }
    }
    (told, others)
}

/// Which bytes a stored part has, and of how many.
pub(super) fn part(record: &Record, length: u64) -> Option<(u64, u64, Option<u64>)> {
    let part = record.part?;
    Some((part.first, (part.first + length).saturating_sub(1), part.complete_len))
}

/// The fields by which a stored response can be validated.
pub(super) fn validators(record: &Record) -> Vec<&'static str> {
    let etag = record.etag.as_ref().map(|_| "ETag");
    etag.into_iter().chain(record.has_last_modified().then_some("Last-Modified")).collect()
}

/// The option that has the TLS of a host opened, where nothing speaks against it.
pub(super) fn opening(unrouted: &Unrouted) -> Option<String> {
    match unrouted {
        Unrouted::Tunnelled { host, by: Closed::NotChosen } => Some(format!("--intercept {host}")),
        _ => None,
    }
}

/// What is to be said where the server does not do what is on disk, or was asked in another way than its clients ask.
pub(super) fn note(story: &Story, server: &Asked) -> Option<&'static str> {
    let secure = || story.url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let Some(explained) = story.routed.as_ref().and_then(|looked| looked.explained()) else {
        let tunnelled = server.as_proxy && secure();
        return tunnelled.then_some(
            "clients reach this URL through a tunnel (CONNECT): they get that answer where the proxy opens its TLS",
        );
    };
    let stored = matches!(explained.decision, Decision::Serve { .. });
    match (stored, server.hits()) {
        (true, false) => Some(
            "the store has what the server did not use: is it the same --cache-dir, and are they the same options?",
        ),
        (false, true) => {
            Some("the server has what is not in the store: its memory knows more, or its options are others")
        }
        _ => None,
    }
}
