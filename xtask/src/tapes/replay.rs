//! What a replayed request costs, beside mitmproxy's server replay of the same tape.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Options, large, line};
use crate::bench::Load;
use crate::process::{self, Server};
use crate::tools;

/// How many times as many requests a second of CPU must serve.
const FACTOR: f64 = 50.0;
/// The longest a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Connections, all kept alive.
const CONNECTIONS: usize = 16;

pub fn run(binary: &Path, dir: &Path, options: &Options) -> Result<()> {
    let tape = dir.join("small");
    if tape.exists() {
        std::fs::remove_dir_all(&tape)?;
    }
    std::fs::create_dir_all(&tape)?;
    make(binary, &tape)?;
    let file = tape.join("small.mitm");
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..3 {
        let (server, address) = large::start(binary, &tape, START_LIMIT)?;
        ours.push(per_second(&server, address, options)?);
        let (server, address) = mitmproxy(&file, dir)?;
        theirs.push(per_second(&server, address, options)?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "replay   {ours:.0} requests a second of CPU, mitmproxy {theirs:.0}: {:.0} times as many",
        ours / theirs
    );
    ensure!(ours >= FACTOR * theirs, "at least {FACTOR} times as many were to be");
    std::fs::remove_dir_all(&tape)?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One exchange of 1 KiB, as mitmproxy's flow.
fn make(binary: &Path, tape: &Path) -> Result<()> {
    let json = tape.with_extension("jsonl");
    let line = line::exchange(
        "http://tape.test/o/1",
        &[("Content-Length", "1024")],
        &"w".repeat(1024),
        1_780_000_000.0,
    );
    writeln!(File::create(&json)?, "{line}")?;
    let mut command = Command::new(binary);
    command.args(["tape", "convert"]).arg(&json).arg(tape.join("small.mitm"));
    process::run(&mut command, START_LIMIT)?;
    std::fs::remove_file(json)?;
    Ok(())
}

/// mitmproxy's server replay; a request that is not on the tape must not go anywhere.
fn mitmproxy(tape: &Path, dir: &Path) -> Result<(Server, SocketAddr)> {
    let address = SocketAddr::from(([127, 0, 0, 1], process::free_port()?));
    let mut command = Command::new(tools::mitmproxy()?.join("mitmdump"));
    command.args(["-q", "--listen-host", "127.0.0.1", "--listen-port", &address.port().to_string()]);
    command.arg("--set").arg(format!("confdir={}", dir.join("mitmproxy").display()));
    command
        .args(["--set", "server_replay_reuse=true", "--set", "server_replay_extra=404", "--server-replay"])
        .arg(tape);
    command.stderr(File::create(dir.join("mitmproxy.log"))?);
    let mut server = Server::start(&mut command)?;
    server.wait_for(address, START_LIMIT).context("mitmproxy")?;
    Ok((server, address))
}

/// Requests for each second of CPU time of all the server's processes.
fn per_second(server: &Server, address: SocketAddr, options: &Options) -> Result<f64> {
    let load = Load { core: 0, connections: CONNECTIONS };
    let ticks = || {
        process::tree(server.pid())
            .iter()
            .filter_map(|pid| process::stat(*pid))
            .map(|stat| stat.ticks)
            .sum::<u64>()
    };
    let ask = |time| load.run_script(address, "absolute.lua", &[1], time);
    ask(Duration::from_secs(1))?;
    let before = ticks();
    let run = ask(Duration::from_secs(options.seconds))?;
    let taken = (ticks() - before) as f64 / rustix::param::clock_ticks_per_second() as f64;
    ensure!(taken > 0.0, "the server took no time");
    Ok(run.requests as f64 / taken)
}
