//! Answering conditional requests from a stored response (RFC 9111 section 4.3.2, RFC 9110 section 13).
//! Requests that the cache itself makes conditional are in `validate`.

use crate::dates::parse_date;
use crate::etag::{EntityTag, entity_tags};
use crate::request::{RequestFacts, RequestFlags};
use millpond_exchange::{Fields, Record, ResponseHead, StatusCode};

/// How a stored response answers the preconditions of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluate {
    /// Send the stored response.
    Send,
    /// The client has it: send 304 (Not Modified), see [`not_modified_head`].
    NotModified,
    /// If-Match or If-Unmodified-Since, which only the origin evaluates: forward the request as it is.
    Forward,
}

/// Evaluates the preconditions of a request against `record`, in the order of RFC 9110 section 13.2.2.
pub fn precondition(record: &Record, facts: &RequestFacts, fields: &Fields) -> Evaluate {
    // Steps 1 and 2. RFC 9111 section 4.3.2: these "are not applicable to a cache".
    if facts.flags.intersects(RequestFlags::IF_MATCH | RequestFlags::IF_UNMODIFIED_SINCE) {
        return Evaluate::Forward;
    }
    // RFC 9110 section 13.2.1: a precondition only counts where the response would otherwise be a success.
    if !matches!(record.status, 200..=299) {
        return Evaluate::Send;
    }
    // Step 3.
    if facts.has(RequestFlags::IF_NONE_MATCH) {
        return if none_match(record, fields) { Evaluate::Send } else { Evaluate::NotModified };
    }
    // Step 4.
    if facts.has(RequestFlags::IF_MODIFIED_SINCE) && !modified_since(record, fields) {
        return Evaluate::NotModified;
    }
    Evaluate::Send
}

/// RFC 9110 section 13.1.2, with the weak comparison.
fn none_match(record: &Record, fields: &Fields) -> bool {
    let lines = || fields.get_all("if-none-match");
    if lines().any(|line| line == b"*") {
        return false;
    }
    let Some(stored) = record.etag.as_deref() else { return true };
    let stored = EntityTag::parse(stored);
    !entity_tags(lines()).any(|tag| tag.weak_eq(&stored))
}

/// RFC 9110 section 13.1.3; where the stored response has no Last-Modified, its Date or the time of receipt
/// serves (RFC 9111 section 4.3.2). An invalid date, or several lines, are ignored.
fn modified_since(record: &Record, fields: &Fields) -> bool {
    let mut lines = fields.get_all("if-modified-since");
    let (Some(line), None) = (lines.next(), lines.next()) else { return true };
    let stored = match record.last_modified {
        Some(last_modified) => last_modified,
        None => match record.last_modified_text() {
            // A Last-Modified that is no date says nothing but that it is not known.
            Some(text) => return *line != *text,
            None => record.date,
        },
    };
    parse_date(line).is_none_or(|since| stored > since)
}

/// The 304 (Not Modified) that stands for the stored `head`: exactly the fields of RFC 9110 section 15.4.5,
/// and Last-Modified where there is no ETag. Age is for the caller to add.
pub fn not_modified_head(head: &ResponseHead) -> ResponseHead {
    const KEPT: [&str; 6] = ["cache-control", "content-location", "date", "etag", "expires", "vary"];
    let with_last_modified = !head.fields.contains("etag");
    let mut answer = ResponseHead::new(StatusCode::NOT_MODIFIED);
    for field in head.fields.iter() {
        let kept = KEPT.iter().any(|name| field.is(name));
        if kept || (with_last_modified && field.is("last-modified")) {
            // Valid by construction.
            let _ = answer.fields.append(field.name, field.value);
        }
    }
    answer
}
