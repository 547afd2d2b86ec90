//! Many bytes through a small store.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::told::{Push, Pushed};
use super::{Directory, Worker, mib};

/// By how many points the share of hits may lie below that of the same policy on paper.
const MOST_POINTS_BELOW: f64 = 3.0;

/// Options of `cargo xtask store limits`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    push: Push,
    /// Where the store is put; below the build directory without it
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Pushes, prints, judges.
pub fn run(options: &Options, worker: &Worker) -> Result<()> {
    let dir = Directory::create(options.dir.as_deref())?;
    let (_, database) = dir.cache("cache")?;
    let mut arguments = vec!["limits", "--database", &database];
    let figures = options.push.arguments();
    arguments.extend(figures.iter().flat_map(|(name, value)| [*name, value]));
    let outcome: Pushed = worker.run(&arguments)?;
    outcome.print();
    let faults = outcome.faults();
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

impl Push {
    fn arguments(&self) -> [(&'static str, String); 8] {
        let Self { gigabytes, disk, memory, objects, least, most, exponent, seed } = self;
        [
            ("--gigabytes", gigabytes.to_string()),
            ("--disk", disk.to_string()),
            ("--memory", memory.to_string()),
            ("--objects", objects.to_string()),
            ("--least", least.to_string()),
            ("--most", most.to_string()),
            ("--exponent", exponent.to_string()),
            ("--seed", seed.to_string()),
        ]
    }
}

impl Pushed {
    fn print(&self) {
        println!(
            "{:.2} GB stored with {} requests in {:.0} s; {} evicted, {} moved, {} refused, {} lost",
            self.stored_bytes as f64 / 1e9,
            self.requests,
            self.seconds,
            self.evicted,
            self.moved,
            self.refused,
            self.lost
        );
        let seen = &self.seen;
        println!(
            "disk, at most in {} looks: {} of {} ({} with whole blocks)\n  then: {}",
            seen.looks,
            mib(seen.disk.length),
            mib(self.disk_limit),
            mib(seen.disk.allocated),
            seen.parts
        );
        println!(
            "memory, at most: {} of {} ({} with what is being written and read)",
            mib(seen.memory),
            mib(self.memory_limit),
            mib(seen.memory_live)
        );
        println!("\n{:<20} {:>10} {:>10}", "hits", "requests", "bytes");
        for (name, hits, bytes) in [
            ("millpond", self.hits, self.hit_bytes),
            ("S3-FIFO on paper", self.s3_fifo_hits, self.s3_fifo_hit_bytes),
            ("LRU on paper", self.lru_hits, self.lru_hit_bytes),
        ] {
            let bytes = percent(bytes, self.requested_bytes);
            println!("{name:<20} {:>8.2} % {bytes:>8.2} %", percent(hits, self.requests));
        }
    }

    /// What is not as promised.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(failed) = &self.seen.failed {
            faults.push(format!("the bounds could not be watched: {failed}"));
        }
        if self.seen.disk.length > self.disk_limit {
            faults.push(format!("{} on the disk are over the bound", mib(self.seen.disk.length)));
        }
        if self.seen.memory > self.memory_limit {
            faults.push(format!("{} in memory are over the bound", mib(self.seen.memory)));
        }
        let below = percent(self.s3_fifo_hits, self.requests) - percent(self.hits, self.requests);
        if below > MOST_POINTS_BELOW {
            faults.push(format!("hits are {below:.2} points below the same policy on paper"));
        }
        faults
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::told::{Bytes, Seen};
    use super::*;

    fn outcome() -> Pushed {
        let bytes = |length| Bytes { length, allocated: length };
        Pushed {
            requests: 100,
            disk_limit: 500,
            memory_limit: 50,
            seen: Seen { disk: bytes(500), memory: 50, memory_live: 90, ..Seen::default() },
            hits: 50,
            s3_fifo_hits: 53,
            ..Pushed::default()
        }
    }

    #[test]
    fn what_is_just_within_its_bounds_is_no_fault() {
        assert_eq!(outcome().faults(), [""; 0]);
    }

    #[test]
    fn every_broken_bound_is_a_fault() {
        let mut broken = outcome();
        broken.seen.disk.length = 501;
        broken.seen.memory = 51;
        broken.seen.failed = Some("no directory".into());
        broken.hits = 49;
        assert_eq!(broken.faults().len(), 4);
    }
}
