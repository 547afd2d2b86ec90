//! Field values.

use super::params::{self, Kind};
use super::{REDACTED, Rules};
use crate::Pairs;
use millpond_exchange::CREDENTIAL_FIELDS;

/// The schemes of credentials that stay (RFC 9110 section 11.1 and the registry it makes, with some that are not in it). What
/// stands where a scheme should be may be the secret itself.
const SCHEMES: [&str; 20] = [
    "apikey",
    "aws4-hmac-sha256",
    "basic",
    "bearer",
    "concealed",
    "digest",
    "dpop",
    "gnap",
    "hawk",
    "hoba",
    "mutual",
    "negotiate",
    "ntlm",
    "oauth",
    "privatetoken",
    "scram-sha-1",
    "scram-sha-256",
    "sharedkey",
    "token",
    "vapid",
];

/// Tokens against forged requests: they belong to a session, though they name nobody.
const SESSION_TOKENS: [&str; 2] = ["x-csrf-token", "x-xsrf-token"];

/// The attributes of cookies that stay (RFC 6265 section 4.1.2 and what came after it). An unknown one may be the end of a
/// value with a semicolon in it.
const ATTRIBUTES: [&str; 9] =
    ["domain", "expires", "httponly", "max-age", "partitioned", "path", "priority", "samesite", "secure"];

/// Takes the secrets out of field lines; true when there were any.
pub(super) fn redact(rules: &Rules, fields: &mut Pairs) -> bool {
    let mut changed = false;
    fields.change(|name, value| {
        let new = redacted(rules, name, value).filter(|new| new != value);
        changed |= new.is_some();
        new
    });
    changed
}

/// A value without its secrets; `None` when there are none.
pub(crate) fn redacted(rules: &Rules, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if rules.fields.has(name) || CREDENTIAL_FIELDS.iter().chain(&SESSION_TOKENS).any(|known| is(known)) {
        return Some(REDACTED.into());
    }
    if is("authorization") || is("proxy-authorization") {
        return Some(credentials(value));
    }
    if is("cookie") {
        return Some(cookie(value));
    }
    if is("set-cookie") {
        return Some(set_cookie(value));
    }
    if is("host") || is(":authority") {
        return authority(value);
    }
    params::redact(&rules.params, value, Kind::Text)
}

/// An authority without its user information; `None` when it has none.
pub(super) fn authority(value: &[u8]) -> Option<Vec<u8>> {
    let at = value.iter().rposition(|byte| *byte == b'@')?;
    Some([REDACTED.as_bytes(), &value[at..]].concat()).filter(|new| new != value)
}

fn credentials(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let scheme = &value[..end];
    let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()));
    if known && end < value.len() { [scheme, b" ", REDACTED.as_bytes()].concat() } else { REDACTED.into() }
}

/// Names stay, since a name says what kind of cookie it is and not whose.
fn cookie(value: &[u8]) -> Vec<u8> {
    join(value.split(|byte| *byte == b';').map(pair))
}

fn set_cookie(value: &[u8]) -> Vec<u8> {
    let mut pieces = value.split(|byte| *byte == b';');
    let first = pieces.next().map(pair);
    join(first.into_iter().chain(pieces.map(|piece| {
        let piece = piece.trim_ascii();
        let name = piece.split(|byte| *byte == b'=').next().unwrap_or(piece).trim_ascii();
        let known = ATTRIBUTES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if known || piece.is_empty() { piece.to_vec() } else { REDACTED.into() }
    })))
}

/// One `name=value`. Without a name, all of it is the value.
fn pair(piece: &[u8]) -> Vec<u8> {
    let piece = piece.trim_ascii();
    match piece.iter().position(|byte| *byte == b'=') {
        Some(equals) => [&piece[..=equals], REDACTED.as_bytes()].concat(),
        None if piece.is_empty() => Vec::new(),
        None => REDACTED.into(),
    }
}

fn join(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    pieces.collect::<Vec<_>>().join(&b"; "[..])
}
