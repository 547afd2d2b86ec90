//! Runs every fuzz target for a while.
//!
//! The targets are a workspace of their own below `fuzz/`. They are built without sanitizers: those need a nightly
//! compiler, coverage guidance does not, and safe code is looked at for panics and broken promises, not for memory.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{process, tools, workspace};

/// The version of cargo-fuzz built when none is installed.
const VERSION: &str = "0.13.2";

/// The longest the build of all targets may take.
const BUILD_LIMIT: Duration = Duration::from_secs(10 * 60);

/// What a run may take beyond the time given to it.
const GRACE: Duration = Duration::from_secs(60);

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
    let program = tools::cargo_tool("cargo-fuzz", VERSION)?;
    let targets = targets(&program)?;
    let chosen: Vec<&String> =
        targets.iter().filter(|name| options.target.as_ref().is_none_or(|only| only == *name)).collect();
    ensure!(!chosen.is_empty(), "no such fuzz target; there are: {}", targets.join(", "));
    for name in &chosen {
        process::run(fuzz(&program).args(["build", "--sanitizer", "none", name]), BUILD_LIMIT)?;
    }
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut failures = Vec::new();
    for group in chosen.chunks(at_once) {
        std::thread::scope(|scope| {
            let runs: Vec<_> =
                group.iter().map(|name| scope.spawn(|| fuzz_one(&program, name, options.seconds))).collect();
            for run in runs {
                failures.extend(run.join().expect("a run does not panic").err());
            }
        });
    }
    for failure in &failures {
        println!("{failure:#}");
    }
    ensure!(failures.is_empty(), "{} of {} fuzz targets found something", failures.len(), chosen.len());
    println!("{} fuzz targets, {} s each, nothing found", chosen.len(), options.seconds);
    Ok(())
}

/// Runs a target, with its output in a file, of which the last lines are shown.
fn fuzz_one(program: &Path, name: &str, seconds: u64) -> Result<()> {
    let log = workspace::scratch("fuzz")?.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let mut command = fuzz(program);
    command.args(["run", "--sanitizer", "none", name, "--", "-timeout=10"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.stdout(file.try_clone().context("sharing the log")?).stderr(file);
    let result = process::run(&mut command, Duration::from_secs(seconds) + GRACE);
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    match result {
        Ok(()) => {
            let done = text.lines().rfind(|line| line.contains("DONE")).unwrap_or("no figures");
            println!("{name}: {done}");
            Ok(())
        }
        Err(error) => {
            let lines: Vec<&str> = text.lines().collect();
            println!("{name}: {}", lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"));
            Err(error).with_context(|| format!("{name}; what failed is below fuzz/artifacts/{name}"))
        }
    }
}

fn targets(program: &Path) -> Result<Vec<String>> {
    ensure!(workspace::root().join("fuzz/Cargo.toml").is_file(), "there is no fuzz/Cargo.toml");
    let list = process::capture(fuzz(program).arg("list"), GRACE)?;
    let targets: Vec<String> = list.split_whitespace().map(str::to_owned).collect();
    ensure!(!targets.is_empty(), "fuzz/Cargo.toml names no target");
    Ok(targets)
}

fn fuzz(program: &Path) -> Command {
    let mut command = workspace::at_root(program);
    // The targets are built with flags of their own, so they keep a build directory of their own.
    command.env_remove("CARGO_TARGET_DIR").arg("fuzz");
    command
}
