//! A service that does what the path says, and a client that speaks bytes.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

pub mod io;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use millpond_exchange::{
    Body, BodyError, BodyErrorKind, Fields, Frame, ResponseHead, Segments, StatusCode, Timestamp,
};
use millpond_front::{
    ConnInfo, ConnectionEnd, Drain, Finished, FrontLimits, Interim, Outcome, Refusal, Reply, Request,
    Service, TargetForm, Transport, WireHead, serve_connection,
};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

/// What the service saw of one request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub authority: String,
    pub form: TargetForm,
    pub fields: Fields,
    pub body_length: Option<u64>,
    pub accepts_trailers: bool,
    pub version: http::Version,
}

/// Behaves by path; see [`Script::answer`].
#[derive(Default)]
pub struct Script {
    pub seen: Mutex<Vec<Seen>>,
    /// Seconds since [`DATE`].
    pub clock: AtomicI64,
    pub finished: Mutex<Vec<Outcome>>,
    /// Whether each finished reply came with its request.
    pub with_request: Mutex<Vec<bool>>,
    pub refused: Mutex<Vec<Refusal>>,
    /// Calls that were dropped before they answered.
    pub dropped: AtomicUsize,
    /// Woken when `/wait` may answer, and told when it was reached.
    pub go: tokio::sync::Notify,
    pub reached: tokio::sync::Notify,
}

/// Counts a call that is dropped half-way.
struct Guard<'a>(&'a AtomicUsize, bool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Runs until every task waits.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

pub const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

impl Script {
    fn note(&self, request: &Request) {
        let head = &request.head;
        self.seen.lock().unwrap().push(Seen {
            line: format!("{} {}", head.method, head.path_and_query),
            authority: head.authority.clone(),
            form: request.form,
            fields: head.fields.clone(),
            body_length: request.body_length,
            accepts_trailers: request.accepts_trailers,
            version: head.version,
        });
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }

    async fn answer(&self, path: &str, request: Request, body: Body, interim: &Interim) -> Reply<()> {
        let ok = || WireHead::new(StatusCode::OK);
        match path {
            "/echo" => Reply::new(ok(), Body::from_stream(body.into_stream()), ()),
            "/collect" => collect(body).await,
            "/task" => {
                let collected = tokio::spawn(collect(body)).await;
                collected.unwrap()
            }
            "/ignore" => {
                drop(body);
                text("ignored")
            }
            "/take-and-hold" => {
                take(body, request.body_length.unwrap()).await;
                Reply::new(ok(), Body::from_stream(stream::pending()), ())
            }
            "/keep" => {
                // Answers with the body still in hand, never read.
                let kept = stream::once(async move {
                    drop(body);
                    Ok(Frame::Data("kept".into()))
                });
                Reply::new(ok(), Body::from_stream(kept), ())
            }
            "/hints" => {
                let hints = Fields::from_iter([("Link", "</style.css>; rel=preload")]);
                interim.send(StatusCode::EARLY_HINTS, &hints).unwrap();
                interim.send(StatusCode::PROCESSING, &Fields::new()).unwrap();
                text("hinted")
            }
            "/continue" => {
                interim.send(StatusCode::CONTINUE, &Fields::new()).unwrap();
                collect(body).await
            }
            "/wait" => {
                let mut guard = Guard(&self.dropped, false);
                self.reached.notify_one();
                self.go.notified().await;
                guard.1 = true;
                text("waited")
            }
            "/upgrade" => {
                let mut head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
                head.fields.append("Upgrade", "echo").unwrap();
                Reply::upgrade(&head, Box::new(|io| Box::pin(echo(io))), ())
            }
            _ if request.form == TargetForm::Authority => {
                let head = ResponseHead::new(StatusCode::OK);
                Reply::upgrade(&head, Box::new(|io| Box::pin(echo(io))), ())
            }
            _ => plain(path),
        }
    }
}

