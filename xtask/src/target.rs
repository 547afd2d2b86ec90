//! A millpond server to be worked on: with its defaults, as far as nothing else is said, in front of the origin of the
//! benchmark; and what can be seen of it from outside.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{self, Server};
use crate::workspace;

/// The longest a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A connection's state in `/proc/PID/net/tcp`: open in both directions.
const ESTABLISHED: &str = "01";
/// The client has closed its direction, the server has not.
const CLOSE_WAIT: &str = "08";

/// A running server, with a directory that goes when it does.
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it keeps on disk.
    pub cache: PathBuf,
    /// The program.
    pub binary: PathBuf,
    server: Server,
    _dir: Directory,
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is a leftover, not a wrong result.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Target {
    /// Starts one before `origin`; without a binary the release binary is built. `settings` are variables by name.
    pub fn start(
        binary: Option<&Path>,
        task: &str,
        origin: SocketAddr,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let binary = match binary {
            Some(binary) => binary.to_path_buf(),
            None => workspace::release_binary()?,
        };
        let dir = Directory(workspace::scratch(task)?.join(std::process::id().to_string()));
        let cache = dir.0.join("cache");
        std::fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
        let log = dir.0.join("log.txt");
        let log = std::fs::File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut command = Command::new(&binary);
        command.args(["serve", "--origin", &format!("http://{origin}"), "--listen", "127.0.0.1:0"]);
        command.arg("--cache-dir").arg(&cache).stderr(log);
        command.env("MILLPOND_ACCESS_LOG__CONSOLE", "false");
        // Written as in earnest, and kept by nobody: a long run would fill the disk with it.
        command.env("MILLPOND_ACCESS_LOG__FILE", "/dev/null");
        command.envs(settings.iter().copied());
        let (server, line) = Server::start_and_read_line(&mut command, START_LIMIT)?;
        let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let address = address.with_context(|| format!("the first line is not where it listens: {line}"))?;
        Ok(Self { address, cache, binary, server, _dir: dir })
    }

    /// An error when it has ended.
    pub fn check(&mut self) -> Result<()> {
        self.server.check()
    }

    /// What can be read of it from now on, from any thread.
    pub fn gauge(&self) -> Gauge {
        Gauge { pid: self.server.pid(), port: self.address.port() }
    }
}

/// Reads the figures of a server.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    pid: u32,
    port: u16,
}

/// What a server takes at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Resident memory, bytes.
    pub resident: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Connections from clients that it has not closed.
    pub connections: usize,
    /// What the kernel holds for clients that have not taken it yet, bytes.
    pub queued: u64,
}

impl Gauge {
    /// The open descriptors: those of the database, and all others.
    pub fn descriptors(self) -> Result<(usize, usize)> {
        let files = process::open_files(self.pid)?;
        let database = files.iter().filter(|file| is_database(file)).count();
        Ok((database, files.len() - database))
    }

    /// The figures now.
    pub fn read(self) -> Result<Figures> {
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.pid));
        let table = table.context("reading the connections")?;
        let queues = connections(&table, self.port);
        Ok(Figures {
            resident: process::resident(self.pid)?,
            descriptors: process::descriptors(self.pid)?,
            connections: queues.len(),
            queued: queues.values().sum(),
        })
    }
}

/// Whether a descriptor is of a store's database. Those come as its lookups need them, a few connections to one file.
fn is_database(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| [".db", ".db-wal", ".db-shm"].iter().any(|end| name.ends_with(end)))
}

/// The connections to a local port that are open, or closed by the client only: what the kernel has yet to send on each.
fn connections(table: &str, port: u16) -> HashMap<&str, u64> {
    let suffix = format!(":{port:04X}");
    let open = |line| {
        let words: Vec<&str> = str::split_whitespace(line).take(5).collect();
        let [_, local, remote, state, queues] = words[..] else { return None };
        let wanted = local.ends_with(&suffix) && (state == ESTABLISHED || state == CLOSE_WAIT);
        let (to_send, _) = queues.split_once(':')?;
        wanted.then_some((remote, u64::from_str_radix(to_send, 16).ok()?))
    };
    // By the other side: while many come and go, the same one may stand in the table twice.
    table.lines().filter_map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_database_are_told_from_bodies() {
        let is = |file: &str| is_database(Path::new(file));
        assert!(is("/c/millpond.db") && is("/c/millpond.db-wal") && is("/c/millpond.db-shm"));
        assert!(!is("/c/millpond.db-bodies/1f/2") && !is("socket:[17]") && !is("/c/millpond.db (deleted)"));
    }

    #[test]
    fn connections_to_a_port_are_counted() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
            \x20  0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
            \x20  1: 0100007F:0BB8 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0\n\
            \x20  2: 0100007F:9C40 0100007F:0BB8 01 00000000:00000000 00:00000000 00000000     0\n\
            \x20  3: 0100007F:0BB8 0100007F:9C42 08 00000010:00000000 00:00000000 00000000     0\n\
            \x20  4: 0100007F:0BB8 0100007F:9C44 06 00000000:00000000 00:00000000 00000000     0\n";
        let mut queued: Vec<u64> = connections(table, 3000).into_values().collect();
        queued.sort_unstable();
        assert_eq!(queued, [0, 16], "one open, one closed by its client");
        assert!(connections(table, 3001).is_empty());
    }
}
