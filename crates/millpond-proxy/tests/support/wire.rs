//! HTTP/1 messages as bytes: read whole, taken apart, nothing repaired.

use std::fmt;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// One message, request or response.
#[derive(Clone, Default)]
pub struct Message {
    /// The first line.
    pub line: String,
    /// The fields, names as written.
    pub fields: Vec<(String, String)>,
    /// The content, without chunk framing.
    pub body: Vec<u8>,
    /// Fields behind a chunked body.
    pub trailers: Vec<(String, String)>,
    /// The message came to its end.
    pub whole: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, fields, body, trailers, whole } = self;
        let text = format!("{line:?} {fields:?} {:?} {trailers:?}", String::from_utf8_lossy(body));
        write!(f, "{}{}", text.chars().take(2000).collect::<String>(), if *whole { "" } else { " (cut)" })
    }
}

impl Message {
    /// All values of a field, joined with commas; `None` when there is none.
    pub fn get(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.all(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Each line of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|found| found.to_ascii_lowercase().contains(value))
    }

    fn length(&self) -> Option<usize> {
        self.all("content-length").next().map(|value| value.parse().expect("a Content-Length of digits"))
    }

    fn head(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter(|line| !line.is_empty()).map(split_field).collect();
        Self { line, fields, ..Self::default() }
    }
}

fn split_field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a field without a colon: {line:?}"));
    (name.to_owned(), value.trim().to_owned())
}

/// Reads messages from a stream, keeping what is left over.
pub struct Reader {
    pub buf: Vec<u8>,
    /// Everything that ever came.
    pub raw: Vec<u8>,
}

impl Reader {
    pub fn new() -> Self {
        Self { buf: Vec::new(), raw: Vec::new() }
    }

    /// Waits for more. `false` at the end of the stream, a reset included.
    pub async fn more(&mut self, io: &mut (impl AsyncRead + Unpin)) -> bool {
        let mut piece = vec![0; 16 * 1024];
        let got: io::Result<usize> = io.read(&mut piece).await;
        let len = got.unwrap_or(0);
        self.buf.extend_from_slice(&piece[..len]);
        self.raw.extend_from_slice(&piece[..len]);
        len > 0
    }

    /// The next head; `None` at the end of the stream.
    pub async fn head(&mut self, io: &mut (impl AsyncRead + Unpin)) -> Option<Message> {
        let text = self.until(io, b"\r\n\r\n").await?;
        Some(Message::head(&text))
    }

    async fn until(&mut self, io: &mut (impl AsyncRead + Unpin), end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.buf.windows(end.len()).position(|window| window == end) {
                let taken: Vec<u8> = self.buf.drain(..at + end.len()).collect();
                return Some(taken.iter().map(|b| char::from(*b)).collect());
            }
            if !self.more(io).await {
                return None;
            }
        }
    }

    /// Reads the content that `message` announces. Without an announcement there is none, unless `until_close`.
    pub async fn body(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        message: &mut Message,
        until_close: bool,
    ) {
        if message.says("transfer-encoding", "chunked") {
            self.chunked(io, message).await;
        } else if let Some(length) = message.length() {
            while self.buf.len() < length && self.more(io).await {}
            let have = length.min(self.buf.len());
            message.body = self.buf.drain(..have).collect();
            message.whole = have == length;
        } else {
            while until_close && self.more(io).await {}
            message.body = if until_close { std::mem::take(&mut self.buf) } else { Vec::new() };
            message.whole = true;
        }
    }

    async fn chunked(&mut self, io: &mut (impl AsyncRead + Unpin), message: &mut Message) {
        loop {
            let Some(line) = self.until(io, b"\r\n").await else { return };
            let size = line.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("a bad chunk size: {line:?}"));
            if size == 0 {
                return self.trailers(io, message).await;
            }
            while self.buf.len() < size + 2 {
                if !self.more(io).await {
                    let have = self.buf.len().min(size);
                    message.body.extend(self.buf.drain(..have));
                    return;
                }
            }
            message.body.extend(self.buf.drain(..size));
            assert_eq!(self.buf.drain(..2).collect::<Vec<_>>(), b"\r\n", "a chunk ends with its size");
        }
    }

    async fn trailers(&mut self, io: &mut (impl AsyncRead + Unpin), message: &mut Message) {
        loop {
            let Some(line) = self.until(io, b"\r\n").await else { return };
            if line == "\r\n" {
                message.whole = true;
                return;
            }
            message.trailers.push(split_field(line.trim_end()));
        }
    }
}
