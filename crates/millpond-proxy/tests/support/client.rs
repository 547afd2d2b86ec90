//! A client that sends bytes and reads replies.

use super::soon;
use super::wire::{Message, Reader};
use std::net::SocketAddr;
use std::ops::Deref;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection to the proxy, or one that runs within it.
pub struct Client<IO = TcpStream> {
    pub stream: IO,
    reader: Reader,
}

/// A final response and what came before it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The 1xx responses before it.
    pub interim: Vec<Message>,
    message: Message,
}

impl Deref for Reply {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Reply {
    /// `HIT` or `MISS`.
    pub fn x_cache(&self) -> String {
        self.get("x-cache").unwrap_or_default()
    }

    /// The whole Cache-Status field.
    pub fn cache_status(&self) -> String {
        self.get("cache-status").unwrap_or_default()
    }

    /// Asserts that this is an error report of millpond, and answers its fields as text.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.get("content-type").as_deref(), Some("application/problem+json"), "{self:?}");
        let text = self.text();
        let id = self.get("x-request-id").unwrap_or_default();
        assert!(id.is_empty() || text.contains(&format!("\"request_id\":\"{id}\"")), "{text}");
        assert!(text.contains(&format!("\"status\":{status}")) && text.contains("\"detail\":"), "{text}");
        text
    }
}

impl Client {
    pub async fn to(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Asks for a tunnel and hands the connection out, when it was granted.
    pub async fn tunnel(mut self, authority: &str) -> TcpStream {
        let reply = self.connect(authority).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(self.reader.buf.is_empty(), "the tunnel speaks first");
        self.stream
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Client<IO> {
    pub fn over(stream: IO) -> Self {
        Self { stream, reader: Reader::new() }
    }

    /// Asks for a tunnel.
    pub async fn connect(&mut self, authority: &str) -> Reply {
        self.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await;
        let reply = self.head().await;
        if reply.status == 200 { reply } else { self.finish(reply, "CONNECT").await }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends a request without content and reads its reply. `more` is further field lines, each with its CRLF.
    pub async fn ask(&mut self, method: &str, target: &str, more: &str) -> Reply {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n{more}\r\n")).await;
        self.reply_to(method).await
    }

    pub async fn get(&mut self, target: &str) -> Reply {
        self.ask("GET", target, "").await
    }

    pub async fn reply(&mut self) -> Reply {
        self.reply_to("GET").await
    }

    /// Reads the reply to a request with `method`.
    pub async fn reply_to(&mut self, method: &str) -> Reply {
        let reply = self.head().await;
        self.finish(reply, method).await
    }

    /// Reads the content that goes with a head.
    pub async fn finish(&mut self, mut reply: Reply, method: &str) -> Reply {
        let bodiless = method == "HEAD" || matches!(reply.status, 101 | 204 | 304);
        if bodiless {
            reply.message.whole = true;
        } else {
            soon(self.reader.body(&mut self.stream, &mut reply.message, true)).await;
        }
        reply
    }

    /// Reads up to the end of the final head.
    pub async fn head(&mut self) -> Reply {
        let mut interim = Vec::new();
        loop {
            let message = self.next_head().await;
            let status: u16 =
                message.line.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status line");
            if status >= 200 || status == 101 {
                return Reply { status, interim, message };
            }
            interim.push(message);
        }
    }

    /// Reads one head, interim or final.
    pub async fn next_head(&mut self) -> Message {
        let head = soon(self.reader.head(&mut self.stream)).await;
        head.unwrap_or_else(|| {
            panic!("closed without a head after {:?}", String::from_utf8_lossy(&self.reader.raw))
        })
    }

    /// Everything until the proxy closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        while soon(self.reader.more(&mut self.stream)).await {}
        std::mem::take(&mut self.reader.buf)
    }

    /// Waits until `expected` has come, and takes it.
    pub async fn expect(&mut self, expected: &[u8]) {
        while self.reader.buf.len() < expected.len() {
            assert!(
                soon(self.reader.more(&mut self.stream)).await,
                "closed before {:?}",
                expected.escape_ascii().to_string()
            );
        }
        let got: Vec<u8> = self.reader.buf.drain(..expected.len()).collect();
        assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
