//! `millpond tape`.

use crate::home::{Home, ended};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;

/// An exchange of a JSON tape.
fn exchange(path: &str, body: &str, at: f64) -> Value {
    json!({
        "v": 1,
        "id": format!("0c7a3a54-0000-4000-8000-{:012}", at as u64),
        "request": {
            "method": "GET", "url": format!("http://api.example{path}"), "http_version": "HTTP/1.1",
            "headers": [["Host", "api.example"], ["Authorization", "Bearer hush"]], "content": "",
        },
        "response": {
            "status_code": 200, "reason": "OK", "http_version": "HTTP/1.1",
            "headers": [["Content-Type", "text/plain"], ["Content-Length", body.len().to_string()]], "content": body,
        },
        "timings": {"created": at, "request_started": at, "request_ended": at, "response_started": at + 0.1, "response_ended": at + 0.25},
        "aborted": false,
    })
}

fn tape(exchanges: &[Value]) -> String {
    exchanges.iter().flat_map(|exchange| [exchange.to_string(), "\n".to_owned()]).collect()
}

fn three() -> String {
    tape(&[
        exchange("/a", "first", 1e9),
        exchange("/b?x=1", "second", 1e9 + 1.0),
        exchange("/a", "third", 1e9 + 2.0),
    ])
}

