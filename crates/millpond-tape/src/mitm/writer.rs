//! Writing flows as mitmproxy reads them: every key, and no other, or it drops the flow without a word.

use super::backwards::Backwards;
use super::flow::VERSION;
use super::item::{FLOW_LIMIT, tag, weight};
use super::metadata::{ABORTED, DEPTH, TIMING, seems_aborted};
use crate::{
    ConnectionFacts, Content, Pairs, Recorded, RecordedRequest, RecordedResponse, TapeError, TapeWriter,
    WebSocket,
};
use std::io::{self, Write};

/// What mitmproxy takes for a version of TLS; it drops a flow that has another.
const TLS_VERSIONS: [&str; 9] =
    ["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "DTLSv0.9", "DTLSv1", "DTLSv1.2", "QUICv1"];

/// The protocols that mitmproxy speaks with another proxy; it drops a flow that has another.
const VIA: [&str; 9] = ["http", "https", "http3", "tls", "dtls", "tcp", "udp", "dns", "quic"];

/// The opcodes that RFC 6455 has; mitmproxy drops a flow that has another.
const OPCODES: [u8; 6] = [0, 1, 2, 8, 9, 10];

/// What stands for a message with an opcode that there is not: binary.
const BINARY: u8 = 2;

/// The ways to its proxy that mitmproxy knows and that need nothing else said; it drops a flow that came in another.
const PROXY_MODES: [&str; 7] = ["regular", "transparent", "socks5", "wireguard", "local", "osproxy", "dns"];

/// Writes mitmproxy's flows, each as soon as it is given. A flow whose bodies are small goes in one call of `write`.
///
/// After an error the tape ends in the middle of a flow as a rule: [`written`](Self::written) tells where the last whole
/// one ends. Nothing more is written then.
#[derive(Debug)]
pub struct MitmWriter<W> {
    to: W,
    written: u64,
    broken: bool,
    buf: Vec<u8>,
}

impl<W: Write> MitmWriter<W> {
    /// Writes flows to `to`, from where that stands.
    pub const fn new(to: W) -> Self {
        Self { to, written: 0, broken: false, buf: Vec::new() }
    }

    /// The bytes of all flows that were written whole: the next one begins so many bytes behind where this writer began.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Where it writes to.
    pub const fn get_ref(&self) -> &W {
        &self.to
    }

    /// Where it wrote to.
    pub fn into_inner(self) -> W {
        self.to
    }

    /// Appends a flow, and tells how many bytes it has.
    ///
    /// # Errors
    /// What the system says of writing, or of reading the exchange's content; [`TapeError::TooLarge`] where it has so much
    /// besides its bodies that it could not be read again. Nothing was written then.
    pub fn append(&mut self, exchange: &Recorded) -> Result<u64, TapeError> {
        if self.broken {
            return Err(io::Error::other("an earlier exchange could not be written to this tape").into());
        }
        let mut out = Backwards::new(std::mem::take(&mut self.buf));
        flow(&mut out, exchange)?;
        if out.weight() > FLOW_LIMIT {
            let what = "what an exchange has besides its bodies";
            return Err(TapeError::TooLarge { at: self.written, what, limit: FLOW_LIMIT });
        }
        let len = out.len();
        self.broken = true;
        out.write_to(&mut self.to)?;
        self.broken = false;
        self.written += len;
        self.buf = out.into_buffer();
        Ok(len)
    }
}

impl<W: Write + Send> TapeWriter for MitmWriter<W> {
    fn write(&mut self, exchange: &Recorded) -> Result<(), TapeError> {
        self.append(exchange).map(drop)
    }

    fn finish(mut self: Box<Self>) -> Result<(), TapeError> {
        Ok(self.to.flush()?)
    }
}

/// The whole flow. What is written first comes last.
fn flow<'a>(out: &mut Backwards<'a>, exchange: &'a Recorded) -> Result<(), TapeError> {
    out.nested(tag::DICTIONARY, |out| {
        entry(out, "backup", Backwards::null);
        match &exchange.response {
            Some(response) => fallible(out, "response", |out| self::response(out, response))?,
            None => entry(out, "response", Backwards::null),
        }
        fallible(out, "request", |out| request(out, &exchange.request))?;
        entry(out, "websocket", |out| out.optional(exchange.websocket.as_ref(), websocket));
        fallible(out, "metadata", |out| metadata(out, exchange))?;
        entry(out, "error", |out| {
            out.optional(exchange.error.as_ref(), |out, error| {
                out.nested(tag::DICTIONARY, |out| {
                    entry(out, "timestamp", |out| out.float(error.at));
                    entry(out, "msg", |out| out.text(&error.message));
                });
            });
        });
        entry(out, "server_conn", |out| server(out, &exchange.server));
        entry(out, "client_conn", |out| client(out, &exchange.client));
        let is_replay = exchange.is_replay.as_deref().filter(|side| matches!(*side, "request" | "response"));
        entry(out, "is_replay", |out| out.optional(is_replay, Backwards::text));
        entry(out, "intercepted", |out| out.boolean(false));
        entry(out, "marked", |out| out.text(&exchange.marked));
        entry(out, "comment", |out| out.text(&exchange.comment));
        entry(out, "timestamp_created", |out| out.float(exchange.created));
        entry(out, "id", |out| id(out, &exchange.id));
        entry(out, "type", |out| out.text("http"));
        entry(out, "version", |out| out.integer(VERSION));
        Ok(())
    })
}

