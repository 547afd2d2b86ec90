//! `cargo xtask store`: what the store on disk promises, shown at full size.
//!
//! The stores themselves are worked by `bench/store`, a program of its own, so that the tasks need not be built with
//! them; here is what starts it and the server, and what judges. Broken bounds are failures; timings are only printed.

mod limits;
mod million;
#[path = "../../../bench/store/src/told.rs"]
mod told;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

use self::told::Usage;
use crate::{process, workspace};

/// The longest the worker may take for one thing.
const WORKER_LIMIT: Duration = Duration::from_secs(3 * 3600);

/// Options of `cargo xtask store`.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    proof: Proof,
    /// The program that works the stores; without it it is built
    #[arg(long, global = true)]
    worker: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Proof {
    /// Many small entries: room on the disk and in memory, time to start, cost of a hit
    Million(million::Options),
    /// Many bytes through a small store: its bounds at all times, and its hits beside those of policies on paper
    Limits(limits::Options),
}

/// Runs a proof.
pub fn run(options: &Options) -> Result<()> {
    let worker = match &options.worker {
        Some(program) => Worker(program.clone()),
        None => Worker(workspace::store_bench()?),
    };
    match &options.proof {
        Proof::Million(options) => million::run(options, &worker),
        Proof::Limits(options) => limits::run(options, &worker),
    }
}

/// The worker's program.
struct Worker(PathBuf);

impl Worker {
    /// Has it do something; gives what it printed.
    fn run<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let mut command = Command::new(&self.0);
        let text = process::capture(command.args(arguments), WORKER_LIMIT)?;
        serde_json::from_str(&text).with_context(|| format!("reading what the worker printed: {text}"))
    }
}

/// A directory of this run's own, gone when it is over.
struct Directory(PathBuf);

impl Directory {
    /// Makes one below the given one, or below the build directory.
    fn create(below: Option<&Path>) -> Result<Self> {
        let below = match below {
            Some(dir) => dir.to_path_buf(),
            None => workspace::scratch("store")?,
        };
        let dir = below.join(std::process::id().to_string());
        std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        Ok(Self(dir))
    }

    /// A directory in it, with the path of the database that the server keeps in such a one.
    fn cache(&self, name: &str) -> Result<(PathBuf, String)> {
        let dir = self.0.join(name);
        std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let database = dir.join("millpond.db").to_string_lossy().into_owned();
        Ok((dir, database))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is a leftover, not a wrong result.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Usage {
    fn length(&self) -> u64 {
        self.database.length + self.log.length + self.bodies.length
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [database, log, bodies] = [self.database, self.log, self.bodies].map(|bytes| mib(bytes.length));
        write!(f, "database {database}, log {log}, bodies in files {bodies}")
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
