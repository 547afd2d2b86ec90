//! `cargo xtask bench --tier memory`: CPU per hit from memory, over HTTP/1.1 and HTTP/2, CPU per miss, and what the servers
//! take at their start.
//!
//! Hits are of servers with their defaults, as far as `bench/peers` does not say otherwise; misses are of servers that keep
//! everything in memory, so that no disk takes part.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::load::{self, Load};
use super::origin::Origin;
use super::report::{Case, Report, Sample, Start};
use super::servers::{Kind, Running, Site, Tier};
use super::{SIZES, Size, in_turn, sample, start_all};
use crate::{http2, process};

/// How long every server is warmed up with each size before the first round.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long a server has after a measurement of misses to finish its work.
const AFTER: Duration = Duration::from_secs(1);

/// The sizes of a quick run.
const QUICK_SIZES: [&str; 2] = ["1k", "128k"];

/// The cases, by the name that chooses them.
pub const CASES: [&str; 3] = ["hit", "http2", "miss"];

/// Misses are of this size, bytes.
const MISS_BYTES: u64 = 1024;

/// What misses are called.
pub const MISS: Case = Case { name: "memory-miss", title: "misses of 1,024 bytes, kept in memory" };

/// The number of the first object that is asked for once only.
const ONCE: u64 = 1 << 40;

/// What is the same for every measurement.
struct Course<'a> {
    options: &'a super::Options,
    report: Report,
    load: Load,
    server_core: usize,
    rounds: usize,
    time: Duration,
}

/// Measures; the tables are in the report.
pub fn run(options: &super::Options) -> Result<Report> {
    let (server_core, client_core) = options.cores()?;
    let (rounds, seconds) = options.rounds_and_seconds();
    let mut course = Course {
        options,
        report: Report::new(seconds, options.connections),
        load: Load { core: client_core, connections: options.connections },
        server_core,
        rounds,
        time: Duration::from_secs(seconds),
    };
    let cases = options.chosen(&CASES)?;
    let wants = |name: &str| cases.contains(&name);
    if wants("hit") || wants("http2") {
        course.hits(wants("hit"), wants("http2"))?;
    }
    if wants("miss") {
        course.misses()?;
    }
    Ok(course.report)
}

impl super::Options {
    fn sizes(&self) -> Result<Vec<Size>> {
        let names: Vec<&str> = match (self.sizes.is_empty(), self.quick) {
            (false, _) => self.sizes.iter().map(String::as_str).collect(),
            (true, true) => QUICK_SIZES.to_vec(),
            (true, false) => SIZES.iter().map(|size| size.name).collect(),
        };
        let find = |name: &&str| SIZES.iter().copied().find(|size| size.name == *name);
        names.iter().map(|name| find(name).with_context(|| format!("there is no size {name}"))).collect()
    }
}

