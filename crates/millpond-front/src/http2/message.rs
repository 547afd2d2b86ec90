//! From the text a service answers in to the field maps that the `h2` crate takes, and back for trailers.

use crate::chunked::may_trail;
use crate::respond::{Coding, append_length};
use crate::{WireHead, date, workspace};
use bytes::Bytes;
use http::header::{TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use millpond_exchange::{Fields, Timestamp};

/// Names in every reply of a cache that the `http` crate does not know: a constant costs no allocation.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `head` completed, with the length where `coding` has one to tell.
pub(super) fn final_head(head: WireHead, coding: Coding, now: Timestamp) -> Response<()> {
    let (has, status) = (head.has, head.status());
    let mut text = head.into_text();
    if !has.date {
        date::append(&mut text, now);
    }
    if let Coding::Length(length) | Coding::Bodiless(Some(length)) = coding {
        append_length(&mut text, length);
    }
    let response = response(status, &text);
    workspace::give_vec(text);
    response
}

/// The interim responses in `text`, each a complete head.
pub(super) fn interim_heads(text: &[u8]) -> Vec<Response<()>> {
    let mut heads = Vec::new();
    let mut rest = text;
    while let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") {
        let (head, after) = rest.split_at(end + 4);
        // `HTTP/1.1 103 Early Hints`
        let status = head.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
        heads.extend(status.map(|status| response(status, &head[..end + 2])));
        rest = after;
    }
    heads
}

/// A response of `status` with the field lines of `text`, which begins with a status line.
fn response(status: StatusCode, text: &[u8]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let start = memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1);
    *response.headers_mut() = field_map(&text[start..]);
    response
}

/// The lines of `text`, each valid and ended by CRLF. Values share one allocation.
fn field_map(text: &[u8]) -> HeaderMap {
    let text = Bytes::copy_from_slice(text);
    let mut map = HeaderMap::with_capacity(16);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', &text) {
        let line = start..end.saturating_sub(1);
        start = end + 1;
        let Some(colon) = memchr::memchr(b':', &text[line.clone()]) else { continue };
        let value = line.start + colon + 2..line.end;
        if let Some(name) = name_of(&text[line.start..line.start + colon]) {
            append(&mut map, name, text.slice(value));
        }
    }
    map
}

/// `None` for what no HTTP/2 message may have (RFC 9113 section 8.2.2), beside what [`WireHead`] leaves out already.
fn name_of(text: &[u8]) -> Option<HeaderName> {
    if text.eq_ignore_ascii_case(b"x-cache") {
        return Some(X_CACHE);
    }
    if text.eq_ignore_ascii_case(b"x-request-id") {
        return Some(X_REQUEST_ID);
    }
    HeaderName::from_bytes(text).ok().filter(|name| *name != UPGRADE && *name != TE)
}

fn append(map: &mut HeaderMap, name: HeaderName, value: Bytes) {
    let value = HeaderValue::from_maybe_shared(value);
    let appended = value.is_ok_and(|value| map.try_append(name, value).is_ok());
    if !appended {
        tracing::debug!("a field cannot be sent over HTTP/2 and is left out");
    }
}

/// The trailers that may be sent; `None` when there are none.
pub(super) fn trailer_map(fields: &Fields) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for field in fields.iter().filter(|field| may_trail(field.name_str())) {
        if let Some(name) = name_of(field.name) {
            append(&mut map, name, Bytes::copy_from_slice(field.value));
        }
    }
    Some(map).filter(|map| !map.is_empty())
}

/// The trailers of a request that a service gets to see.
pub(super) fn received_trailers(map: &HeaderMap) -> Fields {
    let allowed = map.iter().filter(|(name, _)| may_trail(name.as_str()));
    allowed.map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}
