//! The origin: https on `localhost`, HTTP/1.1 and HTTP/2. It remembers what it was asked, and what it answered.

use crate::secure::SecureOrigin;
use futures_util::{StreamExt as _, stream};
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Body, Frame, RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond::front::{ConnInfo, Interim, Reply, Request, Service};
use std::sync::{Arc, Mutex};

/// Bytes of what `/endless` sends before it falls silent; it announces [`ENDLESS`].
const BEGINNING: usize = 16 * 1024;
const ENDLESS: u64 = 1024 * 1024;

/// What the origin saw, and what it said.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub sent: Vec<u8>,
    pub status: u16,
    pub kind: String,
    /// The content as it went over the wire, codings and all; of `/endless` the beginning.
    pub content: Vec<u8>,
}

/// A running origin, stopped when dropped.
pub struct Site {
    pub port: u16,
    /// The file with the certificate of its authority.
    pub certificate: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _origin: SecureOrigin,
}

impl Site {
    pub fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let origin = SecureOrigin::of(Pages(Arc::clone(&seen)));
        Self { port: origin.port, certificate: origin.certificate(), seen, _origin: origin }
    }

    /// Everything it was asked so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

struct Pages(Arc<Mutex<Vec<Seen>>>);

impl Service for Pages {
    type Log = ();

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn ready(&self, _: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        None
    }

    async fn call(&self, request: Request, body: Body, _: Interim, _: &ConnInfo) -> Reply<()> {
        let mut sent = Vec::new();
        let mut frames = body.into_stream();
        while let Some(frame) = frames.next().await {
            if let Ok(Frame::Data(bytes)) = frame {
                sent.extend_from_slice(&bytes);
            }
        }
        let (status, fields, pieces) = answer(&request.head, &sent);
        self.0.lock().unwrap().push(Seen {
            method: request.head.method.to_string(),
            target: request.head.path_and_query.clone(),
            sent,
            status,
            kind: fields.iter().find(|(name, _)| *name == "Content-Type").map_or("", |(_, kind)| kind).into(),
            content: if request.head.method.as_str() == "HEAD" { Vec::new() } else { pieces.concat() },
        });
        let head = ResponseHead {
            fields: fields.iter().copied().collect(),
            ..ResponseHead::new(StatusCode::from_u16(status).unwrap())
        };
        let endless = path(&request.head) == "/endless";
        Reply::new(head, streamed(pieces, endless), ())
    }
}

/// One piece is sent as it is, several as they come, and what is endless never ends.
fn streamed(mut pieces: Vec<Vec<u8>>, endless: bool) -> Body {
    if pieces.len() == 1 && !endless {
        return Body::from_bytes(pieces.remove(0));
    }
    let frames = stream::iter(pieces.into_iter().map(|piece| Ok(Frame::Data(piece.into()))));
    if endless {
        return Body::Stream { stream: Box::pin(frames.chain(stream::pending())), length: Some(ENDLESS) };
    }
    Body::from_stream(frames)
}

fn path(request: &RequestHead) -> &str {
    request.path_and_query.split('?').next().unwrap()
}

type Fields = &'static [(&'static str, &'static str)];

/// Status, fields and the pieces of the content.
fn answer(request: &RequestHead, sent: &[u8]) -> (u16, Fields, Vec<Vec<u8>>) {
    const JSON: Fields = &[("Content-Type", "application/json"), ("Set-Cookie", "order=7; Path=/")];
    const PAGE: Fields = &[("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")];
    const BINARY: Fields = &[("Content-Type", "application/octet-stream")];
    const GZIP: Fields = &[
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Encoding", "gzip"),
        ("Vary", "Accept-Encoding"),
    ];
    let one = |content: &[u8]| vec![content.to_vec()];
    match path(request) {
        "/page" => (200, PAGE, one("<p>Bächlein über Stein</p>\n".as_bytes())),
        "/orders" => (201, JSON, vec![[b"{\"got\":", sent, b"}"].concat()]),
        "/binary" => (200, BINARY, vec![(0..=255).rev().cycle().take(5000).collect()]),
        "/upload" => (200, BINARY, one(sent)),
        "/gzip" => (200, GZIP, vec![gzip("packed and unpacked\n".repeat(50).as_bytes())]),
        "/large" => (200, BINARY, vec![b"0123456789abcde\n".repeat(20_000)]),
        "/moved" => (302, &[("Location", "/page?moved")], one(b"")),
        "/unchanged" => (304, &[("ETag", "\"v1\"")], one(b"")),
        "/events" => {
            let event = |number: i32| format!("id: {number}\ndata: {{\"number\":{number}}}\n\n").into_bytes();
            (200, &[("Content-Type", "text/event-stream")], (1..=3).map(event).collect())
        }
        "/gone" => (204, &[], one(b"")),
        "/endless" => (200, BINARY, vec![vec![7; BEGINNING]]),
        _ => (404, &[("Content-Type", "text/plain")], one(b"there is nothing here\n")),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}
