//! `cache warm`.

use super::Pond;
use crate::support::{file, run};

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
fn wrong_use_is_told() {
    let pond = Pond::new();
    assert_eq!(pond.warm("nonsense\n", &[]).code, Some(2));
    let missing = pond.cache(&["warm", "nowhere.txt", "--origin", &pond.origin.url]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("cannot read nowhere.txt"), "{}", missing.stderr);
    let (_dir, list) = file("urls.txt", "/a\n");
    assert_eq!(pond.cache(&["warm", &list]).code, Some(78), "no origin");
    let memory = run(&["cache", "warm", &list, "--origin", &pond.origin.url, "--store", "memory"]);
    assert_eq!(memory.code, Some(78), "{}", memory.stderr);
    assert_eq!(pond.origin.asked(), 0);
}
