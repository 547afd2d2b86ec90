//! What the load asks for, and what has to come: both are in the path of a request.

use std::io::{self, BufRead, Write};

/// Sizes of bodies, below and above what is held in memory, and what is written at once.
const SIZES: [usize; 10] = [0, 1, 97, 1024, 4096, 16_384, 65_536, 65_537, 120_000, 300 * 1024];
/// How bodies come.
const KINDS: [Kind; 8] = [
    Kind::Length,
    Kind::Chunked,
    Kind::Close,
    Kind::NoContent,
    Kind::NotModified,
    Kind::Head,
    Kind::Upload,
    Kind::ChunkedUpload,
];

/// How the content of an exchange is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Length,
    Chunked,
    /// The origin says nothing of the length, and closes.
    Close,
    NoContent,
    NotModified,
    Head,
    /// Content in both directions.
    Upload,
    ChunkedUpload,
}

/// One request, with the answer it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub kind: Kind,
    size: usize,
}

impl Asked {
    /// Request `number` of client `client` in `round`.
    pub fn new(round: usize, client: usize, number: usize) -> Self {
        let (kind, size) = ((number + client) % KINDS.len(), (number * 7 + client * 3) % SIZES.len());
        let path = format!("/{kind}/{size}/{round}-{client}-{number}");
        Self { path, kind: KINDS[kind], size: SIZES[size] }
    }

    /// What a path asks for.
    pub fn parse(path: &str) -> Self {
        let mut parts = path[1..].split('/').map(|part| part.parse::<usize>().unwrap_or_default());
        let (kind, size) = (parts.next().unwrap(), parts.next().unwrap());
        Self { path: path.to_owned(), kind: KINDS[kind], size: SIZES[size] }
    }

    pub const fn method(&self) -> &'static str {
        match self.kind {
            Kind::Head => "HEAD",
            Kind::Upload | Kind::ChunkedUpload => "POST",
            _ => "GET",
        }
    }

    pub const fn status(&self) -> u16 {
        match self.kind {
            Kind::NoContent => 204,
            Kind::NotModified => 304,
            _ => 200,
        }
    }

    /// The request's content.
    pub fn upload(&self) -> Vec<u8> {
        match self.kind {
            Kind::Upload | Kind::ChunkedUpload => content(&self.path, self.size / 2, b"up"),
            _ => Vec::new(),
        }
    }

    /// The response's content.
    pub fn content(&self) -> Vec<u8> {
        if self.has_content() { content(&self.path, self.size, b"down") } else { Vec::new() }
    }

    pub const fn has_content(&self) -> bool {
        !matches!(self.kind, Kind::NoContent | Kind::NotModified | Kind::Head)
    }

    /// The request, for a proxy.
    pub fn request(&self, origin: &str) -> Vec<u8> {
        let (method, path, upload) = (self.method(), &self.path, self.upload());
        let mut wire = format!("{method} http://{origin}{path} HTTP/1.1\r\nHost: {origin}\r\n").into_bytes();
        match self.kind {
            Kind::NotModified => wire.extend_from_slice(b"If-None-Match: \"1\"\r\n\r\n"),
            Kind::Upload => {
                wire.extend_from_slice(format!("Content-Length: {}\r\n\r\n", upload.len()).as_bytes());
                wire.extend_from_slice(&upload);
            }
            Kind::ChunkedUpload => {
                wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                chunked(&upload, &mut wire);
            }
            _ => wire.extend_from_slice(b"\r\n"),
        }
        wire
    }

    /// The origin's response.
    pub fn response(&self) -> Vec<u8> {
        let content = self.content();
        let head = match self.kind {
            Kind::NoContent => "204 No Content\r\n".to_owned(),
            Kind::NotModified => "304 Not Modified\r\nETag: \"1\"\r\n".to_owned(),
            Kind::Chunked => "200 OK\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            Kind::Close => "200 OK\r\nConnection: close\r\n".to_owned(),
            Kind::Length | Kind::Head | Kind::Upload | Kind::ChunkedUpload => {
                format!("200 OK\r\nContent-Length: {}\r\n", self.size)
            }
        };
        let mut wire = format!("HTTP/1.1 {head}\r\n").into_bytes();
        match self.kind {
            Kind::Chunked => chunked(&content, &mut wire),
            _ => wire.extend_from_slice(&content),
        }
        wire
    }
}

/// Bytes that no other path has.
fn content(path: &str, size: usize, direction: &[u8]) -> Vec<u8> {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in path.bytes().chain(direction.iter().copied()) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(size);
    content
}

fn chunked(content: &[u8], wire: &mut Vec<u8>) {
    for chunk in content.chunks(7000) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
}

/// A head as it came, and the content behind it.
pub struct Message {
    pub head: String,
    pub content: Vec<u8>,
}

/// Reads a message, whose content is not read where `bodiless` says so of its head. `None` where the other side ended before it was
/// whole.
pub fn read(from: &mut impl BufRead, bodiless: impl FnOnce(&str) -> bool) -> io::Result<Option<Message>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let mut content = Vec::new();
    if bodiless(&head) {
        return Ok(Some(Message { head, content }));
    }
    if value(&head, "transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
            let before = content.len();
            content.resize(before + size + 2, 0);
            from.read_exact(&mut content[before..])?;
            content.truncate(before + size);
            if size == 0 {
                return Ok(Some(Message { head, content }));
            }
        }
    }
    let length = value(&head, "content-length").map_or(0, |value| value.parse().unwrap());
    content.resize(length, 0);
    from.read_exact(&mut content)?;
    Ok(Some(Message { head, content }))
}

/// The value of a field.
pub fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Writes `wire` in several pieces.
pub fn write(to: &mut impl Write, wire: &[u8]) -> io::Result<()> {
    wire.chunks(20_000).try_for_each(|piece| to.write_all(piece))
}
