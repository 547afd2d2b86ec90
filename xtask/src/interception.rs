//! `cargo xtask interception`: many clients open TLS connections to many hosts through a replay, which must not grow.
//!
//! The replay has a tape of all the hosts, so that nothing but the proxy and the clients takes part.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::process::{self, Server};
use crate::{tapes, tools, workspace};

/// The longest the proxy may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// What may be open when all clients are gone, beyond what was open before.
const DESCRIPTORS: usize = 16;

/// Options of `cargo xtask interception`.
#[derive(Args)]
pub struct Options {
    /// The millpond binary; without it the release binary is built
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Hosts
    #[arg(long, default_value_t = 200)]
    hosts: usize,
    /// Clients at one time
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Seconds of each of the two rounds
    #[arg(long, default_value_t = 15)]
    seconds: u64,
}

impl Options {
    /// A third of the time.
    pub fn quick() -> Self {
        Self { binary: None, hosts: 200, clients: 64, seconds: 5 }
    }
}

/// Two rounds of the same load: the second must leave the proxy as the first did.
pub fn run(options: &Options) -> Result<()> {
    tools::install(&[tools::CLIENTS])?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => workspace::release_binary()?,
    };
    let dir = workspace::scratch("interception")?;
    let tape = dir.join("tape");
    std::fs::create_dir_all(&tape)?;
    std::fs::write(tape.join("hosts.jsonl"), exchanges(options.hosts))?;
    let ca = dir.join("ca");
    let mut command = Command::new(&binary);
    command.args(["replay", "--listen", "127.0.0.1:0", "--tape"]).arg(&tape);
    command.env("MILLPOND_INTERCEPT__CA_DIR", &ca).env("MILLPOND_ACCESS_LOG__CONSOLE", "false");
    let (mut server, line) = Server::start_and_read_line(&mut command, START_LIMIT)?;
    let port = line.rsplit(':').next().context("the first line names no port")?.to_owned();
    let authority = ca.join("millpond-ca-cert.pem");
    let before = process::descriptors(server.pid())?;
    load(options, &port, &authority)?;
    let first = process::resident(server.pid())?;
    load(options, &port, &authority)?;
    let second = process::resident(server.pid())?;
    server.check()?;
    let after = process::descriptors(server.pid())?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "memory after each round {:.1} and {:.1} MiB, descriptors {before} before and {after} after",
        mib(first),
        mib(second)
    );
    ensure!(after <= before + DESCRIPTORS, "{after} descriptors stayed open; there were {before}");
    ensure!(second < first + first / 10, "the second round took {} bytes of memory", second - first);
    Ok(())
}

fn load(options: &Options, port: &str, authority: &std::path::Path) -> Result<()> {
    let mut command = Command::new(tools::find("python3")?);
    command.arg(workspace::root().join("xtask/clients/interception.py")).arg(port).arg(authority);
    command.args([options.hosts.to_string(), options.clients.to_string(), options.seconds.to_string()]);
    let said = process::capture(&mut command, Duration::from_secs(options.seconds + 120))?;
    let counts: Vec<usize> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [answered, certificates] = counts[..] else { anyhow::bail!("the clients said {said:?}") };
    println!("{answered} requests of {} clients answered, {certificates} certificates seen", options.clients);
    ensure!(certificates == options.hosts, "there are {} hosts", options.hosts);
    Ok(())
}

/// One exchange for each host.
fn exchanges(hosts: usize) -> String {
    let line = |number| {
        let (url, content) = (format!("https://host{number}.test/number"), format!("host {number}"));
        tapes::exchange(&url, &[], &content, 1_780_000_000.0) + "\n"
    };
    (0..hosts).map(line).collect()
}
