//! Origins that speak HTTP/2 over TLS, frame by frame as a test tells them to.

use super::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, block,
    frame, take,
};
use super::tls::Authority;
use super::{Proxy, Setup, until};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

/// A listening origin, `https://localhost:PORT`.
pub struct Origin2 {
    port: u16,
    authority: Authority,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    connections: AtomicUsize,
    asked: AtomicUsize,
    /// The frames that came on any connection.
    frames: Mutex<Vec<Frame>>,
    changed: Notify,
    told: Notify,
}

/// One connection of the proxy to an origin.
pub struct Conn2 {
    pub stream: TlsStream<TcpStream>,
    /// Which of the connections it is, from 0.
    pub number: usize,
    buf: Vec<u8>,
    log: Arc<Log>,
}

impl Origin2 {
    /// An origin whose connections are served by `serve`.
    pub async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Conn2) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let authority = Authority::new("origins over HTTP/2");
        let acceptor = authority.http2();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.changed.notify_waiters();
                tokio::spawn(serve(Conn2 { stream, number, buf: Vec::new(), log: Arc::clone(&shared) }));
            }
        });
        Self { port, authority, log }
    }

    /// A proxy in front of it.
    pub fn setup(&self) -> Setup {
        let file = self.authority.file().to_str().unwrap().to_owned();
        Setup::new().set("origin", format!("https://localhost:{}", self.port)).set("upstream_ca", file)
    }

    pub fn proxy(&self) -> Proxy {
        self.setup().start()
    }

    /// The number of requests so far.
    pub fn asked(&self) -> usize {
        self.log.asked.load(Ordering::SeqCst)
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    /// The codes of the resets and GOAWAYs that came.
    pub fn codes(&self) -> Vec<u32> {
        let frames = self.log.frames.lock().unwrap();
        frames.iter().filter(|frame| matches!(frame.kind, RST_STREAM | GOAWAY)).map(Frame::code).collect()
    }

    /// Lets an answer go on that waits to be told.
    pub fn tell(&self) {
        self.log.told.notify_one();
    }

    /// Waits until `holds` is true of this origin; looked at whenever something happens here.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        until(&self.log.changed, || holds(self)).await;
    }
}

impl Conn2 {
    /// Reads the preface; false when the proxy is gone.
    pub async fn preface(&mut self) -> bool {
        let mut preface = [0; PREFACE.len()];
        let came = self.stream.read_exact(&mut preface).await.is_ok();
        assert!(!came || preface == *PREFACE);
        came
    }

    /// Reads the preface and sends SETTINGS; false when the proxy is gone.
    pub async fn greet(&mut self, settings: &[u8]) -> bool {
        self.preface().await && self.send(frame(SETTINGS, 0, 0, settings)).await
    }

    /// The next frame; `None` when the proxy closed. SETTINGS and PING are answered.
    pub async fn next(&mut self) -> Option<Frame> {
        let next = loop {
            if let Some(frame) = take(&mut self.buf) {
                break frame;
            }
            if self.stream.read_buf(&mut self.buf).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        if matches!(next.kind, SETTINGS | PING) && next.flags & ACK == 0 {
            let content = if next.kind == PING { next.payload.clone() } else { Vec::new() };
            self.send(frame(next.kind, ACK, 0, &content)).await;
        }
        if next.kind == HEADERS {
            self.log.asked.fetch_add(1, Ordering::SeqCst);
        }
        self.log.frames.lock().unwrap().push(next.clone());
        self.log.changed.notify_waiters();
        Some(next)
    }

    /// The stream of the next request, when all of it has come.
    pub async fn request(&mut self) -> Option<u32> {
        loop {
            let next = self.next().await?;
            if matches!(next.kind, HEADERS | DATA) && next.flags & END_STREAM != 0 {
                return Some(next.stream);
            }
        }
    }

    /// Answers each further request soundly.
    pub async fn go_on(&mut self) {
        while let Some(stream) = self.request().await {
            self.send(sane(stream)).await;
        }
    }

    /// Sends; false when the proxy is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Sends the same until the proxy has closed.
    pub async fn repeat(self, bytes: Vec<u8>) {
        let (mut read, mut write) = tokio::io::split(self.stream);
        tokio::spawn(async move {
            // What comes is not looked at, but it must not pile up.
            let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
        });
        while write.write_all(&bytes).await.is_ok() && write.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }

    /// Waits until the test tells.
    pub async fn told(&self) {
        self.log.told.notified().await;
    }
}

/// The head of a response with this status; `flags` beside END_HEADERS.
pub fn head(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    frame(HEADERS, END_HEADERS | flags, stream, &block(&fields))
}

/// The head of a response that may be stored, and more fields.
pub fn fresh(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    head(stream, 0, &[&[(":status", "200"), ("cache-control", "max-age=60")], more].concat())
}

/// Content; `flags` is END_STREAM or none.
pub fn data(stream: u32, flags: u8, content: &str) -> Vec<u8> {
    frame(DATA, flags, stream, content.as_bytes())
}

/// What a sound origin says.
pub fn sane(stream: u32) -> Vec<u8> {
    [fresh(stream, &[("content-length", "4")]), data(stream, END_STREAM, "sane")].concat()
}

/// A reset with `code`.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// The word that no stream beyond `last` is or will be looked at.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}
