//! What a tunnel begins with.

use millpond_front::Transport;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};

/// How a client begins what it says in a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// With a TLS handshake.
    Tls,
    /// With a request of HTTP/1, or the preface of HTTP/2 (RFC 9113 section 3.4), without TLS.
    Http,
    /// With something else.
    Other,
    /// With nothing, within the time it was given: it may wait for the server's first words.
    Silent,
    /// With nothing, and then it closed, or the connection failed.
    Closed,
}

/// How much is looked at. Every method in the registry is much shorter.
const LOOK: usize = 32;

/// Looks at the first bytes of `io`, for `limit` at most. Nothing is lost: they are read again from what comes back.
pub async fn opening<IO: Transport>(io: IO, limit: Duration) -> (Opening, Rewound<IO>) {
    opening_until(io, limit, std::future::pending()).await
}

/// The same, and not longer than `other` takes: the other side's first words, as a rule. What both have to say at the same
/// moment is the client's.
pub async fn opening_until<IO: Transport>(
    mut io: IO,
    limit: Duration,
    other: impl Future<Output = ()>,
) -> (Opening, Rewound<IO>) {
    let deadline = Instant::now() + limit;
    let mut other = pin!(other);
    let mut seen = Seen::default();
    let opening = loop {
        if let Some(opening) = judge(seen.bytes()) {
            break opening;
        }
        let nothing = tokio::select! {
            biased;
            read = timeout_at(deadline, io.read(&mut seen.bytes[seen.end..])) => match read {
                Ok(Ok(0) | Err(_)) => Opening::Closed,
                Err(_) => Opening::Silent,
                Ok(Ok(read)) => {
                    seen.end += read;
                    continue;
                }
            },
            () = &mut other => Opening::Silent,
        };
        // A beginning that could have become either, and of which no more comes, is neither.
        break if seen.end > 0 { Opening::Other } else { nothing };
    };
    (opening, Rewound { seen, io })
}

/// What `bytes` are the beginning of; `None` while they may become one or another.
fn judge(bytes: &[u8]) -> Option<Opening> {
    match bytes {
        [] | [0x16] => return None,
        // A record of the handshake protocol; 3 is the major version of every TLS (RFC 8446 section 5.1).
        [0x16, 0x03, ..] => return Some(Opening::Tls),
        _ => {}
    }
    // RFC 9112 section 2.2: an empty line before a request is to be overlooked.
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let line = &bytes[start.unwrap_or(bytes.len())..];
    let method = line.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-').count();
    match line[method..] {
        [] | [b' '] if bytes.len() < LOOK => None,
        // The target begins a path, is `*`, or is a URL; that of a CONNECT can begin with anything (RFC 9112 section 3.2).
        [b' ', target, ..] if method > 0 => {
            let http = matches!(target, b'/' | b'*' | b'h' | b'H') || &line[..method] == b"CONNECT";
            Some(if http { Opening::Http } else { Opening::Other })
        }
        _ => Some(Opening::Other),
    }
}

/// The bytes looked at, of which those before `start` were read again.
#[derive(Default)]
struct Seen {
    bytes: [u8; LOOK],
    start: usize,
    end: usize,
}

impl Seen {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

/// A connection whose first bytes were looked at: they are read again.
pub struct Rewound<IO> {
    seen: Seen,
    io: IO,
}

impl<IO> Rewound<IO> {
    /// The connection as if nothing had been read.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }

    /// The bytes looked at and not yet read again, and the connection behind them.
    pub fn into_parts(self) -> (Vec<u8>, IO) {
        (self.seen.bytes().to_vec(), self.io)
    }
}

impl<IO: Transport> Transport for Rewound<IO> {
    fn reset_on_close(&mut self, on: bool) {
        self.io.reset_on_close(on);
    }
}

impl<IO: Transport> AsyncRead for Rewound<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let kept = this.seen.bytes();
        if kept.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let take = kept.len().min(buf.remaining());
        buf.put_slice(&kept[..take]);
        this.seen.start += take;
        Poll::Ready(Ok(()))
    }
}

impl<IO: Transport> AsyncWrite for Rewound<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<IO> fmt::Debug for Rewound<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewound({} bytes)", self.seen.bytes().len())
    }
}
