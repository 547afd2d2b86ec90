//! Where a client works: its directory, its origin, and the commands of millpond around it.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{self, Server};
use crate::{tools, workspace};

/// The longest a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The longest a client may take.
const CLIENT_LIMIT: Duration = Duration::from_secs(120);

/// One client's directory, with its origin while that runs.
pub struct Place {
    /// The directory, empty at first.
    pub dir: PathBuf,
    binary: PathBuf,
    origin: Option<Server>,
    ports: (u16, u16),
}

impl Place {
    /// A new directory for `client`, with a running origin.
    pub fn new(client: &str, binary: &Path) -> Result<Self> {
        let dir = workspace::scratch("clients")?.join(client);
        if dir.exists() {
            std::fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
        }
        std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let mut place = Self { dir, binary: binary.to_path_buf(), origin: None, ports: (0, 0) };
        place.certificate()?;
        place.start_origin()?;
        Ok(place)
    }

    /// The certificate of the origin, signed by nobody but itself.
    fn certificate(&self) -> Result<()> {
        let mut command = Command::new(tools::find("openssl")?);
        command.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]);
        command.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        // One that is no authority: a server does not show such a certificate.
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-keyout").arg(self.dir.join("origin.key")).arg("-out").arg(self.authority());
        command.stderr(File::create(self.dir.join("openssl.log"))?);
        process::run(&mut command, CLIENT_LIMIT)
    }

    /// What millpond must trust to speak with the origin.
    pub fn authority(&self) -> PathBuf {
        self.dir.join("origin.pem")
    }

    fn start_origin(&mut self) -> Result<()> {
        let script = workspace::root().join("xtask/clients/origin.py");
        let mut command = Command::new(tools::find("python3")?);
        command
            .arg(script)
            .arg(self.dir.join("origin"))
            .arg(self.authority())
            .arg(self.dir.join("origin.key"));
        command.args([self.ports.0.to_string(), self.ports.1.to_string()]);
        command.stderr(File::create(self.dir.join("origin.log"))?);
        let (server, line) = Server::start_and_read_line(&mut command, START_LIMIT)?;
        let ports =
            line.split_once(' ').and_then(|(http, https)| Some((http.parse().ok()?, https.parse().ok()?)));
        self.ports = ports.with_context(|| format!("the origin said {line:?} instead of its ports"))?;
        self.origin = Some(server);
        Ok(())
    }

    /// The origin's address over http.
    pub fn http(&self) -> String {
        format!("http://localhost:{}", self.ports.0)
    }

    /// The origin's address over https.
    pub fn https(&self) -> String {
        format!("https://localhost:{}", self.ports.1)
    }

    /// Ends the origin; nothing listens at its ports from then on.
    pub fn stop_origin(&mut self) -> Result<()> {
        self.origin = None;
        for port in [self.ports.0, self.ports.1] {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            ensure!(TcpStream::connect(address).is_err(), "something still listens at port {port}");
        }
        Ok(())
    }

    /// How many requests the origin had for a path that contains `part`.
    pub fn asked_for(&self, part: &str) -> Result<usize> {
        let requests =
            std::fs::read_to_string(self.dir.join("origin/requests")).context("the origin's log")?;
        Ok(requests.lines().filter(|line| line.contains(part)).count())
    }

    /// The millpond command, with a cache and settings of its own; its messages go to a file.
    pub fn millpond(&self) -> Result<Command> {
        let mut command = Command::new(&self.binary);
        let log = File::options().create(true).append(true).open(self.dir.join("millpond.log"))?;
        command
            .current_dir(&self.dir)
            .env("HOME", &self.dir)
            .env("XDG_CACHE_HOME", self.dir.join("cache-home"));
        // What this machine's user has set up is none of these runs' business.
        for (name, value) in [
            ("PIP_CONFIG_FILE", "/dev/null"),
            ("NPM_CONFIG_USERCONFIG", "/dev/null"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ] {
            command.env(name, value);
        }
        command.stderr(log);
        Ok(command)
    }

    /// A proxy at work: `millpond proxy` with these arguments. Answers its URL as well.
    pub fn proxy(&self, arguments: &[&str]) -> Result<(Server, String)> {
        let mut command = self.millpond()?;
        command
            .args(["proxy", "--listen", "127.0.0.1:0", "--upstream-ca"])
            .arg(self.authority())
            .args(arguments);
        let (server, line) = Server::start_and_read_line(&mut command, START_LIMIT)?;
        let url =
            line.strip_prefix("listening on ").with_context(|| format!("the first line is {line:?}"))?;
        Ok((server, url.to_owned()))
    }

    /// `millpond COMMAND OPTIONS -- CLIENT`, to its end; answers what the client printed.
    pub fn around(&self, command: &str, options: &[&str], client: &[&str]) -> Result<String> {
        let mut millpond = self.millpond()?;
        millpond.arg(command).args(options);
        if command != "replay" {
            millpond.arg("--upstream-ca").arg(self.authority());
        }
        millpond.arg("--").args(client);
        self.capture(&mut millpond)
    }

    /// Runs a client to its end; answers what it printed.
    pub fn capture(&self, command: &mut Command) -> Result<String> {
        process::capture(command, CLIENT_LIMIT).with_context(|| format!("logs lie in {}", self.dir.display()))
    }

    /// A path below the directory, as text.
    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}