/// Answers that depend on nothing but the path.
fn plain(path: &str) -> Reply<()> {
    let status = |code: u16| WireHead::new(StatusCode::from_u16(code).unwrap());
    let memory = |kib: usize| Body::from_bytes(Bytes::from(vec![7; kib << 10]));
    let sized =
        |length, pieces: &[&'static str]| Body::Stream { stream: frames(pieces).into_stream(), length };
    match path {
        "/60-kib" => Reply::new(status(200), memory(60), ()),
        "/256-kib" => Reply::new(status(200), memory(256), ()),
        "/stream" => Reply::new(status(200), frames(&["one", "two", "three"]), ()),
        "/sized" => Reply::new(status(200), sized(Some(6), &["one", "two"]), ()),
        "/short" => Reply::new(status(200), sized(Some(100), &["one"]), ()),
        "/long" => Reply::new(status(200), sized(Some(4), &["one", "two"]), ()),
        "/fails" => {
            let failing = stream::iter([
                Ok(Frame::Data("part".into())),
                Err(BodyError::new(BodyErrorKind::Cut, "the origin left")),
            ]);
            Reply::new(status(200), Body::from_stream(failing), ())
        }
        "/trailers" | "/announced-trailers" => {
            let trailers =
                Fields::from_iter([("X-Sum", "42"), ("Content-Length", "7"), ("Set-Cookie", "a=b")]);
            let frames = stream::iter([Ok(Frame::Data("content".into())), Ok(Frame::Trailers(trailers))]);
            let mut head = status(200);
            let mut length = None;
            if path == "/announced-trailers" {
                head.push("Trailer", "X-Sum").unwrap();
                length = Some(7);
            }
            Reply::new(head, Body::Stream { stream: Box::pin(frames), length }, ())
        }
        "/no-content" => Reply::new(status(204), Body::from_bytes("dropped"), ()),
        "/reset" => Reply::new(status(205), Body::from_bytes("dropped"), ()),
        "/not-modified" => {
            Reply { announce: Some(1234), ..Reply::new(status(304), Body::from_bytes("dropped"), ()) }
        }
        "/interim-as-final" => Reply::new(status(103), Body::Empty, ()),
        "/framing-fields" => {
            let mut head = ResponseHead::new(StatusCode::OK);
            head.fields = Fields::from_iter([
                ("Content-Length", "999"),
                ("X-Kept", "yes"),
                ("transfer-encoding", "gzip"),
                ("Connection", "X-Kept"),
                ("Keep-Alive", "timeout=5"),
                ("Date", DATE),
            ]);
            Reply::new(&head, Body::from_bytes("four"), ())
        }
        "/close" => Reply { close: true, ..text("closing") },
        "/big" => {
            let pieces: Vec<Bytes> = (0..40u8).map(|n| Bytes::from(vec![n; 256 * 1024])).collect();
            Reply::new(status(200), Body::Memory(Segments::new(pieces)), ())
        }
        _ => text("hello"),
    }
}

pub fn text(content: &'static str) -> Reply<()> {
    Reply::new(WireHead::new(StatusCode::OK), Body::from_bytes(content), ())
}

pub fn frames(pieces: &[&'static str]) -> Body {
    let pieces: Vec<_> =
        pieces.iter().map(|piece| Ok(Frame::Data(Bytes::from_static(piece.as_bytes())))).collect();
    Body::from_stream(stream::iter(pieces))
}

/// Reads so many bytes and does not ask for more.
async fn take(body: Body, length: u64) {
    let mut stream = body.into_stream();
    let mut taken = 0;
    while taken < length {
        let Some(Ok(Frame::Data(piece))) = stream.next().await else { return };
        taken += piece.len() as u64;
    }
}

/// Reads all of `body` and answers with it, its trailers named in a field; 400 when it fails.
async fn collect(body: Body) -> Reply<()> {
    let mut stream = body.into_stream();
    let (mut all, mut head) = (Vec::new(), WireHead::new(StatusCode::OK));
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(Frame::Data(data)) => all.extend_from_slice(&data),
            Ok(Frame::Trailers(fields)) => {
                let names: Vec<_> = fields.iter().map(|field| field.name_str().to_owned()).collect();
                head.push("X-Trailers", names.join(" ")).unwrap();
            }
            Err(error) => {
                let mut head = WireHead::new(StatusCode::BAD_REQUEST);
                head.push("X-Error", format!("{:?}", error.kind)).unwrap();
                return Reply::new(head, Body::from_bytes(error.message), ());
            }
        }
    }
    Reply::new(head, Body::from_bytes(all), ())
}

async fn echo(io: millpond_front::Upgraded) {
    let (mut read, mut write) = tokio::io::split(io);
    let _ = tokio::io::copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}

impl Service for Script {
    type Log = ();

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_767_225_600 + self.clock.load(Ordering::SeqCst))
    }

    fn ready(&self, request: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        match request.head.path_and_query.as_str() {
            "/ready" => {
                self.note(request);
                Some(text("at once"))
            }
            "/ready-kib" => {
                self.note(request);
                Some(Reply::new(WireHead::new(StatusCode::OK), Body::from_bytes(vec![b'x'; 1024]), ()))
            }
            "/ready-stream" => {
                self.note(request);
                Some(Reply::new(WireHead::new(StatusCode::OK), frames(&["a", "b"]), ()))
            }
            _ => None,
        }
    }

    async fn call(&self, request: Request, body: Body, interim: Interim, _: &ConnInfo) -> Reply<()> {
        self.note(&request);
        let path = request.head.path_and_query.clone();
        self.answer(&path, request, body, &interim).await
    }

    fn finished(&self, done: Finished<'_, ()>) {
        self.with_request.lock().unwrap().push(done.request.is_some());
        self.finished.lock().unwrap().push(done.outcome);
    }

    fn refused(&self, refusal: Refusal, _: &ConnInfo, _: Option<&str>) {
        self.refused.lock().unwrap().push(refusal);
    }

    fn request_id(&self) -> Option<String> {
        Some("id-7".to_owned())
    }
}

