//! Many small entries: what they take, how soon a server has them, and what a hit costs among them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::told::{Filled, InMemory};
use super::{Directory, Worker, mib};
use crate::bench::{Load, Set, Spread, allowed_cores, ask_for_all, cpu};
use crate::process::{self, Server};
use crate::{tools, workspace};

/// Nobody listens there: what is answered was stored.
const ORIGIN: &str = "http://127.0.0.1:9";

/// The entries of the small store that a hit is compared with.
const FEW: u64 = 1_000;

/// The most that rows may take on the disk beyond what is in them, percent.
const MOST_DISK_OVERHEAD: f64 = 25.0;

/// The most that an entry may take in memory beyond its body, bytes.
const MOST_MEMORY_OVERHEAD: f64 = 1024.0;

/// The longest a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Options of `cargo xtask store million`.
#[derive(Args)]
pub struct Options {
    /// Entries
    #[arg(long, default_value_t = 1_000_000)]
    objects: u64,
    /// Bytes of each body
    #[arg(long, default_value_t = 1024)]
    bytes: u64,
    /// Rounds in which hits are measured
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// The millpond binary; without it the release binary is built
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the stores are put; below the build directory without it
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Shows all of it.
pub fn run(options: &Options, worker: &Worker) -> Result<()> {
    tools::install(&[tools::BENCH])?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => workspace::release_binary()?,
    };
    let dir = Directory::create(options.dir.as_deref())?;
    let (many, few) = (dir.cache("many")?, dir.cache("few")?);
    let on_disk = fill(worker, &many.1, options.objects, options.bytes)?;
    fill(worker, &few.1, FEW, options.bytes)?;
    let mut faults = Vec::new();
    on_disk.print(options.objects);
    if on_disk.overhead() > MOST_DISK_OVERHEAD {
        faults
            .push(format!("the disk overhead of {:.1} % is over {MOST_DISK_OVERHEAD} %", on_disk.overhead()));
    }
    ready(&binary, &many.0, options)?;
    let overhead = in_memory(worker, options)?;
    if overhead > MOST_MEMORY_OVERHEAD {
        faults.push(format!("{overhead:.0} bytes of memory for each entry are over {MOST_MEMORY_OVERHEAD}"));
    }
    hits(&binary, &many.0, &few.0, options)?;
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

fn fill(worker: &Worker, database: &str, objects: u64, bytes: u64) -> Result<Filled> {
    let (objects, bytes) = (objects.to_string(), bytes.to_string());
    let arguments =
        ["fill", "--database", database, "--origin", ORIGIN, "--objects", &objects, "--bytes", &bytes];
    eprintln!("storing {objects} entries");
    worker.run(&arguments)
}

impl Filled {
    /// What the disk has beyond URLs, heads and bodies, percent of these.
    fn overhead(&self) -> f64 {
        beyond(self.usage.length(), self.body_bytes + self.head_bytes + self.url_bytes)
    }

