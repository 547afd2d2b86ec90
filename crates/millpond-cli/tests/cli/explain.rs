//! `millpond explain`: of an origin, of the store on disk, of a running server. And `millpond demo`.

mod content;
mod corners;
mod document;
mod proxy;
mod rules;
mod server;
mod stored;

use crate::origin::{Origin, head};
use crate::support::{Ended, Serving, api, run, stdout_of};
use serde_json::Value;
use tempfile::TempDir;

/// An origin whose paths say what they say about caching, and a cache directory in front of it.
struct Place {
    origin: Origin,
    dir: TempDir,
}

/// Paths of the origin. An Age beyond the lifetime makes a response stale on arrival.
const PAGES: &[(&str, &[(&str, &str)])] = &[
    ("/fresh", &[("Cache-Control", "max-age=600"), ("Cache-Tag", "product-7, red"), ("ETag", "\"f\"")]),
    ("/stale", &[("Cache-Control", "max-age=60"), ("Age", "300"), ("ETag", "\"v1\"")]),
    ("/window", &[("Cache-Control", "max-age=60, stale-while-revalidate=600"), ("Age", "100")]),
    ("/vary", &[("Cache-Control", "max-age=600"), ("Vary", "Accept-Language")]),
    ("/mine", &[("Cache-Control", "max-age=600"), ("Vary", "Cookie")]),
    ("/german", &[("Cache-Control", "max-age=600"), ("Vary", "Accept-Language"), ("Content-Language", "de")]),
    ("/search", &[("Cache-Control", "max-age=600"), ("No-Vary-Search", "params=(\"utm\")")]),
    ("/posted", &[("Cache-Control", "max-age=600"), ("Content-Location", "/posted")]),
    ("/grouped", &[("Cache-Control", "max-age=600"), ("Cache-Groups", "\"menu\"")]),
    ("/no-store", &[("Cache-Control", "no-store")]),
    ("/private", &[("Cache-Control", "private, max-age=60")]),
    ("/plain", &[]),
];

impl Place {
    /// Has these paths stored, each fetched once with these field lines, and the server ended.
    fn holding(paths: &[(&str, &str)]) -> Self {
        let origin = Origin::start(|request, _| {
            let path = request.path_and_query.split('?').next().unwrap_or_default();
            if path == "/part" && request.fields.contains("range") {
                let fields =
                    [("Cache-Control", "max-age=600"), ("ETag", "\"p\""), ("Content-Range", "bytes 0-4/10")];
                return (head(206, &fields), b"01234".to_vec());
            }
            let fields = PAGES.iter().find(|(page, _)| *page == path).map_or(&[][..], |(_, fields)| fields);
            (head(200, fields), b"content\n".to_vec())
        });
        let place = Self { origin, dir: tempfile::tempdir().unwrap() };
        let serving = place.serve(&[]);
        for (path, fields) in paths {
            assert_eq!(serving.get_with(path, fields).field("x-cache"), "MISS", "{path}");
        }
        let (status, _, log) = serving.stop();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        place
    }

    fn directory(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin.url)
    }

    fn serve(&self, more: &[&str]) -> Serving {
        let arguments = ["serve", "--origin", &self.origin.url, "--listen", "127.0.0.1:0"];
        Serving::start(&[&arguments[..], &["--cache-dir", self.directory()], more].concat())
    }

    /// Explains with the settings of the server.
    fn explain(&self, arguments: &[&str]) -> Ended {
        let settings = ["explain", "--origin", &self.origin.url, "--cache-dir", self.directory()];
        run(&[&settings[..], arguments].concat())
    }

    /// What is said of the store alone: the exit code, the text, and the JSON.
    fn stored(&self, path: &str, more: &[&str]) -> (Option<i32>, String, Value) {
        let url = self.url(path);
        let arguments = [&[&*url, "--no-fetch"], more].concat();
        let text = self.explain(&arguments);
        let json = self.explain(&[&arguments[..], &["--json"]].concat());
        assert_eq!(text.code, json.code, "{text:?}");
        (text.code, text.stdout, serde_json::from_str(&json.stdout).unwrap())
    }
}

