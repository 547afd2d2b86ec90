//! `cargo xtask bench`: CPU per cache hit and miss, beside other caches and a bare responder, from memory and from disk.
//!
//! Every server runs alone on one core, the load generator on another, in alternating rounds: what disturbs the machine
//! disturbs all of them alike, and the ratios of one round are compared, not figures of different minutes. Everybody
//! writes an access log to a file and counts.

mod bounds;
mod chart;
mod circumstances;
mod disk;
mod fill;
mod load;
mod memory;
mod origin;
mod page;
mod report;
mod servers;
mod statistics;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use self::circumstances::Circumstances;
pub use self::fill::{Set, ask_for_all};
pub use self::load::Load;
use self::load::Run;
pub use self::origin::Origin;
use self::report::Sample;
use self::servers::{Kind, Running, Site};
pub use self::statistics::Spread;
use crate::{process, tools, workspace};

/// A size of object: its path, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The last part of the URL, and the name of the case.
    pub name: &'static str,
    /// The name of the case over HTTP/2.
    pub http2: &'static str,
    /// Bytes of the body.
    pub bytes: usize,
    /// The case in words.
    title: &'static str,
    /// The same over HTTP/2.
    http2_title: &'static str,
}

/// The sizes measured.
pub const SIZES: [Size; 4] = [
    Size {
        name: "1k",
        http2: "h2-1k",
        bytes: 1 << 10,
        title: "hits of 1,024 bytes",
        http2_title: "HTTP/2: hits of 1,024 bytes",
    },
    Size {
        name: "16k",
        http2: "h2-16k",
        bytes: 16 << 10,
        title: "hits of 16,384 bytes",
        http2_title: "HTTP/2: hits of 16,384 bytes",
    },
    Size {
        name: "128k",
        http2: "h2-128k",
        bytes: 128 << 10,
        title: "hits of 131,072 bytes",
        http2_title: "HTTP/2: hits of 131,072 bytes",
    },
    Size {
        name: "1m",
        http2: "h2-1m",
        bytes: 1 << 20,
        title: "hits of 1,048,576 bytes",
        http2_title: "HTTP/2: hits of 1,048,576 bytes",
    },
];

/// The highest load of a quiet machine.
const QUIET: f64 = 0.5;

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub struct Options {
    /// Where what is asked for is kept
    #[arg(long, value_enum, default_value_t = Where::Memory)]
    tier: Where,
    /// Rounds; each measures every server with every size once
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Connections kept alive
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only these servers
    #[arg(long, value_delimiter = ',')]
    servers: Vec<Kind>,
    /// Only these: hit, http2, miss; from disk: hit, miss
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
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
    /// Write a page with tables, the command, the machine and the versions to this file, and a chart beside it
    #[arg(long)]
    report: Option<PathBuf>,
    /// Exit with 1 where a bound (the last table printed) is not met, or was measured with too few rounds to tell
    #[arg(long, conflicts_with = "quick")]
    judge: bool,
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
    /// One after the other
    Both,
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
            cases: Vec::new(),
            sizes: Vec::new(),
            server_core: None,
            client_core: None,
            binary: None,
            json: None,
            report: None,
            judge: false,
            quick: true,
            disk: disk::Options::default(),
        }
    }

    /// The cases chosen, out of those there are.
    fn chosen<'a>(&self, all: &[&'a str]) -> Result<Vec<&'a str>> {
        let unknown = self.cases.iter().find(|name| !memory::CASES.contains(&name.as_str()));
        ensure!(unknown.is_none(), "there is no case {}", unknown.map_or("", String::as_str));
        let wanted = |name: &&&str| self.cases.is_empty() || self.cases.iter().any(|case| case == **name);
        Ok(all.iter().filter(wanted).copied().collect())
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

    /// The servers chosen, or else all of these.
    fn kinds(&self, all: &[Kind]) -> Vec<Kind> {
        if self.servers.is_empty() { all.to_vec() } else { self.servers.clone() }
    }

    fn rounds_and_seconds(&self) -> (usize, u64) {
        if self.quick { (1, 1) } else { (self.rounds, self.seconds) }
    }
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    // Taken before anything is written: what a run leaves in the tree is no part of what it measured.
    let version = circumstances::version_of(&workspace::root());
    if let Some(file) = &options.report {
        page::check(file)?;
        if !options.quick {
            circumstances::check_version(&version)?;
        }
    }
    let busy_before = other_load();
    tools::install(&[tools::BENCH])?;
    let at = Circumstances::now(&version, options.binary.is_some(), busy_before);
    let report = match options.tier {
        Where::Memory => memory::run(options)?,
        Where::Disk => disk::run(options)?,
        Where::Both => {
            let mut report = memory::run(options)?;
            report.append(disk::run(options)?);
            report
        }
    };
    report.print();
    let judgements = bounds::judge(&report);
    bounds::print(&judgements);
    if let Some(load) = busy_before {
        println!("other programs were running (load {load}): the figures are rough");
    }
    if options.quick {
        println!("one short round: these figures decide nothing");
    }
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    if let Some(file) = &options.report {
        page::write(&report, &judgements, &at, file)?;
        println!("written to {}", file.display());
    }
    if options.judge { bounds::require(&judgements) } else { Ok(()) }
}

