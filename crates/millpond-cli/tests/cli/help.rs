//! Help texts, completions, the manual page, and the reference page made from them.

use crate::support::{run, stdout_of};
use std::fmt::Write as _;
use std::path::Path;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["serve"],
    &["proxy"],
    &["record"],
    &["replay"],
    &["run"],
    &["cache"],
    &["cache", "ls"],
    &["cache", "show"],
    &["cache", "purge"],
    &["cache", "warm"],
    &["cache", "stats"],
    &["cache", "verify"],
    &["cache", "backup"],
    &["cache", "import"],
    &["cache", "export"],
    &["tape"],
    &["tape", "ls"],
    &["tape", "show"],
    &["tape", "convert"],
    &["tape", "merge"],
    &["tape", "redact"],
    &["tape", "verify"],
    &["ca"],
    &["ca", "path"],
    &["ca", "show"],
    &["ca", "env"],
    &["ca", "docker-args"],
    &["demo"],
    &["explain"],
    &["config"],
    &["config", "check"],
    &["config", "show"],
    &["config", "schema"],
    &["config", "init"],
    &["completions"],
    &["man"],
];

fn help(command: &[&str]) -> String {
    stdout_of(&[command, &["--help"]].concat())
}

#[test]
fn every_help_text_has_an_example() {
    for command in COMMANDS {
        let help = help(command);
        assert!(help.contains("Example"), "{command:?}:\n{help}");
        assert!(help.contains("  millpond "), "{command:?}:\n{help}");
    }
}

/// The names of the commands that a help text lists.
fn listed(help: &str) -> Vec<&str> {
    let (_, after) = help.split_once("\nCommands:\n").unwrap();
    let lines = after.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().next().unwrap()).filter(|name| *name != "help").collect()
}

#[test]
fn every_command_is_looked_at_here() {
    let top = help(&[]);
    let inner = ["cache", "tape", "ca", "config"].map(|group| (group, help(&[group])));
    let mut all: Vec<Vec<&str>> = vec![vec![]];
    for name in listed(&top) {
        all.push(vec![name]);
        if let Some(inner) = inner.iter().find(|(group, _)| *group == name) {
            all.extend(listed(&inner.1).into_iter().map(|inner| vec![name, inner]));
        }
    }
    assert_eq!(all, COMMANDS);
}

#[test]
fn the_reference_page_is_up_to_date() {
    let mut page = String::from(
        "# Command line\n\nThis page is made from the program's own help; `UPDATE_DOCS=1 cargo test -p millpond-cli` writes it.\n\n\
         Standard output carries data, and for a server its first and only line, `listening on http://ADDR`; logs and\n\
         errors go to standard error. With `-- CMD` standard output is CMD's alone. Settings that have no option of their own are given with `--set`, in the\n\
         environment or in a file: see [configuration](configuration.md).\n\n\
         | exit code | meaning |\n|---|---|\n| 0 | success; a server that was stopped by SIGTERM or SIGINT |\n\
         | 1 | failure while running: a port in use, an origin that cannot be reached, a mistake found by `cache verify` |\n| 2 | wrong usage |\n\
         | 78 | wrong configuration |\n\
         | any | of `run`, and of `record` and `replay` with `-- CMD`: that of CMD; 128 and the signal's number when a signal ended it |\n\
         | 125 | there, a failure of millpond itself |\n| 126, 127 | there, CMD cannot be run, CMD is not found |\n\n\
         SIGTERM and SIGINT let requests in flight finish, at most for `limits.drain_timeout`. SIGUSR1 logs the counters.\n",
    );
    for command in COMMANDS {
        let name = [&["millpond"], *command].concat().join(" ");
        write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help(command).trim_end()).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/command-line.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference/command-line.md is out of date: run the test with UPDATE_DOCS=1"
    );
}

#[test]
fn completions_and_the_manual_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout_of(&["completions", shell]);
        assert!(script.contains("millpond") && script.contains("upstream-ca"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcl"]).code, Some(2));
    let page = stdout_of(&["man"]);
    assert!(page.contains(".TH millpond 1") && page.contains("explain"), "{page}");
}

#[test]
fn the_version_is_that_of_the_crate() {
    assert_eq!(stdout_of(&["--version"]), format!("millpond {}\n", env!("CARGO_PKG_VERSION")));
}
