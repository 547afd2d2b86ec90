//! A request that came in HTTP/2 frames: the same checks as for one that came in text, so that nothing reaches a
//! service, and through it an origin that speaks HTTP/1.1, that could not have come the other way.
//!
//! The `h2` crate has refused by now (RFC 9113 section 8): names with upper case letters, connection-specific fields, a TE other than
//! `trailers`, pseudo-fields that are missing, repeated, unknown or late, control bytes in values, and a
//! Content-Length that an empty body contradicts.

use super::fields::{Seen, reuse};
use super::{Facts, Framing, target};
use crate::{FrontLimits, Refusal, Request, TargetForm};
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};
use httparse::Header;
use millpond_exchange::Scheme;

/// Colon, space and line end: what a line has in HTTP/1.1 beside name and value, so that one limit means the same.
const LINE_OVERHEAD: usize = 4;

/// Reads `parts` into `request`, whose buffers are reused. `ended` when no body follows.
pub(crate) fn from_http2(
    parts: &Parts,
    ended: bool,
    limits: &FrontLimits,
    scheme: Scheme,
    request: &mut Request,
) -> Result<Facts, Refusal> {
    if parts.method == Method::CONNECT {
        return Err(Refusal::Tunnel);
    }
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).as_bytes();
    if path.len() > limits.target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    let bytes = head_bytes(parts, path.len(), limits)?;
    if request.head.method != parts.method {
        request.head.method = parts.method.clone();
    }
    request.head.version = Version::HTTP_2;
    request.head.scheme = scheme;
    target::read_path(path, request)?;
    request.head.fields = reuse(std::mem::take(&mut request.head.fields), bytes);
    let mut seen = Seen::default();
    authority(&parts.uri, &parts.headers, &mut seen, request)?;
    other_scheme(&parts.uri, request)?;
    fields(&parts.headers, &mut seen, request)?;
    let mut facts = seen.conclude(request)?;
    if !ended && facts.framing == Framing::None {
        // Frames delimit it; towards HTTP/1.1 that is what the chunked coding is for.
        facts.framing = Framing::Chunked;
        facts.expects_continue = seen.expects_continue();
    }
    request.accepts_trailers = facts.accepts_trailers;
    request.body_length = facts.framing.length();
    Ok(facts)
}

/// What the head would take in HTTP/1.1, if that is within the limits.
fn head_bytes(parts: &Parts, path: usize, limits: &FrontLimits) -> Result<usize, Refusal> {
    // A cookie may come in pieces, one for each pair (RFC 9113 section 8.2.3); they become one line again.
    let pieces = parts.headers.get_all(COOKIE).iter().count();
    let lines = parts.headers.len() - pieces.saturating_sub(1);
    let bytes: usize =
        parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_OVERHEAD).sum();
    let authority = parts.uri.authority().map_or(0, |authority| authority.as_str().len() + LINE_OVERHEAD);
    let all = bytes + authority + path + parts.method.as_str().len();
    if lines > limits.fields || all > limits.head_bytes {
        return Err(Refusal::HeadTooLarge);
    }
    Ok(all)
}

/// `:authority`, else Host; where both are there they must agree (RFC 9113 section 8.3.1). It stands in `Host`, the first field.
fn authority(uri: &Uri, headers: &HeaderMap, seen: &mut Seen, request: &mut Request) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter().map(http::HeaderValue::as_bytes);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::Host);
    }
    let value = match (uri.authority().map(|authority| authority.as_str().as_bytes()), host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => return Err(Refusal::Host),
        (Some(value), _) | (None, Some(value)) => value,
        (None, None) => return Err(Refusal::Host),
    };
    seen.line(&Header { name: "host", value }, request)
}

/// A scheme other than the connection's counts as an absolute-form target with that scheme: the service decides.
fn other_scheme(uri: &Uri, request: &mut Request) -> Result<(), Refusal> {
    let scheme = match uri.scheme_str() {
        // Without `:authority` the `h2` crate does not tell the scheme.
        None => return Ok(()),
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
        Some(_) => return Err(Refusal::Target),
    };
    if scheme != request.head.scheme {
        request.head.scheme = scheme;
        request.form = TargetForm::Absolute;
    }
    Ok(())
}

fn fields(headers: &HeaderMap, seen: &mut Seen, request: &mut Request) -> Result<(), Refusal> {
    let mut cookie_done = false;
    for (name, value) in headers {
        let bytes = value.as_bytes();
        // RFC 9113 section 8.2.1: such a request is malformed. In text the space would be no part of the value.
        let padded = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
        if padded(bytes.first()) || padded(bytes.last()) {
            return Err(Refusal::FieldLine);
        }
        if name == HOST || name == COOKIE && cookie_done {
            continue;
        }
        if name == COOKIE && headers.get_all(COOKIE).iter().nth(1).is_some() {
            let pieces: Vec<&[u8]> =
                headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes).collect();
            let joined = pieces.join(&b"; "[..]);
            seen.line(&Header { name: name.as_str(), value: &joined }, request)?;
            cookie_done = true;
            continue;
        }
        seen.line(&Header { name: name.as_str(), value: bytes }, request)?;
    }
    Ok(())
}
