//! A plain HTTP/1.1 client: one connection, one request at a time, every reply checked to its last byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// The longest one step may take: connecting, or a read that brings nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A kept connection.
pub struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

/// The head of a reply, as far as a test looks at it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Bytes of content.
    pub length: u64,
    /// Content-Range, empty without one.
    pub range: String,
    /// X-Cache, empty without one.
    pub cache: String,
    /// The server closes the connection after it.
    pub close: bool,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { address, stream: BufReader::new(stream) })
    }

    /// The connection, to be set up.
    pub fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// The connection itself; what was read of content with the last head is gone.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Sends a request without content; `fields` are whole lines.
    pub fn send(&mut self, method: &str, path: &str, fields: &str) -> Result<()> {
        let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{length}{fields}\r\n", self.address);
        self.stream.get_mut().write_all(request.as_bytes()).context("sending a request")
    }

    /// Reads the head of the reply.
    pub fn head(&mut self) -> Result<Head> {
        read_head(&mut self.stream).context("reading a reply")
    }

    /// Reads this much of the content and throws it away.
    pub fn skip(&mut self, length: u64) -> Result<()> {
        let read = std::io::copy(&mut (&mut self.stream).take(length), &mut std::io::sink());
        let read = read.context("reading a reply's content")?;
        ensure!(read == length, "a reply ended after {read} of {length} bytes");
        Ok(())
    }

    /// Asks, and reads the whole reply.
    pub fn ask(&mut self, method: &str, path: &str, fields: &str) -> Result<Head> {
        self.send(method, path, fields)?;
        let head = self.head()?;
        self.skip(head.length)?;
        Ok(head)
    }

    /// Asks for an object, which must come whole.
    pub fn get(&mut self, path: &str, length: u64) -> Result<()> {
        let head = self.ask("GET", path, "")?;
        ensure!(head.status == 200, "{path}: status {}", head.status);
        ensure!(head.length == length, "{path}: {} bytes instead of {length}", head.length);
        Ok(())
    }
}

/// Reads the head of a reply that has a Content-Length.
fn read_head(stream: &mut impl BufRead) -> Result<Head> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.with_context(|| format!("no status line: {:?}", line.trim_end()))?;
    let mut head = Head { status, ..Head::default() };
    let mut length = None;
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line)? > 0, "a head ended early");
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok(),
            "content-range" => value.clone_into(&mut head.range),
            "x-cache" => value.clone_into(&mut head.cache),
            "connection" => head.close = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    match length {
        Some(length) => Ok(Head { length, ..head }),
        None if matches!(status, 204 | 304) => Ok(head),
        None => bail!("a {status} without Content-Length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_up_to_the_content() {
        let mut text =
            &b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\ncontent-length: 4\r\n\
            X-Cache: HIT\r\nConnection: close\r\n\r\nbody"[..];
        let head = read_head(&mut text).unwrap();
        let (range, cache) = ("bytes 0-3/9".into(), "HIT".into());
        assert_eq!(head, Head { status: 206, length: 4, range, cache, close: true });
        assert_eq!(text, b"body");
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        for text in
            ["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", "HTTP/2 200\r\n\r\n"]
        {
            assert!(read_head(&mut text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(read_head(&mut &b"HTTP/1.1 304 Not Modified\r\n\r\n"[..]).unwrap().status, 304);
    }
}
