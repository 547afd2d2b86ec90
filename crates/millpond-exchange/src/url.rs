//! URL normalisation by RFC 3986 section 6.2, and nothing beyond it; plus splitting and resolving of http URLs.
//!
//! What must not live here: rules of a route (sorting or dropping query parameters is [`crate::QueryRules`]), and
//! anything that guesses: blank values, the order of the query and encoded reserved characters stay as they came.

use crate::Scheme;
use std::borrow::Cow;
use thiserror::Error;

/// Why a text is not an absolute http or https URL. Always the giver's fault; the same text never works later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It does not begin with `http://` or `https://`.
    #[error("not an absolute http or https URL")]
    Scheme,
    /// The host is empty (RFC 9110 section 4.2.1: such a URI is invalid).
    #[error("the URL names no host")]
    NoHost,
    /// The authority has user information, which RFC 9110 section 4.2.4 says to treat as an error.
    #[error("the URL carries user information")]
    UserInfo,
    /// The host has a byte that RFC 3986 section 3.2.2 does not allow there.
    #[error("the URL's host is not valid")]
    Host,
    /// The port is not a number up to 65535.
    #[error("the URL's port is not valid")]
    Port,
    /// A space or control byte.
    #[error("the URL holds a space or a control byte")]
    Byte,
}

/// An authority in normal form: host in lower case, no empty or default port, escapes as in
/// [`normalise_path_and_query`] (RFC 3986 sections 6.2.2 and 6.2.3). Allocates only when something changes.
///
/// Total: what is not a valid authority comes back with its letters lowered and is not made valid.
pub fn normalise_authority(scheme: Scheme, authority: &str) -> Cow<'_, str> {
    if !any_byte(authority, |b| b.is_ascii_uppercase() | matches!(b, b'%' | b':')) {
        return Cow::Borrowed(authority);
    }
    if authority.bytes().all(|b| !b.is_ascii_uppercase() && b != b'%') {
        return Cow::Borrowed(without_default_port(scheme, authority));
    }
    // User information, which a valid http URL does not have, keeps its case.
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let mut out = String::with_capacity(authority.len());
    out.push_str(&normalise_escapes(user));
    lower_outside_escapes(&normalise_escapes(host), &mut out);
    out.truncate(without_default_port(scheme, &out).len());
    if out == authority { Cow::Borrowed(authority) } else { Cow::Owned(out) }
}

/// A path with its query in normal form (RFC 3986 sections 6.2.2.2, 6.2.2.3, 6.2.3): escapes of unreserved characters
/// decoded, other escapes with upper-case digits, then dot segments of the path removed; an empty path becomes `/`.
/// `%2F` stays, so does every byte of the query that is not an escape, so does the asterisk form `*`. Allocates only
/// when something changes.
pub fn normalise_path_and_query(text: &str) -> Cow<'_, str> {
    let dots_after_slash =
        text.as_bytes().windows(2).fold(0, |found, pair| found + usize::from(pair == b"/."));
    let suspicious = dots_after_slash > 0 || !text.starts_with('/') || any_byte(text, |b| b == b'%');
    if !suspicious || text == "*" {
        return Cow::Borrowed(text);
    }
    let decoded = normalise_escapes(text);
    let (path, query) = split_query(&decoded);
    if path.starts_with('/') && !has_dot_segment(path) {
        return decoded;
    }
    let mut out = String::with_capacity(decoded.len() + 1);
    remove_dot_segments(path, &mut out);
    out.push_str(query);
    Cow::Owned(out)
}

/// An absolute http or https URL in normal form, without its fragment.
///
/// # Errors
/// As [`split`].
pub fn normalise(url: &str) -> Result<String, UrlError> {
    let (scheme, authority, path_and_query) = split(url)?;
    let authority = normalise_authority(scheme, authority);
    let path_and_query = normalise_path_and_query(path_and_query);
    Ok(format!("{scheme}://{authority}{path_and_query}"))
}