fn entry<'a>(out: &mut Backwards<'a>, key: &str, write: impl FnOnce(&mut Backwards<'a>)) {
    write(out);
    out.text(key);
}

fn fallible<'a>(
    out: &mut Backwards<'a>,
    key: &str,
    write: impl FnOnce(&mut Backwards<'a>) -> Result<(), TapeError>,
) -> Result<(), TapeError> {
    write(out)?;
    out.text(key);
    Ok(())
}

/// mitmproxy shows one of several flows with the same name, and takes connections with the same name for one.
fn id(out: &mut Backwards<'_>, id: &str) {
    if id.is_empty() {
        out.text(uuid::Uuid::new_v4().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    } else {
        out.text(id);
    }
}

fn request<'a>(out: &mut Backwards<'a>, request: &'a RecordedRequest) -> Result<(), TapeError> {
    out.nested(tag::DICTIONARY, |out| {
        let times = (request.started, request.ended);
        message(out, times, &request.version, &request.fields, request.trailers.as_ref());
        entry(out, "path", |out| out.bytes(&request.path));
        entry(out, "authority", |out| out.bytes(&request.authority));
        entry(out, "scheme", |out| out.bytes(&request.scheme));
        entry(out, "method", |out| out.bytes(&request.method));
        entry(out, "port", |out| out.integer(request.port));
        entry(out, "host", |out| out.text(&request.host));
        content(out, request.content.as_ref())
    })
}

fn response<'a>(out: &mut Backwards<'a>, response: &'a RecordedResponse) -> Result<(), TapeError> {
    out.nested(tag::DICTIONARY, |out| {
        let times = (response.started, response.ended);
        message(out, times, &response.version, &response.fields, response.trailers.as_ref());
        entry(out, "reason", |out| out.bytes(&response.reason));
        entry(out, "status_code", |out| out.integer(response.status));
        content(out, response.content.as_ref())
    })
}

/// What requests and responses share.
fn message(
    out: &mut Backwards<'_>,
    (started, ended): (f64, Option<f64>),
    version: &[u8],
    fields: &Pairs,
    trailers: Option<&Pairs>,
) {
    entry(out, "timestamp_end", |out| out.optional(ended, Backwards::float));
    entry(out, "timestamp_start", |out| out.float(started));
    entry(out, "trailers", |out| out.optional(trailers, Backwards::pairs));
    entry(out, "headers", |out| out.pairs(fields));
    entry(out, "http_version", |out| out.bytes(version));
}

fn content<'a>(out: &mut Backwards<'a>, content: Option<&'a Content>) -> Result<(), TapeError> {
    if let Some(content) = content {
        return fallible(out, "content", |out| out.content(content));
    }
    entry(out, "content", Backwards::null);
    Ok(())
}

fn websocket(out: &mut Backwards<'_>, websocket: &WebSocket) {
    out.nested(tag::DICTIONARY, |out| {
        entry(out, "timestamp_end", |out| out.optional(websocket.ended, Backwards::float));
        entry(out, "close_reason", |out| {
            out.optional(websocket.close_reason.as_deref(), Backwards::text);
        });
        entry(out, "close_code", |out| out.optional(websocket.close_code, Backwards::integer));
        entry(out, "closed_by_client", |out| {
            out.optional(websocket.closed_by_client, Backwards::boolean);
        });
        entry(out, "messages", |out| {
            out.weigh(weight::MESSAGE * websocket.messages.len() as u64);
            out.list(websocket.messages.iter(), |out, message| {
                out.nested(tag::LIST, |out| {
                    out.boolean(message.injected);
                    out.boolean(message.dropped);
                    out.float(message.at);
                    out.bytes(&message.content);
                    out.boolean(message.from_client);
                    out.integer(if OPCODES.contains(&message.opcode) { message.opcode } else { BINARY });
                });
            });
        });
    });
}