/// The rows of `tape ls --json`.
fn rows(home: &Home, tape: &str) -> Vec<Value> {
    home.stdout_of(&["tape", "ls", tape, "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn column(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned)).collect()
}

#[test]
fn ls_prints_a_line_for_each_exchange() {
    let home = Home::new();
    home.write("one.jsonl", three());
    let text = home.stdout_of(&["tape", "ls", "one.jsonl"]);
    let second: Vec<&str> = text.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!(
        second,
        ["2", "2001-09-09T01:46:41.000Z", "GET", "200", "6", "250", "http://api.example/b?x=1"]
    );
    assert_eq!(text.lines().count(), 3);
    let limited = home.stdout_of(&["tape", "ls", "one.jsonl", "--limit", "1"]);
    assert_eq!(limited.lines().count(), 1);
    for none in [["--host", "other.example"], ["--method", "POST"], ["--status", "404"]] {
        assert_eq!(home.stdout_of(&[&["tape", "ls", "one.jsonl"], &none[..]].concat()), "", "{none:?}");
    }
}

#[test]
fn every_format_converts_to_every_other_and_back() {
    let home = Home::new();
    home.write("0.jsonl", three());
    let first = rows(&home, "0.jsonl");
    for (from, to) in [
        ("0.jsonl", "1.mitm"),
        ("1.mitm", "2.har"),
        ("2.har", "3.json"),
        ("3.json", "4.flows"),
        ("1.mitm", "5.jsonl"),
    ] {
        assert_eq!(home.stdout_of(&["tape", "convert", from, to]), "", "{from} to {to}");
        let now = rows(&home, to);
        for name in ["method", "url", "status", "response_bytes", "began"] {
            assert_eq!(column(&now, name), column(&first, name), "{from} to {to}");
        }
    }
    let printed = home.stdout_of(&["tape", "convert", "1.mitm", "-", "--format", "json"]);
    assert_eq!(
        std::fs::read_to_string(home.path("5.jsonl")).unwrap(),
        printed,
        "to a file and to standard output"
    );
    assert_eq!(home.stdout_of(&["tape", "show", "4.flows", "3", "--body", "response"]), "third");
}

#[test]
fn standard_input_is_read_whatever_its_format() {
    let home = Home::new();
    home.write("one.jsonl", three());
    home.stdout_of(&["tape", "convert", "one.jsonl", "one.mitm"]);
    for file in ["one.jsonl", "one.mitm"] {
        let mut command = home.millpond(&["tape", "convert", "-", "-", "--format", "har"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&std::fs::read(home.path(file)).unwrap()).unwrap();
        let output = ended(&child.wait_with_output().unwrap());
        assert_eq!(output.code, Some(0), "{output:?}");
        let har: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(har["log"]["entries"].as_array().unwrap().len(), 3, "{file}");
    }
}

#[test]
fn a_tape_appears_whole_or_not_at_all() {
    let home = Home::new();
    home.write("good.jsonl", three());
    home.write("bad.jsonl", three() + "{\"v\":1,\"request\":[]}\n" + &three());
    home.write("out.mitm", "what was there before");
    let failed = home.run(&["tape", "convert", "bad.jsonl", "out.mitm"]);
    assert_eq!((failed.code, &*failed.stdout), (Some(1), ""));
    assert!(failed.stderr.contains("bad.jsonl"), "{}", failed.stderr);
    assert_eq!(std::fs::read_to_string(home.path("out.mitm")).unwrap(), "what was there before");
    home.stdout_of(&["tape", "convert", "good.jsonl", "out.mitm"]);
    assert_eq!(rows(&home, "out.mitm").len(), 3);
    home.stdout_of(&["tape", "convert", "out.mitm", "out.mitm"]);
    assert_eq!(rows(&home, "out.mitm").len(), 3, "onto itself");
    let names: Vec<_> =
        std::fs::read_dir(home.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing is left behind: {names:?}");
}

#[test]
fn an_ending_that_tells_nothing_needs_a_format() {
    let home = Home::new();
    home.write("one.jsonl", three());
    for out in ["out.txt", "-"] {
        let ended = home.run(&["tape", "convert", "one.jsonl", out]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{out}");
        assert!(ended.stderr.contains("--format"), "{}", ended.stderr);
    }
    home.stdout_of(&["tape", "convert", "one.jsonl", "out.txt", "--format", "native"]);
    assert_eq!(rows(&home, "out.txt").len(), 3);
    assert_eq!(home.run(&["tape", "convert", "one.jsonl", "x.har", "--format", "wav"]).code, Some(2));
}

#[test]
fn what_is_no_tape_is_said_to_be_none() {
    let home = Home::new();
    home.write("noise", "neither this nor that");
    std::fs::create_dir(home.path("empty")).unwrap();
    for (tape, says) in [("noise", "no tape"), ("nowhere", "No such file"), ("empty", "no tapes")] {
        let ended = home.run(&["tape", "ls", tape]);
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{tape}");
        assert!(ended.stderr.contains(tape) && ended.stderr.contains(says), "{}", ended.stderr);
    }
}

#[test]
fn show_prints_one_exchange() {
    let home = Home::new();
    home.write("one.jsonl", three());
    let text = home.stdout_of(&["tape", "show", "one.jsonl", "2"]);
    for part in ["GET /b?x=1 HTTP/1.1", "Authorization: Bearer hush", "HTTP/1.1 200 OK", "\nsecond\n"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(home.stdout_of(&["tape", "show", "one.jsonl", "2", "--body", "response"]), "second");
    let line = home.stdout_of(&["tape", "show", "one.jsonl", "2", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["response"]["content"], "second");
    let id = rows(&home, "one.jsonl")[2]["id"].as_str().unwrap().to_owned();
    assert!(home.stdout_of(&["tape", "show", "one.jsonl", &id]).contains("\nthird\n"));
    let ended = home.run(&["tape", "show", "one.jsonl", "4"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("tape ls one.jsonl"), "{}", ended.stderr);
}

#[test]
fn a_merge_keeps_what_it_is_told_to() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("tapes/sessions")).unwrap();
    home.write("tapes/sessions/2.jsonl", tape(&[exchange("/a", "third", 1e9 + 2.0)]));
    home.write(
        "tapes/sessions/1.jsonl",
        tape(&[exchange("/a", "first", 1e9), exchange("/b", "second", 1e9 + 1.0)]),
    );
    home.write("more.jsonl", tape(&[exchange("/c", "fourth", 1e9 + 3.0)]));
    for (keep, expected) in [
        ("all", &["first", "second", "third", "fourth"][..]),
        ("first", &["first", "second", "fourth"]),
        ("last", &["second", "third", "fourth"]),
    ] {
        home.stdout_of(&["tape", "merge", "out.mitm", "tapes", "more.jsonl", "--keep", keep]);
        let bodies: Vec<String> = (1..=rows(&home, "out.mitm").len())
            .map(|number| {
                home.stdout_of(&["tape", "show", "out.mitm", &number.to_string(), "--body", "response"])
            })
            .collect();
        assert_eq!(bodies, expected, "{keep}");
    }
    assert_eq!(home.run(&["tape", "merge", "out.mitm", "tapes", "--keep", "some"]).code, Some(2));
}

#[test]
fn redaction_takes_secrets_out_and_does_so_once() {
    let home = Home::new();
    home.write("one.jsonl", tape(&[exchange("/a?token=sesame&page=2", "{\"pin\": 1234}", 1e9)]));
    let arguments = ["tape", "redact", "one.jsonl", "clean.jsonl", "--json-member", "pin"];
    let ended = home.run(&arguments);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{ended:?}");
    assert!(ended.stderr.contains("1 of 1 exchange"), "{}", ended.stderr);
    let clean = std::fs::read_to_string(home.path("clean.jsonl")).unwrap();
    for secret in ["hush", "sesame"] {
        assert!(!clean.contains(secret), "{clean}");
    }
    assert!(clean.contains("page=2"), "{clean}");
    home.stdout_of(&["tape", "redact", "clean.jsonl", "again.jsonl", "--json-member", "pin"]);
    assert_eq!(std::fs::read_to_string(home.path("again.jsonl")).unwrap(), clean);
    let wrong = home.run(&["tape", "redact", "one.jsonl", "x.jsonl", "--field", "no field"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn a_torn_tape_is_found_and_cut() {
    let home = Home::new();
    home.write("whole.jsonl", three());
    for file in ["torn.mitm", "torn.jsonl"] {
        home.stdout_of(&["tape", "convert", "whole.jsonl", file]);
        let whole = std::fs::read(home.path(file)).unwrap();
        home.write(file, &whole[..whole.len() - 20]);
        let torn = home.run(&["tape", "verify", file]);
        assert_eq!(torn.code, Some(1), "{file}");
        assert!(torn.stdout.contains("2 exchanges") && torn.stdout.contains("--repair"), "{}", torn.stdout);
        let listed = home.run(&["tape", "ls", file]);
        assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 2), "{file}");
        assert!(listed.stderr.contains("warning"), "{}", listed.stderr);
        let repaired: Value =
            serde_json::from_str(&home.stdout_of(&["tape", "verify", file, "--repair", "--json"])).unwrap();
        assert_eq!(
            (&repaired[0]["repaired"], &repaired[0]["exchanges"]),
            (&json!(true), &json!(2)),
            "{file}"
        );
        assert!(home.stdout_of(&["tape", "verify", file]).contains("nothing is wrong"), "{file}");
        assert_eq!(rows(&home, file).len(), 2);
    }
}

#[test]
fn who_reads_only_the_beginning_is_no_failure() {
    let home = Home::new();
    let many: Vec<Value> =
        (0..20_000).map(|number| exchange(&format!("/{number}"), "x", 1e9 + f64::from(number))).collect();
    home.write("many.jsonl", tape(&many));
    let script = r#""$@" | head -n 1; echo "${PIPESTATUS[0]}""#;
    for arguments in
        [&["tape", "ls", "many.jsonl"][..], &["tape", "convert", "many.jsonl", "-", "--format", "json"]]
    {
        let mut shell = home.program("bash");
        shell.args(["-c", script, "bash", env!("CARGO_BIN_EXE_millpond")]).args(arguments);
        let ended = ended(&shell.output().unwrap());
        assert_eq!(
            (ended.stdout.lines().count(), ended.stdout.lines().last()),
            (2, Some("0")),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn a_tape_fills_a_cache_and_a_cache_a_tape() {
    let home = Home::new();
    let mut old = exchange("/old", "gone by", 1e9);
    old["response"]["headers"] = json!([["Cache-Control", "no-store"]]);
    let mut post = exchange("/post", "posted", 1e9);
    post["request"]["method"] = json!("POST");
    let mut broken = exchange("/broken", "half", 1e9);
    broken["aborted"] = json!(true);
    home.write("in.jsonl", tape(&[exchange("/a", "first", 1e9), old, post, broken]));
    let arguments = ["cache", "import", "--tape", "in.jsonl", "--default-ttl", "forever"];
    // A request with credentials is answered from a shared cache only where the response allows it (RFC 9111 section 3.5).
    assert!(home.stdout_of(&arguments).contains("Imported 0 responses."));
    let text = std::fs::read_to_string(home.path("in.jsonl")).unwrap();
    home.write("in.jsonl", text.replace("Authorization", "X-Not-So-Secret"));
    let told = home.stdout_of(&arguments);
    for line in
        ["Imported 1 response.", "Refused 1: no-store.", "Left 1 with other methods", "Left 1 whose response"]
    {
        assert!(told.contains(line), "no {line:?} in {told}");
    }
    assert!(home.stdout_of(&arguments).contains("newer response"), "what is there stays");
    home.stdout_of(&["cache", "export", "out.mitm"]);
    let rows = rows(&home, "out.mitm");
    assert_eq!(column(&rows, "url"), ["http://api.example/a"]);
    assert_eq!(home.stdout_of(&["tape", "show", "out.mitm", "1", "--body", "response"]), "first");
}
