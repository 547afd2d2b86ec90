//! The real binary, started as a user would.

use crate::origin::Origin;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub struct Server {
    pub address: SocketAddr,
    child: Child,
    _home: TempDir,
}

impl Server {
    pub fn start(origin: &Origin) -> Self {
        let home = tempfile::tempdir().expect("a directory of its own");
        let mut child = Command::new(env!("CARGO_BIN_EXE_millpond"))
            .args(["serve", "--listen", "127.0.0.1:0", "--no-access-log-console", "--log-level", "error"])
            .arg("--origin")
            .arg(format!("http://{}", origin.address))
            .env("HOME", home.path())
            .env("XDG_CACHE_HOME", home.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the first line comes");
        let address =
            line.trim().strip_prefix("listening on http://").expect("the first line names the address");
        Self { address: address.parse().expect("an address"), child, _home: home }
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that was ever resident, bytes.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the line is there");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kib * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
