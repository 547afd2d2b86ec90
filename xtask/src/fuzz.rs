//! Runs every fuzz target for a while.
//!
//! The targets are a workspace of their own below `fuzz/`. They are built without sanitizers: those need a nightly
//! compiler, coverage guidance does not, and safe code is looked at for panics and broken promises, not for memory.

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

/// Builds and runs the targets, one after the other.
pub fn run(options: &Options) -> Result<()> {
    let program = tools::cargo_tool("cargo-fuzz", VERSION)?;
    let targets = targets(&program)?;
    let chosen: Vec<&String> =
        targets.iter().filter(|name| options.target.as_ref().is_none_or(|only| only == *name)).collect();
    ensure!(!chosen.is_empty(), "no such fuzz target; there are: {}", targets.join(", "));
    for name in &chosen {
        process::run(fuzz(&program).args(["build", "--sanitizer", "none", name]), BUILD_LIMIT)?;
    }
    for name in &chosen {
        println!("fuzzing {name} for {} s", options.seconds);
        let mut command = fuzz(&program);
        command.args(["run", "--sanitizer", "none", name, "--"]);
        command
            .arg(format!("-max_total_time={}", options.seconds))
            .args(["-timeout=10", "-print_final_stats=1"]);
        process::run(&mut command, Duration::from_secs(options.seconds) + GRACE).with_context(|| {
            format!("fuzz target {name}; the input that failed is below fuzz/artifacts/{name}")
        })?;
    }
    println!("{} fuzz targets, {} s each, nothing found", chosen.len(), options.seconds);
    Ok(())
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
