//! The binary, started as a user would, on a directory that outlives it.

use crate::client::{Client, Reply};
use crate::origin::Origin;
use crate::{PATIENCE, until};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_millpond");

/// A cache directory that servers and commands share, in a directory of its own which is also the users' home.
pub struct Pond {
    dir: TempDir,
}

impl Pond {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// The directory around the cache directory.
    pub fn around(&self) -> &Path {
        self.dir.path()
    }

    /// The cache directory; made by the first who uses it.
    pub fn place(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// The database file.
    pub fn file(&self) -> PathBuf {
        self.place().join("millpond.db")
    }

    /// A command that knows nothing but this directory.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let home = self.dir.path();
        command.current_dir(home).env_clear().env("HOME", home).env("XDG_CACHE_HOME", home.join("caches"));
        command
    }

    /// Starts a server on the cache directory.
    pub fn serve(&self, origin: &Origin, more: &[&str]) -> Server {
        self.serve_at(&self.place(), origin, more)
    }

    /// The same with another cache directory.
    pub fn serve_at(&self, place: &Path, origin: &Origin, more: &[&str]) -> Server {
        let mut command = self.command(BINARY);
        command.args(arguments(place, origin, more));
        Server::start(command)
    }

    /// The same, started by `sh -c SCRIPT sh CACHE-DIR MILLPOND ARGUMENTS`, itself started by `program`: the script ends
    /// with `shift; exec "$@"`.
    pub fn serve_by(
        &self,
        program: &[&str],
        script: &str,
        place: &Path,
        origin: &Origin,
        more: &[&str],
    ) -> Server {
        let mut command = self.command(program[0]);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(&program[1..]).args(["-c", script, "sh"]).arg(place).arg(BINARY);
        command.args(arguments(place, origin, more));
        Server::start(command)
    }

    /// Runs `millpond cache ARGUMENTS` on the cache directory, which must succeed. Gives what it prints.
    pub fn cache(&self, arguments: &[&str]) -> String {
        let mut command = self.command("/usr/bin/timeout");
        command.args(["--kill-after=5s", "60s", BINARY, "cache"]).args(arguments);
        let output = command.arg("--cache-dir").arg(self.place()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Opens the database as the sqlite3 shell would.
    pub fn database(&self) -> Connection {
        let database = Connection::open(self.file()).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database
    }

    /// Waits until a response for `url` is in the database.
    pub fn wait_for_row(&self, url: &str) {
        until("the response is in the database", || {
            let database = self.file().exists().then(|| self.database())?;
            let found = database.query_row("SELECT 1 FROM cache WHERE url = ?", [url], |_| Ok(()));
            found.ok()
        });
    }
}

fn arguments(place: &Path, origin: &Origin, more: &[&str]) -> Vec<String> {
    let place = place.to_str().unwrap();
    let fixed = ["serve", "--listen", "127.0.0.1:0", "--no-access-log-console", "--workers", "2"];
    let own = ["--origin", &origin.url, "--cache-dir", place];
    fixed.iter().chain(&own).chain(more).map(|&argument| argument.to_owned()).collect()
}

/// A server at work; killed when dropped.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        // Ends with the process, which closes its standard error.
        let listener = std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| lines.lock().unwrap().push(line));
        });
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let Some(address) = first.strip_prefix("listening on http://") else {
            child.kill().unwrap();
            listener.join().unwrap();
            panic!("{command:?}: the first line is {first:?}; log: {:#?}", log.lock().unwrap());
        };
        let address = address.trim_end().parse().unwrap();
        Self { address, child, log, listener: Some(listener) }
    }

    pub fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// GETs `path` over a connection of its own.
    pub fn get(&self, path: &str) -> Reply {
        self.client().get(path)
    }

    /// GETs `path` until it is a hit, and gives that.
    pub fn hit(&self, path: &str) -> Reply {
        let mut client = self.client();
        until("a hit", || Some(client.get(path)).filter(Reply::hit))
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The lines of the log that contain `text`.
    pub fn lines(&self, text: &str) -> Vec<String> {
        self.log().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// The lines of the log that tell of something that is not as it should be.
    pub fn complaints(&self) -> Vec<String> {
        let words = [" WARN ", "ERROR", "locked", "busy", "panic"];
        self.log().into_iter().filter(|line| words.iter().any(|word| line.contains(word))).collect()
    }

    /// Waits for a line of the log that contains `text`.
    pub fn wait_for(&self, text: &str) -> String {
        until(&format!("a line with {text:?} in {:#?}", self.log()), || self.lines(text).pop())
    }

    /// Resident memory, bytes: now, and the most it ever was.
    pub fn resident(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Where this process sees `path`, which may lie in a file system of its own.
    pub fn sees(&self, path: &Path) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.child.id())).join(path.strip_prefix("/").unwrap())
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Ends it with SIGTERM, which must succeed. Gives its log.
    pub fn stop(mut self) -> Vec<String> {
        self.terminate();
        let status = self.child.wait().unwrap();
        self.listener.take().unwrap().join().unwrap();
        let log = self.log();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        log
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that no database has, the same each time.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
