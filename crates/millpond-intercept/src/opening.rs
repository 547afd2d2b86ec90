//! What a tunnel begins with.

use millpond_front::{Rewound, Transport};
use std::pin::pin;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
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
    let (mut seen, mut end) = ([0; LOOK], 0);
    let opening = loop {
        if let Some(opening) = judge(&seen[..end]) {
            break opening;
        }
        let nothing = tokio::select! {
            biased;
            read = timeout_at(deadline, io.read(&mut seen[end..])) => match read {
                Ok(Ok(0) | Err(_)) => Opening::Closed,
                Err(_) => Opening::Silent,
                Ok(Ok(read)) => {
                    end += read;
                    continue;
                }
            },
            () = &mut other => Opening::Silent,
        };
        // A beginning that could have become either, and of which no more comes, is neither.
        break if end > 0 { Opening::Other } else { nothing };
    };
    (opening, Rewound::new(seen[..end].to_vec(), io))
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
