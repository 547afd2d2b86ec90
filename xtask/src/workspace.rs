//! Where things lie in the repository, and how cargo is called from inside a task.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process;

/// The longest a build step may take.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_path_buf()
}

/// The directory cargo builds into.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A directory of a task's own below the build directory, created if absent.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let dir = target().join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}

/// `cargo` at the root of the repository.
pub fn cargo() -> Command {
    at_root("cargo")
}

/// A program that works on the repository as a whole, run at its root.
///
/// The variables that `cargo run` set for us are taken away again: some build scripts watch them, and would run anew at
/// each change between a task and a plain `cargo build`.
pub fn at_root(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let set_by_cargo = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
        if set_by_cargo.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    command
}

/// Builds the release binary and returns its path.
pub fn release_binary() -> Result<PathBuf> {
    process::run(cargo().args(["build", "--release", "-p", "millpond-cli"]), BUILD_LIMIT)?;
    built("release/millpond")
}

/// Builds the bare responder, the floor of the benchmark, and returns its path.
pub fn bare_responder() -> Result<PathBuf> {
    process::run(
        cargo().args(["build", "--release", "-p", "millpond-front", "--example", "bare"]),
        BUILD_LIMIT,
    )?;
    built("release/examples/bare")
}

/// Builds the program that works the stores as libraries, and returns its path.
pub fn store_bench() -> Result<PathBuf> {
    process::run(cargo().args(["build", "--release", "-p", "store-bench"]), BUILD_LIMIT)?;
    built("release/store-bench")
}

/// Builds the program whose walks are counted, and returns its path.
pub fn instructions() -> Result<PathBuf> {
    process::run(cargo().args(["build", "--release", "-p", "instructions"]), BUILD_LIMIT)?;
    built("release/instructions")
}

fn built(path: &str) -> Result<PathBuf> {
    let path = target().join(path);
    ensure!(path.is_file(), "the build left no {}", path.display());
    Ok(path)
}
