//! `cargo xtask bench`: CPU per cache hit from memory, beside other caches and a bare responder; with `--tier disk`, CPU
//! per hit from disk and per miss.
//!
//! Every server runs alone on one core, the load generator on another, in alternating rounds: what disturbs the machine
//! disturbs all of them alike, and the ratios of one round are compared, not figures of different minutes. Everybody
//! writes an access log to a file and counts.

mod disk;
mod fill;
mod load;
mod origin;
mod report;
mod servers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

pub use self::fill::{Set, ask_for_all};
pub use self::load::Load;
use self::load::Run;
use self::origin::Origin;
pub use self::report::Spread;
use self::report::{Case, Report, Sample};
use self::servers::{Kind, Running, Site, Tier};
use crate::{process, tools, workspace};

/// A size of object: its path, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The last part of the URL.
    pub name: &'static str,
    /// Bytes of the body.
    pub bytes: usize,
    /// The same, in words.
    title: &'static str,
}

/// The sizes measured.
pub const SIZES: [Size; 4] = [
    Size { name: "1k", bytes: 1 << 10, title: "1,024 bytes" },
    Size { name: "16k", bytes: 16 << 10, title: "16,384 bytes" },
    Size { name: "128k", bytes: 128 << 10, title: "131,072 bytes" },
    Size { name: "1m", bytes: 1 << 20, title: "1,048,576 bytes" },
];

/// The sizes of a quick run.
const QUICK_SIZES: [&str; 2] = ["1k", "128k"];

/// How long every server is warmed up with each size before the first round.
const WARM_UP: Duration = Duration::from_secs(1);

/// The highest load of a quiet machine.
const QUIET: f64 = 0.5;

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub struct Options {
    /// Where what is asked for is kept
    #[arg(long, value_enum, default_value_t = Where::Memory)]
    tier: Where,
    /// Rounds; each measures every server with every size once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Connections kept alive
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only these servers
    #[arg(long, value_delimiter = ',')]
    servers: Vec<Kind>,
    /// Only these sizes: 1k, 16k, 128k, 1m (with --tier memory)
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<String>,
    /// The core of the server under test; the first one without it
    #[arg(long)]
    server_core: Option<usize>,
    /// The core of the load generator; the second one without it
    #[arg(long)]
    client_core: Option<usize>,
    /// The millpond binary to measure; without it the release binary is built
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Write every measurement to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// One round of a second with two sizes: shows that everything works, decides nothing
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    disk: disk::Options,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Where {
    /// Hits from memory
    Memory,
    /// Hits from disk, of a set the memory tier has no room for, and misses that are stored there
    Disk,
}

impl Options {
    /// The options of a quick run.
    pub fn quick() -> Self {
        Self {
            tier: Where::Memory,
            rounds: 1,
            seconds: 1,
            connections: 64,
            servers: Vec::new(),
            sizes: Vec::new(),
            server_core: None,
            client_core: None,
            binary: None,
            json: None,
            quick: true,
            disk: disk::Options::default(),
        }
    }

    fn sizes(&self) -> Result<Vec<Size>> {
        let names: Vec<&str> = match (self.sizes.is_empty(), self.quick) {
            (false, _) => self.sizes.iter().map(String::as_str).collect(),
            (true, true) => QUICK_SIZES.to_vec(),
            (true, false) => SIZES.iter().map(|size| size.name).collect(),
        };
        let find = |name: &&str| SIZES.iter().copied().find(|size| size.name == *name);
        names.iter().map(|name| find(name).with_context(|| format!("there is no size {name}"))).collect()
    }

    /// The cores of the server and of the load generator.
    fn cores(&self) -> Result<(usize, usize)> {
        let allowed = allowed_cores()?;
        let first = *allowed.first().context("no core to run on")?;
        let second = allowed.get(1).copied();
        // A quick run decides nothing, so it may share the only core there is.
        let client = self.client_core.or(second).or(self.quick.then_some(first));
        let client = client.context("the benchmark needs two cores: one for the server, one for the load")?;
        Ok((self.server_core.unwrap_or(first), client))
    }

    fn kinds(&self) -> Vec<Kind> {
        match (self.servers.is_empty(), self.tier) {
            (false, _) => self.servers.clone(),
            (true, Where::Memory) => Kind::ALL.to_vec(),
            (true, Where::Disk) => disk::KINDS.to_vec(),
        }
    }

    fn rounds_and_seconds(&self) -> (usize, u64) {
        if self.quick { (1, 1) } else { (self.rounds, self.seconds) }
    }
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let busy_before = other_load();
    tools::install(&[tools::BENCH])?;
    let report = match options.tier {
        Where::Memory => from_memory(options)?,
        Where::Disk => disk::run(options)?,
    };
    if let Some(load) = busy_before {
        println!("other programs were running (load {load}): the figures are rough");
    }
    if options.quick {
        println!("one short round: these figures decide nothing");
    }
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    Ok(())
}

fn from_memory(options: &Options) -> Result<Report> {
    let (server_core, client_core) = options.cores()?;
    let (sizes, kinds) = (options.sizes()?, options.kinds());
    let (rounds, seconds) = options.rounds_and_seconds();
    let load = Load { core: client_core, connections: options.connections };

    let origin = Origin::start()?;
    let site = Site::create(server_core, origin.address, Tier::Memory)?;
    let running = start_all(&kinds, &site, options.binary.as_deref())?;
    for server in &running {
        check_cached(server, &origin, &sizes)?;
    }
    if !options.quick {
        warm_up(&running, &sizes, &load)?;
    }
    let mut report = Report::new(seconds, options.connections);
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for &size in &sizes {
            for server in in_turn(&running, round) {
                report.add(measure(round, server, size, &origin, &load, seconds)?);
            }
        }
    }
    for server in &running {
        server.check_log()?;
    }
    let case = |size: &Size| Case { name: size.name, title: size.title };
    report.print(&sizes.iter().map(case).collect::<Vec<_>>(), &kinds);
    Ok(report)
}

