//! The bound on connections, and what a client beyond it is told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a client over the limit may take to read that it is.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

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

/// Tells a client over the limit so, and closes; what it sends is taken in for a moment, so that the reply is not lost to
/// a reset.
pub(super) async fn refuse(mut stream: TcpStream) {
    const BODY: &str = "{\"type\":\"urn:millpond:problem:too-many-connections\",\"title\":\"Service Unavailable\",\"status\":503,\
        \"detail\":\"limits.connections is reached; try again in a moment.\"}\n";
    let reply = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n\
         Retry-After: 1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let telling = async {
        stream.write_all(reply.as_bytes()).await?;
        stream.shutdown().await?;
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // A client that is gone, or goes on sending, needs no more of an answer.
    let _ = tokio::time::timeout(REFUSAL_TIME, telling).await;
}
