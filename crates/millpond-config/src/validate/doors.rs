//! The rules of single doors: interception, tapes.

use crate::error::{ConfigError, Problem, Warning};
use crate::node::{Node, Value};
use crate::source::Source;

/// The hosts of interception.
pub(super) fn intercept(tree: &Node, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
    let list = |name| tree.at(["intercept", name]).map(Node::items).unwrap_or_default();
    let all = matches!(tree.at(["intercept", "all"]).map(|all| &all.value), Some(Value::Bool(true)));
    if let Some(hosts) = tree.at(["intercept", "hosts"]).filter(|_| all && !list("hosts").is_empty()) {
        no_effect("intercept.hosts", hosts, "`intercept.all` is true", warnings);
    }
    for opened in list("hosts") {
        let same = |closed: &&Node| match (opened.text(), closed.text()) {
            (Some(opened), Some(closed)) => opened.trim().eq_ignore_ascii_case(closed.trim()),
            _ => false,
        };
        if let Some(closed) = list("tunnel").iter().find(same) {
            let host = opened.text().unwrap_or_default();
            let what = format!("\"{host}\" stands in `intercept.hosts` too, at {}", opened.source);
            errors.push(
                ConfigError::new(&closed.source, Problem::Conflict(what))
                    .help("remove it from `intercept.hosts` to leave its connections closed"),
            );
        }
    }
}

/// The directories of tapes.
pub(super) fn tape(tree: &Node, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
    let tape = |name| tree.at(["tape", name]);
    let Some(mode) = tape("mode") else { return };
    let records = matches!(mode.text(), Some("write_only" | "read_write"));
    if let Some(read_dir) = tape("read_dir").filter(|_| mode.text() == Some("write_only")) {
        no_effect("tape.read_dir", read_dir, "`tape.mode` is \"write_only\", and no tape answers", warnings);
    }
    // Which door it will be is not known here: the name alone asks for nothing yet, a directory to read from does.
    if let Some(read_dir) = tape("read_dir").filter(|_| records && tape("dir").is_none()) {
        let mode = mode.text().unwrap_or_default();
        let what = format!("`tape.mode` is \"{mode}\", and no directory is named to record to");
        errors.push(
            ConfigError::new(&read_dir.source, Problem::Missing(what)).help("set `tape.dir` (--tape DIR)"),
        );
    }
}

/// A preset speaks for many, so that what it says for nothing is not the operator's mistake.
fn no_effect(path: &str, node: &Node, why: &'static str, warnings: &mut Vec<Warning>) {
    if !matches!(node.source, Source::Preset { .. }) {
        warnings.push(Warning::NoEffect { path: path.to_owned(), origin: node.source.clone(), why });
    }
}