/// The name of every case there is.
#[cfg(test)]
fn case_names() -> Vec<&'static str> {
    let sizes = SIZES.iter().flat_map(|size| [size.name, size.http2]);
    sizes.chain(disk::CASES.iter().map(|case| case.name)).chain([memory::MISS.name]).collect()
}

/// The servers in the order of a round: each begins with another one, so that none always follows the same.
fn in_turn<T>(running: &[T], round: usize) -> impl Iterator<Item = &T> {
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

/// What a server's CPU has to do for `work`, and for what is left to be done in the time `after` it.
fn sample(
    round: usize,
    server: &Running,
    case: &'static str,
    after: Duration,
    work: impl FnOnce() -> Result<Run>,
) -> Result<Sample> {
    let of = || format!("{} with {case}", server.kind.name());
    let (before, machine_before) = (cpu(&server.pids())?, machine_cpu()?);
    let run = work().with_context(of)?;
    std::thread::sleep(after);
    let used = cpu(&server.pids())?.checked_sub(before).with_context(|| format!("{} restarted", of()))?;
    let machine = machine_cpu()?.saturating_sub(machine_before);
    let for_each = |time: Duration| time.as_secs_f64() * 1e6 / run.requests as f64;
    Ok(Sample {
        round,
        server: server.kind,
        case,
        requests: run.requests,
        seconds: run.seconds,
        cpu_us: for_each(used),
        busy: used.as_secs_f64() / run.seconds,
        machine_us: for_each(machine),
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
    Ok(of_ticks(ticks))
}

/// The CPU time of everything on this machine so far, the kernel's work for nobody in particular included.
fn machine_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    Ok(of_ticks(busy_ticks(&text).context("/proc/stat has no line for all cores")?))
}

/// Ticks in which some core worked: user, nice, system, irq and softirq of the line for all cores (proc(5)).
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    Some([0, 1, 2, 5, 6].iter().filter_map(|at| ticks.get(*at)).sum())
}

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_no_core_worked_is_not_counted() {
        // user nice system idle iowait irq softirq steal
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 4000 0 0\ncpu0 9 9 9 9 9 9 9 9 9 9"), Some(31));
        assert_eq!(busy_ticks("cpu0 1 2 3 4 5 6 7"), None);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(parse_cores("0-1"), [0, 1]);
        assert_eq!(parse_cores("4,7-9"), [4, 7, 8, 9]);
        assert_eq!(parse_cores(""), [0; 0]);
    }

    #[test]
    fn cases_are_chosen_by_name() {
        let choose = |names: &[&str]| {
            let cases = names.iter().map(|name| (*name).to_owned()).collect();
            Options { cases, ..Options::quick() }.chosen(&["hit", "miss"])
        };
        assert_eq!(choose(&[]).unwrap(), ["hit", "miss"]);
        assert_eq!(choose(&["miss"]).unwrap(), ["miss"]);
        assert!(choose(&["mis"]).is_err());
    }

    #[test]
    fn each_round_begins_with_another_server() {
        let order = |round| in_turn(&["a", "b", "c"], round).copied().collect::<String>();
        assert_eq!([order(0), order(1), order(3)], ["abc", "bca", "abc"]);
    }
}