    fn print(&self, objects: u64) {
        println!("{objects} entries stored in {:.1} s", self.seconds);
        println!("disk: {}", self.usage);
        println!(
            "  overhead: {:.1} % of URLs, heads and bodies; {:.1} % of bodies alone",
            self.overhead(),
            beyond(self.usage.length(), self.body_bytes)
        );
    }
}

fn beyond(bytes: u64, needed: u64) -> f64 {
    (bytes as f64 / needed.max(1) as f64 - 1.0) * 100.0
}

/// How long it takes from the start of a server to the first hit from the disk.
fn ready(binary: &Path, cache: &Path, options: &Options) -> Result<()> {
    let (mut listening, mut answered) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let began = Instant::now();
        let (_server, address) = serve(binary, cache, "64MiB", None)?;
        listening.push(began.elapsed().as_secs_f64() * 1e3);
        let first = round * (options.objects / options.rounds);
        ask_for_all(address, Set { first, objects: 1, bytes: options.bytes }).context("the first hit")?;
        answered.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let spread = |values| Spread::of(values).context("no round");
    println!("start, ms: listening after {}, first hit after {}", spread(listening)?, spread(answered)?);
    Ok(())
}

/// What entries take in the memory tier by itself, and what a lookup costs; gives the bytes beyond the body.
fn in_memory(worker: &Worker, options: &Options) -> Result<f64> {
    let look = |objects: u64| -> Result<InMemory> {
        worker.run(&["memory", "--objects", &objects.to_string(), "--bytes", &options.bytes.to_string()])
    };
    let (few, many) = (look(FEW)?, look(options.objects)?);
    let grown = many.resident_after.saturating_sub(many.resident_before);
    let overhead = |bytes: u64| bytes as f64 / options.objects as f64 - options.bytes as f64;
    println!(
        "memory tier by itself: {:.0} bytes for each entry beyond its body ({:.0} as counted)",
        overhead(grown),
        overhead(many.counted)
    );
    println!(
        "  lookup: {:.0} ns among {FEW}, {:.0} ns among {}: ratio {:.2}",
        few.lookup_ns,
        many.lookup_ns,
        options.objects,
        many.lookup_ns / few.lookup_ns
    );
    Ok(overhead(grown))
}

/// What a hit from memory costs a server with many entries, beside one with few; and what they take there.
fn hits(binary: &Path, many: &Path, few: &Path, options: &Options) -> Result<()> {
    let cores = allowed_cores()?;
    let [server_core, client_core, ..] = cores[..] else { bail!("two cores are needed: one for the load") };
    let load = Load { core: client_core, connections: 64 };
    let size = format!("{}B", options.objects * (options.bytes + 4096) + (64 << 20));
    let (many, many_at) = serve(binary, many, &size, Some(server_core))?;
    let (few, few_at) = serve(binary, few, &size, Some(server_core))?;
    let all = |objects| Set { first: 0, objects, bytes: options.bytes };
    ask_for_all(few_at, all(FEW)).context("asking for the few")?;
    let before = process::resident(many.pid())?;
    ask_for_all(many_at, all(options.objects)).context("asking for all")?;
    let grown = process::resident(many.pid())?.saturating_sub(before);
    println!(
        "server with all entries in memory: {} in all, {:.0} bytes for each entry beyond its body",
        mib(before + grown),
        grown as f64 / options.objects as f64 - options.bytes as f64
    );
    let servers = [(few.pid(), few_at, FEW), (many.pid(), many_at, options.objects)];
    let (mut costs, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for round in 0..options.rounds {
        let mut round_costs = [0.0; 2];
        for turn in 0..2 {
            let which = (turn + round as usize) % 2;
            let (pid, address, objects) = servers[which];
            let arguments = [options.bytes, 0, objects, round + 1];
            let before = cpu(&[pid])?;
            let run =
                load.run_script(address, "uniform.lua", &arguments, Duration::from_secs(options.seconds))?;
            let used = cpu(&[pid])?.saturating_sub(before);
            round_costs[which] = used.as_secs_f64() * 1e6 / run.requests as f64;
            costs[which].push(round_costs[which]);
        }
        ratios.push(round_costs[1] / round_costs[0]);
    }
    let [few, many] = costs.map(|values| Spread::of(values).context("no round"));
    println!(
        "hit from memory, CPU us: {} among {FEW}, {} among {}: ratio {}",
        few?,
        many?,
        options.objects,
        Spread::of(ratios).context("no round")?
    );
    Ok(())
}

/// Starts a server on a filled directory.
fn serve(binary: &Path, cache: &Path, memory: &str, core: Option<usize>) -> Result<(Server, SocketAddr)> {
    let mut command = match core {
        Some(core) => {
            let mut command = Command::new(tools::find("taskset")?);
            command.arg("-c").arg(core.to_string()).arg(binary);
            command
        }
        None => Command::new(binary),
    };
    let log = cache.join("log.txt");
    let log = std::fs::File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    command
        .args(["serve", "--origin", ORIGIN, "--listen", "127.0.0.1:0", "--cache-dir"])
        .arg(cache)
        .stderr(log);
    command.env("MILLPOND_MEMORY__SIZE", memory).env("MILLPOND_ACCESS_LOG__CONSOLE", "false");
    command.env("MILLPOND_DISK__SIZE", "100GiB").env("MILLPOND_WORKERS", "1");
    let (server, line) = Server::start_and_read_line(&mut command, START_LIMIT)?;
    let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
    let address = address.with_context(|| format!("the first line is not where it listens: {line}"))?;
    Ok((server, address))
}
