//! What is said of a running server.

use super::Place;
use crate::support::{Ended, Serving, run};
use serde_json::Value;

fn via(serving: &Serving, path: &str) -> String {
    format!("http://{}{path}", serving.address)
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

#[test]
fn a_hit_is_explained_beside_what_is_on_disk() {
    let place = Place::holding(&[("/fresh", "")]);
    let serving = place.serve(&[]);
    let asked = place.origin.asked();
    let ended = place.explain(&["--via", &via(&serving, "/fresh")]);
    assert_eq!((ended.code, place.origin.asked()), (Some(0), asked), "{ended:?}");
    for part in [
        "answers 200 with 8 bytes",
        "hit: Answered from the cache, without asking the origin (RFC 9211 section 2.1).",
        "more seconds (RFC 9211 section 2.4).",
        "Verdict    hit",
    ] {
        assert!(ended.stdout.contains(part), "no {part:?} in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("Note"), "{}", ended.stdout);
}

#[test]
fn a_miss_causes_no_fetch_unless_it_may() {
    let place = Place::holding(&[]);
    let serving = place.serve(&[]);
    let asked = place.origin.asked();
    let ended = run(&["explain", "--via", &via(&serving, "/no-store")]);
    assert_eq!((ended.code, place.origin.asked()), (Some(1), asked), "{ended:?}");
    for part in
        ["answers 504", "fwd=uri-miss: Nothing is stored for this URL (RFC 9211 section 2.2).", "--origin"]
    {
        assert!(ended.stdout.contains(part), "no {part:?} in\n{}", ended.stdout);
    }
    let ended = run(&["explain", "--via", &via(&serving, "/no-store"), "--fetch"]);
    assert_eq!((ended.code, place.origin.asked()), (Some(1), asked + 1), "{ended:?}");
    for part in ["fwd-status=200", "detail=no-store: The response says no-store (RFC 9111 section 5.2.2.5)"] {
        assert!(ended.stdout.contains(part), "no {part:?} in\n{}", ended.stdout);
    }
}

#[test]
fn a_server_that_does_not_use_what_is_on_disk_is_pointed_out() {
    let (place, other) = (Place::holding(&[("/fresh", "")]), Place::holding(&[]));
    let serving = other.serve(&[]);
    let ended = place.explain(&["--via", &via(&serving, "/fresh")]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("Note") && ended.stdout.contains("the server did not use"), "{ended:?}");
}

/// What is told of the store is what a server on it does.
#[test]
fn the_store_and_the_server_say_the_same() {
    let place = Place::holding(&[
        ("/fresh", ""),
        ("/stale", ""),
        ("/window", ""),
        ("/vary", "Accept-Language: de\r\n"),
        ("/part", "Range: bytes=0-4\r\n"),
    ]);
    let serving = place.serve(&[]);
    for (path, field) in [
        ("/fresh", "X-Any: 1"),
        ("/fresh", "Cache-Control: no-cache"),
        ("/fresh", "Cache-Control: min-fresh=3600"),
        ("/fresh", "Range: bytes=2-3"),
        ("/stale", "X-Any: 1"),
        ("/stale", "Cache-Control: max-stale"),
        ("/window", "X-Any: 1"),
        ("/vary", "Accept-Language: DE"),
        ("/vary", "Accept-Language: fr"),
        ("/part", "Range: bytes=1-2"),
        ("/part", "Range: bytes=3-7"),
        ("/part", "X-Any: 1"),
        ("/other", "X-Any: 1"),
    ] {
        let ended = place.explain(&["--json", "--via", &via(&serving, path), "-H", field]);
        let json = json(&ended);
        let said = json["server"]["cache_status"][0]["parameters"].as_array().unwrap();
        let said: Vec<String> = said.iter().map(parameter).filter(|said| !said.starts_with("ttl=")).collect();
        let stored = json["store"]["cache_status"].as_str().unwrap().split("; ").skip(1);
        let stored: Vec<&str> = stored.filter(|said| !said.starts_with("ttl=")).collect();
        assert_eq!(said, stored, "{path} {field}: {json:#}");
        assert_eq!(ended.code == Some(0), json["server"]["hit"] == true, "{json:#}");
    }
}

fn parameter(parameter: &Value) -> String {
    let name = parameter["name"].as_str().unwrap();
    parameter["value"].as_str().map_or(name.to_owned(), |value| format!("{name}={value}"))
}

#[test]
fn what_is_no_cache_says_nothing_of_one() {
    let place = Place::holding(&[]);
    let ended = run(&["explain", "--via", &place.url("/fresh")]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("there is no Cache-Status"), "{ended:?}");
    let ended = run(&["explain", "--via", "http://127.0.0.1:1/"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
}

#[test]
fn a_server_is_asked_for_any_url() {
    let place = Place::holding(&[("/fresh", "")]);
    let config = place.dir.path().join("millpond.toml");
    let text = format!(
        "cache_dir = {:?}\n[[route]]\nhost = \"shop.example\"\norigin = \"{}\"\n",
        place.directory(),
        place.origin.url
    );
    std::fs::write(&config, text).unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let serving = Serving::start(&[&["serve", "--listen", "127.0.0.1:0"], &config[..]].concat());
    let server = via(&serving, "");
    let ask = |url: &str| run(&[&["explain", url, "--via", &server, "--json"], &config[..]].concat());
    let found = ask("http://shop.example/fresh");
    assert_eq!((found.code, &json(&found)["server"]["hit"]), (Some(0), &true.into()), "{found:?}");
    let lost = ask("http://other.example/fresh");
    let told = json(&lost);
    assert_eq!((lost.code, &told["server"]["status"]), (Some(1), &421.into()), "{told:#}");
    assert!(told["server"]["problem"].as_str().unwrap().contains("other.example"), "{told:#}");
}
