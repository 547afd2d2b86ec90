//! The bound on connections, and what a client beyond it is told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a client over the limit may take to read that it is.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// How long its first bytes are waited for: they are on their way when it connects, or come when it has something to ask for.
const FIRST_BYTES_TIME: Duration = Duration::from_millis(100);
/// What tells HTTP/2 from any request of HTTP/1.1.
const PREFACE_BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n";

/// One of the connections that may be open at a time.
pub(super) struct Place {
    open: Arc<AtomicUsize>,
    pub count: usize,
}

impl Place {
    pub fn take(open: &Arc<AtomicUsize>) -> Self {
        Self { count: open.fetch_add(1, Ordering::Relaxed) + 1, open: Arc::clone(open) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells a client over the limit so, in the version of HTTP that it begins with, and closes; what it sends is taken in for a moment,
/// so that the reply is not lost to a reset.
pub(super) async fn refuse(mut stream: TcpStream) {
    let telling = async {
        let reply = if speaks_http2(&stream).await { goaway() } else { unavailable() };
        stream.write_all(&reply).await?;
        stream.shutdown().await?;
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // A client that is gone, or goes on sending, needs no more of an answer.
    let _ = tokio::time::timeout(REFUSAL_TIME, telling).await;
}

/// Whether the first bytes are those of the preface (RFC 9113 section 3.4). A client that says nothing for a moment is taken for
/// one of HTTP/1.1.
async fn speaks_http2(stream: &TcpStream) -> bool {
    let mut first = [0; PREFACE_BEGIN.len()];
    let peeked = tokio::time::timeout(FIRST_BYTES_TIME, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(count)) if first[..count] == *PREFACE_BEGIN)
}

fn unavailable() -> Vec<u8> {
    const BODY: &str = "{\"type\":\"urn:millpond:problem:too-many-connections\",\"title\":\"Service Unavailable\",\"status\":503,\
        \"detail\":\"limits.connections is reached; try again in a moment.\"}\n";
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n\
         Retry-After: 1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        BODY.len()
    );
    [head, BODY.into()].concat().into_bytes()
}

/// An empty SETTINGS frame, and a GOAWAY that says that no request was looked at, so that each may be sent again (RFC 9113 sections 6.5, 6.8
/// and 8.7).
fn goaway() -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const ENHANCE_YOUR_CALM: u32 = 0xb;
    const WHY: &[u8] = b"limits.connections is reached";
    const LENGTH: u8 = 4 + 4 + WHY.len() as u8;
    let mut frames = SETTINGS.to_vec();
    frames.extend_from_slice(&[0, 0, LENGTH, 7, 0, 0, 0, 0, 0]);
    // The last stream that was looked at: none.
    frames.extend_from_slice(&0u32.to_be_bytes());
    frames.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    frames.extend_from_slice(WHY);
    frames
}
