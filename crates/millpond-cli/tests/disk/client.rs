//! A client with a connection of its own, which it keeps.

use crate::PATIENCE;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A response; `body` is empty until it was read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    fields: Vec<(String, String)>,
}

impl Reply {
    /// The value of a field, empty where there is none. `name` in lower case.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// True where X-Cache says HIT.
    pub fn hit(&self) -> bool {
        self.field("x-cache") == "HIT"
    }

    pub fn cache_status(&self) -> &str {
        self.field("cache-status")
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Status and X-Cache.
    pub fn told(&self) -> (u16, &str) {
        (self.status, self.field("x-cache"))
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        Self::connect(address).unwrap()
    }

    /// As [`to`](Self::to), where the server may have gone.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::with_capacity(256 * 1024, stream) })
    }

    /// GETs `path`.
    pub fn get(&mut self, path: &str) -> Reply {
        self.ask(path, "").unwrap()
    }

    /// GETs `path` with more field lines, each with its line end.
    ///
    /// # Errors
    /// When the connection ends before the response does.
    pub fn ask(&mut self, path: &str, fields: &str) -> io::Result<Reply> {
        self.send(path, fields)?;
        let mut reply = self.head()?;
        if reply.field("transfer-encoding").contains("chunked") {
            self.chunks(&mut reply)?;
        } else if !matches!(reply.status, 204 | 304) {
            reply.body = vec![0; length(&reply)];
            self.stream.read_exact(&mut reply.body)?;
        }
        Ok(reply)
    }

    /// Sends a GET.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn send(&mut self, path: &str, fields: &str) -> io::Result<()> {
        self.send_as("GET", path, fields)
    }

    /// Sends a request without content.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn send_as(&mut self, method: &str, path: &str, fields: &str) -> io::Result<()> {
        write!(self.stream.get_mut(), "{method} {path} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
    }

    /// Reads a response up to its body.
    ///
    /// # Errors
    /// When the connection ends before the head does.
    pub fn head(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let mut reply = Reply { status, body: Vec::new(), trailers: Vec::new(), fields: Vec::new() };
        self.fields(&mut reply.fields)?;
        Ok(reply)
    }

    /// Reads as many bytes of a body as `expected` has, and tells whether they are these.
    ///
    /// # Errors
    /// When the connection ends before.
    pub fn body_is(&mut self, expected: &[u8]) -> io::Result<bool> {
        let mut piece = vec![0; 256 * 1024];
        let mut right = true;
        for expected in expected.chunks(piece.len()) {
            let piece = &mut piece[..expected.len()];
            self.stream.read_exact(piece)?;
            right &= piece == expected;
        }
        Ok(right)
    }

    fn chunks(&mut self, reply: &mut Reply) -> io::Result<()> {
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            if size == 0 {
                return self.fields(&mut reply.trailers);
            }
            let from = reply.body.len();
            reply.body.resize(from + size, 0);
            self.stream.read_exact(&mut reply.body[from..])?;
            self.line()?;
        }
    }

    fn fields(&mut self, into: &mut Vec<(String, String)>) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { return Ok(()) };
            into.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The announced length of a body.
pub fn length(reply: &Reply) -> usize {
    reply.field("content-length").parse().unwrap()
}
