//! What else may be asked: parts, preconditions, languages, equivalent URLs, odd methods and hosts, stores that fail.

use super::{Place, explain_at};
use crate::support::run;
use serde_json::{Value, json};

#[test]
fn the_status_of_the_answer_is_told() {
    let place = Place::holding(&[("/fresh", "")]);
    for (field, answer) in [
        ("X-Any: 1", 200),
        ("Range: bytes=0-2", 206),
        ("Range: bytes=0-1,4-5", 206),
        ("Range: bytes=100-", 416),
        ("If-None-Match: \"f\"", 304),
        ("If-None-Match: \"g\"", 200),
        ("If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT", 304),
    ] {
        let (code, text, json) = place.stored("/fresh", &["-H", field]);
        assert_eq!((code, &json["store"]["answer"]), (Some(0), &json!(answer)), "{field}: {text}");
        assert!(text.contains(&format!("Answer     {answer} ")), "{text}");
    }
    let (code, _, json) = place.stored("/fresh", &["-X", "HEAD"]);
    assert_eq!((code, &json["store"]["answer"]), (Some(0), &json!(200)));
    let (code, _, json) = place.stored("/other", &["-H", "Cache-Control: only-if-cached"]);
    assert_eq!((code, &json["store"]["answer"]), (Some(1), &json!(504)));
}

#[test]
fn a_server_answers_with_the_status_that_is_told() {
    let place = Place::holding(&[("/fresh", "")]);
    let serving = place.serve(&[]);
    let via = format!("http://{}/fresh", serving.address);
    for field in ["X-Any: 1", "Range: bytes=0-2", "Range: bytes=100-", "If-None-Match: \"f\""] {
        let ended = place.explain(&["--json", "--via", &via, "-H", field]);
        let json: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(json["server"]["status"], json["store"]["answer"], "{field}: {json:#}");
    }
}

#[test]
fn credentials_make_a_difference_that_is_told() {
    let place = Place::holding(&[("/fresh", ""), ("/mine", "Cookie: a=1\r\n")]);
    // What came without credentials is for everyone; what comes with them is not (RFC 9111 section 3.5).
    let authorized = ["-H", "Authorization: Bearer x"];
    let (code, ..) = place.stored("/fresh", &authorized);
    assert_eq!(code, Some(0));
    let (code, text, json) = explain_at(&place.url("/fresh"), &authorized);
    assert_eq!((code, &json["origin"]["reason"]), (Some(1), &json!("authorization")), "{text}");
    let (code, text, json) = place.stored("/mine", &["-H", "Cookie: a=2"]);
    let vary = &json["store"]["variants"][0]["vary"];
    assert_eq!(
        (code, vary),
        (Some(1), &json!([{ "name": "cookie", "matches": false, "stored": null }])),
        "{text}"
    );
}

#[test]
fn a_response_for_other_languages_is_told_as_such() {
    let (german, vary) = ("Accept-Language: de, en;q=0.5\r\n", "Accept-Language: de, en\r\n");
    let place = Place::holding(&[("/german", german), ("/vary", vary)]);
    let ask = |path: &str, languages: &str, setting: &str| {
        let field = format!("Accept-Language: {languages}");
        let setting = format!("policy.accept_language={setting}");
        place.stored(path, &["-H", &field, "--set", &setting])
    };
    let (code, text, json) = ask("/vary", "en, de", "unordered");
    assert_eq!((code, &json["store"]["language"]), (Some(0), &json!("same")), "{text}");
    assert!(text.contains("for the same languages in another order"), "{text}");
    let (code, text, json) = ask("/german", "de, fr;q=0.1", "preferred");
    assert_eq!((code, &json["store"]["language"]), (Some(0), &json!("preferred")), "{text}");
    assert!(text.contains("in the language that the request likes best"), "{text}");
    assert_eq!(
        json["store"]["cache_status"].as_str().unwrap().split("; ").last(),
        Some("detail=language-preferred")
    );
    for setting in ["exact", "unordered"] {
        let (code, _, json) = ask("/german", "de, fr;q=0.1", setting);
        assert_eq!((code, &json["store"]["reason"]), (Some(1), &json!("vary-mismatch")), "{setting}");
    }
}

#[test]
fn an_equivalent_url_is_found_by_the_rule_that_was_stated() {
    let place = Place::holding(&[("/search?utm=x&a=1", "")]);
    let (code, text, json) = place.stored("/search?a=1&utm=y", &[]);
    assert_eq!((code, &json["store"]["verdict"]), (Some(0), &json!("hit")), "{text}");
    assert_eq!(json["route"]["equivalent"], place.url("/search?a=1"));
    assert!(text.contains("by No-Vary-Search"), "{text}");
    // By its own key: nothing stands for it.
    let (code, _, json) = place.stored("/search?a=1", &[]);
    assert_eq!((code, &json["route"]["equivalent"]), (Some(0), &Value::Null));
    let (code, _, json) = place.stored("/search?a=2&utm=x", &[]);
    assert_eq!((code, &json["store"]["reason"]), (Some(1), &json!("nothing-stored")));
}