/// The scheme, authority, and path with query of an absolute http or https URL, as written; the fragment is dropped.
/// The path may be empty.
///
/// # Errors
/// [`UrlError`] says which part is not valid.
pub fn split(url: &str) -> Result<(Scheme, &str, &str), UrlError> {
    let colon = url.find("://").ok_or(UrlError::Scheme)?;
    let scheme = match &url[..colon] {
        name if name.eq_ignore_ascii_case("http") => Scheme::Http,
        name if name.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => return Err(UrlError::Scheme),
    };
    let rest = &url[colon + 3..];
    let rest = &rest[..rest.find('#').unwrap_or(rest.len())];
    if rest.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(UrlError::Byte);
    }
    let (authority, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    check_authority(authority)?;
    Ok((scheme, authority, path_and_query))
}

/// The URL that `reference` (a Location or Content-Location field value) means, seen from a base (RFC 3986 section
/// 5.2.2), in normal form. `None` when that is not a valid http or https URL.
pub fn resolve(scheme: Scheme, authority: &str, path_and_query: &str, reference: &str) -> Option<String> {
    let reference = &reference[..reference.find('#').unwrap_or(reference.len())];
    if has_scheme(reference) {
        return normalise(reference).ok();
    }
    if reference.starts_with("//") {
        return normalise(&format!("{scheme}:{reference}")).ok();
    }
    let (base_path, _) = split_query(path_and_query);
    let target = match reference.as_bytes().first() {
        None => Cow::Borrowed(path_and_query),
        Some(b'/') => Cow::Borrowed(reference),
        Some(b'?') => Cow::Owned(format!("{base_path}{reference}")),
        Some(_) => {
            let directory = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
            Cow::Owned(format!("{directory}{reference}"))
        }
    };
    let slash = if target.starts_with(['/', '?']) || target.is_empty() { "" } else { "/" };
    normalise(&format!("{scheme}://{authority}{slash}{target}")).ok()
}

/// True when both are valid http or https URLs of the same origin: scheme, host and port (RFC 9110 section 4.3.1).
pub fn same_origin(a: &str, b: &str) -> bool {
    let origin =
        |url| split(url).map(|(scheme, authority, _)| (scheme, normalise_authority(scheme, authority)));
    matches!((origin(a), origin(b)), (Ok(a), Ok(b)) if a == b)
}

/// `text` cut before its first `?`.
pub(crate) fn split_query(text: &str) -> (&str, &str) {
    text.split_at(text.find('?').unwrap_or(text.len()))
}

/// True when one of the bytes passes. Looks at all of them without a branch, which for the length of a URL is faster
/// than stopping early.
fn any_byte(text: &str, wanted: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |found, b| found | wanted(b))
}

/// `authority` without an empty port, or the one its scheme means anyway.
fn without_default_port(scheme: Scheme, authority: &str) -> &str {
    let Some(colon) = port_colon(authority) else { return authority };
    let port = &authority[colon + 1..];
    let meant = port.is_empty() || port.parse() == Ok(scheme.default_port());
    if meant && port.bytes().all(|b| b.is_ascii_digit()) { &authority[..colon] } else { authority }
}

/// Where the colon before the port is, if the authority has one. A host in brackets may hold colons of its own; any
/// other host with a second colon is not valid, and taking one off would not be the end of it.
fn port_colon(authority: &str) -> Option<usize> {
    let host = authority.rfind('@').map_or(0, |at| at + 1);
    let from = if authority[host..].starts_with('[') { host + authority[host..].find(']')? } else { host };
    let colon = from + authority[from..].find(':')?;
    (!authority[colon + 1..].contains([':', ']'])).then_some(colon)
}

fn check_authority(authority: &str) -> Result<(), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let colon = port_colon(authority);
    let (host, port) = colon.map_or((authority, ""), |colon| (&authority[..colon], &authority[colon + 1..]));
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let literal = host.strip_prefix('[').map(|host| host.strip_suffix(']'));
    let valid = match literal {
        Some(Some(address)) => !address.is_empty() && address.bytes().all(|b| is_host_byte(b) || b == b':'),
        Some(None) => false,
        None => host.bytes().all(is_host_byte),
    };
    if !valid {
        return Err(UrlError::Host);
    }
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    if digits && (port.is_empty() || port.parse::<u16>().is_ok()) { Ok(()) } else { Err(UrlError::Port) }
}

