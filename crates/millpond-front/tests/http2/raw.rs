//! Frames made by hand (RFC 9113 section 4).

use crate::support::{Client, Script, connect_sized};
use millpond_front::{ConnectionEnd, Drain, FrontLimits};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const SETTINGS_TIMEOUT: u32 = 4;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Fields as HPACK literals that change no table (RFC 7541 section 6.2.2).
pub fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name.as_bytes(), value] {
            number(&mut bytes, text.len());
            bytes.extend(text);
        }
    }
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn number(bytes: &mut Vec<u8>, mut number: usize) {
    if number < 127 {
        bytes.push(u8::try_from(number).unwrap());
        return;
    }
    bytes.push(127);
    number -= 127;
    while number >= 128 {
        bytes.push(u8::try_from(number % 128).unwrap() | 128);
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
}

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
            if let [a, b, c, kind, flags, s @ ..] = &self.buf[..]
                && s.len() >= 4
            {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if s.len() >= 4 + length {
                    let (kind, flags) = (*kind, *flags);
                    let stream = u32::from_be_bytes(s[..4].try_into().unwrap());
                    let payload = s[4..4 + length].to_vec();
                    self.buf.drain(..9 + length);
                    return Some(Frame { kind, flags, stream, payload });
                }
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
