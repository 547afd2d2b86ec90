//! A millpond that serves until it is told to stop, or is killed; traced where that is wanted.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The longest that anything here is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running millpond, killed when dropped.
pub struct Server {
    child: Child,
    millpond: Pid,
    pub address: SocketAddr,
    lines: Receiver<String>,
    said: String,
}

impl Server {
    /// Starts `command`, which is millpond, and waits until it listens.
    pub fn start(command: Command) -> Self {
        Self::started(command, Pid::from_child)
    }

    /// Starts `command` under strace, which writes the calls named by `calls` to `file`.
    pub fn traced(command: &Command, calls: &str, file: &Path) -> Self {
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-y", "-s", "256", "-e", &format!("trace={calls}"), "-o"]).arg(file);
        traced.arg(command.get_program()).args(command.get_args()).env_clear().stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            traced.env(name, value.unwrap());
        }
        traced.current_dir(command.get_current_dir().unwrap());
        // strace itself lets the signals pass that would end it; they are for what it runs.
        Self::started(traced, |strace| only_child(strace.id()))
    }

    fn started(mut command: Command, millpond: impl FnOnce(&Child) -> Pid) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; `cargo xtask tools` installs what the tests use",
                    command.get_program().display()
                )
            });
        let (mut out, err) = (BufReader::new(child.stdout.take().unwrap()), child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let Some(address) = first.trim_end().strip_prefix("listening on http://") else {
            let said: Vec<String> = lines.iter().collect();
            panic!("{command:?} does not listen: {first:?}\n{}", said.join("\n"));
        };
        let millpond = millpond(&child);
        Self { child, millpond, address: address.parse().unwrap(), lines, said: String::new() }
    }

    /// The URL by which clients name it as their proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Waits until it has said, to standard error, a line with each of `parts`.
    pub fn said(&mut self, parts: &[&str]) {
        let until = Instant::now() + PATIENCE;
        while !self.said.lines().any(|line| parts.iter().all(|part| line.contains(part))) {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.said.extend([&line, "\n"]),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {parts:?} in:\n{}", self.said)
                }
            }
        }
    }

    /// Kills it: it can do nothing any more.
    pub fn kill(mut self) {
        kill_process(self.millpond, Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and gives what it said to standard error.
    pub fn stop(mut self) -> String {
        kill_process(self.millpond, Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        self.said.extend(self.lines.iter().map(|line| line + "\n"));
        assert!(ended.success(), "{ended}: {}", self.said);
        std::mem::take(&mut self.said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // It may end by itself at this moment.
            let _ = kill_process(self.millpond, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn only_child(parent: u32) -> Pid {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}
