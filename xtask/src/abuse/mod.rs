//! `cargo xtask abuse`: what hostile clients do, one thing after the other, against a server with its defaults, while an
//! ordinary client goes on asking.
//!
//! A run fails when the ordinary client gets a wrong answer or none, when memory or connections pass their bound, or when
//! something is left behind once the hostile clients are gone. Latencies are printed and never judged.

mod bystander;
mod cases;
mod small;

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
use crate::target::{Figures, Target};
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

/// The most memory a server with small stores may take: its memory tier twice, what may wait to be written (64 MiB), and as
/// much for everything else.
const MOST_MEMORY_SMALL: u64 = small::MEMORY * 2 + ((64 + 64) << 20);

/// How long the server may take to let go of what a case held.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

/// Connections to the origin that nobody uses are closed soon, so that those which are left have a fetch.
const IDLE: (&str, &str) = ("MILLPOND_LIMITS__ORIGIN_IDLE_TIMEOUT", "1s");

/// The most descriptors that the connections to the database may have together.
const DATABASE: usize = 64;

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

/// What is there when a case is over and all its clients are gone.
#[derive(Debug, Default)]
struct Left {
    /// How long it took until nothing was left; `None` where something stayed.
    settled: Option<Duration>,
    /// Descriptors beyond those before, but for those of the database.
    descriptors: isize,
    /// Descriptors of the database.
    database: usize,
    /// Connections from clients beyond those before.
    connections: isize,
    /// Connections to the origin.
    fetches: u64,
}

