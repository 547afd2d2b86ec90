//! Many bytes through a small store.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde::Deserialize;

use super::{Bytes, Directory, Usage, Worker, mib};

/// By how many points the share of hits may lie below that of the same policy on paper.
const MOST_POINTS_BELOW: f64 = 3.0;

/// Options of `cargo xtask store limits`.
#[derive(Args)]
pub struct Options {
    /// GB (10^9 bytes) to push through
    #[arg(long, default_value_t = 4.0)]
    gigabytes: f64,
    /// MiB the store may take on the disk
    #[arg(long, default_value_t = 256)]
    disk: u64,
    /// MiB the memory tier may take
    #[arg(long, default_value_t = 16)]
    memory: u64,
    /// Objects
    #[arg(long, default_value_t = 20_000)]
    objects: u64,
    /// Bytes of the smallest object
    #[arg(long, default_value_t = 1 << 10)]
    least: u64,
    /// Bytes of the largest object, 4 MiB at most
    #[arg(long, default_value_t = 2 << 20)]
    most: u64,
    /// The exponent of Zipf's law, by which they are asked for
    #[arg(long, default_value_t = 0.9)]
    exponent: f64,
    /// Another seed is another trace
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the store is put; below the build directory without it
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What the worker says; see there.
#[derive(Deserialize)]
struct Outcome {
    seconds: f64,
    requests: u64,
    stored_bytes: u64,
    disk_limit: u64,
    memory_limit: u64,
    seen: Seen,
    hits: u64,
    s3_fifo_hits: u64,
    lru_hits: u64,
    requested_bytes: u64,
    hit_bytes: u64,
    s3_fifo_hit_bytes: u64,
    lru_hit_bytes: u64,
    evicted: u64,
    moved: u64,
    refused: u64,
    lost: u64,
}

#[derive(Deserialize)]
struct Seen {
    looks: u64,
    disk: Bytes,
    parts: Usage,
    memory: u64,
    memory_live: u64,
    failed: Option<String>,
}

/// Pushes, prints, judges.
pub fn run(options: &Options, worker: &Worker) -> Result<()> {
    let dir = Directory::create(options.dir.as_deref())?;
    let (_, database) = dir.cache("cache")?;
    let figures = [
        ("--gigabytes", options.gigabytes.to_string()),
        ("--disk", options.disk.to_string()),
        ("--memory", options.memory.to_string()),
        ("--objects", options.objects.to_string()),
        ("--least", options.least.to_string()),
        ("--most", options.most.to_string()),
        ("--exponent", options.exponent.to_string()),
        ("--seed", options.seed.to_string()),
    ];
    let mut arguments = vec!["limits", "--database", &database];
    arguments.extend(figures.iter().flat_map(|(name, value)| [*name, value]));
    let outcome: Outcome = worker.run(&arguments)?;
    outcome.print();
    let faults = outcome.faults();
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

impl Outcome {
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
    use super::*;

    fn outcome() -> Outcome {
        let bytes = |length| Bytes { length, allocated: length };
        Outcome {
            seconds: 1.0,
            requests: 100,
            stored_bytes: 1000,
            disk_limit: 500,
            memory_limit: 50,
            seen: Seen {
                looks: 1,
                disk: bytes(500),
                parts: Usage { database: bytes(500), log: bytes(0), bodies: bytes(0) },
                memory: 50,
                memory_live: 90,
                failed: None,
            },
            hits: 50,
            s3_fifo_hits: 53,
            lru_hits: 40,
            requested_bytes: 2000,
            hit_bytes: 1000,
            s3_fifo_hit_bytes: 1000,
            lru_hit_bytes: 1000,
            evicted: 1,
            moved: 1,
            refused: 0,
            lost: 0,
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
