//! The origin behind the caches: every path is a body of the size it names, fresh for a day. It counts its requests,
//! because a cache whose hits are measured must send none, and one whose misses are measured must send them all.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};

use super::SIZES;
use crate::process;

/// The largest body it makes.
const LARGEST: usize = 64 << 20;

/// A running origin; its threads end with the program.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Origin {
    /// Starts it on a free port, on any core.
    pub fn start() -> Result<Self> {
        Self::start_anywhere(None)
    }

    /// Starts it on a free port and on this core.
    pub fn start_on(core: usize) -> Result<Self> {
        Self::start_anywhere(Some(core))
    }

    fn start_anywhere(core: Option<usize>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("starting the origin")?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            // Its threads stay where this one is.
            if let Some(Err(error)) = core.map(process::pin) {
                eprintln!("the origin is not on its core: {error:#}");
            }
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                // A cache that hangs up is no fault of the origin.
                thread::spawn(move || answer_all(&stream, &counter).ok());
            }
        });
        Ok(Self { address, requests })
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Answers every request of a connection.
fn answer_all(stream: &TcpStream, counter: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut head = String::new();
        if lines.read_line(&mut head)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while lines.read_line(&mut line)? > 2 {
            line.clear();
        }
        counter.fetch_add(1, Ordering::SeqCst);
        let mut writer = stream;
        writer.write_all(&answer(&head))?;
    }
}

/// The response to a request line: for `/1k` and the like, and for `/o/BYTES/NUMBER`, of which there are as many as one
/// likes.
fn answer(request_line: &str) -> Vec<u8> {
    let path = request_line.split(' ').nth(1).unwrap_or_default();
    let sized = SIZES.iter().find(|size| path.strip_prefix('/') == Some(size.name)).map(|size| size.bytes);
    let Some(bytes) = sized.or_else(|| numbered(path)).filter(|bytes| *bytes <= LARGEST) else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n\
         Cache-Control: max-age=86400\r\nETag: \"{}\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n",
        &path[1..]
    );
    let mut response = head.into_bytes();
    response.resize(response.len() + bytes, b'x');
    response
}

/// The bytes in `/o/BYTES/NUMBER`.
fn numbered(path: &str) -> Option<usize> {
    let (bytes, number) = path.strip_prefix("/o/")?.split_once('/')?;
    number.parse::<u64>().ok()?;
    bytes.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_size() {
        for (path, bytes) in [("/1k", 1024), ("/o/7/0", 7), ("/o/2000/123456789", 2000)] {
            let response = answer(&format!("GET {path} HTTP/1.1\r\n"));
            let text = String::from_utf8(response).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            assert_eq!(body.len(), bytes, "{path}");
        }
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in ["/", "/2k", "/o/7", "/o/7/x", "/o/x/7", "/o/99999999999/1"] {
            assert!(answer(&format!("GET {path} HTTP/1.1\r\n")).starts_with(b"HTTP/1.1 404"), "{path}");
        }
    }
}
