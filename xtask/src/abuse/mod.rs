//! `cargo xtask abuse`: what hostile clients do, one thing after the other, against a server with its defaults, while an
//! ordinary client goes on asking.
//!
//! A run fails when the ordinary client gets a wrong answer or none, when memory or connections pass their bound, or when
//! something is left behind once the hostile clients are gone. Latencies are printed and never judged.

mod bystander;
mod cases;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::bystander::{Bystander, Latencies};
use self::cases::{CASES, Case, LARGE, Scene};
use crate::bench::Origin;
use crate::client::Client;
use crate::target::{Figures, Gauge, Target};
use crate::{http2, process};

/// How often the figures are read.
const LOOK: Duration = Duration::from_millis(100);

/// The most memory the server may take: the memory tier (64 MiB) twice, since what is on its way in and what readers
/// still hold of what has left may be as much again, and so much for everything else.
const MOST_MEMORY: u64 = (64 * 2 + 96) << 20;

/// `limits.connections` of the defaults.
const CONNECTION_LIMIT: usize = 10_000;

/// Connections beyond the limit that are being told so at the same time.
const BEING_REFUSED: usize = 256;

/// How long the server may take to let go of what a case held.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

/// Descriptors this program needs for itself, and the server for its store, its log and its origin.
const OWN_DESCRIPTORS: u64 = 500;

/// Options of `cargo xtask abuse`.
#[derive(Args)]
pub struct Options {
    /// Only these cases
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A tenth of everything, for a quick look
    #[arg(long)]
    quick: bool,
    /// The millpond binary; without it the release binary is built
    #[arg(long)]
    binary: Option<PathBuf>,
}

impl Options {
    /// The options of a quick run.
    pub fn quick() -> Self {
        Self { only: Vec::new(), quick: true, binary: None }
    }

    fn cases(&self) -> Result<Vec<&'static Case>> {
        let unknown = self.only.iter().find(|name| !CASES.iter().any(|case| case.name == **name));
        ensure!(unknown.is_none(), "there is no case {}", unknown.map_or("", String::as_str));
        let chosen = |case: &&Case| self.only.is_empty() || self.only.iter().any(|name| name == case.name);
        Ok(CASES.iter().filter(chosen).collect())
    }
}

/// What a case came to.
struct Row {
    case: &'static Case,
    count: usize,
    took: Duration,
    peak: Figures,
    settled: Option<Duration>,
    latencies: Latencies,
    said: String,
    faults: Vec<String>,
}

/// Does all of it, one after the other, and judges.
pub fn run(options: &Options) -> Result<()> {
    let descriptors = process::raise_descriptor_limit();
    let cases = options.cases()?;
    let origin = Origin::start()?;
    // A quick run has fewer connections than it takes to reach the default.
    let limit = if options.quick { CONNECTION_LIMIT / 10 } else { CONNECTION_LIMIT };
    let limit = limit.min(usize::try_from(descriptors.saturating_sub(OWN_DESCRIPTORS))?);
    let (text, mut settings) = (limit.to_string(), Vec::new());
    if limit != CONNECTION_LIMIT {
        println!("limits.connections is {limit} here ({descriptors} descriptors are allowed)");
        settings.push(("MILLPOND_LIMITS__CONNECTIONS", text.as_str()));
    }
    let mut target = Target::start(options.binary.as_deref(), "abuse", origin.address, &settings)?;
    let mut rows = Vec::new();
    let scene = Scene::new(target.address, target.gauge(), limit, http2::is_spoken(target.address)?);
    Client::connect(target.address)?.get(&cases::large(0), LARGE).context("the large object")?;
    for case in cases {
        if case.http2 && !scene.http2 {
            println!("{}: HTTP/2 is not spoken", case.name);
            continue;
        }
        let count = if options.quick { case.count / 10 } else { case.count };
        let count = if case.holds { scaled(count, limit) } else { count };
        eprintln!("{count} {}", case.title);
        rows.push(suffer(case, count, &scene)?);
        target.check()?;
    }
    print(&rows);
    let faults: Vec<&str> = rows.iter().flat_map(|row| &row.faults).map(String::as_str).collect();
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(())
}

/// As many of `count` as the connection limit leaves beside the ordinary client.
fn scaled(count: usize, limit: usize) -> usize {
    const BESIDE: usize = 50;
    let most = limit.saturating_sub(BESIDE);
    if count > most {
        println!("only {most} of {count}: more connections are not allowed");
    }
    count.min(most)
}

/// One case, beside an ordinary client, and what is left after it.
fn suffer(case: &'static Case, count: usize, scene: &Scene) -> Result<Row> {
    let before = scene.gauge.read()?;
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let (done, peak, latencies) = thread::scope(|scope| {
        let bystander = scope.spawn(|| Bystander::watch(scene.address, !case.full, &over));
        let peak = scope.spawn(|| peak(scene.gauge, &over));
        let done = (case.run)(scene, count).with_context(|| case.name.to_owned());
        over.store(true, Ordering::SeqCst);
        let peak = peak.join().expect("reading figures does not panic");
        (done, peak, bystander.join().expect("the ordinary client does not panic"))
    });
    let took = began.elapsed();
    let (said, peak) = (done?, peak?);
    let settled = settle(scene.gauge, &before)?;
    let mut row = Row { case, count, took, peak, settled, latencies, said, faults: Vec::new() };
    row.judge(scene.limit);
    Ok(row)
}

