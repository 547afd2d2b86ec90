//! What is said of the store on disk.

use super::Place;
use crate::support::run;
use serde_json::{Value, json};

/// The verdict on the store, with its reason.
fn verdict(json: &Value) -> (&str, &str) {
    let store = &json["store"];
    (store["verdict"].as_str().unwrap(), store["reason"].as_str().unwrap_or_default())
}

fn changed_by(json: &Value) -> Vec<&str> {
    json["store"]["changed_by"].as_array().unwrap().iter().map(|option| option.as_str().unwrap()).collect()
}

#[test]
fn a_fresh_response_answers_and_nobody_is_asked() {
    let place = Place::holding(&[("/fresh", "")]);
    let asked = place.origin.asked();
    let ended = place.explain(&[&place.url("/fresh")]);
    assert_eq!((ended.code, place.origin.asked()), (Some(0), asked), "{ended:?}");
    let (code, text, json) = place.stored("/fresh", &[]);
    assert_eq!((code, verdict(&json)), (Some(0), ("hit", "")));
    for part in ["fresh for 600 s (max-age, RFC 9111 section 5.2.2.1)", "product-7, red", "by the standards"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(text.contains(&format!("Key        GET {}", place.url("/fresh"))), "{text}");
    let found = &json["store"]["variants"][0];
    assert_eq!((&found["basis"], &found["fresh_for"]), (&"max-age".into(), &600.into()));
    assert_eq!((&found["when_stale"], &found["validators"]), (&"validate".into(), &json!(["ETag"])));
    assert!(found["ttl"].as_i64().unwrap() > 0 && json["store"]["fetch"].is_null(), "{json:#}");
    // The URL by which clients know it is as good.
    let ended = place.explain(&["http://cache.example:3000/fresh", "--no-fetch"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(place.explain(&["/fresh", "--no-fetch"]).code, Some(0));
}

#[test]
fn a_stale_response_is_validated_with_its_tag() {
    let place = Place::holding(&[("/stale", "")]);
    let (code, text, json) = place.stored("/stale", &[]);
    assert_eq!((code, verdict(&json)), (Some(1), ("validate", "stale")), "{text}");
    let fetch = &json["store"]["fetch"];
    assert_eq!(fetch["fields"], json!([["If-None-Match", "\"v1\""]]));
    assert_eq!((&fetch["why"], &fetch["url"]), (&"stale".into(), &place.url("/stale").into()));
    assert!(text.contains("If-None-Match: \"v1\"") && text.contains("stale since"), "{text}");
    assert_eq!(json["store"]["variants"][0]["if_unreachable"], "stale-unreachable");
    assert_eq!(json["store"]["variants"][0]["if_503"], Value::Null);
}

#[test]
fn an_option_that_is_named_makes_it_answer() {
    let place = Place::holding(&[("/stale", "")]);
    let (_, _, json) = place.stored("/stale", &[]);
    let options = changed_by(&json);
    assert_eq!(
        options,
        ["--set policy.stale_while_revalidate=600s", "--force-cache 600s", "--offline"],
        "{json:#}"
    );
    for option in &options[..2] {
        let words: Vec<&str> = option.split(' ').collect();
        let (code, text, json) = place.stored("/stale", &words);
        assert_eq!((code, &json["hit"]), (Some(0), &true.into()), "{option}: {text}");
    }
    let (_, _, json) = place.stored("/stale", &["--set", "policy.stale_while_revalidate=30s"]);
    assert_eq!(verdict(&json).0, "validate", "a window that is too short does not help");
    let (code, _, json) = place.stored("/stale", &["--set", "offline=true"]);
    assert_eq!((code, verdict(&json)), (Some(0), ("stale", "stale-offline")));
}

#[test]
fn a_response_in_its_stale_window_answers() {
    let place = Place::holding(&[("/window", "")]);
    let (code, text, json) = place.stored("/window", &[]);
    assert_eq!((code, verdict(&json)), (Some(0), ("stale", "stale-while-revalidate")));
    assert!(text.contains("600 s past its lifetime, as the response says"), "{text}");
    assert!(text.contains("asked behind the answer"), "{text}");
}

#[test]
fn another_value_of_what_it_varies_on_selects_nothing() {
    let place = Place::holding(&[("/vary", "Accept-Language: de\r\n")]);
    let (code, _, json) = place.stored("/vary", &["-H", "Accept-Language: de"]);
    assert_eq!((code, verdict(&json).0), (Some(0), "hit"));
    let (code, text, json) = place.stored("/vary", &["-H", "Accept-Language: fr"]);
    assert_eq!((code, verdict(&json)), (Some(1), ("miss", "vary-mismatch")));
    assert_eq!(
        json["store"]["variants"][0]["vary"],
        json!([{ "name": "accept-language", "matches": false, "stored": "de" }])
    );
    assert!(text.contains("accept-language: the request has another, stored for \"de\""), "{text}");
    assert_eq!(json["store"]["cache_status"], "millpond; fwd=vary-miss");
}

#[test]
fn a_soft_purge_is_told() {
    let place = Place::holding(&[("/fresh", "")]);
    let purged = ["cache", "purge", "--all", "--soft", "--cache-dir", place.directory()];
    assert_eq!(run(&purged).code, Some(0));
    let (code, text, json) = place.stored("/fresh", &[]);
    assert_eq!((code, verdict(&json)), (Some(1), ("validate", "soft-purged")));
    assert!(text.contains("marked stale by a soft purge"), "{text}");
    assert_eq!(json["store"]["variants"][0]["soft_purged"], true);
}

#[test]
fn a_pass_rule_is_named() {
    let place = Place::holding(&[("/fresh", "")]);
    let config = place.dir.path().join("millpond.toml");
    std::fs::write(&config, "[pass]\npaths = [\"/fresh\"]\ncookies = [\"session\"]\n").unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let (code, text, json) = place.stored("/fresh", &config);
    assert_eq!((code, verdict(&json)), (Some(1), ("bypass", "pass-path")));
    assert!(text.contains("`pass.paths`"), "{text}");
    assert_eq!(
        (&json["route"]["pass"], &json["store"]["fetch"]["past"]),
        (&"pass-path".into(), &true.into())
    );
    let asked = place.origin.asked();
    let ended = place.explain(&[&["/fresh"], &config[..]].concat());
    assert_eq!((ended.code, place.origin.asked()), (Some(1), asked), "nothing could be kept: {ended:?}");
    let (_, _, json) = place.stored("/vary", &[&config[..], &["-H", "Cookie: session=1"]].concat());
    assert_eq!(verdict(&json), ("bypass", "pass-cookie"));
}

#[test]
fn what_the_request_says_is_the_reason() {
    let place = Place::holding(&[("/fresh", "")]);
    for (field, word, reason, option) in [
        ("Cache-Control: no-cache", "validate", "request-no-cache", "--set policy.ignore_client_reload=true"),
        ("Cache-Control: max-age=0", "validate", "request-max-age", "--set policy.ignore_client_reload=true"),
        ("If-Match: \"f\"", "bypass", "precondition", ""),
    ] {
        let (code, text, json) = place.stored("/fresh", &["-H", field]);
        assert_eq!((code, verdict(&json)), (Some(1), (word, reason)), "{text}");
        assert_eq!(changed_by(&json).first().copied().unwrap_or_default(), option, "{field}: {text}");
    }
    let (code, _, json) = place.stored("/fresh", &["-X", "POST"]);
    assert_eq!((code, verdict(&json)), (Some(1), ("bypass", "method")));
    let (code, text, json) = place.stored("/other", &["-H", "Cache-Control: only-if-cached"]);
    assert_eq!((code, verdict(&json)), (Some(1), ("refused", "nothing-stored")));
    assert!(text.contains("the answer is 504"), "{text}");
}

#[test]
fn a_stored_part_answers_for_its_bytes_and_is_completed() {
    let place = Place::holding(&[("/part", "Range: bytes=0-4\r\n")]);
    let (code, text, json) = place.stored("/part", &["-H", "Range: bytes=1-3"]);
    assert_eq!((code, verdict(&json).0), (Some(0), "hit"), "{text}");
    assert!(text.contains("bytes 0 to 4 of 10"), "{text}");
    let (code, text, json) = place.stored("/part", &[]);
    assert_eq!((code, verdict(&json).0), (Some(1), "miss"), "{text}");
    let fetch = &json["store"]["fetch"];
    assert_eq!(fetch["fields"], json!([["Range", "bytes=5-"], ["If-Range", "\"p\""]]));
    assert_eq!((&fetch["why"], &fetch["conditional"]), (&"partial".into(), &false.into()));
}

#[test]
fn an_origin_is_asked_where_the_store_does_not_answer() {
    let place = Place::holding(&[("/fresh", "")]);
    let ended = place.explain(&["/private", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(verdict(&json), ("miss", "nothing-stored"));
    assert_eq!((ended.code, &json["origin"]["reason"]), (Some(1), &"private".into()));
    let asked = place.origin.asked();
    let ended = place.explain(&["/fresh", "--fetch", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((place.origin.asked(), &json["origin"]["status"]), (asked + 1, &200.into()));
    // Nothing of it is stored.
    let (_, _, json) = place.stored("/private", &["--force-cache", "60s"]);
    assert_eq!(verdict(&json), ("miss", "nothing-stored"));
}

#[test]
fn a_request_that_no_route_takes_is_refused() {
    let place = Place::holding(&[]);
    let config = place.dir.path().join("millpond.toml");
    let text = format!("[[route]]\nhost = \"shop.example\"\norigin = \"{}\"\n", place.origin.url);
    std::fs::write(&config, text).unwrap();
    let explain =
        |url: &str| run(&["explain", url, "--no-fetch", "--json", "--config", config.to_str().unwrap()]);
    let ended = explain("http://other.example/fresh");
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &json["unrouted"]["status"]), (Some(1), &421.into()), "{json:#}");
    let json: Value = serde_json::from_str(&explain("http://shop.example/fresh").stdout).unwrap();
    assert_eq!(json["route"]["key"]["url"], place.url("/fresh"));
}

#[test]
fn secrets_of_a_request_are_not_told() {
    let place = Place::holding(&[("/mine", "Cookie: session=hush\r\n")]);
    let credentials =
        ["-H", "Cookie: session=hush", "-H", "Authorization: Bearer hush", "-H", "X-Api-Key: hush"];
    for path in ["/mine", "/fresh", "/plain"] {
        for format in [&[][..], &["--json"]] {
            for fetch in ["--no-fetch", "--fetch"] {
                let ended = place.explain(&[&[path, fetch], &credentials[..], format].concat());
                assert!(!ended.stdout.is_empty(), "{ended:?}");
                assert!(!ended.stdout.contains("hush") && !ended.stderr.contains("hush"), "{ended:?}");
            }
        }
    }
    let (code, text, _) = place.stored("/mine", &["-H", "Cookie: session=hush"]);
    assert!(code == Some(0) && text.contains("cookie: the request has the same\n"), "{text}");
    for line in ["Authorization hush", "Bad Name: hush", "Cookie: hush\u{1}"] {
        let ended = place.explain(&["/mine", "-H", line]);
        assert_eq!(ended.code, Some(2));
        assert!(!ended.stderr.contains("hush") && ended.stderr.contains("--field 1"), "{ended:?}");
    }
}

#[test]
fn what_is_only_in_memory_cannot_be_seen() {
    let place = Place::holding(&[("/fresh", "")]);
    let (code, text, json) = place.stored("/fresh", &["--store", "memory"]);
    assert_eq!((code, &json["store"]["kind"]), (Some(1), &"memory".into()));
    assert!(text.contains("--via") && !text.contains("Verdict"), "{text}");
}
