//! The request fields that count.

use super::MatchRules;
use super::key::Parts;
use crate::Pairs;
use crate::redact::media;
use std::borrow::Cow;

/// Fields that `*` does not stand for: they belong to the connection (RFC 9110 section 7.6.1), repeat the URL, or describe
/// the body as it was sent, and the body counts itself.
const NOT_ALL: [&str; 16] = [
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "digest",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "repr-digest",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The fields that count, each with all of its lines; in the order of their names, lower case.
pub(super) fn counted<'a>(rules: &MatchRules, fields: &'a Pairs) -> Vec<(String, Cow<'a, [u8]>)> {
    if rules.fields.is_empty() {
        return Vec::new();
    }
    let lines = fields.iter().filter(|(name, _)| counts(rules, name));
    let mut found: Vec<_> = lines
        .map(|(name, value)| {
            let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
            let value = normal(rules, &lower, value.trim_ascii());
            (lower, value)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

pub(super) fn add(rules: &MatchRules, fields: &Pairs, parts: &mut Parts) {
    for (name, value) in counted(rules, fields) {
        parts.text(b'N', name.as_bytes());
        parts.text(b'V', &value);
    }
}

fn counts(rules: &MatchRules, name: &[u8]) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let named = rules.fields.iter().any(|known| is(known));
    let all = || rules.fields.iter().any(|known| known == "*");
    let left_out =
        || NOT_ALL.iter().any(|known| is(known)) || rules.ignore_fields.iter().any(|known| is(known));
    named || (all() && !left_out())
}

fn normal<'a>(rules: &MatchRules, name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    if let Some(redacted) = rules.redaction().and_then(|redact| redact.field(name.as_bytes(), value)) {
        return Cow::Owned(redacted);
    }
    // A boundary is made up anew for every body.
    let is_parts = name == "content-type" && matches!(media::Media::named(value), media::Media::Multipart(_));
    if !is_parts {
        return Cow::Borrowed(value);
    }
    let kind = value.split(|byte| *byte == b';').next().unwrap_or(value);
    Cow::Owned(kind.trim_ascii().to_ascii_lowercase())
}
