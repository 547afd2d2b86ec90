//! Writing archives.

use super::timings::Timings;
use super::{body, cookies, version};
use crate::json::emit::Emit;
use crate::json::place::{Place, authority};
use crate::{Pairs, Recorded, RecordedRequest, RecordedResponse, TapeError, TapeWriter, WebSocket};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::io::{self, BufWriter, Write};

/// The buffer before what is written to, bytes.
const BUFFER: usize = 64 << 10;

/// Writes an archive, an entry a line.
pub struct HarWriter<W: Write> {
    out: Emit<BufWriter<W>>,
    begun: bool,
}

impl<W: Write> HarWriter<W> {
    /// Writes to `to`.
    pub fn new(to: W) -> Self {
        Self { out: Emit::new(BufWriter::with_capacity(BUFFER, to)), begun: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        let out = &mut self.out;
        if std::mem::replace(&mut self.begun, true) {
            return out.layout(",\n");
        }
        out.open(b'{')?;
        out.key_open("log", b'{')?;
        out.key_str("version", "1.2")?;
        out.key_open("creator", b'{')?;
        out.key_str("name", "millpond")?;
        out.key_str("version", env!("CARGO_PKG_VERSION"))?;
        out.close(b'}')?;
        out.key_open("pages", b'[')?;
        out.close(b']')?;
        out.key_open("entries", b'[')?;
        out.layout("\n")
    }

    fn entry(&mut self, exchange: &Recorded) -> io::Result<()> {
        self.begin()?;
        let out = &mut self.out;
        let timings = Timings::of(exchange);
        out.open(b'{')?;
        out.key_str("startedDateTime", &version::iso(exchange.request.started))?;
        timings.write(out)?;
        request(out, &exchange.request)?;
        let error = exchange.error.as_ref().map(|failure| failure.message.as_str());
        out.key_open("response", b'{')?;
        match &exchange.response {
            Some(found) => response(out, found)?,
            None => no_response(out)?,
        }
        if let Some(message) = error {
            out.key_str("_error", message)?;
        }
        out.close(b'}')?;
        out.key_open("cache", b'{')?;
        out.close(b'}')?;
        timings.write_phases(out)?;
        if let Some((address, _)) = &exchange.server.peer {
            out.key_str("serverIPAddress", address)?;
        }
        if !exchange.comment.is_empty() {
            out.key_str("comment", &exchange.comment)?;
        }
        extensions(out, exchange)?;
        out.close(b'}')
    }
}

impl<W: Write + Send> TapeWriter for HarWriter<W> {
    fn write(&mut self, exchange: &Recorded) -> Result<(), TapeError> {
        Ok(self.entry(exchange)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), TapeError> {
        if !self.begun {
            self.begin()?;
        }
        self.out.layout("\n]}}\n")?;
        Ok(self.out.into_inner().flush()?)
    }
}

/// Members whose names begin with `_`, as the specification wants it of extensions.
fn extensions(out: &mut Emit<impl Write>, exchange: &Recorded) -> io::Result<()> {
    if !exchange.id.is_empty() {
        out.key_str("_id", &exchange.id)?;
    }
    if exchange.aborted || exchange.error.is_some() {
        out.key_bool("_aborted", exchange.aborted)?;
    }
    if !exchange.timing.is_empty() {
        out.key_open("_chunks", b'[')?;
        for chunk in &exchange.timing {
            out.open(b'[')?;
            out.float(chunk.after)?;
            out.verbatim(&chunk.bytes.to_string())?;
            out.close(b']')?;
        }
        out.close(b']')?;
    }
    if !exchange.metadata.is_empty() {
        out.key("_metadata")?;
        out.map(&exchange.metadata)?;
    }
    exchange.websocket.as_ref().map_or(Ok(()), |socket| websocket(out, socket))
}

/// As Chromium and mitmproxy write it.
fn websocket(out: &mut Emit<impl Write>, socket: &WebSocket) -> io::Result<()> {
    out.key_str("_resourceType", "websocket")?;
    out.key_open("_webSocketMessages", b'[')?;
    for message in &socket.messages {
        out.open(b'{')?;
        out.key_str("type", if message.from_client { "send" } else { "receive" })?;
        out.key_float("time", message.at)?;
        out.key_integer("opcode", i64::from(message.opcode))?;
        match std::str::from_utf8(&message.content) {
            Ok(text) if message.opcode == 1 => out.key_str("data", text)?,
            _ => out.key_str("data", &BASE64_STANDARD.encode(&message.content))?,
        }
        out.close(b'}')?;
    }
    out.close(b']')
}

fn request(out: &mut Emit<impl Write>, request: &RecordedRequest) -> io::Result<()> {
    let url = url(request);
    out.key_open("request", b'{')?;
    out.key_bytes_lossy("method", &request.method)?;
    out.key_str("url", &url)?;
    if Place::of(&url).is_none_or(|place| place.path.as_bytes() != request.path) {
        out.key_bytes("_path", &request.path)?;
    }
    out.key_bytes_lossy("httpVersion", version::shown(&request.version))?;
    cookies::sent(out, &request.fields)?;
    fields(out, "headers", &request.fields)?;
    query(out, &url)?;
    body::post_data(out, request)?;
    if let Some(trailers) = &request.trailers {
        fields(out, "_trailers", trailers)?;
    }
    out.key_integer("headersSize", -1)?;
    out.key_integer("bodySize", request.content.as_ref().map_or(-1, |content| content.len() as i64))?;
    out.close(b'}')
}

/// The URL that the client asked for: by the name it used, where that makes one.
fn url(request: &RecordedRequest) -> String {
    let scheme = match &request.scheme[..] {
        b"http" => "http",
        b"https" => "https",
        // CONNECT has none.
        _ if request.method == b"CONNECT" || request.port == 443 => "https",
        _ => "http",
    };
    let path = if request.path.starts_with(b"/") { escaped(&request.path) } else { "/".into() };
    let of = |authority: &str| format!("{scheme}://{authority}{path}");
    let is_plain = |name: &&str| {
        let bytes = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
        !name.is_empty() && name.bytes().all(bytes) && Place::of(&of(name)).is_some()
    };
    let connected = authority(scheme.as_bytes(), &request.host, request.port);
    let names =
        [&request.authority[..], request.fields.get("host").unwrap_or_default(), connected.as_bytes()];
    let mut names = names.into_iter().filter_map(|name| std::str::from_utf8(name).ok());
    // RFC 6761 section 6.4: a name that is surely nobody's.
    of(names.find(is_plain).unwrap_or("unknown.invalid"))
}

/// A path with escapes for what no URL has in it (RFC 3986 section 2).
fn escaped(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path {
        match byte {
            b'#' | 0..=b' ' | 0x7f..=0xff => {
                let digit =
                    |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
                out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(char::from(*byte)),
        }
    }
    out
}

fn response(out: &mut Emit<impl Write>, response: &RecordedResponse) -> io::Result<()> {
    out.key_integer("status", i64::from(response.status))?;
    out.key_bytes_lossy("statusText", &response.reason)?;
    out.key_bytes_lossy("httpVersion", version::shown(&response.version))?;
    cookies::set(out, &response.fields)?;
    fields(out, "headers", &response.fields)?;
    body::content(out, response)?;
    let location = response.fields.get("location").map(String::from_utf8_lossy).unwrap_or_default();
    out.key_str("redirectURL", &location)?;
    if let Some(trailers) = &response.trailers {
        fields(out, "_trailers", trailers)?;
    }
    out.key_integer("headersSize", -1)?;
    out.key_integer("bodySize", response.content.as_ref().map_or(-1, |content| content.len() as i64))
}

/// As Chromium and mitmproxy write that there was none: status 0.
fn no_response(out: &mut Emit<impl Write>) -> io::Result<()> {
    out.key_integer("status", 0)?;
    for name in ["statusText", "httpVersion"] {
        out.key_str(name, "")?;
    }
    for name in ["cookies", "headers"] {
        out.key_open(name, b'[')?;
        out.close(b']')?;
    }
    out.key_open("content", b'{')?;
    out.key_integer("size", 0)?;
    out.key_str("mimeType", "x-unknown")?;
    out.close(b'}')?;
    out.key_str("redirectURL", "")?;
    out.key_integer("headersSize", -1)?;
    out.key_integer("bodySize", -1)
}

fn fields(out: &mut Emit<impl Write>, member: &str, fields: &Pairs) -> io::Result<()> {
    out.key_open(member, b'[')?;
    for (name, value) in fields.iter() {
        out.open(b'{')?;
        out.key_bytes_lossy("name", name)?;
        if let Ok(text) = std::str::from_utf8(value) {
            out.key_str("value", text)?;
        } else {
            // Each byte as the character of its number; an extension of ours says so.
            let text: String = value.iter().copied().map(char::from).collect();
            out.key_str("value", &text)?;
            out.key_str("_encoding", "iso-8859-1")?;
        }
        out.close(b'}')?;
    }
    out.close(b']')
}

/// The parameters of the query, decoded.
fn query(out: &mut Emit<impl Write>, url: &str) -> io::Result<()> {
    out.key_open("queryString", b'[')?;
    let query = url.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.open(b'{')?;
        out.key_str("name", &decoded(name))?;
        out.key_str("value", &decoded(value))?;
        out.close(b'}')?;
    }
    out.close(b']')
}

/// `+` and escapes resolved; what is no escape stays.
fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digit = |ahead: usize| bytes.get(at + ahead).and_then(|b| char::from(*b).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
