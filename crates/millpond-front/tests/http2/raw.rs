//! A client that sends frames made by hand.

use crate::support::{Client, Script, connect_sized};
use millpond_front::{ConnectionEnd, Drain, FrontLimits};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

pub use crate::frames::*;

/// A GET without body, as one frame.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let fields: [(&str, &[u8]); 4] =
        [(":method", b"GET"), (":scheme", b"http"), (":authority", b"a.example"), (":path", path.as_bytes())];
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields))
}

/// A connection.
pub struct Raw {
    pub read: ReadHalf<DuplexStream>,
    pub write: WriteHalf<DuplexStream>,
    pub buf: Vec<u8>,
    pub script: Arc<Script>,
    pub server: JoinHandle<ConnectionEnd>,
    pub drain: Drain,
}

/// A connection on which nothing was sent.
pub fn silent(limits: FrontLimits, pipe: usize) -> Raw {
    Raw::over(connect_sized(limits, pipe))
}

/// A connection past its first SETTINGS, with `settings` as the client's.
pub async fn connected(limits: FrontLimits, settings: &[u8]) -> Raw {
    let mut raw = silent(limits, 1024 * 1024);
    raw.greet(settings).await;
    raw
}

impl Raw {
    pub fn over(client: Client) -> Self {
        let Client { io, script, server, drain, .. } = client;
        let (read, write) = tokio::io::split(io);
        Self { read, write, buf: Vec::new(), script, server, drain }
    }

    /// Preface and SETTINGS, both ways.
    pub async fn greet(&mut self, settings: &[u8]) {
        self.send([PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await;
        assert_eq!(self.next().await.unwrap().kind, SETTINGS);
        self.send(frame(SETTINGS, ACK, 0, &[])).await;
    }

    /// Sends; a server that has closed is no failure.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.write.write_all(bytes.as_ref()).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = take(&mut self.buf) {
                return Some(frame);
            }
            if self.read.read_buf(&mut self.buf).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next frame of `kind`.
    pub async fn until(&mut self, kind: u8) -> Frame {
        self.try_until(kind).await.expect("the connection ended before that")
    }

    pub async fn try_until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Waits for a GOAWAY with `code` and the end of the connection.
    pub async fn assert_goaway(&mut self, code: u32) {
        let mut last = None;
        while let Some(frame) = self.next().await {
            last = Some(frame).filter(|frame| frame.kind == GOAWAY).or(last);
        }
        assert_eq!(last.expect("a GOAWAY").code(), code);
    }
}