/// A reply as it came over the wire.
#[derive(Clone, Debug)]
pub struct Got {
    pub status: u16,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
}

impl Got {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get_str(name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A connection to a [`Script`].
pub struct Client<IO = DuplexStream> {
    pub io: IO,
    pub buf: Vec<u8>,
    pub script: Arc<Script>,
    pub server: JoinHandle<ConnectionEnd>,
    pub drain: Drain,
}

pub fn connect() -> Client {
    connect_with(FrontLimits::default())
}

pub fn connect_with(limits: FrontLimits) -> Client {
    connect_sized(limits, 64 * 1024)
}

/// A connection over a pipe that holds `pipe` bytes in each direction.
pub fn connect_sized(limits: FrontLimits, pipe: usize) -> Client {
    let (io, theirs) = tokio::io::duplex(pipe);
    serve(io, theirs, limits)
}

/// Serves `theirs` and speaks over `io`.
pub fn serve<A, B>(io: A, theirs: B, limits: FrontLimits) -> Client<A>
where
    B: Transport,
{
    let (script, drain) = (Arc::new(Script::default()), Drain::new());
    let server = tokio::spawn(serve_connection(
        theirs,
        ConnInfo::new(1),
        Arc::clone(&script),
        Arc::new(limits),
        drain.signal(),
    ));
    Client { io, buf: Vec::new(), script, server, drain }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Client<IO> {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads once more into the buffer; false at the end of the stream.
    pub async fn more(&mut self) -> bool {
        self.io.read_buf(&mut self.buf).await.unwrap_or(0) > 0
    }

    /// The next head; `None` when the stream ends before it.
    pub async fn head(&mut self) -> Option<(u16, Fields)> {
        loop {
            if let Some(end) = find(&self.buf, b"\r\n\r\n") {
                let head: Vec<u8> = self.buf.drain(..end + 4).collect();
                return Some(read_head(&head));
            }
            if !self.more().await {
                assert!(self.buf.is_empty(), "cut within a head: {:?}", String::from_utf8_lossy(&self.buf));
                return None;
            }
        }
    }

    /// The next reply to a request other than HEAD, with its body complete.
    pub async fn reply(&mut self) -> Got {
        self.try_reply().await.expect("a complete reply")
    }

    /// `None` when the stream ends before the reply does.
    pub async fn try_reply(&mut self) -> Option<Got> {
        let (status, fields) = self.head().await?;
        let mut got = Got { status, fields, body: Vec::new(), trailers: Fields::new() };
        if status < 200 || status == 204 || status == 304 {
            return Some(got);
        }
        if got.field("Transfer-Encoding") == Some("chunked") {
            loop {
                let line = self.line().await?;
                let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                if size == 0 {
                    break;
                }
                got.body.extend(self.take(size).await?);
                assert_eq!(self.line().await?, "\r\n");
            }
            loop {
                let line = self.line().await?;
                let Some((name, value)) = line.trim_end().split_once(": ") else { return Some(got) };
                got.trailers.append(name, value).unwrap();
            }
        }
        if let Some(length) = got.field("Content-Length").map(|length| length.parse().unwrap()) {
            got.body = self.take(length).await?;
        } else {
            while self.more().await {}
            got.body = std::mem::take(&mut self.buf);
        }
        Some(got)
    }

    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buf, b"\n") {
                return Some(String::from_utf8(self.buf.drain(..=end).collect()).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub async fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        while self.buf.len() < size {
            if !self.more().await {
                return None;
            }
        }
        Some(self.buf.drain(..size).collect())
    }

    pub async fn get(&mut self, path: &str) -> Got {
        self.send(get(path)).await;
        self.reply().await
    }

    /// Asserts that the server closes and sends nothing more.
    pub async fn assert_closed(&mut self) {
        while self.more().await {}
        assert_eq!(String::from_utf8_lossy(&self.buf), "", "nothing may follow");
    }

    /// Asserts that another request is answered on this connection.
    pub async fn assert_open(&mut self) {
        assert_eq!(self.get("/hello").await.text(), "hello");
    }
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

pub fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n{body}")
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn read_head(head: &[u8]) -> (u16, Fields) {
    let text = std::str::from_utf8(head).unwrap();
    let mut lines = text.trim_end().split("\r\n");
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"))).collect();
    (status[..3].parse().unwrap(), fields)
}
