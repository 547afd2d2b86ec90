//! The suite's processes: its installation, its origin server, its client, and the proxies under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::process::{self, Server};
use crate::{tools, workspace};

/// The longest `npm ci` may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// The longest a run of all tests may take; it takes 13 seconds, most of them pauses of the suite.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// The longest a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What a test that does not pass means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A requirement of the standards
    Required,
    /// A stored response could have been used
    Optimal,
    /// A question with no right answer: passed is "yes"
    Check,
}

impl Kind {
    /// As the expectations file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optimal => "optimal",
            Self::Check => "check",
        }
    }
}

/// What a test came to, by the suite's own rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be
    Pass,
    /// Not as it should be
    Fail,
    /// A step before the one under test failed
    Setup,
    /// A test that this one builds on failed
    Dependency,
    /// The proxy sent a request twice, which makes the result unreadable
    Retry,
    /// The suite itself failed
    Harness,
    /// There is no result
    Untested,
}

impl Outcome {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Setup => "setup",
            Self::Dependency => "dependency",
            Self::Retry => "retry",
            Self::Harness => "harness",
            Self::Untested => "untested",
        }
    }
}

/// One test and what it came to.
#[derive(Debug, Deserialize)]
pub struct Row {
    pub id: String,
    pub suite: String,
    pub kind: Kind,
    pub outcome: Outcome,
    pub detail: String,
}

impl Row {
    /// Whether it passed, or a check said yes.
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Pass
    }
}

/// A server that runs, and where.
pub struct Running {
    /// Without a slash at its end.
    pub url: String,
    _server: Server,
}

/// The installed suite.
pub struct Suite {
    dir: PathBuf,
    package: PathBuf,
}

impl Suite {
    /// Installs the pinned version with npm, unless it is there.
    pub fn install() -> Result<Self> {
        let dir = workspace::scratch("conformance")?;
        let package = dir.join("node_modules/http-cache-tests");
        let (lock, stamp) = (source("package-lock.json"), dir.join("installed-lock.json"));
        let wanted = std::fs::read(&lock).with_context(|| format!("reading {}", lock.display()))?;
        if std::fs::read(&stamp).ok().as_ref() != Some(&wanted) {
            for name in ["package.json", "package-lock.json"] {
                std::fs::copy(source(name), dir.join(name)).with_context(|| format!("copying {name}"))?;
            }
            let mut npm = Command::new(tools::find("npm")?);
            npm.current_dir(&dir).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]);
            process::run(&mut npm, INSTALL_LIMIT)?;
            // Written last: its presence says that the installation is complete.
            std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
        }
        ensure!(package.is_dir(), "npm installed no {}", package.display());
        Ok(Self { dir, package })
    }

    /// Starts the origin server on a free port of the loopback address.
    pub fn start_origin(&self) -> Result<Running> {
        let mut node = self.node(&[("port", "0"), ("protocol", "http"), ("pidfile", "/dev/null")])?;
        node.arg("--require").arg(source("loopback.cjs")).arg("server/server.mjs");
        let (server, line) = Server::start_and_read_line(&mut node, START_LIMIT)?;
        let url = line.strip_prefix("Listening on ").with_context(|| format!("the origin said: {line}"))?;
        Ok(Running { url: url.trim_end_matches('/').to_owned(), _server: server })
    }

    /// Runs every test against the proxy at `url`.
    pub fn run(&self, url: &str) -> Result<Vec<Row>> {
        let mut client = self.node(&[("base", url), ("id", "")])?;
        let results = self.dir.join("results.json");
        let text = process::capture(client.args(["--no-warnings", "cli.mjs"]), RUN_LIMIT)?;
        std::fs::write(&results, text).with_context(|| format!("writing {}", results.display()))?;
        let mut report = self.node(&[])?;
        report.arg("--no-warnings").arg(source("report.mjs")).arg(&self.package).arg(&results);
        let rows: Vec<Row> = serde_json::from_str(&process::capture(&mut report, START_LIMIT)?)
            .context("reading the suite's report")?;
        ensure!(rows.len() > 300, "the suite reported {} tests only", rows.len());
        let untested = rows.iter().filter(|row| row.outcome == Outcome::Untested).count();
        ensure!(untested == 0, "{untested} tests have no result");
        Ok(rows)
    }

    /// Runs one test, printing what the client sends and gets.
    pub fn show_one(&self, url: &str, id: &str) -> Result<()> {
        let mut client = self.node(&[("base", url), ("id", id)])?;
        process::run(client.args(["--no-warnings", "cli.mjs"]), RUN_LIMIT)
    }

    /// Node in the suite's directory, with the settings that `npm run` would hand over.
    fn node(&self, settings: &[(&str, &str)]) -> Result<Command> {
        let mut node = Command::new(tools::find("node")?);
        node.current_dir(&self.package);
        for (name, value) in settings {
            // The suite looks at both, the second when the first is empty.
            node.env(format!("npm_config_{name}"), value).env(format!("npm_package_config_{name}"), value);
        }
        Ok(node)
    }
}

