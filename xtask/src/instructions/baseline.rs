//! The committed figures: their file, the machine they hold on, and what a new count comes to beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{process, workspace};

/// The longest a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// How much more or less a count may be than the committed one, percent.
pub const TOLERANCE: f64 = 3.0;

/// What stands at the beginning of the file.
const ABOUT: &str = "# Instructions for each walk, as `cargo xtask instructions --update` counted them. Counts of another compiler, C library,\n\
    # processor or valgrind are printed beside them and not judged.\n\n";

/// What a count depends on besides our code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The compiler.
    pub rustc: String,
    /// What it compiles for.
    pub target: String,
    /// The C library, which has the routines that copy memory.
    pub libc: String,
    /// What counts.
    pub valgrind: String,
    /// Whether there are vectors of 256 bits, which the searches for bytes take where they are.
    pub avx2: bool,
}

/// The committed figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Where they were counted.
    pub machine: Machine,
    /// Instructions for each walk.
    pub instructions: BTreeMap<String, u64>,
}

/// What a count is beside the committed one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// There was none.
    New,
    /// As far off as counts are anyway, percent.
    Within(f64),
    /// More instructions, percent.
    Worse(f64),
    /// Fewer instructions, percent.
    Better(f64),
}

impl Machine {
    /// This one.
    pub fn here() -> Result<Self> {
        let rustc = said(workspace::at_root("rustc").arg("-vV"))?;
        let line = |name: &str| {
            let line = rustc.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::to_owned).with_context(|| format!("rustc does not say its {name}"))
        };
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Ok(Self {
            rustc: line("release: ")?,
            target: line("host: ")?,
            libc: said(workspace::at_root("getconf").arg("GNU_LIBC_VERSION"))?,
            valgrind: said(workspace::at_root("valgrind").arg("--version"))?,
            avx2: cpu.split_whitespace().any(|word| word == "avx2"),
        })
    }

    /// What is different on another one, in words; empty when counts can be compared.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let Self { rustc, target, libc, valgrind, avx2 } = self;
        let pairs = [
            ("rustc", rustc.clone(), other.rustc.clone()),
            ("target", target.clone(), other.target.clone()),
            ("C library", libc.clone(), other.libc.clone()),
            ("valgrind", valgrind.clone(), other.valgrind.clone()),
            ("AVX2", avx2.to_string(), other.avx2.to_string()),
        ];
        let differing = pairs.into_iter().filter(|(_, one, other)| one != other);
        differing.map(|(what, one, other)| format!("{what}: {one} there, {other} here")).collect()
    }
}

fn said(command: &mut std::process::Command) -> Result<String> {
    Ok(process::capture(command, VERSION_LIMIT)?.trim().to_owned())
}

impl Baseline {
    /// The file.
    pub fn file() -> PathBuf {
        workspace::root().join("bench/instructions/baseline.toml")
    }

    /// Reads it; `None` when there is none.
    pub fn read(file: &Path) -> Result<Option<Self>> {
        if !file.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        toml::from_str(&text).map(Some).with_context(|| format!("reading {}", file.display()))
    }

    /// Writes it.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = toml::to_string(self).context("writing TOML")?;
        std::fs::write(file, format!("{ABOUT}{text}")).with_context(|| format!("writing {}", file.display()))
    }

    /// What `count` is beside the committed one.
    pub fn change(&self, name: &str, count: u64) -> Change {
        let Some(&committed) = self.instructions.get(name) else { return Change::New };
        let percent = (count as f64 / committed.max(1) as f64 - 1.0) * 100.0;
        match percent {
            more if more > TOLERANCE => Change::Worse(percent),
            less if less < -TOLERANCE => Change::Better(percent),
            _ => Change::Within(percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let machine = Machine {
            rustc: "1.90.0".into(),
            target: "x86_64-unknown-linux-gnu".into(),
            libc: "glibc 2.36".into(),
            valgrind: "valgrind-3.19.0".into(),
            avx2: true,
        };
        Baseline { machine, instructions: BTreeMap::from([("hit".into(), 1000), ("key".into(), 200)]) }
    }

    #[test]
    fn more_than_the_tolerance_is_worse() {
        let baseline = baseline();
        assert!(matches!(baseline.change("hit", 1029), Change::Within(_)));
        assert!(matches!(baseline.change("hit", 1031), Change::Worse(_)));
        assert!(matches!(baseline.change("hit", 969), Change::Better(_)));
        assert_eq!(baseline.change("miss", 1), Change::New);
    }

    #[test]
    fn what_differs_between_two_machines_is_named() {
        let one = baseline().machine;
        assert_eq!(one.differences(&one), [""; 0]);
        let other = Machine { rustc: "1.99.0".into(), avx2: false, ..one.clone() };
        assert_eq!(
            one.differences(&other),
            ["rustc: 1.90.0 there, 1.99.0 here", "AVX2: true there, false here"]
        );
    }

    #[test]
    fn the_file_reads_as_it_was_written() {
        let dir = workspace::scratch("instructions").unwrap();
        let file = dir.join(format!("baseline-{}.toml", std::process::id()));
        baseline().write(&file).unwrap();
        assert_eq!(Baseline::read(&file).unwrap(), Some(baseline()));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(Baseline::read(&file).unwrap(), None);
    }

    #[test]
    fn the_committed_file_can_be_read() {
        Baseline::read(&Baseline::file()).unwrap().expect("it is committed");
    }
}