/// What is said of a URL of which nothing is stored.
fn explain(path: &str, more: &[&str]) -> (Option<i32>, String, Value) {
    let origin = api();
    explain_at(&format!("{}{path}", origin.url), more)
}

/// The exit code, the text, and the JSON.
fn explain_at(url: &str, more: &[&str]) -> (Option<i32>, String, Value) {
    let text = run(&[&["explain", url], more].concat());
    let json = run(&[&["explain", url, "--json"], more].concat());
    assert_eq!(text.code, json.code, "{text:?}");
    (text.code, text.stdout, serde_json::from_str(&json.stdout).unwrap())
}

#[test]
fn a_fresh_response_is_a_hit_for_the_next_request() {
    let (code, text, json) = explain("/fresh", &[]);
    assert!(text.contains("answers 200 with 9 bytes") && text.contains("fresh for 60 s"), "{text}");
    assert!(text.contains("Next request  hit. "), "{text}");
    let origin = &json["origin"];
    assert_eq!(
        (&origin["stored"], &origin["fresh_for"], &origin["next"]),
        (&true.into(), &60.into(), &"hit".into())
    );
    assert_eq!((code, &json["store"]["kind"], &json["hit"]), (Some(0), &"missing".into(), &true.into()));
}

#[test]
fn a_refusal_has_its_reason_and_the_option_that_overrides_it() {
    for (path, reason, option) in [
        ("/no-store", "no-store", "--force-cache 60s"),
        ("/private", "private", "--force-cache 60s"),
        ("/plain", "no-freshness", "--default-ttl 60s"),
    ] {
        let (code, text, json) = explain(path, &[]);
        assert!(text.contains("Next request  refused"), "{text}");
        let origin = &json["origin"];
        assert_eq!((&origin["stored"], &origin["reason"]), (&false.into(), &reason.into()));
        assert!(text.contains(origin["explanation"].as_str().unwrap()), "{text}");
        assert_eq!((code, &origin["changed_by"][0]), (Some(1), &option.into()), "{json:#}");
        // And that is so.
        let options: Vec<&str> = option.split(' ').collect();
        let (code, _, json) = explain(path, &options);
        assert_eq!((code, &json["origin"]["next"]), (Some(0), &"hit".into()), "{path}: {json:#}");
    }
}

#[test]
fn what_it_varies_on_is_named() {
    let (_, text, json) = explain("/vary", &["--field", "Accept-Language: de"]);
    assert!(text.contains("Varies on     accept-language\n"), "{text}");
    assert_eq!(json["origin"]["vary"], serde_json::json!(["accept-language"]));
}

#[test]
fn an_origin_that_does_not_answer_is_told() {
    let (code, text, json) = explain_at("http://127.0.0.1:1/", &[]);
    assert_eq!((code, &json["origin"]["refused"]), (Some(1), &false.into()), "{json:#}");
    assert!(json["origin"]["error"].as_str().unwrap().contains("127.0.0.1:1"), "{json:#}");
    assert!(text.contains("Origin     does not answer: http://127.0.0.1:1"), "{text}");
}

#[test]
fn what_makes_no_request_is_wrong_usage() {
    let url = "http://127.0.0.1:1/";
    for arguments in [
        &["explain", "not a url"][..],
        &["explain"],
        &["explain", url, "--field", "nonsense"],
        &["explain", url, "--method", "PO ST"],
        &["explain", url, "--method", "POST", "--fetch"],
        &["explain", url, "--method", "POST", "--via", url],
        &["explain", url, "--via", "localhost:3000"],
        &["explain", "/path", "--proxy"],
        &["explain", url, "--proxy", "-X", "CONNECT"],
        &["explain", url, "--proxy", "--origin", url],
        &["explain", "--via", url, "--proxy"],
    ] {
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
