//! What the front asks, and whom: the [`Service`] trait and the values it deals in.

use crate::{Interim, Refusal, Reply};
use http::{StatusCode, Version};
use millpond_exchange::{Body, Fields, RequestHead, Scheme, Timestamp};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The facts of a connection that every request on it shares.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// A number that tells connections apart, chosen by the listener.
    pub id: u64,
    /// The client's address; `None` for Unix sockets and in-memory pipes.
    pub peer: Option<SocketAddr>,
    /// The address the client connected to.
    pub local: Option<SocketAddr>,
    /// The scheme of origin-form targets: `https` behind TLS.
    pub scheme: Scheme,
    /// The authority a client asked a tunnel to (CONNECT, RFC 9110 section 9.3.6), where this connection runs inside that
    /// tunnel: host and port.
    pub tunnel: Option<Arc<str>>,
}

impl ConnInfo {
    /// A plain-text connection with number `id` and no addresses.
    pub fn new(id: u64) -> Self {
        Self { id, peer: None, local: None, scheme: Scheme::Http, tunnel: None }
    }
}

/// The form in which a request target was written (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `*`, with OPTIONS only.
    Asterisk,
    /// `host:port`, with CONNECT only; `path_and_query` is empty.
    Authority,
}

/// A request as received: checked, and with an unambiguous target.
///
/// `head.authority` is from an absolute-form target, else from Host; it is empty only when an HTTP/1.0 client sent
/// neither. For an absolute-form target the Host field was replaced (RFC 9112 section 3.2.2). Hop-by-hop fields are
/// still in `head.fields`, Transfer-Encoding and Content-Length too: removing them is the next hop's business.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, target, version and fields. Versions 1.2 to 1.9 count as 1.1.
    pub head: RequestHead,
    /// The form the target was written in.
    pub form: TargetForm,
    /// Bytes of body announced; `Some(0)` when there is none, `None` when it is chunked.
    pub body_length: Option<u64>,
    /// The client sent `TE: trailers` (RFC 9110 section 6.5.1), so that trailers of the reply reach it.
    pub accepts_trailers: bool,
    /// When the last byte of the head was read.
    pub received: Instant,
}

impl Request {
    pub(crate) fn blank() -> Self {
        Self {
            head: RequestHead {
                method: http::Method::GET,
                scheme: Scheme::Http,
                authority: String::new(),
                path_and_query: String::new(),
                version: Version::HTTP_11,
                fields: Fields::new(),
            },
            form: TargetForm::Origin,
            body_length: Some(0),
            accepts_trailers: false,
            received: Instant::now(),
        }
    }
}

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status that was sent.
    pub status: StatusCode,
    /// Bytes of content handed to the socket, without head and chunk framing.
    pub body_bytes: u64,
    /// All of the reply was handed to the socket. False when either side cut it.
    pub complete: bool,
    /// From the last byte of the request head to the reply head being ready to send.
    pub first_byte: Duration,
    /// From the last byte of the request head to the last byte of the reply.
    pub total: Duration,
}

impl Outcome {
    /// A reply that was replaced by an error of `status`.
    pub(crate) fn not_sent(status: StatusCode) -> Self {
        Self { status, body_bytes: 0, complete: false, first_byte: Duration::ZERO, total: Duration::ZERO }
    }
}

/// What [`Service::finished`] is told.
#[derive(Debug)]
pub struct Finished<'a, L> {
    /// The request, where [`Service::ready`] answered it; `call` got it by value and keeps in `log` what it needs.
    pub request: Option<&'a Request>,
    /// The connection.
    pub conn: &'a ConnInfo,
    /// The reply's own note, handed back.
    pub log: L,
    /// How it went.
    pub outcome: Outcome,
}

/// Answers requests. One instance serves all connections.
pub trait Service: Send + Sync + 'static {
    /// A note that goes with each reply and comes back in [`Service::finished`].
    type Log: Send + 'static;

    /// The wall clock, for the Date field of replies without one (RFC 9110 section 6.6.1).
    fn now(&self) -> Timestamp;

    /// The fast path: the reply at once, or `None` to have [`Service::call`] asked. It may read
    /// a row from a file, but must not wait for anything else.
    ///
    /// A body the request may have is not read; after the reply it is drained or the connection closed.
    fn ready(&self, request: &Request, conn: &ConnInfo) -> Option<Reply<Self::Log>>;

    /// Everything else. Dropped half-way when the client's connection breaks; a close by the client in one direction
    /// only (end of its stream) does not count as that.
    ///
    /// `body` may be read from any task, also after the reply head was returned.
    fn call(
        &self,
        request: Request,
        body: Body,
        interim: Interim,
        conn: &ConnInfo,
    ) -> impl Future<Output = Reply<Self::Log>> + Send;

    /// Called after each reply, sent in full or not. Must be cheap.
    fn finished(&self, done: Finished<'_, Self::Log>) {
        let _ = done;
    }

    /// Called when the front itself answers a request that is not one, or ends a connection for what came over it.
    /// `request_id` is what the answer names, where there is an answer.
    fn refused(&self, refusal: Refusal, conn: &ConnInfo, request_id: Option<&str>) {
        let _ = (refusal, conn, request_id);
    }

    /// A new identifier for one of the front's own error replies: it is in `X-Request-Id`, in the problem document, and
    /// given to [`Service::refused`].
    fn request_id(&self) -> Option<String> {
        None
    }
}