/// What a case came to.
struct Row {
    case: &'static Case,
    count: usize,
    took: Duration,
    peak: Figures,
    /// The most that lay on the disk, bytes.
    disk: u64,
    left: Left,
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
    let start = |name, more: &[(&str, &str)]| {
        let settings = [&settings, more, &[IDLE]].concat();
        Target::start(options.binary.as_deref(), name, origin.address, &settings)
    };
    let (mut target, mut small) = (start("abuse", &[])?, start("abuse-small", small::SETTINGS)?);
    let http2 = http2::is_spoken(target.address)?;
    let scene = |target: &Target| Scene {
        address: target.address,
        gauge: target.gauge(),
        cache: target.cache.clone(),
        limit,
        origin: &origin,
    };
    for target in [&target, &small] {
        Bystander::prepare(target.address)?;
    }
    Client::connect(target.address)?.get(&cases::large(0), LARGE).context("the large object")?;
    let mut rows = Vec::new();
    for case in cases {
        if case.http2 && !http2 {
            println!("{}: HTTP/2 is not spoken", case.name);
            continue;
        }
        let count = if options.quick { case.count / 10 } else { case.count };
        let count = if case.holds { scaled(count, limit) } else { count };
        eprintln!("{count} {}", case.title);
        let target = if case.small { &mut small } else { &mut target };
        rows.push(suffer(case, count, &scene(target))?);
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
fn suffer(case: &'static Case, count: usize, scene: &Scene<'_>) -> Result<Row> {
    // Those that the case before left, for which it is blamed, are not waited for longer.
    wait_until(|| Ok(scene.origin.connections() == 0))?;
    let before = (scene.gauge.read()?.connections, scene.gauge.descriptors()?.1);
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let (done, peak, latencies) = thread::scope(|scope| {
        let bystander = scope.spawn(|| Bystander::watch(scene.address, !case.full, &over));
        let peak = scope.spawn(|| peak(scene, &over));
        let done = (case.run)(scene, count).with_context(|| case.name.to_owned());
        over.store(true, Ordering::SeqCst);
        let peak = peak.join().expect("reading figures does not panic");
        (done, peak, bystander.join().expect("the ordinary client does not panic"))
    });
    let took = began.elapsed();
    let (said, (peak, disk)) = (done?, peak?);
    let left = settle(scene, before)?;
    let mut row = Row { case, count, took, peak, disk, left, latencies, said, faults: Vec::new() };
    row.judge(scene.limit);
    Ok(row)
}

/// The highest figures until it is over, and the most that lay on the disk.
fn peak(scene: &Scene<'_>, over: &AtomicBool) -> Result<(Figures, u64)> {
    let (mut peak, mut disk) = (Figures::default(), 0);
    loop {
        let last = over.load(Ordering::SeqCst);
        let now = scene.gauge.read()?;
        peak.resident = peak.resident.max(now.resident);
        peak.descriptors = peak.descriptors.max(now.descriptors);
        peak.connections = peak.connections.max(now.connections);
        peak.queued = peak.queued.max(now.queued);
        disk = disk.max(small::disk(&scene.cache)?);
        if last {
            return Ok((peak, disk));
        }
        thread::sleep(LOOK);
    }
}

/// Waits until the server has let go of everything but so many connections and descriptors, and looks at what it has then.
fn settle(scene: &Scene<'_>, (connections, descriptors): (usize, usize)) -> Result<Left> {
    let look = || -> Result<Left> {
        let (database, others) = scene.gauge.descriptors()?;
        let more = |now: usize, before: usize| now as isize - before as isize;
        Ok(Left {
            settled: None,
            descriptors: more(others, descriptors),
            database,
            connections: more(scene.gauge.read()?.connections, connections),
            fetches: scene.origin.connections(),
        })
    };
    let settled = wait_until(|| Ok(look()?.is_nothing()))?;
    Ok(Left { settled, ..look()? })
}

/// Waits for something that should come soon; how long it took, `None` where it did not come.
fn wait_until(mut there: impl FnMut() -> Result<bool>) -> Result<Option<Duration>> {
    let began = Instant::now();
    while began.elapsed() < SETTLE_LIMIT {
        if there()? {
            return Ok(Some(began.elapsed()));
        }
        thread::sleep(LOOK);
    }
    Ok(None)
}

impl Left {
    fn is_nothing(&self) -> bool {
        let own = self.connections <= 0 && self.descriptors <= 0 && self.database <= DATABASE;
        own && self.fetches == 0
    }
}

impl Row {
    /// What is wrong with it.
    fn judge(&mut self, limit: usize) {
        let mut faults = Vec::new();
        let name = self.case.name;
        let most = if self.case.small { MOST_MEMORY_SMALL } else { MOST_MEMORY };
        if self.peak.resident > most {
            let [peak, most] = [self.peak.resident, most].map(mib);
            faults.push(format!("{name}: {peak} MiB of memory, over {most}"));
        }
        if self.case.small && self.disk > small::DISK {
            let [peak, most] = [self.disk, small::DISK].map(mib);
            faults.push(format!("{name}: {peak} MiB on the disk, over {most}"));
        }
        if self.peak.connections > limit + BEING_REFUSED {
            faults.push(format!("{name}: {} connections, over {limit}", self.peak.connections));
        }
        if self.left.settled.is_none() {
            let Left { descriptors, database, connections, fetches, .. } = self.left;
            faults.push(format!(
                "{name}: not everything was let go within {} s: {fetches} connections to the origin, {database} \
                 descriptors of the database, {descriptors} others and {connections} connections more than before",
                SETTLE_LIMIT.as_secs()
            ));
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
        "memory must stay under {} MiB ({} and {} MiB of disk for urls, whose stores are small); what the kernel has yet to send and the ordinary client's latencies are not judged",
        mib(MOST_MEMORY),
        mib(MOST_MEMORY_SMALL),
        mib(small::DISK)
    );
    println!(
        "{:<9} {:>7} {:>7} {:>9} {:>8} {:>10} {:>11} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "",
        "count",
        "took s",
        "peak MiB",
        "disk MiB",
        "kernel MiB",
        "connections",
        "let go s",
        "files +",
        "answers",
        "p50 ms",
        "p99 ms",
        "most ms"
    );
    for row in rows {
        let settled =
            row.left.settled.map_or_else(|| "NEVER".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
        let [median, p99, most] =
            [0.5, 0.99, 1.0].map(|part| row.latencies.quantile(part).as_secs_f64() * 1e3);
        println!(
            "{:<9} {:>7} {:>7.1} {:>9} {:>8} {:>10} {:>11} {settled:>9} {:>8} {:>8} {median:>8.2} {p99:>8.1} {most:>8.1}  {}",
            row.case.name,
            row.count,
            row.took.as_secs_f64(),
            mib(row.peak.resident),
            mib(row.disk),
            mib(row.peak.queued),
            row.peak.connections,
            row.left.descriptors,
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
            disk: 0,
            left: Left { settled: Some(Duration::ZERO), ..Left::default() },
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
        assert_eq!(faults(Row { left: Left::default(), ..row(peak, answered()) }), 1);
        let small = |peak| {
            let case = CASES.iter().find(|case| case.small).unwrap();
            Row { case, disk: small::DISK, ..row(peak, answered()) }
        };
        let fits = Figures { resident: MOST_MEMORY_SMALL, ..peak };
        assert_eq!(faults(small(fits)), 0);
        assert_eq!(faults(small(peak)), 1);
        assert_eq!(faults(Row { disk: small::DISK + 1, ..small(fits) }), 1);
        assert_eq!(faults(row(peak, Latencies::of(Vec::new(), None))), 1);
        let error = Latencies::of(vec![Duration::from_millis(1)], Some("status 503".into()));
        assert_eq!(faults(row(peak, error)), 1);
    }

    #[test]
    fn a_single_fetch_that_stays_is_something() {
        assert!(Left::default().is_nothing());
        assert!(Left { descriptors: -3, connections: -1, ..Left::default() }.is_nothing());
        assert!(!Left { fetches: 1, ..Left::default() }.is_nothing());
        assert!(!Left { connections: 1, ..Left::default() }.is_nothing());
        assert!(!Left { descriptors: 1, ..Left::default() }.is_nothing());
        assert!(!Left { database: DATABASE + 1, ..Left::default() }.is_nothing());
    }

    #[test]
    fn cases_are_chosen_by_name() {
        let only = |name: &str| Options { only: vec![name.into()], ..Options::quick() };
        assert_eq!(only(CASES[0].name).cases().unwrap().len(), 1);
        assert!(only("nothing").cases().is_err());
        assert_eq!(Options::quick().cases().unwrap().len(), CASES.len());
    }
}