/// A byte of `reg-name` (RFC 3986 section 3.2.2).
const fn is_host_byte(b: u8) -> bool {
    is_unreserved(b)
        || matches!(b, b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// RFC 3986 section 2.3.
const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// True when `reference` begins with a scheme (RFC 3986 section 3.1).
fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']).unwrap_or(reference.len());
    let name = &reference.as_bytes()[..end];
    let scheme_byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    reference[end..].starts_with(':')
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(scheme_byte)
}

/// What the escape at the beginning of `rest` stands for, if it is a valid one.
fn escaped_byte(rest: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = rest else { return None };
    let digit = |b: &u8| char::from(*b).to_digit(16).map(|value| value as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

/// True when a hex digit put after `before` would complete an escape that was not there: `before` ends in a lone `%`,
/// or one with a single digit. Decoding there would change the meaning, and the result would not be a fixed point.
fn ends_in_open_escape(before: &[u8]) -> bool {
    match before {
        [.., b'%'] => true,
        [.., b'%', digit] => digit.is_ascii_hexdigit(),
        _ => false,
    }
}

/// What becomes of the escape that `rest` begins with, when it follows `before` in the output.
enum Escape {
    /// It stays as it is (or is not an escape at all).
    Stays,
    /// It stands for an unreserved character.
    Decodes(char),
    /// It keeps standing, with upper-case digits.
    Raises,
}

fn judge_escape(before: &[u8], rest: &[u8]) -> Escape {
    match escaped_byte(rest) {
        Some(b) if is_unreserved(b) && !(b.is_ascii_hexdigit() && ends_in_open_escape(before)) => {
            Escape::Decodes(char::from(b))
        }
        Some(_) if rest[1].is_ascii_lowercase() || rest[2].is_ascii_lowercase() => Escape::Raises,
        None | Some(_) => Escape::Stays,
    }
}

/// Escapes of unreserved characters decoded, the others with upper-case digits. A `%` that begins no escape stays.
fn normalise_escapes(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|b| *b == b'%') {
        at += found;
        if !matches!(judge_escape(&bytes[..at], &bytes[at..]), Escape::Stays) {
            return Cow::Owned(rewrite_escapes(text, at));
        }
        at += if escaped_byte(&bytes[at..]).is_some() { 3 } else { 1 };
    }
    Cow::Borrowed(text)
}

/// As [`normalise_escapes`], known to change nothing before `from`.
fn rewrite_escapes(text: &str, from: usize) -> String {
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..from]);
    let mut rest = &text[from..];
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        rest = &rest[percent..];
        let width = if escaped_byte(rest.as_bytes()).is_some() { 3 } else { 1 };
        match judge_escape(out.as_bytes(), rest.as_bytes()) {
            Escape::Decodes(c) => out.push(c),
            Escape::Raises => out.push_str(&rest[..width].to_ascii_uppercase()),
            Escape::Stays => out.push_str(&rest[..width]),
        }
        rest = &rest[width..];
    }
    out.push_str(rest);
    out
}

/// Appends `host` in lower case, its escapes as they are.
fn lower_outside_escapes(host: &str, out: &mut String) {
    let mut rest = host;
    while let Some(percent) = rest.find('%') {
        let width = if escaped_byte(&rest.as_bytes()[percent..]).is_some() { 3 } else { 1 };
        out.push_str(&rest[..percent].to_ascii_lowercase());
        out.push_str(&rest[percent..percent + width]);
        rest = &rest[percent + width..];
    }
    out.push_str(&rest.to_ascii_lowercase());
}

fn has_dot_segment(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.windows(2).enumerate().any(|(at, pair)| {
        pair == b"/." && matches!(&bytes[at + 2..], [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..])
    })
}

/// RFC 3986 section 5.2.4, for a path seen as absolute.
fn remove_dot_segments(path: &str, out: &mut String) {
    let start = out.len();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    let parent = out[start..].rfind('/').unwrap_or(0);
                    out.truncate(start + parent);
                }
                if last {
                    out.push('/');
                }
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
}