/// The servers in the order of a round: each begins with another one, so that none always follows the same.
fn in_turn(running: &[Running], round: usize) -> impl Iterator<Item = &Running> {
    running.iter().cycle().skip(round % running.len()).take(running.len())
}

/// The load of the machine in the last minute, when it is high enough to spoil the figures.
fn other_load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = text.split(' ').next()?.parse().ok()?;
    (load > QUIET).then_some(load)
}

/// The cores this program may run on; in a container they need not begin with 0.
pub fn allowed_cores() -> Result<Vec<usize>> {
    let status = std::fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(parse_cores(list.context("no list of cores in /proc/self/status")?.trim()))
}

/// Reads `0-3,8,10-11`.
fn parse_cores(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse().ok()?..=to.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

fn start_all(kinds: &[Kind], site: &Site, binary: Option<&Path>) -> Result<Vec<Running>> {
    let mut running = Vec::new();
    for &kind in kinds {
        let program = match (kind, binary) {
            (Kind::Millpond, Some(binary)) => binary.to_path_buf(),
            (Kind::Millpond, None) => workspace::release_binary()?,
            (Kind::Bare, _) => workspace::bare_responder()?,
            (peer, _) => tools::find(peer.program())?,
        };
        running.push(kind.start(&program, site).with_context(|| format!("starting {}", kind.name()))?);
    }
    Ok(running)
}

/// Fills the cache and makes sure that it answers without the origin.
fn check_cached(server: &Running, origin: &Origin, sizes: &[Size]) -> Result<()> {
    for size in sizes {
        // Twice to fill: some caches admit an object when it is asked for again.
        for _ in 0..2 {
            load::fetch(server.address, *size)
                .with_context(|| format!("{} of {}", size.name, server.kind.name()))?;
        }
        let before = origin.requests();
        load::fetch(server.address, *size)?;
        ensure!(origin.requests() == before, "{} does not cache {}", server.kind.name(), size.name);
    }
    Ok(())
}

fn warm_up(running: &[Running], sizes: &[Size], load: &Load) -> Result<()> {
    eprintln!("warming up");
    for server in running {
        for &size in sizes {
            load.run(server.address, size, WARM_UP)?;
        }
    }
    Ok(())
}

fn measure(
    round: usize,
    server: &Running,
    size: Size,
    origin: &Origin,
    load: &Load,
    seconds: u64,
) -> Result<Sample> {
    let before = origin.requests();
    let time = Duration::from_secs(seconds);
    let sample = sample(round, server, size.name, Duration::ZERO, || load.run(server.address, size, time))?;
    let fetched = origin.requests() - before;
    ensure!(fetched == 0, "{} with {}: {fetched} requests reached the origin", server.kind.name(), size.name);
    Ok(sample)
}

/// What a server's CPU has to do for `work`, and for what is left to be done in the time `after` it.
fn sample(
    round: usize,
    server: &Running,
    case: &'static str,
    after: Duration,
    work: impl FnOnce() -> Result<Run>,
) -> Result<Sample> {
    let of = || format!("{} with {case}", server.kind.name());
    let before = cpu(&server.pids())?;
    let run = work().with_context(of)?;
    std::thread::sleep(after);
    let used = cpu(&server.pids())?.checked_sub(before).with_context(|| format!("{} restarted", of()))?;
    let microseconds = used.as_secs_f64() * 1e6;
    Ok(Sample {
        round,
        server: server.kind,
        case,
        requests: run.requests,
        seconds: run.seconds,
        cpu_us: microseconds / run.requests as f64,
        busy: used.as_secs_f64() / run.seconds,
    })
}

/// The CPU time, in user and in kernel mode, of these processes and all their descendants so far.
pub fn cpu(roots: &[u32]) -> Result<Duration> {
    let mut ticks = 0;
    for &root in roots {
        ensure!(process::stat(root).is_some(), "a server has ended");
        ticks +=
            process::tree(root).into_iter().filter_map(process::stat).map(|stat| stat.ticks).sum::<u64>();
    }
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_measures_two_sizes_with_every_server() {
        let options = Options::quick();
        assert_eq!(
            options.sizes().unwrap().iter().map(|size| size.bytes).collect::<Vec<_>>(),
            [1024, 131_072]
        );
        assert_eq!(options.kinds(), Kind::ALL);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse_cores("0-1"), [0, 1]);
        assert_eq!(parse_cores("4,7-9"), [4, 7, 8, 9]);
        assert_eq!(parse_cores(""), [0; 0]);
    }

    #[test]
    fn a_size_that_does_not_exist_is_refused() {
        let options = Options { sizes: vec!["2k".into()], ..Options::quick() };
        assert!(options.sizes().is_err());
    }
}
