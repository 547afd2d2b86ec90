//! `millpond explain`, and `millpond demo`.

use crate::support::{Serving, api, run, stdout_of};
use serde_json::Value;

fn explain(path: &str, more: &[&str]) -> (String, Value) {
    let origin = api();
    let url = format!("{}{path}", origin.url);
    let text = stdout_of(&[&["explain", &url], more].concat());
    let json = stdout_of(&[&["explain", &url, "--json"], more].concat());
    (text, serde_json::from_str(&json).unwrap())
}

#[test]
fn a_fresh_response_is_a_hit() {
    let (text, json) = explain("/fresh", &[]);
    assert!(text.contains("answers 200 with 9 bytes") && text.contains("fresh for 60 s"), "{text}");
    assert!(text.contains("Next request: hit"), "{text}");
    assert_eq!(
        (&json["stored"], &json["fresh_for"], &json["next"]),
        (&true.into(), &60.into(), &"hit".into())
    );
}

#[test]
fn a_refusal_has_its_reason() {
    for (path, reason) in [("/no-store", "no-store"), ("/private", "private"), ("/plain", "no-freshness")] {
        let (text, json) = explain(path, &[]);
        assert!(text.contains("Stored: no.") && text.contains("Next request: refused."), "{text}");
        assert_eq!((&json["stored"], &json["reason"]), (&false.into(), &reason.into()));
        assert!(text.contains(json["explanation"].as_str().unwrap()), "{text}");
    }
}

#[test]
fn an_option_that_would_help_is_named_and_helps() {
    let (text, _) = explain("/plain", &[]);
    assert!(text.contains("--default-ttl 60s"), "{text}");
    let (text, json) = explain("/plain", &["--default-ttl", "60s"]);
    assert!(text.contains("Next request: hit"), "{text}");
    assert_eq!(json["fresh_for"], 60);
}

#[test]
fn what_it_varies_on_is_named() {
    let (text, json) = explain("/vary", &["--field", "Accept-Language: de"]);
    assert!(text.to_lowercase().contains("varies on: accept-language."), "{text}");
    assert_eq!(json["vary"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_fetched_is_an_error() {
    let ended = run(&["explain", "http://127.0.0.1:1/"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
    for arguments in
        [&["explain", "not a url"][..], &["explain", "http://127.0.0.1:1/", "--field", "nonsense"]]
    {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn the_demo_shows_every_outcome() {
    let shown = stdout_of(&["demo", "--once", "--listen", "127.0.0.1:0"]);
    let mut lines = shown.lines();
    assert!(lines.next().unwrap().starts_with("listening on http://127.0.0.1:"));
    let rows: Vec<&str> = lines.filter(|line| line.starts_with('/')).collect();
    let expected = [
        "MISS  millpond; fwd=uri-miss; fwd-status=200; stored",
        "HIT   millpond; hit; ttl=",
        "HIT   millpond; hit; ttl=-",
        "HIT   millpond; hit; ttl=",
        "MISS  millpond; fwd=uri-miss; fwd-status=200; stored",
        "HIT   millpond; fwd=stale; fwd-status=304",
    ];
    assert_eq!(rows.len(), expected.len(), "{shown}");
    for (row, expected) in rows.iter().zip(expected) {
        assert!(row.contains(expected), "no {expected:?} in {row:?}");
    }
}

#[test]
fn the_demo_stays_up_until_it_is_stopped() {
    let mut serving = Serving::start(&["demo", "--listen", "127.0.0.1:0"]);
    while !serving.next_line().contains("Ctrl-C ends it") {}
    assert_eq!(serving.get("/menu").field("x-cache"), "HIT");
    let (status, rest, log) = serving.stop();
    assert_eq!((status.code(), &*rest), (Some(0), ""), "{log:#?}");
}
