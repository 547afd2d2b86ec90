//! Requests with content, which may be a part of the key.

use super::Place;
use crate::support::{Ended, PATIENCE, Reply, file, run};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

const TYPE: &str = "Content-Type: application/json";
const QUERY: [&str; 4] = ["-X", "QUERY", "-H", TYPE];

/// Sends `content` to a server, by the name `host`.
fn send(address: SocketAddr, host: &str, method: &str, path: &str, content: &str) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let framing = format!("{TYPE}\r\nContent-Length: {}\r\nConnection: close", content.len());
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n{content}").unwrap();
    Reply::read(stream)
}

/// A place whose store has the answer to one request with content.
fn holding(method: &str, content: &str, config: &[&str]) -> Place {
    let place = Place::holding(&[]);
    let serving = place.serve(config);
    assert_eq!(send(serving.address, "a.example", method, "/fresh", content).field("x-cache"), "MISS");
    let (status, _, log) = serving.stop();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    place
}

fn verdict(json: &Value) -> (&str, &str) {
    let store = &json["store"];
    (store["verdict"].as_str().unwrap_or_default(), store["reason"].as_str().unwrap_or_default())
}

/// Runs millpond with `input` on its standard input.
fn run_with(input: &str, arguments: &[&str]) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn a_query_is_looked_up_by_its_content() {
    let place = holding("QUERY", r#"{"a":1,"b":[2]}"#, &[]);
    // JSON counts without whitespace and without the order of members.
    let same = r#"{ "b": [2], "a": 1 }"#;
    let (code, text, json) = place.stored("/fresh", &[&QUERY[..], &["--data", same]].concat());
    assert_eq!((code, verdict(&json)), (Some(0), ("hit", "")), "{text}");
    assert!(text.contains("Content    20 bytes, part of the key"), "{text}");
    assert!(text.contains(&format!("Key        QUERY {}", place.url("/fresh"))), "{text}");
    let expected = json!({ "bytes": 20, "cut": false, "assumed_type": false, "keyed": true });
    assert_eq!(json["content"], expected);
    let (_dir, path) = file("query.json", same);
    let (code, ..) = place.stored("/fresh", &[&QUERY[..], &["--body", &path]].concat());
    assert_eq!(code, Some(0));
    let arguments = ["explain", "/fresh", "--no-fetch", "--origin", &place.origin.url, "--cache-dir"];
    let arguments = [&arguments[..], &[place.directory(), "--body", "-"], &QUERY].concat();
    let ended = run_with(same, &arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.stdout.contains("[2]"), "the content itself is not printed: {}", ended.stdout);
}

#[test]
fn other_content_is_another_query_and_no_query_is_sent() {
    let place = holding("QUERY", r#"{"a":1}"#, &[]);
    let asked = place.origin.asked();
    for other in [r#"{"a":2}"#, ""] {
        let ended = place.explain(&[&["/fresh", "--json", "--data", other], &QUERY[..]].concat());
        let json: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((ended.code, verdict(&json)), (Some(1), ("miss", "nothing-stored")), "{other}");
        assert_eq!(
            (&json["store"]["other_keys"], &json["store"]["fetch"]["method"]),
            (&json!(1), &json!("QUERY"))
        );
        assert_eq!(json["origin"], Value::Null);
    }
    // Nor by the same content of another type: it says what the content means.
    let (_, text, json) = place.stored("/fresh", &["-X", "QUERY", "-d", r#"{"a":1}"#]);
    assert_eq!((verdict(&json).0, &json["content"]["assumed_type"]), ("miss", &json!(true)));
    assert!(text.contains("application/x-www-form-urlencoded, which curl sends"), "{text}");
    assert_eq!(place.origin.asked(), asked);
}

#[test]
fn content_over_the_limit_goes_past_the_cache() {
    let place = holding("QUERY", "[1,2,3,4]", &["--set", "limits.key_body=8B"]);
    for (limit, expected, cut) in [
        ("limits.key_body=8B", ("bypass", "key-body"), true),
        ("limits.key_body=9B", ("miss", "nothing-stored"), false),
    ] {
        let more = [&QUERY[..], &["--data", "[1,2,3,4]", "--set", limit]].concat();
        let (code, text, json) = place.stored("/fresh", &more);
        assert_eq!((code, verdict(&json)), (Some(1), expected), "{limit}: {text}");
        assert_eq!((&json["content"]["cut"], text.contains("limits.key_body")), (&json!(cut), cut), "{text}");
    }
    let (code, text, json) = place.stored("/fresh", &["-d", "12345", "--set", "limits.request_body=4B"]);
    assert_eq!((code, &json["unrouted"]["status"]), (Some(1), &json!(413)));
    assert!(text.contains("limits.request_body"), "{text}");
}

#[test]
fn a_post_is_looked_up_where_the_route_says_so() {
    let any = ["--set", "cache_post=any"];
    let place = holding("POST", r#"{"q":1}"#, &any);
    let question = ["-H", TYPE, "-d", r#"{"q":1}"#];
    let (code, text, json) = place.stored("/fresh", &[&question[..], &any].concat());
    assert_eq!((code, verdict(&json), &json["method"]), (Some(0), ("hit", ""), &json!("POST")), "{text}");
    let (code, _, json) = place.stored("/fresh", &[&question[..], &["--set", "cache_post=graphql"]].concat());
    assert_eq!((code, verdict(&json)), (Some(1), ("bypass", "not-a-graphql-query")));
    let query = ["-H", TYPE, "-d", r#"{"query":"{ a }"}"#, "--set", "cache_post=graphql"];
    let (_, _, json) = place.stored("/fresh", &query);
    assert_eq!(verdict(&json), ("miss", "nothing-stored"));
}

#[test]
fn what_else_a_post_does_is_told() {
    let place = Place::holding(&[("/fresh", "")]);
    let (code, text, json) = place.stored("/fresh", &["--data", "a=1"]);
    assert_eq!((code, verdict(&json)), (Some(1), ("bypass", "method")), "{text}");
    let fetch = &json["store"]["fetch"];
    assert_eq!((&fetch["invalidates"], &fetch["for_get"]), (&json!(true), &json!(true)));
    assert!(text.contains("RFC 9111 section 4.4") && text.contains("Content-Location"), "{text}");
    assert_eq!(json["store"]["variants"][0]["status"], 200, "what it would remove is shown");
    let (_, _, json) = place.stored("/fresh", &["-X", "OPTIONS"]);
    assert_eq!(json["store"]["fetch"]["invalidates"], false);
    let (_, _, json) = place.stored("/fresh", &["-X", "GET", "--data", "a=1"]);
    assert_eq!((verdict(&json), &json["content"]["keyed"]), (("bypass", "request-body"), &json!(false)));
}

#[test]
fn a_server_is_asked_with_a_query_and_fetches_nothing() {
    let place = holding("QUERY", "[1]", &[]);
    let serving = place.serve(&["--set", "pass.paths=/passed"]);
    let asked = place.origin.asked();
    let ask = |path: &str, content: &str| {
        let via = format!("http://{}{path}", serving.address);
        place.explain(&[&["--json", "--via", &*via, "-d", content], &QUERY[..]].concat())
    };
    let told = |ended: &Ended| serde_json::from_str::<Value>(&ended.stdout).unwrap()["server"].clone();
    let hit = ask("/fresh", "[1]");
    assert_eq!((hit.code, &told(&hit)["hit"]), (Some(0), &json!(true)), "{hit:?}");
    for path in ["/fresh", "/passed"] {
        let miss = ask(path, "[2]");
        assert_eq!((miss.code, &told(&miss)["status"]), (Some(1), &json!(504)), "{path}: {miss:?}");
    }
    assert_eq!(place.origin.asked(), asked);
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    let url = "http://127.0.0.1:1/";
    let long = ["--set", "limits.key_body=1B", "-d", "12"];
    for arguments in [
        &["-X", "QUERY", "--fetch"][..],
        &["-X", "QUERY", "--fetch", "--via", url],
        &["--data", "a=1", "--via", url],
        &["-X", "GET", "--data", "a=1", "--via", url],
        &["-X", "GET", "--data", "a=1", "--fetch"],
        &["--data", "@file"],
        &["--data", "a", "--body", "b"],
        &[&["-X", "QUERY", "--via", url], &long[..]].concat(),
    ] {
        let ended = run(&[&["explain", url], arguments].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
    }
    let ended = run(&["explain", url, "--body", "/nowhere/at/all"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("/nowhere/at/all"), "{ended:?}");
}

/// Whoever sent the POST named a host; what the origin made of that is for those who name the same.
#[test]
fn an_answer_to_post_that_is_kept_for_get_is_found() {
    for (host, others) in [("a.example", false), ("", true)] {
        let place = Place::holding(&[]);
        let authority = place.origin.url.trim_start_matches("http://");
        let named = if host.is_empty() { authority } else { host };
        let serving = place.serve(&[]);
        send(serving.address, named, "POST", "/posted", "1");
        let (status, _, log) = serving.stop();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        let same = format!("Host: {named}");
        let (code, text, json) = place.stored("/posted", &["-H", &same]);
        assert_eq!((code, &json["route"]["for_host"]), (Some(0), &json!(!others)), "{named}: {text}");
        assert_eq!(text.contains("clients that name the same host"), !others, "{text}");
        let (code, text, json) = place.stored("/posted", &["-H", "Host: b.example"]);
        let expected = if others { (Some(0), &json!(0)) } else { (Some(1), &json!(1)) };
        assert_eq!((code, &json["store"]["other_keys"]), expected, "{named}: {text}");
    }
}
