//! Requests and responses of an archive, as its many makers write them.

use super::version::http_version;
use crate::json::decoded_fields;
use crate::json::place::{Place, authority};
use crate::json::scan::{Kind, Scan, Scanned};
use crate::json::text::Text;
use crate::{Content, Pairs, RecordedRequest, RecordedResponse};

/// The request, and its URL; `None` when that is not of HTTP.
pub(super) fn request(scan: &mut Scan) -> Scanned<Option<(RecordedRequest, String)>> {
    let Some(mut list) = scan.object()? else {
        return Err(scan.malformed("`request` is an object"));
    };
    let mut request = RecordedRequest { version: http_version(""), ..RecordedRequest::default() };
    let (mut method, mut url, mut path, mut posted, mut announced) = (None, None, None, None, None);
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "method" => method = scan.octets()?,
            "url" => url = scan.scalar()?,
            "_path" => path = scan.octets()?,
            "httpVersion" => request.version = http_version(&scan.scalar()?.unwrap_or_default()),
            "headers" => request.fields = scan.pairs()?,
            "postData" => posted = post_data(scan)?,
            "bodySize" => announced = scan.float()?,
            "_trailers" => request.trailers = Some(scan.pairs()?),
            _ => scan.skip()?,
        }
    }
    let (Some(url), Some(method)) = (url, method) else {
        return Err(scan.malformed("a request has `method` and `url`"));
    };
    let Some(place) = Place::of(&url) else { return Ok(None) };
    request.method = method;
    let pseudo = take_pseudo(&mut request.fields);
    let written = authority(place.scheme.as_bytes(), &place.host, place.port).into_bytes();
    if request.version.starts_with(b"HTTP/2") || request.version.starts_with(b"HTTP/3") {
        request.authority = pseudo.unwrap_or(written);
    } else if request.fields.get("host").is_some_and(|host| host != written) {
        // The target named another host than the field, and counts (RFC 9112 section 3.2.2).
        request.authority = written;
    }
    request.scheme = place.scheme.into_bytes();
    request.host = place.host;
    request.port = place.port;
    let in_url = if request.method == b"CONNECT" { Vec::new() } else { place.path.into_bytes() };
    request.path = path.unwrap_or(in_url);
    let without =
        matches!(&request.method[..], b"GET" | b"HEAD" | b"OPTIONS" | b"DELETE" | b"TRACE" | b"CONNECT");
    request.content = match posted {
        Some(posted) => posted.content(scan, &mut request.fields)?,
        // -1 says that the size is not known.
        None => (announced.is_none_or(|size| size == 0.0) || without).then(Content::empty),
    };
    Ok(Some((request, url)))
}

/// Takes HTTP/2's own fields out of those that browsers write; gives the authority among them.
fn take_pseudo(fields: &mut Pairs) -> Option<Vec<u8>> {
    let authority = fields.get(":authority").map(<[u8]>::to_vec);
    *fields = fields.iter().filter(|(name, _)| !name.starts_with(b":")).collect();
    authority
}

/// The body of a request.
#[derive(Default)]
struct Posted {
    text: Option<Text>,
    encoding: Option<String>,
    form: Option<String>,
    /// `null` stands for the text: it was not recorded.
    missing: bool,
    mime: String,
}

fn post_data(scan: &mut Scan) -> Scanned<Option<Posted>> {
    let Some(mut list) = scan.object()? else { return Ok(None) };
    let mut posted = Posted::default();
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "text" => {
                posted.missing = scan.kind()? == Kind::Null;
                posted.text = scan.body()?;
            }
            "_encoding" | "encoding" => posted.encoding = scan.scalar()?,
            "mimeType" => posted.mime = scan.scalar()?.unwrap_or_default(),
            "params" => posted.form = form(&scan.pairs()?),
            _ => scan.skip()?,
        }
    }
    Ok(Some(posted))
}

/// Parameters as the body of a form; `None` when there are none.
fn form(params: &Pairs) -> Option<String> {
    if params.is_empty() {
        return None;
    }
    let mut text = String::new();
    for (name, value) in params.iter() {
        if !text.is_empty() {
            text.push('&');
        }
        form_part(&mut text, name);
        text.push('=');
        form_part(&mut text, value);
    }
    Some(text)
}