fn metadata(out: &mut Backwards<'_>, exchange: &Recorded) -> Result<(), TapeError> {
    out.nested(tag::DICTIONARY, |out| {
        out.members(&exchange.metadata, DEPTH)?;
        if !exchange.timing.is_empty() {
            out.weigh(weight::CHUNK * exchange.timing.len() as u64);
            entry(out, TIMING, |out| {
                out.list(exchange.timing.iter(), |out, chunk| {
                    out.nested(tag::LIST, |out| {
                        out.integer(chunk.bytes);
                        out.float(chunk.after);
                    });
                });
            });
        }
        if exchange.aborted != seems_aborted(exchange) {
            entry(out, ABORTED, |out| out.boolean(exchange.aborted));
        }
        Ok(())
    })
}

/// An address that may not be missing; what stands for one that is not known, mitmproxy uses as well.
fn known(out: &mut Backwards<'_>, address: Option<&(String, u16)>) {
    out.address(address.map_or(("", 0), borrowed));
}

fn borrowed((host, port): &(String, u16)) -> (&str, u16) {
    (host, *port)
}

fn client(out: &mut Backwards<'_>, facts: &ConnectionFacts) {
    out.nested(tag::DICTIONARY, |out| {
        connection(out, facts);
        let mode = Some(&*facts.proxy_mode).filter(|mode| PROXY_MODES.contains(mode));
        entry(out, "proxy_mode", |out| out.text(mode.unwrap_or("regular")));
        let shown = facts.shown_certificate.as_ref().filter(|pem| is_certificate(pem));
        entry(out, "mitmcert", |out| out.optional(shown, |out, pem| out.bytes(pem)));
        entry(out, "timestamp_start", |out| out.float(facts.started.unwrap_or_default()));
        entry(out, "sockname", |out| known(out, facts.local.as_ref()));
        entry(out, "peername", |out| known(out, facts.peer.as_ref()));
    });
}

fn server(out: &mut Backwards<'_>, facts: &ConnectionFacts) {
    let address = |out: &mut Backwards<'_>, key: &str, address: &Option<(String, u16)>| {
        let address = address.as_ref().map(borrowed);
        entry(out, key, |out| out.optional(address, Backwards::address));
    };
    out.nested(tag::DICTIONARY, |out| {
        connection(out, facts);
        entry(out, "via", |out| {
            let via = facts.via.as_ref().filter(|(scheme, ..)| VIA.contains(&&**scheme));
            out.optional(via, |out, (scheme, host, port)| {
                out.nested(tag::LIST, |out| {
                    out.address((host, *port));
                    out.text(scheme);
                });
            });
        });
        time(out, "timestamp_tcp_setup", facts.tcp_setup);
        time(out, "timestamp_start", facts.started);
        address(out, "address", &facts.address);
        address(out, "sockname", &facts.local);
        address(out, "peername", &facts.peer);
    });
}

fn time(out: &mut Backwards<'_>, key: &str, at: Option<f64>) {
    entry(out, key, |out| out.optional(at, Backwards::float));
}

fn text(out: &mut Backwards<'_>, key: &str, text: Option<&str>) {
    entry(out, key, |out| out.optional(text, Backwards::text));
}

/// What connections of clients and to servers share.
fn connection(out: &mut Backwards<'_>, facts: &ConnectionFacts) {
    let strings = facts.ciphers.len() + facts.alpn_offers.len() + facts.certificates.len();
    out.weigh(weight::STRING * strings as u64);
    time(out, "timestamp_end", facts.ended);
    time(out, "timestamp_tls_setup", facts.tls_setup);
    text(out, "sni", facts.sni.as_deref());
    text(out, "tls_version", facts.tls_version.as_deref().filter(|version| TLS_VERSIONS.contains(version)));
    entry(out, "cipher_list", |out| out.list(facts.ciphers.iter(), |out, cipher| out.text(cipher)));
    text(out, "cipher", facts.cipher.as_deref());
    entry(out, "alpn_offers", |out| out.list(facts.alpn_offers.iter(), |out, offer| out.bytes(offer)));
    entry(out, "alpn", |out| out.optional(facts.alpn.as_deref(), Backwards::bytes));
    let certificates = facts.certificates.iter().filter(|pem| is_certificate(pem));
    entry(out, "certificate_list", |out| out.list(certificates, |out, pem| out.bytes(pem)));
    entry(out, "tls", |out| out.boolean(facts.tls));
    text(out, "error", facts.error.as_deref());
    let transport = if facts.transport == "udp" { "udp" } else { "tcp" };
    entry(out, "transport_protocol", |out| out.text(transport));
    entry(out, "id", |out| id(out, &facts.id));
}

/// mitmproxy drops a flow that has anything else for a certificate.
fn is_certificate(pem: &[u8]) -> bool {
    pem.starts_with(b"-----BEGIN CERTIFICATE-----")
}
