//! An origin that sends the beginning of its body at once, and the rest when the test says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes of body, unless the script says otherwise.
pub const BODY: usize = 10 * 1024 * 1024;
/// Bytes sent before the test lets the origin go on.
const BEGINNING: usize = 16 * 1024;

#[derive(Clone)]
pub struct Script {
    pub cache_control: &'static str,
    pub vary: Option<&'static str>,
    /// The body names the request's Authorization.
    pub echo_authorization: bool,
    pub length: usize,
}

impl Script {
    pub fn cacheable() -> Self {
        Self { cache_control: "max-age=600", vary: None, echo_authorization: false, length: BODY }
    }
}

/// A body that tells every offset and the `name` it was made for.
pub fn body(name: &str, length: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(length + 64);
    while body.len() < length {
        let line = format!("{name} {:08x}\n", body.len());
        body.extend_from_slice(line.as_bytes());
    }
    body.truncate(length);
    body
}

pub struct Origin {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
    gate: watch::Sender<bool>,
}

impl Origin {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (requests, finished) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (gate, opened) = watch::channel(false);
        let plain = Arc::new(body("", script.length));
        let counters = (Arc::clone(&requests), Arc::clone(&finished));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let exchange = Exchange {
                    script: script.clone(),
                    plain: Arc::clone(&plain),
                    requests: Arc::clone(&counters.0),
                    finished: Arc::clone(&counters.1),
                    opened: opened.clone(),
                };
                // An error here is a proxy that left; the test sees it on the other side.
                tokio::spawn(async move { exchange.serve(stream).await.ok() });
            }
        });
        Self { address, requests, finished, gate }
    }

    /// Lets every body go on to its end.
    pub fn go_on(&self) {
        self.gate.send_replace(true);
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// True once a body was sent to its end.
    pub fn finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst) > 0
    }
}

struct Exchange {
    script: Script,
    plain: Arc<Vec<u8>>,
    requests: Arc<AtomicUsize>,
    finished: Arc<AtomicUsize>,
    opened: watch::Receiver<bool>,
}

impl Exchange {
    async fn serve(mut self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let value = |name: &str| {
            request.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        let name = match self.script.vary {
            Some(_) => value("x-kind: "),
            None if self.script.echo_authorization => value("authorization: "),
            None => String::new(),
        };
        let own = (!name.is_empty()).then(|| body(&name, self.script.length));
        let body: &[u8] = own.as_ref().unwrap_or(&self.plain);
        let vary = self.script.vary.map(|name| format!("Vary: {name}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: {}\r\n{vary}Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.script.cache_control,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let beginning = BEGINNING.min(body.len());
        stream.write_all(&body[..beginning]).await?;
        if self.opened.wait_for(|open| *open).await.is_err() {
            return Ok(());
        }
        stream.write_all(&body[beginning..]).await?;
        self.finished.fetch_add(1, Ordering::SeqCst);
        // Keeps the connection open until the proxy closes it.
        stream.read(&mut [0; 1]).await.map(drop)
    }
}
