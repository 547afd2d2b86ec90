//! `millpond serve` and the short form.

use crate::origin::{Origin, head};
use crate::support::{Reply, Serving, api, run};
use rustix::process::Signal;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::channel;

const HINT: &str = "--default-ttl 60s";

/// `serve` in front of `origin`, with more arguments.
fn serve(origin: &Origin, more: &[&str]) -> Serving {
    Serving::start(&[&["serve", "--origin", &origin.url, "--listen", "127.0.0.1:0"], more].concat())
}

#[test]
fn the_short_form_keeps_what_says_nothing_of_caching() {
    let origin = api();
    let serving = Serving::start(&["--port", "0", "--origin", &origin.url]);
    assert_eq!(serving.get("/plain").field("x-cache"), "MISS");
    let second = serving.get("/plain");
    assert_eq!((second.field("x-cache"), &*second.body), ("HIT", "answer 1\n"));
    for path in ["/no-store", "/private"] {
        assert_eq!(serving.get(path).field("x-cache"), "MISS", "{path}");
        assert_eq!(
            serving.get(path).field("x-cache"),
            "MISS",
            "{path}: what the origin forbids stays forbidden"
        );
    }
}

#[test]
fn the_short_form_takes_a_lifetime() {
    let origin = api();
    let serving = Serving::start(&["--port", "0", "--origin", &origin.url, "--cache-ttl", "1000h"]);
    serving.get("/plain");
    let second = serving.get("/plain");
    let (cache, status) = second.told();
    assert_eq!(cache, "HIT");
    let ttl: u64 = status.strip_prefix("millpond; hit; ttl=").unwrap().parse().unwrap();
    assert!((3_599_000..=3_600_000).contains(&ttl), "{status}");
}

#[test]
fn plain_serve_misses_and_says_why_once() {
    let origin = api();
    let serving = serve(&origin, &[]);
    for _ in 0..3 {
        let told = serving.get("/plain");
        assert_eq!(told.told(), ("MISS", "millpond; fwd=uri-miss; fwd-status=200; detail=no-freshness"));
    }
    let (_, _, log) = serving.stop();
    assert_eq!(log.iter().filter(|line| line.contains(HINT)).count(), 1, "{log:#?}");
}

#[test]
fn an_error_is_no_occasion_for_the_hint() {
    let origin = Origin::start(|request, _| {
        let status = if request.path_and_query == "/favicon.ico" { 404 } else { 200 };
        (head(status, &[]), b"x".to_vec())
    });
    for (pages, hints) in [(0, 0), (2, 1)] {
        let serving = serve(&origin, &[]);
        let missing = serving.get("/favicon.ico");
        assert_eq!(missing.told(), ("MISS", "millpond; fwd=uri-miss; fwd-status=404; detail=no-freshness"));
        (0..pages).for_each(|_| drop(serving.get("/page")));
        let (_, _, log) = serving.stop();
        let said = log.iter().filter(|line| line.contains(HINT)).count();
        assert_eq!(said, hints, "after {pages} pages: {log:#?}");
    }
}

#[test]
fn a_default_lifetime_makes_it_hit_and_ends_the_hint() {
    let origin = api();
    let serving = serve(&origin, &["--default-ttl", "60s"]);
    assert_eq!(serving.get("/plain").field("x-cache"), "MISS");
    assert_eq!(serving.get("/plain").field("x-cache"), "HIT");
    let (_, _, log) = serving.stop();
    assert!(log.iter().all(|line| !line.contains(HINT)), "{log:#?}");
}

#[test]
fn standard_output_has_the_address_and_nothing_else() {
    let origin = api();
    let serving = serve(&origin, &["--log-level", "trace"]);
    serving.get("/fresh");
    let (status, rest, log) = serving.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(rest, "");
    assert!(log.iter().any(|line| line.contains("\"GET /fresh\" 200")), "{log:#?}");
    assert!(log.iter().all(|line| !line.contains('\x1b')), "colours in a pipe: {log:#?}");
}

#[test]
fn sigterm_lets_requests_in_flight_finish() {
    let (arrived, arrivals) = channel();
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let origin = Origin::start(move |_, _| {
        arrived.send(()).unwrap();
        gone.lock().unwrap().recv().unwrap();
        (head(200, &[]), b"worth waiting for".to_vec())
    });
    let mut serving = serve(&origin, &[]);
    let asked = Reply::ask(serving.address, "/slow");
    arrivals.recv().unwrap();
    serving.signal(Signal::TERM);
    serving.wait_for("stopping");
    go.send(()).unwrap();
    assert_eq!(Reply::read(asked).body, "worth waiting for");
    let (status, _, log) = serving.stop();
    assert_eq!(status.code(), Some(0), "{log:#?}");
}

