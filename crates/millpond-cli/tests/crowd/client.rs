//! Raw clients that can stop reading after the first byte.

use crate::server::Server;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub struct Client {
    stream: TcpStream,
    /// The part of the body that came with the head.
    begun: Vec<u8>,
    length: usize,
}

impl Client {
    /// Connects and asks, with `fields` as extra lines.
    pub async fn connect(server: &Server, fields: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.expect("the server accepts");
        let request = format!("GET /big HTTP/1.1\r\nHost: crowd.test\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        Self { stream, begun: Vec::new(), length: 0 }
    }

    /// `count` clients, all of which have asked before the first is read from.
    pub async fn crowd(server: &Server, count: usize, fields: impl Fn(usize) -> String) -> Vec<Self> {
        let mut crowd = Vec::with_capacity(count);
        for index in 0..count {
            crowd.push(Self::connect(server, &fields(index)).await);
        }
        crowd
    }

    /// Reads the head and at least one byte of the body.
    pub async fn first_byte(&mut self) {
        let mut head = Vec::new();
        let end = loop {
            let read = self.stream.read_buf(&mut head).await.expect("the reply begins");
            assert!(read > 0, "closed before a body: {}", String::from_utf8_lossy(&head));
            let end = head.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
            if let Some(end) = end.filter(|end| head.len() > *end) {
                break end;
            }
        };
        let text = String::from_utf8_lossy(&head[..end]).into_owned();
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        self.length = length.expect("a length is announced").parse().expect("the length is a number");
        self.begun = head.split_off(end);
    }

    /// Reads to the end of the body and answers whether it was `expected`, byte for byte.
    pub async fn gets(mut self, expected: &[u8]) -> bool {
        let mut offset = 0;
        let mut buffer = std::mem::take(&mut self.begun);
        loop {
            if expected.get(offset..offset + buffer.len()) != Some(&buffer[..]) {
                return false;
            }
            offset += buffer.len();
            if offset == self.length {
                return offset == expected.len();
            }
            buffer.clear();
            buffer.reserve(256 * 1024);
            let read = self.stream.read_buf(&mut buffer).await.expect("the body comes");
            assert!(read > 0, "the body ends after {offset} of {} bytes", self.length);
        }
    }
}

/// True when every client of `crowd` gets what `expected` names, all reading at once.
pub async fn all_get(crowd: Vec<Client>, expected: impl Fn(usize) -> Arc<Vec<u8>>) -> bool {
    let mut readers = JoinSet::new();
    for (index, client) in crowd.into_iter().enumerate() {
        let expected = expected(index);
        readers.spawn(async move { client.gets(&expected).await });
    }
    readers.join_all().await.into_iter().all(|right| right)
}
