//! Writing JSON tapes.

use super::VERSION;
use super::emit::Emit;
use super::place::{Place, url};
use crate::{
    ConnectionFacts, Content, Pairs, Recorded, RecordedRequest, RecordedResponse, TapeError, TapeWriter,
    WebSocket,
};
use std::io::{self, BufWriter, Write};

/// The buffer before what is written to, bytes.
const BUFFER: usize = 64 << 10;

/// Writes JSON lines.
pub struct JsonWriter<W: Write> {
    out: Emit<BufWriter<W>>,
}

impl<W: Write> JsonWriter<W> {
    /// Writes to `to`.
    pub fn new(to: W) -> Self {
        Self { out: Emit::new(BufWriter::with_capacity(BUFFER, to)) }
    }

    fn exchange(&mut self, exchange: &Recorded) -> io::Result<()> {
        let out = &mut self.out;
        out.open(b'{')?;
        out.key_integer("v", VERSION as i64)?;
        out.key_str("id", &exchange.id)?;
        request(out, &exchange.request)?;
        out.key("response")?;
        match &exchange.response {
            Some(found) => response(out, found)?,
            None => out.verbatim("null")?,
        }
        timings(out, exchange)?;
        out.key_bool("aborted", exchange.aborted)?;
        if let Some(failure) = &exchange.error {
            out.key_open("error", b'{')?;
            out.key_str("message", &failure.message)?;
            out.key_float("at", failure.at)?;
            out.close(b'}')?;
        }
        connection(out, "client", &exchange.client)?;
        connection(out, "server", &exchange.server)?;
        if let Some(socket) = &exchange.websocket {
            websocket(out, socket)?;
        }
        if let Some(side) = &exchange.is_replay {
            out.key_str("is_replay", side)?;
        }
        for (name, text) in [("marked", &exchange.marked), ("comment", &exchange.comment)] {
            if !text.is_empty() {
                out.key_str(name, text)?;
            }
        }
        if !exchange.metadata.is_empty() {
            out.key("metadata")?;
            out.map(&exchange.metadata)?;
        }
        out.close(b'}')?;
        out.layout("\n")
    }
}

impl<W: Write + Send> TapeWriter for JsonWriter<W> {
    fn write(&mut self, exchange: &Recorded) -> Result<(), TapeError> {
        Ok(self.exchange(exchange)?)
    }

    fn finish(self: Box<Self>) -> Result<(), TapeError> {
        Ok(self.out.into_inner().flush()?)
    }
}

fn request(out: &mut Emit<impl Write>, request: &RecordedRequest) -> io::Result<()> {
    out.key_open("request", b'{')?;
    out.key_bytes("method", &request.method)?;
    let url = url(request);
    out.key_str("url", &url)?;
    // What the URL does not tell stands beside it: the target of CONNECT, `*`, bytes that are not UTF-8.
    if !Place::of(&url).is_some_and(|place| place.is_of(request)) {
        out.key_bytes("scheme", &request.scheme)?;
        out.key_str("host", &request.host)?;
        out.key_integer("port", i64::from(request.port))?;
        out.key_bytes("path", &request.path)?;
    }
    if !request.authority.is_empty() {
        out.key_bytes("authority", &request.authority)?;
    }
    out.key_bytes("http_version", &request.version)?;
    message(out, &request.fields, request.content.as_ref(), request.trailers.as_ref())
}

fn response(out: &mut Emit<impl Write>, response: &RecordedResponse) -> io::Result<()> {
    out.open(b'{')?;
    out.key_integer("status_code", i64::from(response.status))?;
    out.key_bytes("reason", &response.reason)?;
    out.key_bytes("http_version", &response.version)?;
    message(out, &response.fields, response.content.as_ref(), response.trailers.as_ref())
}

/// What requests and responses have alike, to the brace at the end.
fn message(
    out: &mut Emit<impl Write>,
    fields: &Pairs,
    content: Option<&Content>,
    trailers: Option<&Pairs>,
) -> io::Result<()> {
    out.key("headers")?;
    pairs(out, fields)?;
    body(out, content)?;
    if let Some(trailers) = trailers {
        out.key("trailers")?;
        pairs(out, trailers)?;
    }
    out.close(b'}')
}

fn pairs(out: &mut Emit<impl Write>, pairs: &Pairs) -> io::Result<()> {
    out.open(b'[')?;
    for (name, value) in pairs.iter() {
        out.open(b'[')?;
        out.bytes(name)?;
        out.bytes(value)?;
        out.close(b']')?;
    }
    out.close(b']')
}

fn body(out: &mut Emit<impl Write>, content: Option<&Content>) -> io::Result<()> {
    let Some(content) = content else {
        out.key("content")?;
        return out.verbatim("null");
    };
    // Read twice: what it is, which may come at its end, decides how it begins.
    if out.look_at(&mut content.reader())?.utf8 {
        out.key("content")?;
        return out.text_of(&mut content.reader());
    }
    out.key_str("content_encoding", "base64")?;
    out.key("content")?;
    out.base64_of(&mut content.reader())
}

