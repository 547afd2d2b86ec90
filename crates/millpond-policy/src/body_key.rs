//! The part of a key that stands for a request's content, where the content belongs to what is asked: QUERY (RFC 10008
//! section 2.7), and POST where a route says so.
//!
//! What must not live here: how much content is read, and which requests are keyed by it; that is the engine's.

use crate::directives::each_directive;
use millpond_exchange::{Fields, json};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// The request fields that say what the content means, and belong to it ("related metadata"): those of RFC 9110 section 8
/// that describe a representation, and Content-Range, by which a server that knows it takes the content for a part of one
/// (section 14.5). Validators and digests say nothing that the content does not.
const METADATA: [&str; 5] =
    ["content-type", "content-encoding", "content-language", "content-location", "content-range"];

/// Digests the content of a request with the fields that say what it means: what [`millpond_exchange::KeyParts`] takes.
///
/// JSON counts without whitespace and without the order of members, unless the request says no-transform, by which a client
/// asks for no such thing. Content with a coding counts as it is: bytes that a coding turns into other bytes are another
/// request, which costs hits and never mixes two.
pub fn content_digest(fields: &Fields, content: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in METADATA {
        let lines = fields.get_all(name);
        update_length(&mut hash, lines.clone().count());
        for line in lines {
            update(&mut hash, line.trim_ascii());
        }
    }
    let normal = if is_normalised(fields) { json::canonical(content) } else { None };
    update(&mut hash, normal.as_deref().unwrap_or(content));
    hash.finalize().into()
}

/// Length first, so that no two lists of texts are one.
fn update(hash: &mut Sha256, bytes: &[u8]) {
    update_length(hash, bytes.len());
    hash.update(bytes);
}

fn update_length(hash: &mut Sha256, length: usize) {
    hash.update((length as u64).to_be_bytes());
}

fn is_normalised(fields: &Fields) -> bool {
    is_json(fields) && !fields.contains("content-encoding") && !forbids_transformation(fields)
}

/// RFC 10008 section 2.7: no-transform says that the client wishes no normalisation (RFC 9111 section 5.2.1.6).
fn forbids_transformation(fields: &Fields) -> bool {
    let mut found = false;
    for line in fields.get_all("cache-control") {
        each_directive(line, |directive| found |= directive.is("no-transform"));
    }
    found
}

/// True when the content is JSON by its media type: `application/json`, or a subtype with the suffix `+json` (RFC 6839 section
/// 3.1). JSON is UTF-8 whatever a parameter says (RFC 8259 section 8.1); content that is not has no canonical form.
pub(crate) fn is_json(fields: &Fields) -> bool {
    media_type(fields).is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
}

/// The media type in lower case, without parameters; `None` unless there is exactly one.
pub(crate) fn media_type(fields: &Fields) -> Option<Cow<'_, str>> {
    let mut lines = fields.get_all("content-type");
    let line = lines.next().filter(|_| lines.next().is_none())?;
    let kind = std::str::from_utf8(line).ok()?.split(';').next()?.trim();
    let lower = kind.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if lower { Cow::Owned(kind.to_ascii_lowercase()) } else { Cow::Borrowed(kind) })
}

/// True unless the media type names a charset other than UTF-8, by which the content would be another text than it looks.
pub(crate) fn is_utf8_if_anything(fields: &Fields) -> bool {
    fields.get_all("content-type").all(|line| {
        line.split(|byte| *byte == b';').skip(1).all(|parameter| {
            let parameter = parameter.trim_ascii().to_ascii_lowercase();
            !parameter.starts_with(b"charset")
                || matches!(&parameter[..], b"charset=utf-8" | b"charset=\"utf-8\"")
        })
    })
}
