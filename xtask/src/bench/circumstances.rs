//! Where and with what something is measured, as the page of a report tells it: taken when a run begins, before it has
//! written anything, so that the version named is that of the tree the run began with.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::report::Report;
use super::servers::Kind;
use crate::{tools, workspace};

/// What git appends to the version of a tree that has changes.
const DIRTY: &str = "-dirty";

/// What a program that makes load over HTTP/2 is called on the page.
const HTTP2_LOAD: &str = "load, HTTP/2";

/// What can be told of where and with what it was measured.
pub struct Circumstances {
    /// The day it began, UTC.
    pub date: String,
    /// As it was typed.
    pub command: String,
    /// What the machine is.
    pub machine: Vec<(&'static str, String)>,
    /// The load of other programs, where it was high enough to spoil the figures.
    pub busy: Option<f64>,
    versions: Vec<Version>,
}

/// The version of something that takes part.
pub struct Version {
    what: &'static str,
    /// Told only where this server was measured.
    of: Option<Kind>,
    text: String,
}

impl Circumstances {
    /// Those of now. `version` is that of the tree.
    pub fn now(version: &str, binary_given: bool, busy: Option<f64>) -> Self {
        Self {
            date: first_line("date", &["-u", "+%Y-%m-%d"]),
            command: command(std::env::args().skip(1)),
            machine: machine(),
            busy,
            versions: versions(version, binary_given),
        }
    }

    /// The versions of what took part in this report.
    pub fn versions(&self, report: &Report) -> impl Iterator<Item = (&str, &str)> {
        let measured = |kind: Kind| report.cases().iter().any(|case| report.kinds(case.name).contains(&kind));
        let http2 = report.cases().iter().any(|case| case.name.starts_with("h2-"));
        self.versions
            .iter()
            .filter(move |version| version.of.is_none_or(measured) && (http2 || version.what != HTTP2_LOAD))
            .map(|version| (version.what, version.text.as_str()))
    }
}

/// The version of the tree at `root`, as git describes it.
pub fn version_of(root: &Path) -> String {
    let git = tools::find("git").map(Command::new).ok();
    let said = git.and_then(|mut git| {
        let told = git.current_dir(root).args(["describe", "--always", "--dirty", "--tags"]);
        first_of(told)
    });
    said.unwrap_or_else(unknown)
}

/// An error for a version that nobody can measure again.
pub fn check_version(version: &str) -> Result<()> {
    ensure!(
        !version.ends_with(DIRTY),
        "the tree has changes that are not committed ({version}): a page would name a version that nobody can build; \
         commit them, or leave out --report (with --quick a page is written anyway)"
    );
    Ok(())
}

/// The command as typed, except that where a binary lay is nobody else's business.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo xtask".to_owned()];
    let mut is_path = false;
    for argument in arguments {
        let shown = if is_path { "BINARY".to_owned() } else { argument };
        is_path = shown == "--binary";
        words.push(shown);
    }
    words.join(" ")
}

fn machine() -> Vec<(&'static str, String)> {
    let value = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once([':', '=']).map_or("unknown", |(_, value)| value.trim().trim_matches('"')).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kib: f64 = value("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    vec![
        ("processor", value("/proc/cpuinfo", "model name")),
        ("cores", format!("{cores}: one for the server, one for load and origin")),
        ("memory", format!("{:.0} GiB", kib / f64::from(1 << 20))),
        ("system", value("/etc/os-release", "PRETTY_NAME")),
        ("kernel", first_line("uname", &["-r"])),
    ]
}

fn versions(tree: &str, binary_given: bool) -> Vec<Version> {
    // What a binary was built from cannot be seen from outside.
    let tree = if binary_given { format!("{tree}; the binary was given") } else { tree.to_owned() };
    let said = |what, of, program: &str, option| Version { what, of, text: first_line(program, &[option]) };
    let peer = |kind: Kind, option| said(kind.name(), Some(kind), kind.program(), option);
    vec![
        Version { what: Kind::Millpond.name(), of: None, text: tree },
        peer(Kind::Nginx, "-v"),
        peer(Kind::Haproxy, "-v"),
        peer(Kind::Varnish, "-V"),
        said("compiler", None, "rustc", "--version"),
        said("load, HTTP/1.1", None, "wrk", "-v"),
        said(HTTP2_LOAD, None, "h2load", "--version"),
    ]
}

/// The first line that a program prints, on either output; what cannot be told is said to be unknown.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let program = tools::find(program).map(Command::new).ok();
    let said =
        program.and_then(|mut program| first_of(program.current_dir(workspace::root()).args(arguments)));
    said.unwrap_or_else(unknown)
}

fn first_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).lines().find(|line| !line.is_empty())?.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
pub mod tests {
    use super::super::report::tests::report;
    use super::*;

    /// Those of a run that never was.
    pub fn circumstances() -> Circumstances {
        let version = |what, of, text: &str| Version { what, of, text: text.into() };
        Circumstances {
            date: "2026-01-02".into(),
            command: "cargo xtask bench --report x.md".into(),
            machine: vec![("processor", "fast".into())],
            busy: None,
            versions: vec![
                version("millpond", None, "v1"),
                version("nginx", Some(Kind::Nginx), "1.2.3"),
                version("varnish", Some(Kind::Varnish), "7"),
                version(HTTP2_LOAD, None, "h2load"),
            ],
        }
    }

    #[test]
    fn only_what_took_part_has_a_version() {
        let report = report(&[(0, Kind::Millpond, 5.0), (0, Kind::Nginx, 10.0)]);
        let all = circumstances();
        let versions: Vec<_> = all.versions(&report).collect();
        assert_eq!(versions, [("millpond", "v1"), ("nginx", "1.2.3")]);
    }

    #[test]
    fn a_tree_with_changes_has_no_version_for_a_page() {
        let root = workspace::scratch("bench").unwrap().join(format!("tree-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let git = |arguments: &[&str]| {
            let mut git = Command::new(tools::find("git").unwrap());
            git.current_dir(&root).args(["-c", "user.name=x", "-c", "user.email=x@y.test"]).args(arguments);
            assert!(git.stdout(Stdio::null()).status().unwrap().success(), "{arguments:?}");
        };
        git(&["init", "--quiet"]);
        let page = root.join("performance.svg");
        std::fs::write(&page, "old").unwrap();
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", "one"]);
        let clean = version_of(&root);
        std::fs::write(&page, "what the run itself writes").unwrap();
        let changed = version_of(&root);
        std::fs::remove_dir_all(&root).unwrap();
        assert!(check_version(&clean).is_ok(), "{clean}");
        assert!(check_version(&changed).is_err(), "{changed}");
        assert_eq!(changed, format!("{clean}{DIRTY}"));
    }

    #[test]
    fn this_machine_can_be_described() {
        assert!(machine().iter().all(|(_, value)| !value.is_empty()), "{:?}", machine());
        assert_eq!(first_line("no-such-program", &[]), "unknown");
        let typed = ["bench", "--binary", "/a/b", "--quick"].map(str::to_owned).into_iter();
        assert_eq!(command(typed), "cargo xtask bench --binary BINARY --quick");
        let version = |given| versions("abc", given).swap_remove(0).text;
        assert_eq!([version(false), version(true)], ["abc", "abc; the binary was given"]);
    }
}
