//! The two programs that record and replay: ours, and mitmdump.

use crate::home::{Beside, Home};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

/// A proxy that runs beside the test.
pub struct Proxy {
    pub url: String,
    /// The file with the certificate that its clients have to trust.
    pub authority: PathBuf,
    child: Beside,
    out: BufReader<ChildStdout>,
}

impl Proxy {
    /// `millpond ARGUMENTS`, which is a record or a replay.
    pub fn millpond(home: &Home, arguments: &[&str]) -> Self {
        let authority = home.stdout_of(&["ca", "path"]).trim().into();
        let command = home.bare(&[arguments, &["--listen", "127.0.0.1:0"]].concat());
        Self::start(command, authority, "listening on http://")
    }

    /// `mitmdump ARGUMENTS`, which trusts origins as the file at `trusted` says.
    pub fn mitmdump(home: &Home, trusted: &str, arguments: &[&str]) -> Self {
        let folder = home.path("mitmproxy");
        let mut command = mitmdump(home).unwrap();
        command
            .args(["--listen-host", "127.0.0.1", "--listen-port", "0", "--set", "flow_detail=0"])
            .arg("--set")
            .arg(format!("ssl_verify_upstream_trusted_ca={trusted}"))
            .args(arguments);
        Self::start(command, folder.join("mitmproxy-ca-cert.pem"), "proxy listening at ")
    }

    /// Waits for the line in which the proxy tells its address.
    fn start(mut command: Command, authority: PathBuf, telling: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let child = Beside(child);
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "{command:?} ended before it listened");
            if let Some((_, address)) = line.split_once(telling) {
                break address.trim().trim_end_matches('.');
            }
        };
        Self { url: format!("http://{address}"), authority, child, out }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.child.0), Signal::TERM).unwrap();
        // Whoever writes into a full pipe does not end.
        std::io::copy(&mut self.out, &mut std::io::sink()).unwrap();
        let status = self.child.0.wait().unwrap();
        assert!(status.success(), "it ended with {status}");
    }
}

/// mitmdump, with a folder of its own; `None` where there is no mitmproxy.
pub fn mitmdump(home: &Home) -> Option<Command> {
    let program = python()?.with_file_name("mitmdump");
    let mut command = home.program(program.to_str().unwrap());
    command.env("PYTHONUNBUFFERED", "1").arg("--set");
    command.arg(format!("confdir={}", home.path("mitmproxy").display()));
    Some(command)
}

/// The Python that has mitmproxy.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("MITMPROXY_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("not run: MITMPROXY_PYTHON does not name a Python that has mitmproxy");
    }
    python
}

/// The only tape in the directory that `millpond record` was given.
pub fn session(home: &Home, tapes: &str) -> PathBuf {
    let files = std::fs::read_dir(home.path(Path::new(tapes).join("sessions"))).unwrap();
    let mut tapes =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "mitm"));
    let first = tapes.next().unwrap();
    assert!(tapes.next().is_none(), "one tape for one run");
    first
}
