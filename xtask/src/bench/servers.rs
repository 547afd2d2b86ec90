//! The servers measured: how each is started, pinned to its core, with its access log and counters on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::process::{self, Server};
use crate::{tools, workspace};

/// The longest a server may take to start; varnish compiles its configuration.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The longest a server may be busy with itself after its start: nginx reads through its cache a minute after it.
const SETTLE_LIMIT: Duration = Duration::from_secs(180);

/// A server that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The one all this is about
    Millpond,
    /// Answers from memory, without cache, log or counters: the floor
    Bare,
    /// Debian's nginx
    Nginx,
    /// Debian's HAProxy
    Haproxy,
    /// Debian's Varnish, with varnishncsa for the log
    Varnish,
}

/// A server that runs.
pub struct Running {
    /// Which one.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it speaks HTTP/2, if it does.
    pub http2: SocketAddr,
    processes: Vec<Server>,
    access_log: Option<PathBuf>,
}

impl Running {
    /// Waits until it has done what it does once some time after its start.
    pub fn wait_until_settled(&self) -> Result<()> {
        let began = Instant::now();
        let is_loader = |pid: u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("cache loader")
        };
        while self.pids().into_iter().flat_map(process::tree).any(is_loader) {
            ensure!(began.elapsed() < SETTLE_LIMIT, "{} does not come to rest", self.kind.name());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Makes sure that it has written an access log, as far as it is one that does.
    pub fn check_log(&self) -> Result<()> {
        let Some(log) = &self.access_log else { return Ok(()) };
        let bytes = log.metadata().with_context(|| format!("the log {}", log.display()))?.len();
        ensure!(bytes > 0, "{} wrote no access log", self.kind.name());
        Ok(())
    }

    /// The processes whose time counts, descendants not named.
    pub fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Server::pid).collect()
    }
}

/// Where the servers keep what they store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In memory; those that have a disk behind it by default have it.
    Memory,
    /// In memory and nowhere else.
    MemoryAlone,
    /// On disk, with a memory tier of this size before it, for those that have one.
    Disk(String),
}

impl Tier {
    /// The template of a server's configuration.
    fn template(&self, kind: Kind) -> &'static str {
        match (kind, self) {
            (Kind::Millpond, Self::Memory) => "millpond.toml",
            (Kind::Millpond, Self::MemoryAlone) => "millpond-memory.toml",
            (Kind::Millpond, Self::Disk(_)) => "millpond-disk.toml",
            (Kind::Nginx, Self::Disk(_)) => "nginx-disk.conf",
            (Kind::Nginx, Self::Memory | Self::MemoryAlone) => "nginx.conf",
            (Kind::Haproxy, _) => "haproxy.conf",
            (Kind::Varnish | Kind::Bare, _) => "varnish.vcl",
        }
    }
}

/// What every server is given: a core, an origin, and a directory.
pub struct Site {
    core: usize,
    origin: SocketAddr,
    tier: Tier,
    /// On disk: logs, configuration.
    dir: PathBuf,
    /// In memory: what nginx stores, so that no disk is measured.
    memory: PathBuf,
}

impl Site {
    /// Makes the directories, empty.
    pub fn create(core: usize, origin: SocketAddr, tier: Tier) -> Result<Self> {
        let dir = workspace::scratch("bench")?.join(std::process::id().to_string());
        let shm = Path::new("/dev/shm");
        let memory = if shm.is_dir() { shm.to_path_buf() } else { dir.clone() };
        let memory = memory.join(format!("millpond-bench-{}", std::process::id()));
        for path in [&dir, &memory] {
            std::fs::create_dir_all(path).with_context(|| format!("creating {}", path.display()))?;
        }
        Ok(Self { core, origin, tier, dir, memory })
    }

    /// A command bound to the server's core.
    fn pinned(&self, program: &Path) -> Result<Command> {
        let mut command = Command::new(tools::find("taskset")?);
        command.arg("-c").arg(self.core.to_string()).arg(program);
        Ok(command)
    }

    /// Writes a configuration from its template in bench/peers.
    fn configure(&self, kind: Kind, port: u16, http2: u16) -> Result<PathBuf> {
        let template = self.tier.template(kind);
        let tier = if let Tier::Disk(memory) = &self.tier { memory } else { "" };
        let source = workspace::root().join("bench/peers").join(template);
        let text = std::fs::read_to_string(&source)
            .with_context(|| format!("reading {}", source.display()))?
            .replace("{{port}}", &port.to_string())
            .replace("{{http2_port}}", &http2.to_string())
            .replace("{{origin}}", &self.origin.to_string())
            .replace("{{origin_port}}", &self.origin.port().to_string())
            .replace("{{tier}}", tier)
            .replace("{{dir}}", &self.dir.to_string_lossy())
            .replace("{{memory}}", &self.memory.to_string_lossy());
        let file = self.dir.join(template);
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    }

