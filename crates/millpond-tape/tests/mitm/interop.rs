//! mitmproxy itself reads what is written, and what it records is read as it reads it.
//!
//! `MITMPROXY_PYTHON` is a Python that has mitmproxy; `cargo xtask test` installs one and sets it.

use crate::fixtures::{ALL, compare, expected, pretty_eq, tape};
use crate::{exchanges, made, shown, written};
use bytes::Bytes;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// A run of a script below `interop/`, or `None` where there is no mitmproxy.
fn script(name: &str) -> Option<Command> {
    let Some(python) = std::env::var_os("MITMPROXY_PYTHON") else {
        println!("not run: MITMPROXY_PYTHON does not name a Python that has mitmproxy");
        return None;
    };
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/interop", name].iter().collect();
    let mut command = Command::new("timeout");
    command.arg("--kill-after=5s").arg("120s").arg(python).arg("-B").arg(script);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    Some(command)
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    output.stdout
}

/// The flows that mitmproxy finds in each file, as it loads them.
fn seen_by_mitmproxy(files: &[PathBuf]) -> Vec<Vec<Value>> {
    let text = run(script("flows.py").unwrap().arg("describe").args(files));
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn mitmproxy_reads_what_is_written() {
    if script("flows.py").is_none() {
        return;
    }
    let (mut runner, dir) = (TestRunner::deterministic(), tempfile::tempdir().unwrap());
    let any = made::exchange();
    let all: Vec<_> = (0..300).map(|_| any.new_tree(&mut runner).unwrap().current()).collect();
    let file = dir.path().join("made.mitm");
    std::fs::write(&file, written(&all)).unwrap();
    let seen = seen_by_mitmproxy(&[file]).remove(0);
    assert_eq!(seen.len(), all.len());
    all.iter().zip(&seen).for_each(|(ours, theirs)| pretty_eq(&shown::flow(ours), theirs));
}

#[test]
fn mitmproxy_sees_no_difference_in_what_it_wrote_itself() {
    if script("flows.py").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = ALL.iter().map(|name| dir.path().join(name)).collect();
    for (name, file) in ALL.iter().zip(&files) {
        std::fs::write(file, written(&exchanges(tape(name)).unwrap())).unwrap();
    }
    for (name, seen) in ALL.iter().zip(seen_by_mitmproxy(&files)) {
        let expected = expected(name);
        assert_eq!(seen.len(), expected.len(), "{name}");
        seen.iter().zip(&expected).for_each(|(ours, theirs)| pretty_eq(ours, theirs));
    }
}

#[test]
fn what_mitmproxy_records_now_is_read() {
    let Some(mut record) = script("record.py") else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recorded.mitm");
    run(record.arg(&file));
    let exchanges = exchanges(Bytes::from(std::fs::read(&file).unwrap())).unwrap();
    compare(&exchanges, &seen_by_mitmproxy(&[file])[0]);
    let versions = |version: &[u8]| exchanges.iter().filter(|one| one.request.version == version).count();
    assert_eq!((versions(b"HTTP/1.1"), versions(b"HTTP/2.0")), (9, 2));
}