impl Course<'_> {
    fn hits(&mut self, over_http1: bool, over_http2: bool) -> Result<()> {
        let sizes = self.options.sizes()?;
        let origin = Origin::start()?;
        let site = Site::create(self.server_core, origin.address, Tier::Memory)?;
        let running = start_all(&self.options.kinds(&Kind::ALL), &site, self.options.binary.as_deref())?;
        for server in &running {
            let sum = |of: fn(u32) -> Result<u64>| server.pids().into_iter().map(of).sum::<Result<u64>>();
            let (resident, proportional) = (sum(process::resident_tree)?, sum(process::proportional)?);
            self.report.add_start(Start { server: server.kind, resident, proportional });
        }
        for server in &running {
            check_cached(server, &origin, &sizes)?;
        }
        if over_http1 {
            self.hits_over_http1(&running, &sizes, &origin)?;
        }
        if over_http2 {
            self.hits_over_http2(&running, &sizes, &origin)?;
        }
        running.iter().try_for_each(Running::check_log)
    }

    fn hits_over_http1(&mut self, running: &[Running], sizes: &[Size], origin: &Origin) -> Result<()> {
        if !self.options.quick {
            eprintln!("warming up");
            for server in running {
                for &size in sizes {
                    self.load.run(server.address, size, WARM_UP)?;
                }
            }
        }
        for size in sizes {
            self.report.add_case(Case { name: size.name, title: size.title });
        }
        for round in 0..self.rounds {
            eprintln!("hits: round {} of {}", round + 1, self.rounds);
            for &size in sizes {
                for server in in_turn(running, round) {
                    let load = || self.load.run(server.address, size, self.time);
                    let sample = hit(round, server, size.name, origin, load)?;
                    self.report.add(sample);
                }
            }
        }
        Ok(())
    }

    fn hits_over_http2(&mut self, running: &[Running], sizes: &[Size], origin: &Origin) -> Result<()> {
        let mut speaking = Vec::new();
        for server in running {
            if http2::is_spoken(server.http2)? {
                for &size in sizes {
                    // Another host or port may be another key.
                    self.load.touch_http2(server.http2, size)?;
                }
                speaking.push(server);
            } else {
                println!("{} speaks no HTTP/2 here", server.kind.name());
            }
        }
        if speaking.is_empty() {
            return Ok(());
        }
        for size in sizes {
            self.report.add_case(Case { name: size.http2, title: size.http2_title });
        }
        for round in 0..self.rounds {
            eprintln!("hits over HTTP/2: round {} of {}", round + 1, self.rounds);
            for &size in sizes {
                for &server in in_turn(&speaking, round) {
                    let load = || self.load.run_http2(server.http2, size, self.time);
                    let sample = hit(round, server, size.http2, origin, load)?;
                    self.report.add(sample);
                }
            }
        }
        Ok(())
    }

    fn misses(&mut self) -> Result<()> {
        // The origin works on the core of the load, not on that of the server.
        let origin = Origin::start_on(self.load.core)?;
        let site = Site::create(self.server_core, origin.address, Tier::MemoryAlone)?;
        let caches: Vec<Kind> =
            self.options.kinds(&Kind::ALL).into_iter().filter(|kind| *kind != Kind::Bare).collect();
        if caches.is_empty() {
            return Ok(());
        }
        let running = start_all(&caches, &site, self.options.binary.as_deref())?;
        self.report.add_case(MISS);
        let mut next = ONCE;
        for round in 0..self.rounds {
            eprintln!("misses: round {} of {}", round + 1, self.rounds);
            for server in in_turn(&running, round) {
                let before = origin.requests();
                let arguments = [MISS_BYTES, next];
                let load = || self.load.run_script(server.address, "once.lua", &arguments, self.time);
                let sample = sample(round, server, MISS.name, AFTER, load)?;
                let fetched = origin.requests() - before;
                let asked = sample.requests;
                ensure!(
                    fetched >= asked,
                    "{}: {fetched} of {asked} misses reached the origin",
                    server.kind.name()
                );
                // The requests that were under way when the load ended count as asked for, too.
                next += fetched + self.load.connections as u64;
                self.report.add(sample);
            }
        }
        Ok(())
    }
}

/// Measures hits, none of which may reach the origin.
fn hit(
    round: usize,
    server: &Running,
    case: &'static str,
    origin: &Origin,
    load: impl FnOnce() -> Result<load::Run>,
) -> Result<Sample> {
    let before = origin.requests();
    let sample = sample(round, server, case, Duration::ZERO, load)?;
    let fetched = origin.requests() - before;
    ensure!(fetched == 0, "{} with {case}: {fetched} requests reached the origin", server.kind.name());
    Ok(sample)
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

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    #[test]
    fn a_quick_run_measures_two_sizes_with_every_server() {
        let options = Options::quick();
        assert_eq!(
            options.sizes().unwrap().iter().map(|size| size.bytes).collect::<Vec<_>>(),
            [1024, 131_072]
        );
        assert_eq!(options.kinds(&Kind::ALL), Kind::ALL);
    }

    #[test]
    fn a_size_that_does_not_exist_is_refused() {
        let options = Options { sizes: vec!["2k".into()], ..Options::quick() };
        assert!(options.sizes().is_err());
    }
}