#[test]
fn a_server_may_be_stopped_as_soon_as_it_is_announced() {
    let origin = api();
    for _ in 0..5 {
        let (status, _, log) = serve(&origin, &[]).stop();
        assert_eq!(status.code(), Some(0), "{log:#?}");
    }
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&["serve", "--origin", "http://127.0.0.1:9", "--listen", &address]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    for part in [address.as_str(), "another program listens there", "--listen"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
    let ended =
        run(&["--origin", "http://127.0.0.1:9", "--port", &taken.local_addr().unwrap().port().to_string()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--port"), "{}", ended.stderr);
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in
        [&["serve", "--orgin", "x"][..], &["--port", "3000"], &["bogus"], &[], &["serve", "--set", "x"]]
    {
        let ended = run(arguments);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    assert!(run(&["serve", "--orgin", "x"]).stderr.contains("--origin"), "a near miss is guessed");
}

#[test]
fn a_wrong_configuration_ends_with_78() {
    let ended = run(&["serve", "--origin", "ftp://example.com", "--default-ttl", "soon"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(78), ""));
    for part in ["--origin", "--default-ttl"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    let ended = run(&["serve"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("--origin https://example.com"), "{}", ended.stderr);
    let ended = run(&["serve", "--config", "nowhere.toml"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("nowhere.toml"), "{}", ended.stderr);
}

#[test]
fn the_environment_and_the_env_file_count() {
    let origin = api();
    let variables = [("MILLPOND_ORIGIN", &*origin.url), ("MILLPOND_LISTEN", "127.0.0.1:0")];
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "MILLPOND_POLICY__DEFAULT_TTL=60s\n").unwrap();
    let serving = Serving::start_in(dir, &["serve"], &variables);
    serving.get("/plain");
    assert_eq!(serving.get("/plain").field("x-cache"), "HIT");
}

#[test]
fn the_access_log_goes_to_a_file_as_text() {
    let origin = api();
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["serve", "--origin", &origin.url, "--listen", "127.0.0.1:0"];
    // Each worker writes its own lines in their order.
    let log = ["--access-log", "access.log", "--no-access-log-console", "--workers", "1"];
    let mut serving = Serving::start_in(dir, &[&arguments[..], &log].concat(), &[]);
    serving.get("/fresh?q=1&token=hush");
    let id = serving.get("/fresh?q=1&token=hush").field("x-request-id").to_owned();
    let dir = std::mem::replace(&mut serving.dir, tempfile::tempdir().unwrap());
    let (_, _, console) = serving.stop();
    let text = std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("\"GET /fresh?q=1&token=[redacted]\" 200 9 miss - "), "{text}");
    assert!(lines[1].contains("\" 200 9 hit - ") && lines[1].ends_with(&id), "{text}");
    assert!(console.iter().all(|line| !line.contains("GET /fresh")), "{console:#?}");
}

#[test]
fn the_access_log_goes_to_the_console_as_json() {
    let origin = api();
    let mut serving = serve(&origin, &["--access-log-format", "json"]);
    serving.get("/no-store");
    let line: serde_json::Value = serde_json::from_str(&serving.wait_for("/no-store")).unwrap();
    assert_eq!(line["method"], "GET");
    assert_eq!(line["target"], "/no-store");
    assert_eq!(line["status"], 200);
    assert_eq!(line["cache"], "miss");
    assert_eq!(line["reason"], "no-store");
    assert_eq!(line["complete"], true);
}

#[test]
fn sigusr1_logs_the_counters() {
    let origin = api();
    let mut serving = serve(&origin, &[]);
    serving.get("/fresh");
    serving.get("/fresh");
    serving.signal(Signal::USR1);
    let line = serving.wait_for("counters");
    assert!(line.contains("hits=1") && line.contains("origin_requests=1"), "{line}");
}

#[test]
fn the_log_may_be_json() {
    let origin = api();
    let mut serving = serve(&origin, &["--set", "log.format=json"]);
    let line: serde_json::Value = serde_json::from_str(&serving.wait_for("serving")).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"]["origin"], origin.url);
}
