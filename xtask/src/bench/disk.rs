//! `cargo xtask bench --tier disk`: CPU per hit from disk and CPU per miss, beside nginx.
//!
//! Both have their files on the same file system and read them through the same page cache: what is compared is the work
//! of the processor, not the disk. Hits are asked for at random over a set the memory tier has no room for; a miss is
//! always another object, fetched over a kept connection and stored. What is left to do when the load ends, such as
//! writing a batch, counts too.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::fill::{self, Set};
use super::load::Load;
use super::origin::Origin;
use super::report::{Case, Report, Sample};
use super::servers::{Kind, Running, Site, Tier};
use super::{in_turn, sample, start_all};

/// The servers measured where none are chosen.
pub const KINDS: [Kind; 2] = [Kind::Millpond, Kind::Nginx];

/// How long a server has after each measurement to finish its work.
const AFTER: Duration = Duration::from_secs(1);

/// The number of the first object that is asked for once only; those below are the set.
const ONCE: u64 = 1 << 40;

/// Objects of a quick run.
const QUICK_OBJECTS: u64 = 2_000;

/// What is measured.
pub const CASES: [Case; 2] = [
    Case { name: "hit", title: "hits from disk" },
    Case { name: "miss", title: "misses that are kept on disk" },
];

/// Options that count with `--tier disk`.
#[derive(Args)]
#[command(next_help_heading = "With --tier disk")]
#[group(id = "disk")]
pub struct Options {
    /// Objects in the set that hits are asked from
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..1 << 40))]
    objects: u64,
    /// Bytes of each object's body
    #[arg(long, default_value_t = 1024)]
    object_bytes: u64,
    /// The memory tier before the disk; a hit comes from disk as far as the set does not fit in here
    #[arg(long, default_value = "4MiB")]
    memory: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { objects: 200_000, object_bytes: 1024, memory: "4MiB".into() }
    }
}

/// Measures; the tables are in the report.
pub fn run(options: &super::Options) -> Result<Report> {
    let (server_core, client_core) = options.cores()?;
    let chosen = options.chosen(&CASES.map(|case| case.name))?;
    let mut kinds = options.kinds(&KINDS);
    if options.tier == super::Where::Both {
        kinds.retain(|kind| KINDS.contains(kind));
    }
    if let Some(kind) = kinds.iter().find(|kind| !KINDS.contains(kind)) {
        bail!("{} keeps nothing on disk", kind.name());
    }
    let (rounds, seconds) = options.rounds_and_seconds();
    // The origin works on the core of the load, not on that of the server.
    let origin = Origin::start_on(client_core)?;
    let site = Site::create(server_core, origin.address, Tier::Disk(options.disk.memory.clone()))?;
    let running = start_all(&kinds, &site, options.binary.as_deref())?;
    let objects = if options.quick { QUICK_OBJECTS } else { options.disk.objects };
    let mut course = Course {
        origin,
        load: Load { core: client_core, connections: options.connections },
        set: Set { first: 0, objects, bytes: options.disk.object_bytes },
        time: Duration::from_secs(seconds),
        next: ONCE,
    };
    for server in &running {
        eprintln!("filling {} with {objects} objects", server.kind.name());
        course.fill(server)?;
    }
    for server in &running {
        server.wait_until_settled()?;
    }
    let mut report = Report::new(seconds, options.connections);
    let (bytes, tier) = (course.set.bytes, &options.disk.memory);
    report.note(format!("Disk: {objects} objects of {bytes} bytes, memory tier {tier}"));
    let cases: Vec<Case> = CASES.into_iter().filter(|case| chosen.contains(&case.name)).collect();
    for case in &cases {
        report.add_case(*case);
    }
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for case in &cases {
            for server in in_turn(&running, round) {
                report.add(course.measure(round, server, case.name)?);
            }
        }
    }
    for server in &running {
        server.check_log()?;
    }
    Ok(report)
}

/// What is the same for every measurement.
struct Course {
    origin: Origin,
    load: Load,
    set: Set,
    time: Duration,
    /// The next object nobody asked for.
    next: u64,
}

impl Course {
    /// Fills a server with the set, and makes sure that it is stored whole.
    fn fill(&self, server: &Running) -> Result<()> {
        // More than once: a store may refuse what comes faster than it can write.
        for _ in 0..5 {
            let before = self.origin.requests();
            fill::ask_for_all(server.address, self.set)
                .with_context(|| format!("filling {}", server.kind.name()))?;
            // What is written in batches may still wait in memory.
            std::thread::sleep(AFTER);
            if self.origin.requests() == before {
                return Ok(());
            }
        }
        bail!("{} does not keep the set", server.kind.name())
    }

    fn measure(&mut self, round: usize, server: &Running, case: &'static str) -> Result<Sample> {
        let before = self.origin.requests();
        let (load, set, next) = (&self.load, self.set, self.next);
        let sample = sample(round, server, case, AFTER, || {
            let (script, arguments) = match case {
                "hit" => ("uniform.lua", vec![set.bytes, set.first, set.objects, round as u64 + 1]),
                _ => ("once.lua", vec![set.bytes, next]),
            };
            load.run_script(server.address, script, &arguments, self.time)
        })?;
        let fetched = self.origin.requests() - before;
        let of = || {
            format!("{}: {fetched} of {} requests reached the origin", server.kind.name(), sample.requests)
        };
        if case == "hit" {
            ensure!(fetched == 0, "hits of {}", of());
        } else {
            ensure!(fetched >= sample.requests, "misses of {}", of());
            // The requests that were under way when the load ended count as asked for, too.
            self.next += fetched + self.load.connections as u64;
        }
        Ok(sample)
    }
}
