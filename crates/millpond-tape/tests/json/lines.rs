//! JSON tapes: everything comes back, whatever it is; what others wrote is read; what is broken is named.

use crate::support::{bytes_of, differences, everything, pairs, read, tried, written};
use bytes::Bytes;
use millpond_tape::{
    Content, Form, Format, Pairs, Recorded, RecordedRequest, RecordedResponse, TapeError, json,
};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;

fn simple(content: impl Into<Bytes>) -> Recorded {
    Recorded {
        id: "1".into(),
        request: RecordedRequest {
            method: b"GET".to_vec(),
            scheme: b"http".to_vec(),
            host: "example.org".into(),
            port: 80,
            path: b"/".to_vec(),
            version: b"HTTP/1.1".to_vec(),
            ..RecordedRequest::default()
        },
        response: Some(RecordedResponse {
            status: 200,
            version: b"HTTP/1.1".to_vec(),
            content: Some(content.into().into()),
            ..RecordedResponse::default()
        }),
        ..Recorded::default()
    }
}

#[test]
fn everything_comes_back() {
    let all = everything();
    let tape = written(Format::Json, &[all.clone(), simple(""), all.clone()]);
    assert_eq!(tape.split(|byte| *byte == b'\n').count(), 4, "an exchange a line");
    let found = read(Format::Json, tape);
    for (one, other) in [&all, &simple(""), &all].into_iter().zip(&found) {
        assert_eq!(differences(one, other), [""; 0]);
    }
    assert_eq!(found.len(), 3);
}

#[test]
fn the_members_are_those_of_the_documentation() {
    let tape = written(Format::Json, &[everything()]);
    let line: Value = serde_json::from_slice(&tape).unwrap();
    assert_eq!(line["v"], 1);
    assert_eq!(line["request"]["url"], "https://192.0.2.7:8443/a%20b?x=1&y=%C3%A9&x=2");
    assert_eq!(line["request"]["content_encoding"], "base64");
    assert_eq!(line["request"]["headers"][1], serde_json::json!(["X-Case", "a"]));
    assert_eq!(line["response"]["status_code"], 203);
    assert_eq!(line["response"]["content"], "ligne\r\n\"\\\u{1}\u{2028}é😀");
    assert_eq!(line["response"]["headers"][3], serde_json::json!(["X-Bytes", {"base64": "Y2Fm6Q=="}]));
    assert_eq!(line["aborted"], true);
    let documented = include_str!("../../../../docs/reference/tapes.md");
    let mut names = Vec::new();
    member_names(&line, &mut names);
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "{name} is not documented");
    }
}

/// The names of members, but for those of metadata.
fn member_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                names.push(name.clone());
                if name != "metadata" {
                    member_names(value, names);
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| member_names(value, names)),
        _ => {}
    }
}

#[test]
fn targets_that_are_no_url_come_back() {
    for (method, authority, path) in [
        ("CONNECT", "example.org:443", &b""[..]),
        ("OPTIONS", "", b"*"),
        ("GET", "", b"/caf\xe9?#frag ment"),
        ("GET", "", b"no-slash"),
        ("GET", "user@example.org", b"//double"),
    ] {
        for (scheme, host, port) in [("http", "example.org", 80), ("https", "2001:db8::1", 8443), ("", "", 0)]
        {
            let mut exchange = simple("x");
            exchange.request.method = method.into();
            exchange.request.authority = authority.into();
            exchange.request.path = path.into();
            exchange.request.scheme = scheme.into();
            exchange.request.host = host.into();
            exchange.request.port = port;
            let found = read(Format::Json, written(Format::Json, std::slice::from_ref(&exchange)));
            assert_eq!(differences(&exchange, &found[0]), [""; 0]);
        }
    }
}

#[test]
fn missing_content_is_not_empty_content() {
    let mut exchange = simple("");
    exchange.request.content = None;
    let found = read(Format::Json, written(Format::Json, &[exchange]));
    assert!(found[0].request.content.is_none());
    assert!(found[0].response.as_ref().unwrap().content.as_ref().unwrap().is_empty());
}

