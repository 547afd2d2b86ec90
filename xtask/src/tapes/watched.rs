//! A command whose peak memory is watched.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// The longest it may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What a command took.
pub struct Taken {
    /// The highest resident memory, bytes.
    pub peak: u64,
    /// How long it ran.
    pub time: Duration,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Result<Taken> {
    let began = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("starting millpond")?;
    let mut peak = 0;
    loop {
        // Gone between two looks: then the last look counts.
        peak = peak.max(high_water(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{command:?}: {status}");
            return Ok(Taken { peak, time: began.elapsed() });
        }
        if began.elapsed() > LIMIT {
            child.kill()?;
            bail!("{command:?} took longer than {} s", LIMIT.as_secs());
        }
        thread::sleep(LOOK);
    }
}

/// The most memory a process has had at any time, bytes.
fn high_water(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