fn source(name: &str) -> PathBuf {
    workspace::root().join("conformance").join(name)
}

/// Starts millpond with its defaults: what the suite sees is what a newcomer gets.
pub fn start_millpond(binary: &Path, origin: &str, store: Store) -> Result<Running> {
    let mut command = Command::new(binary);
    command.args(["serve", "--origin", origin, "--listen", "127.0.0.1:0", "--store", store.word()]);
    let dir = workspace::scratch("conformance")?;
    if store == Store::Sqlite {
        let cache = dir.join("cache");
        // What an earlier run stored must not count for this one.
        if cache.exists() {
            std::fs::remove_dir_all(&cache).context("emptying the cache of an earlier run")?;
        }
        command.arg("--cache-dir").arg(cache);
        // No entry fits, so that every answer comes from the disk.
        command.env("MILLPOND_MEMORY__SIZE", "1KiB").env("MILLPOND_MEMORY__MAX_OBJECT", "1KiB");
    }
    let log = dir.join("millpond.log");
    command.stderr(std::fs::File::create(&log).with_context(|| format!("creating {}", log.display()))?);
    let (server, line) = Server::start_and_read_line(&mut command, START_LIMIT)
        .with_context(|| format!("what it said is in {}", log.display()))?;
    match line.strip_prefix("listening on ") {
        Some(url) => Ok(Running { url: url.trim_end_matches('/').to_owned(), _server: server }),
        None => bail!("millpond's first line is not where it listens: {line}"),
    }
}

/// Where millpond keeps responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// In memory alone
    #[default]
    Memory,
    /// On disk, with no memory tier to speak of
    Sqlite,
}

impl Store {
    fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        }
    }
}

/// Starts nginx as a cache in front of the origin.
pub fn start_nginx(origin: &str) -> Result<Running> {
    tools::install(&[tools::BENCH])?;
    let dir = workspace::scratch("conformance/nginx")?;
    // What an earlier run stored must not count for this one.
    std::fs::remove_dir_all(&dir)
        .and_then(|()| std::fs::create_dir_all(&dir))
        .context("emptying a directory")?;
    let port = process::free_port()?;
    let template = std::fs::read_to_string(source("nginx.conf")).context("reading conformance/nginx.conf")?;
    let text = template
        .replace("{{dir}}", &dir.to_string_lossy())
        .replace("{{port}}", &port.to_string())
        .replace("{{origin}}", origin);
    let file = dir.join("nginx.conf");
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new(tools::find("nginx")?);
    command.arg("-e").arg(dir.join("error.log")).arg("-c").arg(&file).stdout(Stdio::null());
    let mut server = Server::start(&mut command)?;
    server.wait_for(([127, 0, 0, 1], port).into(), START_LIMIT)?;
    Ok(Running { url: format!("http://127.0.0.1:{port}"), _server: server })
}