fn timings(out: &mut Emit<impl Write>, exchange: &Recorded) -> io::Result<()> {
    out.key_open("timings", b'{')?;
    out.key_float("created", exchange.created)?;
    out.key_float("request_started", exchange.request.started)?;
    optional(out, "request_ended", exchange.request.ended)?;
    if let Some(response) = &exchange.response {
        out.key_float("response_started", response.started)?;
        optional(out, "response_ended", response.ended)?;
    }
    if !exchange.timing.is_empty() {
        out.key_open("chunks", b'[')?;
        for chunk in &exchange.timing {
            out.open(b'[')?;
            out.float(chunk.after)?;
            out.verbatim(&chunk.bytes.to_string())?;
            out.close(b']')?;
        }
        out.close(b']')?;
    }
    out.close(b'}')
}

fn optional(out: &mut Emit<impl Write>, name: &str, time: Option<f64>) -> io::Result<()> {
    time.map_or(Ok(()), |time| out.key_float(name, time))
}

/// The facts of a connection that are known; none at all where nothing is.
fn connection(out: &mut Emit<impl Write>, side: &str, facts: &ConnectionFacts) -> io::Result<()> {
    if *facts == ConnectionFacts::default() {
        return Ok(());
    }
    out.key_open(side, b'{')?;
    for (name, text) in
        [("id", &facts.id), ("transport", &facts.transport), ("proxy_mode", &facts.proxy_mode)]
    {
        if !text.is_empty() {
            out.key_str(name, text)?;
        }
    }
    for (name, place) in [("peer", &facts.peer), ("local", &facts.local), ("address", &facts.address)] {
        if let Some((host, port)) = place {
            address(out, name, &[host], *port)?;
        }
    }
    if let Some((scheme, host, port)) = &facts.via {
        address(out, "via", &[scheme, host], *port)?;
    }
    tls(out, facts)?;
    if let Some(error) = &facts.error {
        out.key_str("error", error)?;
    }
    optional(out, "started", facts.started)?;
    optional(out, "tcp_setup", facts.tcp_setup)?;
    optional(out, "tls_setup", facts.tls_setup)?;
    optional(out, "ended", facts.ended)?;
    out.close(b'}')
}

fn address(out: &mut Emit<impl Write>, name: &str, texts: &[&String], port: u16) -> io::Result<()> {
    out.key_open(name, b'[')?;
    for text in texts {
        out.str(text)?;
    }
    out.integer(i64::from(port))?;
    out.close(b']')
}

fn tls(out: &mut Emit<impl Write>, facts: &ConnectionFacts) -> io::Result<()> {
    if facts.tls {
        out.key_bool("tls", true)?;
    }
    let texts = [("sni", &facts.sni), ("tls_version", &facts.tls_version), ("cipher", &facts.cipher)];
    for (name, text) in texts {
        if let Some(text) = text {
            out.key_str(name, text)?;
        }
    }
    for (name, bytes) in [("alpn", &facts.alpn), ("shown_certificate", &facts.shown_certificate)] {
        if let Some(bytes) = bytes {
            out.key_bytes(name, bytes)?;
        }
    }
    list(out, "alpn_offers", &facts.alpn_offers)?;
    list(out, "ciphers", &facts.ciphers)?;
    list(out, "certificates", &facts.certificates)
}

fn list(out: &mut Emit<impl Write>, name: &str, all: &[impl AsRef<[u8]>]) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    out.key_open(name, b'[')?;
    for one in all {
        out.bytes(one.as_ref())?;
    }
    out.close(b']')
}

fn websocket(out: &mut Emit<impl Write>, socket: &WebSocket) -> io::Result<()> {
    out.key_open("websocket", b'{')?;
    out.key_open("messages", b'[')?;
    for message in &socket.messages {
        out.open(b'{')?;
        out.key_integer("opcode", i64::from(message.opcode))?;
        out.key_bool("from_client", message.from_client)?;
        out.key_bytes("content", &message.content)?;
        out.key_float("at", message.at)?;
        out.key_bool("dropped", message.dropped)?;
        out.key_bool("injected", message.injected)?;
        out.close(b'}')?;
    }
    out.close(b']')?;
    if let Some(by_client) = socket.closed_by_client {
        out.key_bool("closed_by_client", by_client)?;
    }
    if let Some(code) = socket.close_code {
        out.key_integer("close_code", i64::from(code))?;
    }
    if let Some(reason) = &socket.close_reason {
        out.key_str("close_reason", reason)?;
    }
    optional(out, "ended", socket.ended)?;
    out.close(b'}')
}
