//! Request targets (RFC 9112 section 3.2): four forms, each with the methods it goes with.

use super::host;
use crate::{Refusal, Request, TargetForm};
use http::Method;
use millpond_exchange::Scheme;

/// Reads `target` into `request`, whose method is known by now. The authority of origin-form comes from Host, later.
pub(super) fn read(target: &[u8], request: &mut Request) -> Result<(), Refusal> {
    request.head.authority.clear();
    request.head.path_and_query.clear();
    if request.head.method == Method::CONNECT {
        return authority_form(target, request);
    }
    match target {
        [b'/', ..] | b"*" => path_form(target, request),
        _ => absolute_form(target, request),
    }
}

/// Reads the `:path` of HTTP/2 into `request` (RFC 9113 section 8.3.1): origin-form or asterisk-form.
pub(super) fn read_path(target: &[u8], request: &mut Request) -> Result<(), Refusal> {
    request.head.authority.clear();
    request.head.path_and_query.clear();
    path_form(target, request)
}

fn path_form(target: &[u8], request: &mut Request) -> Result<(), Refusal> {
    match target {
        [b'/', ..] => {
            request.form = TargetForm::Origin;
            push_path(target, request)
        }
        b"*" if request.head.method == Method::OPTIONS => {
            request.form = TargetForm::Asterisk;
            request.head.path_and_query.push('*');
            Ok(())
        }
        _ => Err(Refusal::Target),
    }
}

/// `host:port`; the port is mandatory (RFC 9112 section 3.2.3).
fn authority_form(target: &[u8], request: &mut Request) -> Result<(), Refusal> {
    let with_port = match memchr::memrchr(b':', target) {
        Some(colon) => target[colon + 1..].iter().all(u8::is_ascii_digit),
        None => false,
    };
    if !with_port || !host::is_valid(target) {
        return Err(Refusal::Target);
    }
    request.form = TargetForm::Authority;
    push_ascii(&mut request.head.authority, target);
    Ok(())
}

/// `http://authority/path?query`. Userinfo is refused (RFC 9110 section 4.2.4).
fn absolute_form(target: &[u8], request: &mut Request) -> Result<(), Refusal> {
    let (scheme, rest) = split_scheme(target).ok_or(Refusal::Target)?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !host::is_valid(authority) {
        return Err(Refusal::Target);
    }
    request.form = TargetForm::Absolute;
    request.head.scheme = scheme;
    push_ascii(&mut request.head.authority, authority);
    if path.is_empty() && request.head.method == Method::OPTIONS {
        // RFC 9112 section 3.2.4: this is how a client says `*` to a proxy.
        request.head.path_and_query.push('*');
        return Ok(());
    }
    if !path.starts_with(b"/") {
        request.head.path_and_query.push('/');
    }
    push_path(path, request)
}

fn split_scheme(target: &[u8]) -> Option<(Scheme, &[u8])> {
    let colon = memchr::memchr(b':', target)?;
    let rest = target[colon + 1..].strip_prefix(b"//")?;
    if target[..colon].eq_ignore_ascii_case(b"http") {
        Some((Scheme::Http, rest))
    } else if target[..colon].eq_ignore_ascii_case(b"https") {
        Some((Scheme::Https, rest))
    } else {
        None
    }
}

/// Path and query, byte by byte as sent. Clients leave a few bytes unescaped that RFC 3986 would escape (`|`, `{`, `^`
/// and others): those pass, as far as the `http` crate lets them go on to an origin. A fragment is never sent; controls,
/// spaces and raw non-ASCII bytes are no part of any URI.
fn push_path(text: &[u8], request: &mut Request) -> Result<(), Refusal> {
    let (path, query) = text.split_at(memchr::memchr(b'?', text).unwrap_or(text.len()));
    if !path.iter().all(|b| is_uri_byte(*b) && *b != b'`')
        || !query.iter().all(|b| is_uri_byte(*b) && *b != b'"')
    {
        return Err(Refusal::Target);
    }
    push_ascii(&mut request.head.path_and_query, text);
    Ok(())
}

const fn is_uri_byte(b: u8) -> bool {
    b > b' ' && b < 0x7f && !matches!(b, b'#' | b'<' | b'>')
}

/// Appends bytes that were found to be ASCII.
fn push_ascii(to: &mut String, text: &[u8]) {
    to.push_str(std::str::from_utf8(text).unwrap_or_default());
}