/// The highest figures until it is over.
fn peak(gauge: Gauge, over: &AtomicBool) -> Result<Figures> {
    let mut peak = Figures::default();
    loop {
        let last = over.load(Ordering::SeqCst);
        let now = gauge.read()?;
        peak.resident = peak.resident.max(now.resident);
        peak.descriptors = peak.descriptors.max(now.descriptors);
        peak.connections = peak.connections.max(now.connections);
        peak.queued = peak.queued.max(now.queued);
        if last {
            return Ok(peak);
        }
        thread::sleep(LOOK);
    }
}

/// Waits until the server has let go of everything; `None` when it does not.
fn settle(gauge: Gauge, before: &Figures) -> Result<Option<Duration>> {
    // `limits.origin_idle_connections` of each worker: the ordinary client's misses use them too. And files of the store.
    let may_stay = (64 + 16) * thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    loop {
        let now = gauge.read()?;
        if now.connections <= before.connections && now.descriptors <= before.descriptors + may_stay {
            return Ok(Some(began.elapsed()));
        }
        if began.elapsed() > SETTLE_LIMIT {
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

impl Row {
    /// What is wrong with it.
    fn judge(&mut self, limit: usize) {
        let mut faults = Vec::new();
        let name = self.case.name;
        if self.peak.resident > MOST_MEMORY {
            let [peak, most] = [self.peak.resident, MOST_MEMORY].map(mib);
            faults.push(format!("{name}: {peak} MiB of memory, over {most}"));
        }
        if self.peak.connections > limit + BEING_REFUSED {
            faults.push(format!("{name}: {} connections, over {limit}", self.peak.connections));
        }
        if self.settled.is_none() {
            faults.push(format!("{name}: not everything was let go within {} s", SETTLE_LIMIT.as_secs()));
        }
        if let Some(error) = &self.latencies.error {
            faults.push(format!("{name}: the ordinary client: {error}"));
        }
        if self.latencies.is_empty() {
            faults.push(format!("{name}: the ordinary client got no answer"));
        }
        self.faults = faults;
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / f64::from(1 << 20))
}

fn print(rows: &[Row]) {
    println!(
        "memory must stay under {} MiB; what the kernel has yet to send and the ordinary client's latencies are not judged",
        mib(MOST_MEMORY)
    );
    println!(
        "{:<9} {:>7} {:>7} {:>9} {:>10} {:>11} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "",
        "count",
        "took s",
        "peak MiB",
        "kernel MiB",
        "connections",
        "let go s",
        "answers",
        "p50 ms",
        "p99 ms",
        "most ms"
    );
    for row in rows {
        let settled =
            row.settled.map_or_else(|| "NEVER".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
        let [median, p99, most] =
            [0.5, 0.99, 1.0].map(|part| row.latencies.quantile(part).as_secs_f64() * 1e3);
        println!(
            "{:<9} {:>7} {:>7.1} {:>9} {:>10} {:>11} {settled:>9} {:>8} {median:>8.2} {p99:>8.1} {most:>8.1}  {}",
            row.case.name,
            row.count,
            row.took.as_secs_f64(),
            mib(row.peak.resident),
            mib(row.peak.queued),
            row.peak.connections,
            row.latencies.len(),
            row.said
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(peak: Figures, latencies: Latencies) -> Row {
        Row {
            case: &CASES[0],
            count: 1,
            took: Duration::ZERO,
            peak,
            settled: Some(Duration::ZERO),
            latencies,
            said: String::new(),
            faults: Vec::new(),
        }
    }

    fn faults(mut row: Row) -> usize {
        row.judge(100);
        row.faults.len()
    }

    #[test]
    fn each_broken_bound_is_a_fault() {
        let peak = Figures { resident: MOST_MEMORY, descriptors: 10, connections: 100, queued: 0 };
        let answered = || Latencies::of(vec![Duration::from_millis(1)], None);
        assert_eq!(faults(row(peak, answered())), 0);
        assert_eq!(faults(row(Figures { resident: MOST_MEMORY + 1, ..peak }, answered())), 1);
        assert_eq!(faults(row(Figures { connections: 101 + BEING_REFUSED, ..peak }, answered())), 1);
        assert_eq!(faults(Row { settled: None, ..row(peak, answered()) }), 1);
        assert_eq!(faults(row(peak, Latencies::of(Vec::new(), None))), 1);
        let error = Latencies::of(vec![Duration::from_millis(1)], Some("status 503".into()));
        assert_eq!(faults(row(peak, error)), 1);
    }

    #[test]
    fn cases_are_chosen_by_name() {
        let only = |name: &str| Options { only: vec![name.into()], ..Options::quick() };
        assert_eq!(only(CASES[0].name).cases().unwrap().len(), 1);
        assert!(only("nothing").cases().is_err());
        assert_eq!(Options::quick().cases().unwrap().len(), CASES.len());
    }
}
