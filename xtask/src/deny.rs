//! Licences, banned crates and sources of every dependency, with cargo-deny; advisories when their database is reached.

use std::time::Duration;

use anyhow::Result;

use crate::{process, tools, workspace};

/// The version built when none is installed.
const VERSION: &str = "0.20.2";

/// The longest a check may take.
const CHECK_LIMIT: Duration = Duration::from_secs(300);

/// The longest to wait for the database of advisories.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Runs the checks.
pub fn check() -> Result<()> {
    let program = tools::cargo_tool("cargo-deny", VERSION)?;
    let deny = || workspace::at_root(&program);
    process::run(deny().args(["--locked", "check", "bans", "licenses", "sources"]), CHECK_LIMIT)?;
    if let Err(error) = process::run(deny().args(["fetch", "db"]), FETCH_LIMIT) {
        println!("advisories: NOT CHECKED, because their database cannot be reached ({error:#})");
        return Ok(());
    }
    process::run(deny().args(["--locked", "check", "--disable-fetch", "advisories"]), CHECK_LIMIT)
}
