//! The origin behind the caches: every path is a body of the size it names, fresh for a day. It counts its requests,
//! because a cache whose hits are measured must send none, and one whose misses are measured must send them all; and its
//! open connections, because a fetch that nobody waits for must not stay behind.

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

/// What paths begin with that are not answered, and that are answered by a head alone.
const SILENT: &str = "/silent/";
const STALLED: &str = "/stalled/";

/// A running origin; its threads end with the program.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    counts: Arc<Counts>,
}

/// What it has seen.
#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    /// Those of them that are not answered to the end.
    unfinished: AtomicU64,
    /// Those that are open now.
    connections: AtomicU64,
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
        let counts = Arc::new(Counts::default());
        let counter = Arc::clone(&counts);
        thread::spawn(move || {
            // Its threads stay where this one is.
            if let Some(Err(error)) = core.map(process::pin) {
                eprintln!("the origin is not on its core: {error:#}");
            }
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                counter.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // A cache that hangs up is no fault of the origin.
                    answer_all(&stream, &counter).ok();
                    counter.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { address, counts })
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Requests so far that are not answered to the end.
    pub fn unfinished(&self) -> u64 {
        self.counts.unfinished.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }
}

/// Answers every request of a connection.
fn answer_all(stream: &TcpStream, counts: &Counts) -> std::io::Result<()> {
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
        counts.requests.fetch_add(1, Ordering::SeqCst);
        counts.unfinished.fetch_add(u64::from(is_unfinished(path(&head))), Ordering::SeqCst);
        let mut writer = stream;
        writer.write_all(&answer(&head))?;
    }
}

/// The response to a request line: for `/1k` and the like, and for `/o/BYTES/NUMBER`, of which there are as many as one
/// likes; to `/silent/NUMBER` there is none, and to `/stalled/BYTES/NUMBER` a head alone, however long one waits.
fn answer(request_line: &str) -> Vec<u8> {
    let path = path(request_line);
    if path.starts_with(SILENT) {
        return Vec::new();
    }
    if let Some(bytes) = path.strip_prefix(STALLED).and_then(|rest| rest.split('/').next()) {
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=86400\r\nContent-Length: ";
        return format!("{head}{bytes}\r\n\r\n").into_bytes();
    }
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

fn path(request_line: &str) -> &str {
    request_line.split(' ').nth(1).unwrap_or_default()
}

fn is_unfinished(path: &str) -> bool {
    [SILENT, STALLED].iter().any(|prefix| path.starts_with(prefix))
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
    fn some_paths_are_not_answered_to_the_end() {
        assert!(answer("GET /silent/1 HTTP/1.1\r\n").is_empty());
        let head = String::from_utf8(answer("GET /stalled/7/1 HTTP/1.1\r\n")).unwrap();
        assert!(head.ends_with("Content-Length: 7\r\n\r\n"), "{head}");
    }

    #[test]
    fn requests_and_open_connections_are_counted() {
        let origin = Origin::start().unwrap();
        let mut client = crate::client::Client::connect(origin.address).unwrap();
        client.get("/o/7/0", 7).unwrap();
        assert_eq!((origin.requests(), origin.connections(), origin.unfinished()), (1, 1, 0));
        client.send("GET", "/stalled/7/0", "").unwrap();
        client.head().unwrap();
        assert_eq!((origin.requests(), origin.unfinished()), (2, 1));
        drop(client);
        while origin.connections() > 0 {
            thread::yield_now();
        }
        assert_eq!(origin.requests(), 2);
    }

    #[test]
    fn other_paths_are_not_found() {
        for path in ["/", "/2k", "/o/7", "/o/7/x", "/o/x/7", "/o/99999999999/1"] {
            assert!(answer(&format!("GET {path} HTTP/1.1\r\n")).starts_with(b"HTTP/1.1 404"), "{path}");
        }
    }
}