#[test]
fn large_bodies_stay_in_their_place() {
    let text: String = (0..60_000).map(|i| ["a", "\"", "\n", "é", "😀", "\u{7}"][i % 6]).collect();
    let bytes: Vec<u8> = (0..200_001_u32).map(|i| (i * 31 % 251) as u8).collect();
    for (body, form) in [(text.into_bytes(), Form::JsonText), (bytes, Form::JsonBase64)] {
        let found = read(Format::Json, written(Format::Json, &[simple(body.clone())]));
        let content = found[0].response.as_ref().unwrap().content.clone().unwrap();
        assert!(matches!(content, Content::Held { form: found, .. } if found == form));
        assert_eq!(content.len(), body.len() as u64);
        assert!(bytes_of(&content) == body);
    }
}

#[test]
fn one_exchange_is_read_where_it_begins() {
    let tape: Bytes = written(Format::Json, &[simple("a"), simple("b"), simple("c")]).into();
    let source: Arc<dyn millpond_tape::ReadAt> = Arc::new(tape.clone());
    for item in json::reader(Arc::clone(&source)) {
        let (at, exchange) = item.unwrap();
        assert_eq!(tape[at as usize], b'{');
        assert_eq!(differences(&exchange, &json::read_one(&source, at).unwrap()), [""; 0]);
    }
    assert!(matches!(json::read_one(&source, tape.len() as u64), Err(TapeError::Torn { .. })));
}

#[test]
fn a_tape_cut_anywhere_gives_what_is_whole_and_says_where_it_tore() {
    let lines: Vec<Vec<u8>> = [simple("é\n"), everything(), simple("c")]
        .iter()
        .map(|e| written(Format::Json, std::slice::from_ref(e)))
        .collect();
    let tape: Vec<u8> = lines.concat();
    let ends: Vec<usize> = lines
        .iter()
        .scan(0, |at, line| {
            *at += line.len();
            Some(*at)
        })
        .collect();
    for cut in 0..=tape.len() {
        // Without its line end an exchange is whole.
        let whole = ends.iter().filter(|end| **end - 1 <= cut).count();
        let begins = if whole == 0 { 0 } else { ends[whole - 1] };
        let mut found = tried(Format::Json, tape[..cut].to_vec());
        let torn = (cut > begins).then(|| found.pop().unwrap());
        assert_eq!(found.len(), whole, "cut at {cut}");
        assert!(found.iter().all(Result::is_ok));
        if let Some(torn) = torn {
            assert!(
                matches!(torn, Err(TapeError::Torn { at }) if at == begins as u64),
                "cut at {cut}: {torn:?}"
            );
        }
    }
}

