//! The memory tier with many entries: what each takes, and what looking for one costs.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use clap::Args;
use millpond_store::{MemoryOptions, MemoryStore};
use rustix::time::{ClockId, clock_gettime};

use crate::objects::Objects;
use crate::random::Random;
use crate::told::InMemory;

/// What is looked at before the clock is read.
const WARM_UP: u64 = 20_000;

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Objects
    #[arg(long)]
    objects: u64,
    /// Bytes of each
    #[arg(long, default_value_t = 1024)]
    bytes: u64,
    /// Lookups that are timed
    #[arg(long, default_value_t = 2_000_000)]
    lookups: u64,
}

/// Fills and looks.
pub async fn run(options: &Options) -> Result<InMemory> {
    let objects = Objects::new("http://127.0.0.1:9");
    let store = MemoryStore::new(MemoryOptions {
        capacity: options.objects * (options.bytes + 4096) + (64 << 20),
        ..MemoryOptions::default()
    });
    let resident_before = resident()?;
    for number in 0..options.objects {
        objects.put(&store, number, options.bytes).await?;
    }
    let (resident_after, stats) = (resident()?, store.stats());
    ensure!(stats.entries == options.objects, "{} of {} are held", stats.entries, options.objects);

    let mut random = Random::new(1);
    let mut look = |times: u64| -> Result<()> {
        for _ in 0..times {
            let key = objects.key(random.below(options.objects), options.bytes)?;
            let found = store.lookup(key.as_bytes()).context("an object is missing")?;
            let body = found.entries.first().and_then(|entry| entry.body.as_ref()).context("no body")?;
            black_box(body.iter().map(|piece| u64::from(piece[piece.len() / 2])).sum::<u64>());
        }
        Ok(())
    };
    look(WARM_UP)?;
    let before = cpu();
    look(options.lookups)?;
    let lookup_ns = (cpu() - before) * 1e9 / options.lookups as f64;
    Ok(InMemory { resident_before, resident_after, counted: stats.bytes, lookup_ns })
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Resident memory of this process, bytes.
fn resident() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("reading VmRSS")?;
    Ok(kib * 1024)
}
