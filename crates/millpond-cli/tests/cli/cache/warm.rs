//! `cache warm`.

use super::Pond;
use crate::support::{file, run};
use std::fs;

impl Pond {
    fn warm(&self, list: &str, more: &[&str]) -> crate::support::Ended {
        let (_dir, path) = file("urls.txt", list);
        self.cache(&[&["warm", &path, "--origin", &self.origin.url], more].concat())
    }
}

#[test]
fn urls_and_paths_are_fetched_into_the_cache() {
    let pond = Pond::new();
    let list = format!("# first the pages\n/a\n\n{}\n  /img/1  \n{}\n", pond.url("/b"), pond.url("/large"));
    let ended = pond.warm(&list, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "Fetched 4, already fresh 0, not kept 0, failed 0.\n");
    assert_eq!(pond.listed(&[]), ["/a", "/b", "/img/1", "/large"]);
    let again = pond.warm(&list, &["--concurrency", "1"]);
    assert_eq!(again.stdout, "Fetched 0, already fresh 4, not kept 0, failed 0.\n", "{again:?}");
    assert_eq!(pond.origin.asked(), 4);
    let serving = pond.serve(&[]);
    assert_eq!(serving.get("/a").field("x-cache"), "HIT");
}

#[test]
fn what_cannot_be_fetched_or_kept_is_named() {
    let pond = Pond::new();
    let ended = pond.warm("/a\n/missing\n/plain\n", &["--json"]);
    assert_eq!(ended.code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json, serde_json::json!({ "fetched": 1, "fresh": 0, "not_kept": 1, "failed": 1 }));
    assert!(ended.stderr.contains("/missing: answered 404"), "{}", ended.stderr);
    let why = "/plain: fetched, but not kept: millpond; fwd=uri-miss; fwd-status=200; detail=no-freshness";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert_eq!(pond.listed(&[]), ["/a"]);
    let kept = pond.warm("/plain\n", &["--default-ttl", "60s"]);
    assert_eq!(kept.stdout, "Fetched 1, already fresh 0, not kept 0, failed 0.\n", "{kept:?}");
}

#[test]
fn routes_take_the_urls_of_their_origins() {
    let pond = Pond::new();
    let text = format!(
        "[[route]]\nhost = \"img.example\"\npath_prefix = \"/pictures\"\nstrip_prefix = true\norigin = \"{}\"\n",
        pond.url("/img")
    );
    let (_dir, config) = file("millpond.toml", &text);
    let (_list_dir, list) =
        file("urls.txt", &format!("{}\nhttp://img.example/pictures/2\n", pond.url("/img/1")));
    let ended = pond.cache(&["warm", &list, "--config", &config]);
    assert_eq!(ended.stdout, "Fetched 2, already fresh 0, not kept 0, failed 0.\n", "{ended:?}");
    assert_eq!(pond.listed(&[]), ["/img/1", "/img/2"]);
}

#[test]
fn lines_that_ask_for_nothing_of_the_origin_are_told_and_the_others_fetched() {
    let pond = Pond::new();
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("urls.txt");
    fs::write(&list, b"http://other.example/a\n\n/\xff\n/b\nhttps://other.example:1/b\n").unwrap();
    let ended = pond.cache(&["warm", list.to_str().unwrap(), "--origin", &pond.origin.url]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "Fetched 1, already fresh 0, not kept 0, failed 3.\n");
    for part in [
        "line 1 is left out: http://other.example/a: it is a URL of no origin",
        "line 3 is left out: it is not UTF-8",
        "line 5 is left out: https://other.example:1/b: ",
    ] {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
    assert_eq!((pond.listed(&[]), pond.origin.asked()), (vec!["/b".to_owned()], 1));
}

/// A client has the last byte of a body a moment before the store has it: that is no reason to say that it was not kept, nor to
/// ask the origin again.
#[test]
fn what_the_store_has_taken_is_counted_as_such() {
    let pond = Pond::new();
    let paths: Vec<String> = (10..40).map(|number| format!("/large?{number}")).collect();
    let ended = pond.warm(&paths.join("\n"), &["--concurrency", "8"]);
    assert_eq!(ended.stdout, "Fetched 30, already fresh 0, not kept 0, failed 0.\n", "{ended:?}");
    assert_eq!((pond.listed(&[]), pond.origin.asked()), (paths, 30));
}

/// `stored` in the head of an answer is a promise: what counts is what the cache has in the end.
#[test]
fn what_was_not_kept_is_not_counted_as_fetched() {
    let pond = Pond::new();
    let paths: Vec<String> = (10..40).map(|number| format!("/a?{number}")).collect();
    let ended = pond.warm(&paths.join("\n"), &["--json", "--set", "disk.max_entries=10"]);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let kept = pond.listed(&[]).len();
    assert!(kept < 30, "{kept}");
    assert_eq!((&json["fetched"], &json["not_kept"]), (&kept.into(), &(30 - kept).into()), "{ended:?}");
    assert!(ended.stderr.contains("the store did not take it"), "{}", ended.stderr);
}

#[test]
fn wrong_use_is_told() {
    let pond = Pond::new();
    let nonsense = pond.warm("nonsense\n", &[]);
    assert_eq!(
        (nonsense.code, &*nonsense.stdout),
        (Some(1), "Fetched 0, already fresh 0, not kept 0, failed 1.\n")
    );
    let missing = pond.cache(&["warm", "nowhere.txt", "--origin", &pond.origin.url]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("cannot read nowhere.txt"), "{}", missing.stderr);
    let (_dir, list) = file("urls.txt", "/a\n");
    assert_eq!(pond.cache(&["warm", &list]).code, Some(78), "no origin");
    let memory = run(&["cache", "warm", &list, "--origin", &pond.origin.url, "--store", "memory"]);
    assert_eq!(memory.code, Some(78), "{}", memory.stderr);
    assert_eq!(pond.origin.asked(), 0);
}