#[test]
fn what_is_not_a_tape_is_said_to_be_wrong_where_it_is() {
    let line = |request: &str| format!(r#"{{"v":1,"request":{request},"response":null}}"#);
    let good = r#"{"method":"GET","url":"http://a/"}"#;
    assert_eq!(read(Format::Json, line(good)).len(), 1);
    for wrong in [
        line(r#"{"method":"GET"}"#),
        line(r#"{"url":"http://a/"}"#),
        line(r#"{"method":"GET","url":"ftp://a/"}"#),
        line(r#"{"method":"GET","url":"http://a/","content":"%","content_encoding":"base64"}"#),
        line(r#"{"method":"GET","url":"http://a/","headers":[["a",{"base64":"%"}]]}"#),
        line("7"),
        line("{\"method\":\"G\nET\",\"url\":\"http://a/\"}"),
        line(r#"{"method":"\x","url":"http://a/"}"#),
        line(r#"{"method":"\u00g0","url":"http://a/"}"#),
        line(r#"{"method" "GET"}"#),
        line(&format!(r#"{{"method":"GET","url":"http://a/","x":{}}}"#, "[".repeat(200))),
        line(&format!(r#"{{"method":"GET","url":"http://a/","x":{}}}"#, "1".repeat(500))),
        "{}".into(),
        "7".into(),
        "nothing".into(),
        format!("[{}] x", line(good)),
    ] {
        let found = tried(Format::Json, wrong.clone());
        assert!(matches!(found.last(), Some(Err(TapeError::Malformed { .. }))), "{wrong}: {found:?}");
        let told = found.last().unwrap().as_ref().unwrap_err().to_string();
        assert!(!told.contains("http://a/"), "an error holds nothing of the tape: {told}");
    }
    let newer = line(good).replace(r#""v":1"#, r#""v":2"#);
    assert!(matches!(tried(Format::Json, newer)[..], [Err(TapeError::TooNew { found: 2, known: 1 })]));
}

#[test]
fn unknown_members_and_any_order_are_fine() {
    let tape = r#"
        {"timings": {"response_ended": 4.5, "chunks": [[0, 1, "more"], 3], "request_started": 1e0, "x": []},
         "new": {"a": [1, "\ud83d\ude00", true, null, {"b": -0.5e-3}]},
         "response": {"content_encoding": "base64", "headers": [], "status_code": 200, "content": "_w"},
         "request": {"content": "\ud83d", "url": "http://[::1]:8080?q", "method": "GET"}, "v": 1}
        "#;
    let found = tried(Format::Json, tape);
    assert!(matches!(found[..], [Err(TapeError::Malformed { .. })]), "_ is no digit of base64 here");
    let found = read(Format::Json, tape.replace("\"_w\"", "\"/w\""));
    let exchange = &found[0];
    assert_eq!((&*exchange.request.host, exchange.request.port), ("::1", 8080));
    assert_eq!(exchange.request.path, b"/?q");
    assert_eq!(bytes_of(exchange.request.content.as_ref().unwrap()), "\u{fffd}");
    let response = exchange.response.as_ref().unwrap();
    assert_eq!(&bytes_of(response.content.as_ref().unwrap())[..], [255]);
    assert_eq!((exchange.request.started, response.ended), (1.0, Some(4.5)));
    assert_eq!(exchange.timing.len(), 1);
}

/// What an older recorder wrote: one object a file, indented, headers an object, bodies decoded.
#[test]
fn the_files_of_an_older_recorder_are_read() {
    let one = include_str!("../fixtures/json/older-recorder.json");
    for tape in [one.to_owned(), format!("[{one},\n{one}]"), format!("\u{feff}{one}\n{one}\n")] {
        let found = read(Format::Json, tape.clone());
        assert_eq!(found.len(), tape.matches("\"request\"").count());
        for exchange in &found {
            assert_eq!(exchange.request.method, b"POST");
            assert_eq!((&*exchange.request.host, exchange.request.port), ("api.example.com", 443));
            assert_eq!(bytes_of(exchange.request.content.as_ref().unwrap()), "{\"page\": 1}");
            let response = exchange.response.as_ref().unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(bytes_of(response.content.as_ref().unwrap()), "{\"name\": \"café\"}");
            // The body is not compressed any more, and is longer than it was.
            assert_eq!(
                response.fields,
                pairs(&[("Content-Type", "application/json"), ("Content-Length", "17")])
            );
        }
    }
}

#[test]
fn an_empty_body_of_the_older_recorder_is_empty() {
    let tape = r#"{"request": {"method": "GET", "url": "http://a/", "headers": {}, "content": null},
                   "response": {"status_code": 204, "headers": {"A": ["1", "2"], "B": 3}, "content": null}}"#;
    let found = read(Format::Json, tape);
    let response = found[0].response.as_ref().unwrap();
    assert!(found[0].request.content.as_ref().is_some_and(Content::is_empty));
    assert!(response.content.as_ref().is_some_and(Content::is_empty));
    assert_eq!(response.fields, pairs(&[("A", "1"), ("A", "2"), ("B", "3")]));
}

/// What an older proxy kept: no URL in it, so it needs one from outside.
#[test]
fn a_saved_response_needs_its_url() {
    let file = Bytes::from_static(include_bytes!("../fixtures/json/saved-response.json"));
    let error = tried(Format::Json, file.clone()).pop().unwrap().unwrap_err();
    assert!(error.to_string().contains("cache import"), "{error}");

    let url = "http://dummyjson.com/products?limit=1";
    let exchange = json::saved(Arc::new(file), "get", url, 12.5).unwrap();
    assert_eq!(
        (&*exchange.request.host, &exchange.request.path[..]),
        ("dummyjson.com", &b"/products?limit=1"[..])
    );
    let response = exchange.response.unwrap();
    assert_eq!((response.status, &response.reason[..]), (200, &b"OK"[..]));
    assert_eq!(bytes_of(response.content.as_ref().unwrap()), "{\"total\": 1}");
    assert_eq!(response.fields.get("content-length"), Some(&b"12"[..]));
    // `printf 'GET|http://dummyjson.com/products?limit=1' | sha256sum`
    assert_eq!(
        json::saved_name("get", url),
        "c7e271cfc7c5e4eeb4ed12c4a4549c8c8f624b92f646fbe5b54f175612b5555d.json"
    );
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..most), "\\PC{0,12}".prop_map(String::into_bytes)]
}

fn lines() -> impl Strategy<Value = Pairs> {
    proptest::collection::vec((bytes(8), bytes(16)), 0..4).prop_map(|lines| lines.into_iter().collect())
}

fn body() -> impl Strategy<Value = Option<Content>> {
    let one = prop_oneof![
        bytes(40),
        proptest::collection::vec(any::<char>(), 0..60)
            .prop_map(|c| c.into_iter().collect::<String>().into_bytes()),
        (bytes(7), 0..20_000_usize).prop_map(|(piece, times)| piece.repeat(times)),
    ];
    proptest::option::of(one.prop_map(|bytes| Content::Memory(bytes.into())))
}

prop_compose! {
    fn exchange()(
        (method, scheme, authority, path, version) in (bytes(6), bytes(6), bytes(12), bytes(20), bytes(9)),
        (host, port, comment, created) in ("\\PC{0,10}", any::<u16>(), any::<String>(), -1e18..1e18_f64),
        (fields, content, trailers) in (lines(), body(), proptest::option::of(lines())),
        (status, reason, answered, answer) in (any::<u16>(), bytes(9), lines(), body()),
        (started, ended, there) in (any::<f64>(), proptest::option::of(0.0..2e9_f64), any::<bool>()),
    ) -> Recorded {
        let started = if started.is_finite() { started } else { 0.0 };
        let version = [b"HTTP".to_vec(), version].concat();
        Recorded {
            id: comment.clone(),
            request: RecordedRequest {
                method, scheme, host, port, authority, path, version: version.clone(), fields, content, trailers,
                started, ended,
            },
            response: there.then_some(RecordedResponse {
                status, reason, version, fields: answered, content: answer, trailers: None, started, ended,
            }),
            created,
            comment,
            ..everything()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_exchange_comes_back(exchange in exchange()) {
        let tape = written(Format::Json, std::slice::from_ref(&exchange));
        prop_assert!(serde_json::from_slice::<Value>(&tape).is_ok(), "others read it as JSON");
        let found = read(Format::Json, tape);
        prop_assert_eq!(differences(&exchange, &found[0]), Vec::<String>::new());
    }

    #[test]
    fn noise_is_an_error(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let found = tried(Format::Json, noise.clone());
        let blank = std::str::from_utf8(&noise).is_ok_and(|text| text.trim_start_matches('\u{feff}').trim().is_empty());
        prop_assert!(blank || found.last().is_some_and(Result::is_err));
    }

    #[test]
    fn a_changed_byte_never_panics(at in 0..4000_usize, byte in any::<u8>()) {
        let mut tape = written(Format::Json, &[everything(), simple("x")]);
        let at = at % tape.len();
        tape[at] = byte;
        for exchange in tried(Format::Json, tape).into_iter().flatten() {
            if let Some(content) = exchange.response.and_then(|response| response.content) {
                prop_assert_eq!(bytes_of(&content).len() as u64, content.len());
            }
        }
    }

    /// What the scanner says of a text must be what reading it gives.
    #[test]
    fn lengths_are_what_readers_give(pieces in proptest::collection::vec(
        prop_oneof![Just("\\ud83d"), Just("\\ude00"), Just("\\n"), Just("\\/"), Just("A"), Just("\u{e9}"), Just("\\u0041"), Just("=")], 0..40),
        times in prop_oneof![Just(1_usize), Just(2000)],
        base64 in any::<bool>(),
    ) {
        let text = pieces.concat().repeat(times);
        let encoding = if base64 { r#""content_encoding":"base64","# } else { "" };
        let tape = format!(r#"{{"v":1,"request":{{"method":"GET","url":"http://a/",{encoding}"content":"{text}"}}}}"#);
        for exchange in tried(Format::Json, tape.clone()).into_iter().flatten() {
            let content = exchange.request.content.unwrap();
            let found = bytes_of(&content);
            prop_assert_eq!(found.len() as u64, content.len());
            if !base64 && !text.contains("\\ud") {
                let whole: Value = serde_json::from_str(&tape).unwrap();
                prop_assert_eq!(Some(std::str::from_utf8(&found).unwrap()), whole["request"]["content"].as_str());
            }
        }
    }
}
