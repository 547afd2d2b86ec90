//! An origin that writes what a test says, byte for byte, and counts connections and requests.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    fields: Vec<(String, String)>,
}

impl Asked {
    /// The value of a field, empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

/// A running origin. Its threads end with their connections, the one that accepts with the process.
pub struct Origin {
    pub url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
}

impl Origin {
    /// Answers each request as `answer` does, which writes a whole response. An error closes the connection.
    pub fn start(answer: impl Fn(&Asked, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (seen, answer) = (Arc::new(Seen::default()), Arc::new(answer));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || {
                    // An error is a proxy that left, or a test that wants the connection closed.
                    let _ = serve(stream, &seen, &*answer);
                });
            }
        });
        Self { url: format!("http://{address}"), seen }
    }

    /// Answers each request with what `answer` makes of it, as [`page`] or [`reply`] do.
    pub fn pages(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |asked, stream| stream.write_all(&answer(asked)))
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.seen.asked.lock().unwrap().len()
    }

    /// How many requests for `path` came.
    pub fn count_of(&self, path: &str) -> usize {
        self.seen.asked.lock().unwrap().iter().filter(|asked| asked.path == path).count()
    }

    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// What a response of this path is stored under.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

fn serve(
    mut stream: TcpStream,
    seen: &Seen,
    answer: &(impl Fn(&Asked, &mut TcpStream) -> io::Result<()> + ?Sized),
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let asked = Asked { path, fields };
        seen.asked.lock().unwrap().push(asked.clone());
        answer(&asked, &mut stream)?;
    }
}

/// A response with a status line, fields, and a body whose length is announced.
pub fn reply(status: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut reply = head(status, fields, body.len()).into_bytes();
    reply.extend_from_slice(body);
    reply
}

/// The head of a response that announces `length` bytes.
pub fn head(status: &str, fields: &[(&str, &str)], length: usize) -> String {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
    for (name, value) in fields {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head + "\r\n"
}

/// A response that stays fresh for longer than any test lasts.
pub fn page(body: &[u8]) -> Vec<u8> {
    reply("200 OK", &[("Cache-Control", "max-age=6000")], body)
}
