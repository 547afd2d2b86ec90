//! Bodies as an archive has them: decoded, and text where they are UTF-8.

use super::message::says_utf8;
use crate::coding;
use crate::json::emit::{Emit, Look};
use crate::{Content, Pairs, RecordedRequest, RecordedResponse};
use std::io::{self, Read, Write};

/// What a body may become when its codings are taken off, bytes; one that would become more is written as it is.
const DECODED_AT_MOST: u64 = 1 << 30;

/// `content` of a response.
pub(super) fn content(out: &mut Emit<impl Write>, response: &RecordedResponse) -> io::Result<()> {
    let mime = response.fields.get("content-type").map(String::from_utf8_lossy).unwrap_or_default();
    out.key_open("content", b'{')?;
    let Some(content) = &response.content else {
        out.key_integer("size", -1)?;
        out.key_str("mimeType", &mime)?;
        return out.close(b'}');
    };
    let (look, decoded) = match decoded_look(out, content, &response.fields) {
        Some(look) => (look, true),
        None => (out.look_at(&mut content.reader())?, false),
    };
    out.key_integer("size", look.len as i64)?;
    if decoded && response.fields.get("content-encoding").is_some() {
        out.key_integer("compression", look.len as i64 - content.len() as i64)?;
    }
    out.key_str("mimeType", &mime)?;
    if !decoded {
        // An extension of ours: the fields still speak of the body as it is here.
        out.key_bool("_encoded", true)?;
    }
    // What a type leaves open, readers take for different character sets: bytes are the same for all.
    let as_text = decoded && look.utf8 && (look.ascii || says_utf8(&response.fields));
    if !as_text {
        out.key_str("encoding", "base64")?;
    }
    out.key("text")?;
    let mut reader = if decoded { decoded_reader(content, &response.fields)? } else { content.reader() };
    if as_text {
        out.text_of(&mut reader)?;
    } else {
        out.base64_of(&mut reader)?;
    }
    out.close(b'}')
}

/// What the body is without its codings; `None` where they cannot be taken off: one is unknown, the body is a part or
/// broken off, or it would become too large.
fn decoded_look(out: &mut Emit<impl Write>, content: &Content, fields: &Pairs) -> Option<Look> {
    let mut reader = coding::decoded(content, fields, DECODED_AT_MOST).ok()?;
    out.look_at(&mut reader).ok()
}

fn decoded_reader(content: &Content, fields: &Pairs) -> io::Result<Box<dyn Read + Send>> {
    coding::decoded(content, fields, DECODED_AT_MOST)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// `postData` of a request: its body as it was sent. The format has no member that says how it is written; `_encoding` is
/// the usual extension.
pub(super) fn post_data(out: &mut Emit<impl Write>, request: &RecordedRequest) -> io::Result<()> {
    let Some(content) = request.content.as_ref().filter(|content| !content.is_empty()) else { return Ok(()) };
    let mime = request.fields.get("content-type").map(String::from_utf8_lossy).unwrap_or_default();
    out.key_open("postData", b'{')?;
    out.key_str("mimeType", &mime)?;
    let look = out.look_at(&mut content.reader())?;
    // Text that says it is coded would be taken for decoded.
    if look.utf8 && request.fields.get("content-encoding").is_none() {
        out.key("text")?;
        out.text_of(&mut content.reader())?;
    } else {
        out.key_str("_encoding", "base64")?;
        out.key("text")?;
        out.base64_of(&mut content.reader())?;
    }
    out.close(b'}')
}
