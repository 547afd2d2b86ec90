//! Runs every fuzz target for a while, with `fuzz/run`.
//!
//! The targets are a workspace of their own below `fuzz/`. They are built without sanitizers: those need a nightly
//! compiler, coverage guidance does not, and safe code is looked at for panics and broken promises, not for memory.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use toml::Table;

use crate::{process, workspace};

/// What a run may take beyond the time given to it: the build of all targets.
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How much of a failed run's output is shown.
const LAST_LINES: usize = 60;

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Only this target
    #[arg(long)]
    pub target: Option<String>,
}

/// Builds the targets, then runs them, as many at once as there are cores.
pub fn run(options: &Options) -> Result<()> {
    let targets = targets()?;
    let chosen: Vec<&String> =
        targets.iter().filter(|name| options.target.as_ref().is_none_or(|only| only == *name)).collect();
    ensure!(!chosen.is_empty(), "no such fuzz target; there are: {}", targets.join(", "));
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut failures = Vec::new();
    for group in chosen.chunks(at_once) {
        std::thread::scope(|scope| {
            let runs: Vec<_> = group.iter().map(|name| scope.spawn(|| fuzz(name, options.seconds))).collect();
            for run in runs {
                failures.extend(run.join().expect("a run does not panic").err());
            }
        });
    }
    for failure in &failures {
        println!("{failure:#}");
    }
    ensure!(failures.is_empty(), "{} of {} fuzz targets failed", failures.len(), chosen.len());
    println!("{} fuzz targets, {} s each, nothing found", chosen.len(), options.seconds);
    Ok(())
}

/// The names of the targets.
fn targets() -> Result<Vec<String>> {
    let file = workspace::root().join("fuzz/Cargo.toml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let manifest: Table = text.parse().with_context(|| format!("reading {}", file.display()))?;
    let programs = manifest.get("bin").and_then(|programs| programs.as_array());
    let names = programs.into_iter().flatten().filter_map(|program| program.get("name")?.as_str());
    let targets: Vec<String> = names.map(str::to_owned).collect();
    ensure!(!targets.is_empty(), "fuzz/Cargo.toml names no target");
    Ok(targets)
}

/// Runs a target, with its output in a file, of which the last lines are shown.
fn fuzz(name: &str, seconds: u64) -> Result<()> {
    println!("fuzzing {name} for {seconds} s");
    let log = workspace::scratch("fuzz")?.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let mut command = workspace::at_root(workspace::root().join("fuzz/run"));
    // The targets are built with flags of their own, so they keep a build directory of their own.
    command.env_remove("CARGO_TARGET_DIR").args([&seconds.to_string(), name]);
    command.stdout(file.try_clone().context("sharing the log")?).stderr(file);
    let result = process::run(&mut command, Duration::from_secs(seconds) + BUILD_LIMIT);
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    match result {
        Ok(()) => {
            let line = text.lines().rfind(|line| line.contains("number_of_executed_units"));
            let inputs = line.and_then(|line| line.split_whitespace().last());
            println!("{name}: {} inputs", inputs.with_context(|| format!("{name} ran nothing"))?);
            Ok(())
        }
        Err(error) => {
            let lines: Vec<&str> = text.lines().collect();
            println!("{name}: {}", lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"));
            Err(error).with_context(|| format!("{name}; what failed is below fuzz/artifacts/{name}"))
        }
    }
}
