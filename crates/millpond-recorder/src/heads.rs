//! Heads between the HTTP layer and a tape.

use crate::Asked;
use millpond_exchange::{Fields, RequestHead, ResponseHead, StatusCode, Version};
use millpond_tape::{Pairs, RecordedRequest, RecordedResponse};

/// A version as a tape writes it.
pub const fn recorded_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

fn version(recorded: &[u8]) -> Version {
    match recorded {
        b"HTTP/1.0" => Version::HTTP_10,
        b"HTTP/2.0" | b"HTTP/2" | b"h2" => Version::HTTP_2,
        b"HTTP/3" | b"HTTP/3.0" | b"h3" => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

pub(crate) fn pairs(fields: &Fields) -> Pairs {
    fields.iter().map(|field| (field.name, field.value)).collect()
}

/// The request of `asked`, begun at `started`; its fields are all that came, so that the caller takes off what belongs to
/// one connection.
pub(crate) fn recorded_request(asked: &Asked<'_>, started: f64) -> RecordedRequest {
    let RequestHead { method, scheme, authority, path_and_query, version, fields } = asked.head;
    let mut fields = pairs(fields);
    let is_http2 = *version == Version::HTTP_2;
    if is_http2 {
        // RFC 9113 section 8.3.1: `:authority` stands in its place.
        fields.remove("host");
    }
    let authority = if is_http2 || asked.absolute { authority.as_bytes().to_vec() } else { Vec::new() };
    RecordedRequest {
        method: method.as_str().into(),
        scheme: scheme.as_str().into(),
        host: asked.host.to_owned(),
        port: asked.port,
        authority,
        path: path_and_query.as_bytes().to_vec(),
        version: recorded_version(*version).into(),
        fields,
        content: asked.content.clone(),
        trailers: None,
        started,
        ended: None,
    }
}

/// The response with `head`, begun at `started`.
pub(crate) fn recorded_response(head: &ResponseHead, started: f64) -> RecordedResponse {
    RecordedResponse {
        status: head.status.as_u16(),
        reason: match head.version {
            // RFC 9113 section 8.3.2: there is none.
            Version::HTTP_2 | Version::HTTP_3 => Vec::new(),
            _ => head.reason_phrase().into(),
        },
        version: recorded_version(head.version).into(),
        fields: pairs(&head.fields),
        content: None,
        trailers: None,
        started,
        ended: None,
    }
}

/// The head of a recorded response; `None` where its status is none of HTTP's. Fields that cannot be sent are left out.
pub fn response_head(response: &RecordedResponse) -> Option<ResponseHead> {
    let status = StatusCode::from_u16(response.status).ok()?;
    let mut head = ResponseHead::new(status);
    head.version = version(&response.version);
    head.reason = std::str::from_utf8(&response.reason)
        .ok()
        .filter(|reason| !reason.is_empty() && Some(*reason) != status.canonical_reason())
        .map(Into::into);
    head.fields = response.fields.iter().collect();
    Some(head)
}
