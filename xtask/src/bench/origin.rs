//! The origin behind the caches: every path is a body of the size it names, fresh for a day. It counts its requests,
//! because a cache under measurement must send none.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};

use super::SIZES;

/// A running origin; its threads end with the program.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Origin {
    /// Starts it on a free port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("starting the origin")?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
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

/// The response to a request line.
fn answer(request_line: &str) -> Vec<u8> {
    let path = request_line.split(' ').nth(1).unwrap_or_default();
    let Some(size) = SIZES.iter().find(|size| path.strip_prefix('/') == Some(size.name)) else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\
         Cache-Control: max-age=86400\r\nETag: \"{}\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n",
        size.bytes, size.name
    );
    let mut response = head.into_bytes();
    response.resize(response.len() + size.bytes, b'x');
    response
}
