//! What a tape holds: exchanges, with as much of the connections as its format keeps.

use crate::{Content, Pairs};
use serde_json::Value;

/// One recorded exchange. Times are seconds since 1970-01-01 UTC.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// A name of its own, a UUID as a rule.
    pub id: String,
    /// The request.
    pub request: RecordedRequest,
    /// The response, where one came.
    pub response: Option<RecordedResponse>,
    /// Why there is none, or why it is not whole.
    pub error: Option<Failure>,
    /// The response broke off: what is recorded of it is not all of it, and must not be passed off as complete.
    pub aborted: bool,
    /// When it was recorded.
    pub created: f64,
    /// The connection of the client.
    pub client: ConnectionFacts,
    /// The connection to the server.
    pub server: ConnectionFacts,
    /// When the pieces of the response's body came, where that was recorded.
    pub timing: Vec<Chunk>,
    /// What was said over a WebSocket.
    pub websocket: Option<WebSocket>,
    /// What took part in it, if not both sides themselves: `request` or `response` was replayed.
    pub is_replay: Option<String>,
    /// A mark set by a person.
    pub marked: String,
    /// A comment written by a person.
    pub comment: String,
    /// Whatever else is noted of it, by name. Ours begin with `millpond_`.
    pub metadata: serde_json::Map<String, Value>,
}

/// A recorded request.
#[derive(Clone, Debug, Default)]
pub struct RecordedRequest {
    /// The method.
    pub method: Vec<u8>,
    /// `http` or `https`.
    pub scheme: Vec<u8>,
    /// The host that was connected to, without port.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The authority as the client wrote it: `:authority` in HTTP/2, that of an absolute-form target; else empty, and in the
    /// Host field.
    pub authority: Vec<u8>,
    /// Path and query.
    pub path: Vec<u8>,
    /// `HTTP/1.1`, `HTTP/2.0` and so on.
    pub version: Vec<u8>,
    /// The fields.
    pub fields: Pairs,
    /// The body as sent, still with its content codings; `None` where it was not recorded.
    pub content: Option<Content>,
    /// The trailers.
    pub trailers: Option<Pairs>,
    /// When its first byte came.
    pub started: f64,
    /// When its last byte came.
    pub ended: Option<f64>,
}

/// A recorded response.
#[derive(Clone, Debug, Default)]
pub struct RecordedResponse {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: Vec<u8>,
    /// `HTTP/1.1`, `HTTP/2.0` and so on.
    pub version: Vec<u8>,
    /// The fields.
    pub fields: Pairs,
    /// The body as received, still with its content codings, without framing; `None` where it was not recorded.
    pub content: Option<Content>,
    /// The trailers.
    pub trailers: Option<Pairs>,
    /// When its first byte came.
    pub started: f64,
    /// When its last byte came.
    pub ended: Option<f64>,
}

/// Something that went wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What.
    pub message: String,
    /// When.
    pub at: f64,
}

/// A piece of a body: when it came, and how large it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chunk {
    /// Seconds since the response's first byte.
    pub after: f64,
    /// Its bytes.
    pub bytes: u64,
}

/// What is known of a connection. Formats other than mitmproxy's keep little of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionFacts {
    /// A name of its own, a UUID as a rule.
    pub id: String,
    /// Address and port of the other side.
    pub peer: Option<(String, u16)>,
    /// Address and port of this side.
    pub local: Option<(String, u16)>,
    /// Host and port it was to go to; of connections to servers.
    pub address: Option<(String, u16)>,
    /// It ran over TLS.
    pub tls: bool,
    /// The server name of the TLS handshake.
    pub sni: Option<String>,
    /// The protocol TLS agreed on.
    pub alpn: Option<Vec<u8>>,
    /// The protocols that were offered.
    pub alpn_offers: Vec<Vec<u8>>,
    /// The cipher TLS agreed on.
    pub cipher: Option<String>,
    /// The ciphers that were offered.
    pub ciphers: Vec<String>,
    /// `TLSv1.3` and so on.
    pub tls_version: Option<String>,
    /// The peer's certificates, PEM.
    pub certificates: Vec<Vec<u8>>,
    /// The certificate shown to the client in the server's name, PEM; of connections of clients.
    pub shown_certificate: Option<Vec<u8>>,
    /// What went wrong with it.
    pub error: Option<String>,
    /// `tcp` or `udp`.
    pub transport: String,
    /// How the client reached the proxy (`regular`, `transparent` ...); of connections of clients.
    pub proxy_mode: String,
    /// The proxy behind which the server was reached: scheme, host, port.
    pub via: Option<(String, String, u16)>,
    /// When it was opened.
    pub started: Option<f64>,
    /// When TCP was set up.
    pub tcp_setup: Option<f64>,
    /// When TLS was set up.
    pub tls_setup: Option<f64>,
    /// When it ended.
    pub ended: Option<f64>,
}

/// What was said over a WebSocket (RFC 6455).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebSocket {
    /// The messages in order.
    pub messages: Vec<WebSocketMessage>,
    /// The client closed it.
    pub closed_by_client: Option<bool>,
    /// The status it was closed with.
    pub close_code: Option<u16>,
    /// What was said at the close.
    pub close_reason: Option<String>,
    /// When it ended.
    pub ended: Option<f64>,
}

/// A message over a WebSocket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebSocketMessage {
    /// The opcode: 1 is text, 2 binary.
    pub opcode: u8,
    /// The client sent it.
    pub from_client: bool,
    /// What was said.
    pub content: Vec<u8>,
    /// When.
    pub at: f64,
    /// It was not passed on.
    pub dropped: bool,
    /// It came from the proxy itself.
    pub injected: bool,
}
