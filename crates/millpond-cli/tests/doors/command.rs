//! `-- CMD`: its exit code, its standard output, its environment.

use crate::home::{Home, ended};
use serde_json::Value;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;

/// Every door behind which a command may run, with what it needs.
const DOORS: [&[&str]; 3] = [&["run"], &["record", "--tape", "tapes"], &["replay", "--tape", "tapes"]];

fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("tapes")).unwrap();
    home
}

#[test]
fn the_exit_code_is_the_commands() {
    let home = home();
    for door in DOORS {
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
            let ended = home.run(&[door, &["--", "sh", "-c", script]].concat());
            assert_eq!(ended.code, Some(code), "{door:?} {script}: {ended:?}");
        }
    }
}

#[test]
fn a_command_that_cannot_be_started_has_a_code_of_its_own() {
    let home = home();
    let file = home.write("not-executable", "#!/bin/sh\n");
    for door in DOORS {
        for (command, code) in [("no-such-command", 127), (file.to_str().unwrap(), 126), ("/", 126)] {
            let ended = home.run(&[door, &["--", command]].concat());
            assert_eq!((ended.code, &*ended.stdout), (Some(code), ""), "{door:?} {command}: {ended:?}");
            assert!(ended.stderr.contains(command), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_failure_of_our_own_is_not_mistaken_for_one_of_the_command() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for door in DOORS {
        for (options, says) in [
            (&["--no-such-option"][..], "--no-such-option"),
            (&["--listen", &address], "another program listens there"),
            (&["--set", "listen=nowhere"], "listen"),
            (&["--set", "nonsense"], "PATH=VALUE"),
            (&["--listen", "0.0.0.0:0"], if door[0] == "replay" { "" } else { "forward.allow" }),
        ] {
            let ended = home.run(&[door, options, &["--", "echo", "ran"]].concat());
            if says.is_empty() {
                continue;
            }
            assert_eq!((ended.code, &*ended.stdout), (Some(125), ""), "{door:?} {options:?}: {ended:?}");
            assert!(ended.stderr.contains(says), "{}", ended.stderr);
        }
    }
    assert_eq!(home.run(&["run"]).code, Some(125));
    assert_eq!(home.run(&["record", "--", "true"]).code, Some(125), "no directory for tapes");
    let missing = home.run(&["replay", "--tape", "nowhere", "--", "true"]);
    assert_eq!(missing.code, Some(125));
    assert!(missing.stderr.contains("millpond record --tape nowhere"), "{}", missing.stderr);
    assert_eq!(home.run(&["record"]).code, Some(2), "without a command the usual codes hold");
    assert_eq!(home.run(&["record", "--tape", "tapes", "--listen", "nowhere"]).code, Some(78));
    assert_eq!(home.run(&["run", "--help"]).code, Some(0));
}

#[test]
fn standard_output_is_the_commands_alone() {
    let home = home();
    for door in DOORS {
        let ended = home.run(&[door, &["--log-level", "trace", "--", "printf", "ripples"]].concat());
        assert_eq!((ended.code, &*ended.stdout), (Some(0), "ripples"), "{door:?}");
        for part in ["listening on http://127.0.0.1:", "0 hits, 0 misses, 0 upstream attempts"] {
            assert!(ended.stderr.contains(part), "{door:?}: no {part:?} in {}", ended.stderr);
        }
        let quiet = home.run(&[door, &["--quiet", "--", "sh", "-c", "echo out; echo err >&2"]].concat());
        assert_eq!((&*quiet.stdout, &*quiet.stderr), ("out\n", "err\n"), "{door:?}");
    }
}

#[test]
fn standard_input_is_the_commands() {
    let home = home();
    let mut child =
        home.millpond(&["run", "--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"through and through").unwrap();
    assert_eq!(ended(&child.wait_with_output().unwrap()).stdout, "through and through");
}

#[test]
fn the_totals_may_be_json() {
    let home = home();
    for door in DOORS {
        let ended = home.run(&[door, &["--json", "--", "true"]].concat());
        let last = ended.stderr.lines().last().unwrap();
        let totals: Value = serde_json::from_str(last).unwrap();
        for name in ["hits", "misses", "upstream_attempts"] {
            assert_eq!(totals[name], 0, "{door:?}: {last}");
        }
    }
}

#[test]
fn the_environment_sends_the_command_through_the_proxy() {
    let home = home();
    for door in DOORS {
        let output = home
            .millpond(&[door, &["--", "env"]].concat())
            .env("NO_PROXY", "localhost,127.0.0.1")
            .env("no_proxy", "*")
            .env("HTTP_PROXY", "http://proxy.example:8080")
            .env("KEPT", "as it was")
            .output()
            .unwrap();
        let ended = ended(&output);
        let (_, proxy) = ended.stderr.lines().next().unwrap().split_once("listening on ").unwrap();
        let value = |name: &str| {
            let lines = ended.stdout.lines().filter_map(|line| line.split_once('='));
            let mut values = lines.filter(|(other, _)| *other == name).map(|(_, value)| value);
            values.next().unwrap_or_else(|| panic!("{door:?}: no {name} in {}", ended.stdout))
        };
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            assert_eq!(value(name), proxy, "{name}");
        }
        assert_eq!((value("NO_PROXY"), value("no_proxy"), value("KEPT")), ("", "", "as it was"));
        for name in
            ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"]
        {
            assert!(std::fs::read_to_string(value(name)).unwrap().contains("BEGIN CERTIFICATE"), "{name}");
        }
    }
    let some =
        home.stdout_of(&["run", "--no-proxy", "db,10.0.0.0/8", "--", "sh", "-c", "echo $NO_PROXY $no_proxy"]);
    assert_eq!(some, "db,10.0.0.0/8 db,10.0.0.0/8\n");
}

#[test]
fn a_port_of_a_preset_is_left_to_servers() {
    let home = home();
    home.write("millpond.toml", "[forward]\nallow = [\"example.com\"]\n");
    let first = home.run(&["run", "--preset", "apt", "--", "sh", "-c", "echo $HTTP_PROXY"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(!first.stdout.contains(":3142"), "{}", first.stdout);
    let all = home.run(&[
        "run",
        "--listen",
        "0.0.0.0:0",
        "--config",
        "millpond.toml",
        "--",
        "sh",
        "-c",
        "echo $HTTP_PROXY",
    ]);
    assert!(all.stdout.starts_with("http://127.0.0.1:"), "{all:?}");
}