/// As browsers write `application/x-www-form-urlencoded`.
fn form_part(out: &mut String, part: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in part {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                out.push(char::from(*byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

impl Posted {
    fn content(self, scan: &Scan, fields: &mut Pairs) -> Scanned<Option<Content>> {
        if self.encoding.as_deref() == Some("base64") {
            let Some(text) = self.text else { return Ok(Some(Content::empty())) };
            // As it was sent, codings and all: ours.
            return text
                .base64()
                .map(Some)
                .ok_or_else(|| scan.malformed("`text` before this place is not base64"));
        }
        let content = match (self.text, self.form) {
            (Some(text), form) if text.len() > 0 || form.is_none() => text.plain(),
            (_, Some(form))
                if self.mime.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") =>
            {
                Content::Memory(form.into())
            }
            // The parts of a form with files: their text is not told.
            (_, Some(_)) => return Ok(None),
            (None, None) if self.missing => return Ok(None),
            (text, None) => text.map_or_else(Content::empty, Text::plain),
        };
        // What is text has no coding on it any more.
        decoded_fields(fields, content.len());
        Ok(Some(content))
    }
}

/// What came back, before it is known to what.
#[derive(Default)]
pub(super) struct Answer {
    response: RecordedResponse,
    body: Body,
    /// Bytes that came, as far as that was told.
    received: Option<f64>,
    error: Option<String>,
}

#[derive(Default)]
struct Body {
    content: Option<Content>,
    size: Option<f64>,
    mime: String,
    /// Still with its content codings: ours.
    encoded: bool,
    /// Text beyond ASCII, which was decoded from whatever character set.
    transcoded: bool,
}

pub(super) fn answer(scan: &mut Scan) -> Scanned<Option<Answer>> {
    let Some(mut list) = scan.object()? else { return Ok(None) };
    let mut answer = Answer::default();
    let response = &mut answer.response;
    response.version = http_version("");
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "status" => {
                response.status = scan.whole()?.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
            }
            "statusText" => response.reason = scan.octets()?.unwrap_or_default(),
            "httpVersion" => response.version = http_version(&scan.scalar()?.unwrap_or_default()),
            "headers" => response.fields = scan.pairs()?,
            "content" => answer.body = content(scan)?,
            "bodySize" => answer.received = scan.float()?,
            "_trailers" => response.trailers = Some(scan.pairs()?),
            "_error" => answer.error = scan.scalar()?,
            _ => scan.skip()?,
        }
    }
    Ok(Some(answer))
}

fn content(scan: &mut Scan) -> Scanned<Body> {
    let Some(mut list) = scan.object()? else { return Ok(Body::default()) };
    let mut body = Body::default();
    let (mut text, mut base64) = (None, false);
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "size" => body.size = scan.float()?,
            "mimeType" => body.mime = scan.scalar()?.unwrap_or_default(),
            "text" => text = scan.body()?,
            "encoding" => base64 = scan.scalar()?.is_some_and(|name| name.eq_ignore_ascii_case("base64")),
            "_encoded" => body.encoded = scan.truth()?,
            _ => scan.skip()?,
        }
    }
    body.transcoded = text.as_ref().is_some_and(|text: &Text| !base64 && !text.is_ascii());
    body.content = match text {
        Some(text) if base64 => {
            Some(text.base64().ok_or_else(|| scan.malformed("`text` before this place is not base64"))?)
        }
        Some(text) => Some(text.plain()),
        // A size without text: the body was left out.
        None => body.size.is_none_or(|size| size == 0.0).then(Content::empty),
    };
    Ok(body)
}

impl Answer {
    /// The response to `request`, if there was one, and what went wrong.
    pub fn of(self, request: &RecordedRequest) -> (Option<RecordedResponse>, Option<String>) {
        let Self { mut response, mut body, received, error } = self;
        if response.status == 0 {
            return (None, error);
        }
        take_pseudo(&mut response.fields);
        // RFC 9110 section 6.4.1: these have no content, whatever a browser shows for them.
        if request.method == b"HEAD" || matches!(response.status, 100..=199 | 204 | 304) {
            response.fields.remove("transfer-encoding");
            response.content = Some(Content::empty());
            return (Some(response), error);
        }
        // Browsers do not keep what a redirect says besides where to.
        if body.content.is_none() && matches!(response.status, 300..=399) && received == Some(0.0) {
            body.content = Some(Content::empty());
        }
        if let Some(content) = body.content.as_ref().filter(|_| !body.encoded) {
            decoded_fields(&mut response.fields, content.len());
            if body.transcoded && !says_utf8(&response.fields) {
                as_utf8(&mut response.fields);
            }
        } else {
            response.fields.remove("transfer-encoding");
        }
        if response.fields.is_empty() && !body.mime.is_empty() && body.mime != "x-unknown" {
            response.fields.push("Content-Type", &body.mime);
        }
        response.content = body.content;
        (Some(response), error)
    }
}

/// The text of an archive is UTF-8: a type that names another character set would be wrong now.
fn as_utf8(fields: &mut Pairs) {
    let Some(found) = fields.get_str("content-type") else { return };
    let mut changed = String::with_capacity(found.len() + 8);
    for (nth, part) in found.split(';').enumerate() {
        if nth > 0 {
            changed.push(';');
        }
        match part.split_once('=') {
            Some((name, _)) if name.trim().eq_ignore_ascii_case("charset") => {
                changed.push_str(name);
                changed.push_str("=utf-8");
            }
            _ => changed.push_str(part),
        }
    }
    fields.set("content-type", changed);
}

/// True when the type says that text is UTF-8: by its `charset`, or as JSON, which is nothing else (RFC 8259 section 8.1).
pub(super) fn says_utf8(fields: &Pairs) -> bool {
    let Some(found) = fields.get_str("content-type") else { return false };
    let (kind, parameters) = found.split_once(';').unwrap_or((found, ""));
    let is = |name: &str, wanted: &str| name.trim().trim_matches('"').eq_ignore_ascii_case(wanted);
    let charset =
        parameters.split(';').filter_map(|part| part.split_once('=')).find(|(name, _)| is(name, "charset"));
    match charset {
        Some((_, value)) => is(value, "utf-8") || is(value, "utf8"),
        None => kind.trim().to_ascii_lowercase().ends_with("json"),
    }
}