    /// Where a server of this kind writes its access log; the templates name the same file.
    fn access_log(&self, kind: Kind) -> PathBuf {
        self.dir.join(format!("{}-access.log", kind.name()))
    }

    /// A new file in the directory, to write to.
    fn file(&self, name: &str) -> Result<Stdio> {
        let path = self.dir.join(name);
        Ok(std::fs::File::create(&path).with_context(|| format!("creating {}", path.display()))?.into())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What cannot be removed is a leftover, not a wrong result.
        let _ = std::fs::remove_dir_all(&self.memory);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Kind {
    /// All of them, the one under test first.
    pub const ALL: [Self; 5] = [Self::Millpond, Self::Bare, Self::Nginx, Self::Haproxy, Self::Varnish];

    /// As tables write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Millpond => "millpond",
            Self::Bare => "bare",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Varnish => "varnish",
        }
    }

    /// The program of a peer.
    pub fn program(self) -> &'static str {
        match self {
            Self::Varnish => "varnishd",
            other => other.name(),
        }
    }

    /// Whether it is a product to be compared with.
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Nginx | Self::Haproxy | Self::Varnish)
    }

    /// Starts it.
    pub fn start(self, program: &Path, site: &Site) -> Result<Running> {
        match self {
            Self::Millpond => start_millpond(program, site),
            Self::Bare => {
                let mut command = site.pinned(program)?;
                announced(self, site, command.arg("127.0.0.1:0"))
            }
            Self::Nginx => {
                // Before version 1.25.1 a port without TLS speaks one of the two only.
                let http2 = process::free_port()?;
                let running = one(self, site, program, |command, port| {
                    let file = site.configure(Kind::Nginx, port, http2)?;
                    command.arg("-e").arg(site.dir.join("nginx-error.log")).arg("-c").arg(file);
                    Ok(())
                })?;
                Ok(Running { http2: SocketAddr::from(([127, 0, 0, 1], http2)), ..running })
            }
            Self::Haproxy => one(self, site, program, |command, port| {
                let file = site.configure(Kind::Haproxy, port, port)?;
                command.arg("-db").arg("-f").arg(file).stdout(site.file("haproxy-access.log")?);
                Ok(())
            }),
            Self::Varnish => start_varnish(program, site),
        }
    }
}

/// Starts a server that is told its port.
fn one(
    kind: Kind,
    site: &Site,
    program: &Path,
    complete: impl FnOnce(&mut Command, u16) -> Result<()>,
) -> Result<Running> {
    let mut command = site.pinned(program)?;
    let port = process::free_port()?;
    complete(&mut command, port)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut server = Server::start(&mut command)?;
    server.wait_for(address, START_LIMIT)?;
    let access_log = Some(site.access_log(kind));
    Ok(Running { kind, address, http2: address, processes: vec![server], access_log })
}

fn start_millpond(program: &Path, site: &Site) -> Result<Running> {
    let file = site.configure(Kind::Millpond, 0, 0)?;
    let mut command = site.pinned(program)?;
    command.arg("serve").arg("--config").arg(file).args(["--origin", &format!("http://{}", site.origin)]);
    command.args(["--listen", "127.0.0.1:0"]).stderr(site.file("millpond-error.log")?);
    announced(Kind::Millpond, site, &mut command)
}

/// Starts a server that says on its first line where it listens.
fn announced(kind: Kind, site: &Site, command: &mut Command) -> Result<Running> {
    let (server, line) = Server::start_and_read_line(command, START_LIMIT)?;
    let address = line
        .strip_prefix("listening on http://")
        .and_then(|address| address.trim_end_matches('/').parse().ok())
        .with_context(|| format!("the first line is not where it listens: {line}"))?;
    let access_log = (kind != Kind::Bare).then(|| site.access_log(kind));
    Ok(Running { kind, address, http2: address, processes: vec![server], access_log })
}

fn start_varnish(program: &Path, site: &Site) -> Result<Running> {
    let name = site.dir.join("varnish");
    let mut running = one(Kind::Varnish, site, program, |command, port| {
        let file = site.configure(Kind::Varnish, port, port)?;
        command.args(["-F", "-j", "none", "-T", "none", "-s", "malloc,256m", "-p", "thread_pools=1"]);
        command.args(["-p", "timeout_idle=3600", "-p", "feature=+http2", "-l", "512m"]);
        command.arg("-a").arg(format!("127.0.0.1:{port}")).arg("-n").arg(&name).arg("-f").arg(file);
        command.stdout(site.file("varnish.log")?).stderr(site.file("varnish-error.log")?);
        Ok(())
    })?;
    let mut log = site.pinned(&tools::find("varnishncsa")?)?;
    log.arg("-n").arg(&name).arg("-w").arg(site.access_log(Kind::Varnish)).stdout(Stdio::null());
    // It complains when the server ends before it does.
    log.stderr(site.file("varnishncsa-error.log")?);
    running.processes.push(Server::start(&mut log)?);
    Ok(running)
}
