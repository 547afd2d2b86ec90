//! `cargo xtask soak`: a server under mixed load for as long as one likes, which must not grow.
//!
//! The stores are small, so that they are full long before the figures count. Memory and descriptors are read all the
//! time; after the warm-up, which is the first quarter, the median of the last quarter is compared with that of the second.
//! When the load is gone, so must be what it held.

mod load;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::load::{LOADS, Scene, Tally};
use self::watch::Watch;
use crate::bench::Origin;
use crate::target::{Gauge, Target};
use crate::{http2, tools};

/// How often the figures are read.
const LOOK: Duration = Duration::from_millis(200);

/// How long a server may take to let go of what the load held.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

/// The stores: full after a few seconds of misses. And connections to the origin that nobody uses are closed soon, so that
/// those which are left have a fetch.
const SETTINGS: &[(&str, &str)] = &[
    ("MILLPOND_MEMORY__SIZE", "16MiB"),
    ("MILLPOND_DISK__SIZE", "96MiB"),
    ("MILLPOND_LIMITS__ORIGIN_IDLE_TIMEOUT", "1s"),
];

/// Descriptors that may be more than before the load: files of bodies lately read.
const MAY_STAY: usize = 4;

/// Options of `cargo xtask soak`.
#[derive(Args)]
pub struct Options {
    /// Minutes of load
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub minutes: u64,
    /// The millpond binary; without it the release binary is built
    #[arg(long)]
    pub binary: Option<PathBuf>,
}

/// Loads the server, watches it, and judges.
pub fn run(options: &Options) -> Result<()> {
    let origin = Origin::start()?;
    let mut target = Target::start(options.binary.as_deref(), "soak", origin.address, SETTINGS)?;
    let speaks_http2 = http2::is_spoken(target.address)?;
    if speaks_http2 {
        tools::install(&[tools::BENCH])?;
    } else {
        println!("HTTP/2 is not spoken: no load over it");
    }
    let time = Duration::from_secs(options.minutes * 60);
    let scene = Scene::new(&target, origin.address, speaks_http2, time);
    scene.prepare()?;
    println!("{} min of mixed load; the first quarter is the warm-up", options.minutes);
    let before = target.gauge().descriptors()?.1;
    let (watch, tallies) = under_load(&scene, &mut target, time)?;
    for tally in &tallies {
        println!("{:<8} {:>12} done", tally.name, tally.done);
    }
    watch.print();
    let mut faults = watch.faults()?;
    faults.extend(leftovers(target.gauge(), &origin, before)?);
    target.check()?;
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(())
}

/// Runs every kind of load for this long, and reads the figures meanwhile.
fn under_load(scene: &Scene, target: &mut Target, time: Duration) -> Result<(Watch, Vec<Tally>)> {
    let (over, gauge) = (AtomicBool::new(false), target.gauge());
    let mut watch = Watch::new(time);
    thread::scope(|scope| {
        let loads: Vec<_> = LOADS
            .iter()
            .filter(|load| scene.has(load))
            .map(|load| scope.spawn(|| load.run_until(&over, scene)))
            .collect();
        let watched = watch_until(time, gauge, &mut watch, || {
            target.check()?;
            // A load ends before its time only by an error, which is then read below.
            Ok(loads.iter().any(thread::ScopedJoinHandle::is_finished))
        });
        over.store(true, Ordering::SeqCst);
        let tallies = loads.into_iter().map(|load| load.join().expect("a load does not panic"));
        let tallies = tallies.collect::<Result<Vec<_>>>()?;
        watched?;
        Ok((watch, tallies))
    })
}

fn watch_until(
    time: Duration,
    gauge: Gauge,
    watch: &mut Watch,
    mut ended: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time && !ended()? {
        watch.add(began.elapsed(), gauge.read().context("reading the server's figures")?);
        thread::sleep(LOOK);
    }
    Ok(())
}

/// What the server still holds when everybody has left, but for its database.
fn leftovers(gauge: Gauge, origin: &Origin, before: usize) -> Result<Vec<String>> {
    let most = before + MAY_STAY;
    let began = Instant::now();
    loop {
        let (connections, fetches) = (gauge.read()?.connections, origin.connections());
        let (database, others) = gauge.descriptors()?;
        if connections == 0 && fetches == 0 && others <= most {
            println!(
                "after the load: {others} descriptors ({before} before) and {database} of the database, no connection"
            );
            return Ok(Vec::new());
        }
        if began.elapsed() > SETTLE_LIMIT {
            return Ok(vec![format!(
                "after the load {connections} connections from clients, {fetches} to the origin and {others} descriptors \
                 (at most {most}) are left"
            )]);
        }
        thread::sleep(LOOK);
    }
}