#[test]
fn groups_are_named() {
    let place = Place::holding(&[("/grouped", "")]);
    let (_, text, json) = place.stored("/grouped", &[]);
    assert_eq!(json["store"]["variants"][0]["groups"], json!(["menu"]));
    assert!(text.contains("Groups        menu"), "{text}");
}

#[test]
fn what_serves_where_the_origin_is_slow_is_told() {
    let place = Place::holding(&[("/stale", "")]);
    let (_, text, json) = place.stored("/stale", &["--set", "policy.stale_when_slow.after=2s"]);
    assert_eq!(json["store"]["variants"][0]["if_slow"], "stale-when-slow");
    assert!(
        text.contains("of the origin, for longer than 2s: it serves all the same (stale-when-slow)"),
        "{text}"
    );
    let (_, text, json) = place.stored("/stale", &[]);
    assert!(json["store"]["variants"][0]["if_slow"].is_null() && !text.contains("If slow"), "{text}");
}

#[test]
fn what_is_stored_stands_in_for_an_origin_that_does_not_answer() {
    let Place { origin, dir } = Place::holding(&[("/stale", "")]);
    let url = format!("{}/stale", origin.url);
    drop(origin);
    let (code, text, json) = explain_at(&url, &["--cache-dir", dir.path().to_str().unwrap()]);
    assert_eq!((code, &json["origin"]["instead"]), (Some(0), &json!("stale-unreachable")), "{text}");
    assert!(
        text.contains("does not answer") && text.contains("Instead       what is stored answers"),
        "{text}"
    );
}

#[test]
fn methods_that_are_no_get_are_told_what_becomes_of_them() {
    let place = Place::holding(&[("/fresh", "")]);
    for (method, reason, invalidates) in [
        ("DELETE", "method", true),
        ("BREW", "method", true),
        ("OPTIONS", "method", false),
        ("PROPFIND", "method", false),
    ] {
        let (code, text, json) = place.stored("/fresh", &["-X", method]);
        let store = &json["store"];
        assert_eq!(
            (code, &store["verdict"], &store["reason"]),
            (Some(1), &json!("bypass"), &json!(reason)),
            "{text}"
        );
        assert_eq!(store["fetch"]["invalidates"], json!(invalidates), "{method}");
    }
    let (code, text, json) = place.stored("/fresh", &["-X", "TRACE"]);
    assert_eq!(
        (code, &json["unrouted"]["status"], &json["unrouted"]["kind"]),
        (Some(1), &json!(405), &json!("no-trace"))
    );
    assert!(text.contains("405 Method Not Allowed, by the server itself (no-trace)"), "{text}");
    let (_, _, json) = place.stored("/fresh", &["-X", "OPTIONS", "-H", "Max-Forwards: 0"]);
    assert_eq!(json["unrouted"]["kind"], "options");
}

#[test]
fn a_method_that_goes_past_is_told_without_a_look_at_the_memory_of_a_server() {
    let place = Place::holding(&[]);
    let (_, text, json) = place.stored("/fresh", &["-X", "DELETE", "--store", "memory"]);
    assert_eq!(json["store"]["verdict"], "bypass", "{text}");
}

#[test]
fn names_beyond_ascii_are_sent_as_clients_send_them() {
    let place = Place::holding(&[("/gr%C3%BCn", "")]);
    let (_, _, json) = place.stored("/gr\u{fc}n", &[]);
    assert_eq!(json["route"]["key"]["url"], place.url("/gr%C3%BCn"));
    let ended = run(&["explain", "http://b\u{fc}cher.example/"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("xn--"), "{ended:?}");
    let (_, _, json) = explain_at("http://xn--bcher-kva.example/", &["--no-fetch"]);
    assert_eq!(json["route"]["key"]["url"], "http://xn--bcher-kva.example/");
}

#[test]
fn a_damaged_store_is_told_and_the_story_goes_on() {
    let place = Place::holding(&[("/fresh", "")]);
    let database = place.dir.path().join("millpond.db");
    assert!(database.exists());
    std::fs::write(
        &database,
        b"this is not a database, but noise that is long enough to be one. ".repeat(200),
    )
    .unwrap();
    let ended = place.explain(&["/fresh", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let store = &json["store"];
    assert_eq!(
        (&store["kind"], &store["reason"]),
        (&json!("unreadable"), &json!("nothing-stored")),
        "{json:#}"
    );
    assert!(store["error"].as_str().unwrap().contains("millpond cache verify --repair"), "{json:#}");
    // Like a server, it asks the origin then.
    assert_eq!((ended.code, &json["origin"]["next"]), (Some(0), &json!("hit")));
    let (_, text, _) = place.stored("/fresh", &[]);
    assert!(text.contains("To a server that is as if nothing were stored."), "{text}");
}
