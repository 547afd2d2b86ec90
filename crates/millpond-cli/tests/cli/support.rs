//! Running the binary, and asking it over a socket.

use crate::origin::{Origin, head};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything that must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

const BINARY: &str = env!("CARGO_BIN_EXE_millpond");

/// A command that ran to its end.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs millpond in an empty directory, which is its user's home, and with nothing else in its environment.
pub fn run(arguments: &[&str]) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("/usr/bin/timeout")
        .args(["--kill-after=5s", "60s", BINARY])
        .args(arguments)
        .current_dir(&dir)
        .env_clear()
        .envs(home(&dir))
        .output()
        .unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// An environment in which nothing is kept outside `dir`.
fn home(dir: &TempDir) -> [(&'static str, PathBuf); 2] {
    [("HOME", dir.path().to_owned()), ("XDG_CACHE_HOME", dir.path().join("caches"))]
}

/// Runs millpond, which must succeed, and gives what it prints.
pub fn stdout_of(arguments: &[&str]) -> String {
    let ended = run(arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.stdout
}

/// A file with `text` in a directory of its own.
pub fn file(name: &str, text: &str) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

/// A server at work; killed when dropped.
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    stdout: BufReader<std::process::ChildStdout>,
    log: Receiver<String>,
    seen: Vec<String>,
    pub dir: TempDir,
}

impl Serving {
    /// Starts `millpond ARGUMENTS` and waits for its first line.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments, &[])
    }

    /// The same in `dir`, which is its user's home, with these variables and no others.
    pub fn start_in(dir: TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .current_dir(&dir)
            .env_clear()
            .envs(home(&dir))
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = channel();
        // Ends with the process, which closes its standard error.
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let Some(address) = first.strip_prefix("listening on http://") else {
            panic!("{arguments:?}: the first line is {first:?}; log: {:?}", log.iter().collect::<Vec<_>>());
        };
        let address = address.trim_end().parse().unwrap();
        Self { child, address, stdout, log, seen: Vec::new(), dir }
    }

    /// GETs `path`. A response that is still on its way into the store is asked for again once it is there.
    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, "")
    }

    /// The same of another host.
    pub fn get_at(&self, host: &str, path: &str) -> Reply {
        loop {
            let reply = Reply::read(Reply::ask_at(self.address, host, path, ""));
            if !reply.field("cache-status").ends_with("collapsed") {
                return reply;
            }
        }
    }

    /// The same with more field lines, each with its line end.
    pub fn get_with(&self, path: &str, fields: &str) -> Reply {
        loop {
            let reply = Reply::read(Reply::ask_with(self.address, path, fields));
            if !reply.field("cache-status").ends_with("collapsed") {
                return reply;
            }
        }
    }

    /// Waits for a line of standard error that contains `text`.
    pub fn wait_for(&mut self, text: &str) -> String {
        let started = Instant::now();
        let mut from = 0;
        loop {
            if let Some(line) = self.seen[from..].iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            from = self.seen.len();
            let left = PATIENCE.saturating_sub(started.elapsed());
            match self.log.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line with {text:?} ({error}) in {:#?}", self.seen),
            }
        }
    }

    /// The next line of standard output.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it with SIGTERM. Gives its exit status, the rest of its standard output, and all of its standard error.
    pub fn stop(mut self) -> (ExitStatus, String, Vec<String>) {
        self.signal(Signal::TERM);
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        let mut seen = std::mem::take(&mut self.seen);
        seen.extend(self.log.iter());
        (status, rest, seen)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole response.
#[derive(Debug)]
pub struct Reply {
    pub head: String,
    pub body: String,
}

impl Reply {
    /// Sends a request, and leaves the response to be read.
    pub fn ask(address: SocketAddr, path: &str) -> TcpStream {
        Self::ask_with(address, path, "")
    }

    fn ask_with(address: SocketAddr, path: &str, fields: &str) -> TcpStream {
        Self::ask_at(address, &address.to_string(), path, fields)
    }

    fn ask_at(address: SocketAddr, host: &str, path: &str, fields: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n").unwrap();
        stream
    }

    /// Reads to the end of the connection.
    pub fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        Self { head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a field, empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// X-Cache and Cache-Status.
    pub fn told(&self) -> (&str, &str) {
        (self.field("x-cache"), self.field("cache-status"))
    }
}

/// An API whose paths say what they say about caching, and which counts its answers in their bodies.
pub fn api() -> Origin {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Origin::start(move |request, _| {
        let count = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let fields: &[(&str, &str)] = match path {
            "/fresh" => &[("Cache-Control", "max-age=60")],
            "/no-store" => &[("Cache-Control", "no-store")],
            "/private" => &[("Cache-Control", "private, max-age=60")],
            "/vary" => &[("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")],
            _ => &[],
        };
        (head(200, fields), format!("answer {count}\n").into_bytes())
    })
}
