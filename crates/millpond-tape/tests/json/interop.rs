//! mitmproxy imports the archives that are written, and those it makes are read.
//!
//! `MITMPROXY_PYTHON` is a Python that has mitmproxy; `cargo xtask test` installs one and sets it.

use crate::support::{bytes_of, everything, read, written};
use millpond_tape::{Format, Recorded};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A run of `interop/har.py`, or `None` where there is no mitmproxy.
fn script() -> Option<Command> {
    let Some(python) = std::env::var_os("MITMPROXY_PYTHON") else {
        println!("not run: MITMPROXY_PYTHON does not name a Python that has mitmproxy");
        return None;
    };
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/interop/har.py"].iter().collect();
    let mut command = Command::new("timeout");
    command.arg("--kill-after=5s").arg("120s").arg(python).arg("-B").arg(script);
    Some(command)
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    output.stdout
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", name].iter().collect()
}

/// Bytes as the script writes them: a character each.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn url(exchange: &Recorded) -> String {
    let request = &exchange.request;
    let standard = matches!((&request.scheme[..], request.port), (b"http", 80) | (b"https", 443));
    let port = if standard { String::new() } else { format!(":{}", request.port) };
    let escape =
        |byte: u8| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let path: String = request.path.iter().copied().map(escape).collect();
    format!("{}://{}{port}{path}", String::from_utf8_lossy(&request.scheme), request.host)
}

/// What mitmproxy sees in an archive of ours is what we would read in it.
fn imports(exchanges: &[Recorded], dir: &Path) {
    let file = dir.join("ours.har");
    let ours = written(Format::Har, exchanges);
    std::fs::write(&file, &ours).unwrap();
    let seen: Vec<Value> = serde_json::from_slice(&run(script().unwrap().arg("import").arg(&file))).unwrap();
    let ours = read(Format::Har, ours);
    assert_eq!(seen.len(), ours.len(), "flows counted: it passes over in silence what it cannot read");
    assert!(!seen.is_empty());
    for (theirs, ours) in seen.iter().zip(&ours) {
        assert_eq!(theirs["method"], latin1(&ours.request.method));
        assert_eq!(theirs["url"], url(ours));
        let version =
            |bytes: &[u8]| latin1(bytes.strip_suffix(b".0").filter(|v| *v == b"HTTP/2").unwrap_or(bytes));
        assert_eq!(theirs["version"], version(&ours.request.version), "{}", url(ours));
        let Some(response) = &ours.response else {
            assert_eq!(theirs["status"], 0);
            continue;
        };
        assert_eq!(theirs["status"], response.status);
        assert_eq!(theirs["response_version"], version(&response.version));
        let content = response.content.as_ref().map(bytes_of).unwrap_or_default();
        assert_eq!(theirs["response_content"], latin1(&content), "{}", url(ours));
        assert!((theirs["started"].as_f64().unwrap() - ours.request.started).abs() < 0.001);
    }
}

#[test]
fn mitmproxy_imports_what_is_written() {
    if script().is_none() {
        return;
    }
    let mut without = everything();
    without.response = None;
    let mut all = vec![everything(), without];
    for version in ["18", "19", "20", "21"] {
        let tape = std::fs::read(fixture(&format!("mitm/recorded-{version}.mitm"))).unwrap();
        all.append(&mut read(Format::Mitm, tape));
    }
    for name in ["har/chromium.har", "har/firefox.har", "har/playwright.har"] {
        all.append(&mut read(Format::Har, std::fs::read(fixture(name)).unwrap()));
    }
    imports(&all, tempfile::tempdir().unwrap().path());
}

#[test]
fn what_mitmproxy_exports_is_read() {
    if script().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("theirs.har");
    for version in ["18", "21"] {
        let flows = fixture(&format!("mitm/recorded-{version}.mitm"));
        run(script().unwrap().arg("export").arg(&flows).arg(&file));
        let found = read(Format::Har, std::fs::read(&file).unwrap());
        let flows = read(Format::Mitm, std::fs::read(&flows).unwrap());
        assert_eq!(found.len(), flows.len());
        for (found, flow) in found.iter().zip(&flows) {
            let facts =
                |e: &Recorded| (url(e), e.request.method.clone(), e.response.as_ref().map(|r| r.status));
            assert_eq!(facts(found), facts(flow));
        }
    }
}
