//! HTTP archives: written as the specification says, and what others wrote is read.

use crate::schema;
use crate::support::{bytes_of, differences, everything, pairs, read, tried, written};
use bytes::Bytes;
use millpond_tape::{
    Content, Form, Format, Pairs, Recorded, RecordedRequest, RecordedResponse, TapeError, har,
};
use proptest::prelude::*;
use serde_json::Value;
use std::io::Write as _;
use std::sync::Arc;

fn answer(exchange: &Recorded) -> &RecordedResponse {
    exchange.response.as_ref().unwrap()
}

fn text(content: Option<&Content>) -> String {
    String::from_utf8(bytes_of(content.unwrap()).to_vec()).unwrap()
}

fn body(exchange: &Recorded) -> String {
    text(answer(exchange).content.as_ref())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

/// An answer to a GET with these fields and this body.
fn answered(fields: &[(&str, &str)], content: impl Into<Bytes>) -> Recorded {
    let mut exchange = Recorded {
        request: RecordedRequest {
            method: b"GET".to_vec(),
            scheme: b"http".to_vec(),
            host: "a.example".into(),
            port: 80,
            path: b"/".to_vec(),
            version: b"HTTP/1.1".to_vec(),
            content: Some(Content::empty()),
            ..RecordedRequest::default()
        },
        response: Some(RecordedResponse {
            status: 200,
            fields: pairs(fields),
            ..RecordedResponse::default()
        }),
        ..Recorded::default()
    };
    exchange.response.as_mut().unwrap().content = Some(content.into().into());
    exchange
}

/// The only entry of the archive of `exchange`, which is as the specification says.
fn entry(exchange: &Recorded) -> Value {
    let mut archive = archive(std::slice::from_ref(exchange));
    archive["log"]["entries"][0].take()
}

fn archive(all: &[Recorded]) -> Value {
    let archive: Value = serde_json::from_slice(&written(Format::Har, all)).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../fixtures/har/schema.json")).unwrap();
    assert_eq!(schema::faults(&schema, &archive), [""; 0]);
    archive["log"]["entries"].as_array().unwrap().iter().for_each(adds_up);
    archive
}

/// `time` is the sum of the timings that apply; TLS is a part of connecting.
fn adds_up(entry: &Value) {
    let timings = entry["timings"].as_object().unwrap();
    let phases = timings.iter().filter(|(name, _)| *name != "ssl").map(|(_, time)| time.as_f64().unwrap());
    let sum: f64 = phases.filter(|time| *time >= 0.0).sum();
    assert!((sum - entry["time"].as_f64().unwrap()).abs() <= 1e-9 * sum.max(1.0), "{entry}");
}

#[test]
fn an_archive_of_nothing_is_one() {
    let found = archive(&[]);
    assert_eq!(found["log"]["entries"], serde_json::json!([]));
    assert_eq!(found["log"]["creator"]["name"], "millpond");
    assert!(read(Format::Har, written(Format::Har, &[])).is_empty());
}

#[test]
fn everything_is_written_as_the_specification_says() {
    let found = entry(&everything());
    assert_eq!(found["startedDateTime"], "2023-11-14T22:13:20.250Z");
    assert_eq!(found["time"], 1250);
    assert_eq!(found["timings"]["send"], 125);
    assert_eq!(found["timings"]["connect"], -1);
    assert_eq!(found["serverIPAddress"], "192.0.2.7");
    let request = &found["request"];
    assert_eq!(request["url"], "https://example.org:8443/a%20b?x=1&y=%C3%A9&x=2");
    assert_eq!(request["httpVersion"], "HTTP/2");
    assert_eq!(request["queryString"][1], serde_json::json!({"name": "y", "value": "é"}));
    assert_eq!(request["cookies"][1], serde_json::json!({"name": "b", "value": "2"}));
    assert_eq!(request["postData"]["_encoding"], "base64");
    assert_eq!(request["bodySize"], 7);
    let response = &found["response"];
    assert_eq!(response["content"]["text"], "ligne\r\n\"\\\u{1}\u{2028}é😀");
    assert_eq!(response["content"]["size"], response["bodySize"]);
    assert_eq!(response["cookies"][0]["path"], "/");
    assert_eq!(
        response["headers"][3],
        serde_json::json!({"name": "X-Bytes", "value": "café", "_encoding": "iso-8859-1"})
    );
    assert_eq!(response["_error"], "the server closed the connection");
    assert_eq!(found["_aborted"], true);
    assert_eq!(found["_webSocketMessages"][1]["data"], "AP8=");
}

#[test]
fn connecting_is_a_part_of_the_time_only_where_it_was_for_this_exchange() {
    let mut exchange = everything();
    let from = exchange.request.started;
    exchange.server.started = Some(from + 0.01);
    exchange.server.tcp_setup = Some(from + 0.02);
    exchange.server.tls_setup = Some(from + 0.05);
    let found = entry(&exchange);
    assert_eq!((&found["timings"]["connect"], &found["timings"]["ssl"]), (&40.into(), &30.into()));
    assert_eq!(found["timings"]["wait"], 85);
    assert_eq!(found["time"], 1250);
}

#[test]
fn bodies_are_decoded() {
    let plain = "un coffee ".repeat(50);
    // What the reference implementation makes of "hi".
    let brotli = vec![0x8b, 0x00, 0x80, b'h', b'i', 0x03];
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(plain.as_bytes()).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(plain.as_bytes()).unwrap();
    for (coding, coded, expected) in [
        ("gzip", gzip(plain.as_bytes()), &*plain),
        ("X-GZIP", [gzip(b"un "), gzip(b"deux")].concat(), "un deux"),
        ("deflate", deflate.finish().unwrap(), &plain),
        ("deflate", zlib.finish().unwrap(), &plain),
        ("zstd", zstd::encode_all(plain.as_bytes(), 3).unwrap(), &plain),
        ("br", brotli, "hi"),
        ("gzip, identity, zstd", zstd::encode_all(&gzip(plain.as_bytes())[..], 3).unwrap(), &plain),
    ] {
        let length = coded.len().to_string();
        let fields = [
            ("Content-Encoding", coding),
            ("Content-Length", &length),
            ("Content-Digest", "x"),
            ("ETag", "1"),
        ];
        let exchange = answered(&fields, coded.clone());
        let found = entry(&exchange);
        let content = &found["response"]["content"];
        assert_eq!(content["text"], expected, "{coding}");
        assert_eq!(content["size"], expected.len());
        assert_eq!(content["compression"], expected.len() as i64 - coded.len() as i64);
        assert_eq!(found["response"]["bodySize"], coded.len());
        let back = read(Format::Har, written(Format::Har, &[exchange]));
        assert_eq!(body(&back[0]), expected);
        let length = expected.len().to_string();
        assert_eq!(answer(&back[0]).fields, pairs(&[("Content-Length", &length), ("ETag", "1")]));
    }
}

/// What cannot be decoded stays as it is, and its fields with it.
#[test]
fn bodies_that_cannot_be_decoded_are_kept_with_their_codings() {
    let whole = gzip(&b"all of it ".repeat(100));
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&b"all of it ".repeat(100)).unwrap();
    let zlib = zlib.finish().unwrap();
    let zstd = zstd::encode_all(&b"all of it ".repeat(100)[..], 3).unwrap();
    for (coding, coded) in [
        ("gzip", whole[..whole.len() / 2].to_vec()),
        ("gzip", whole[..whole.len() - 1].to_vec()),
        ("deflate", zlib[..zlib.len() / 2].to_vec()),
        ("zstd", zstd[..zstd.len() / 2].to_vec()),
        ("br", vec![0x8b, 0x00, 0x80, b'h']),
        ("gzip", b"not gzip".to_vec()),
        ("unheard-of", b"text".to_vec()),
        ("gzip, gzip, gzip, gzip, gzip", whole.clone()),
    ] {
        let exchange = answered(&[("Content-Encoding", coding), ("Content-Length", "7")], coded.clone());
        let found = entry(&exchange);
        assert_eq!(found["response"]["content"]["_encoded"], true, "{coding}");
        assert_eq!(found["response"]["content"]["encoding"], "base64");
        let back = read(Format::Har, written(Format::Har, std::slice::from_ref(&exchange)));
        assert_eq!(bytes_of(answer(&back[0]).content.as_ref().unwrap()), coded);
        assert_eq!(answer(&back[0]).fields, answer(&exchange).fields);
    }
}

#[test]
fn text_in_another_character_set_is_kept_byte_for_byte() {
    for (kind, bytes, encoding) in [
        ("text/plain; charset=utf-8", "é".as_bytes(), Value::Null),
        ("text/plain;a=b; Charset=\"UTF-8\"", "é".as_bytes(), Value::Null),
        ("application/ld+json", "é".as_bytes(), Value::Null),
        ("text/plain", "é".as_bytes(), "base64".into()),
        ("text/plain", b"e", Value::Null),
        ("text/plain; charset=\"ISO-8859-1\"", b"\xe9", "base64".into()),
        ("text/plain; charset=iso-8859-1", "é".as_bytes(), "base64".into()),
        ("text/plain; charset=iso-8859-1", b"e", Value::Null),
        ("image/png", b"\x89PNG", "base64".into()),
    ] {
        let exchange = answered(&[("Content-Type", kind)], bytes.to_vec());
        assert_eq!(entry(&exchange)["response"]["content"]["encoding"], encoding, "{kind}");
        let back = read(Format::Har, written(Format::Har, std::slice::from_ref(&exchange)));
        assert_eq!(bytes_of(answer(&back[0]).content.as_ref().unwrap()), bytes);
        assert_eq!(answer(&back[0]).fields, answer(&exchange).fields);
    }
}

#[test]
fn what_chromium_writes_is_read() {
    let found = read(Format::Har, &include_bytes!("../fixtures/har/chromium.har")[..]);
    assert_eq!(found.len(), 6, "the one of data: is not of HTTP");
    let page = &found[0];
    assert_eq!(
        (&page.request.path[..], &page.request.authority[..]),
        (&b"/?q=a%20b"[..], &b"shop.example"[..])
    );
    assert_eq!(&page.request.version, b"HTTP/2.0");
    assert!(page.request.fields.iter().all(|(name, _)| !name.starts_with(b":")));
    assert_eq!(body(page), "<p>日本 &amp; 😀</p>");
    let length = body(page).len().to_string();
    let expected = pairs(&[
        ("content-length", &length),
        ("content-type", "text/html; charset=utf-8"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]);
    assert_eq!(answer(page).fields, expected);
    assert_eq!(page.server.peer, Some(("2001:db8::7".into(), 443)));
    assert!((page.request.started - 1_772_359_200.123).abs() < 1e-6);
    assert!((answer(page).started - page.request.started - 0.056).abs() < 1e-6);
    assert!(page.error.is_none() && !page.aborted);

    assert_eq!((&*body(&found[1]), &found[1].request.version[..]), ("GIF89a", &b"HTTP/3"[..]));
    assert_eq!(text(found[2].request.content.as_ref()), "user=u&pass=%26");
    assert!(found[2].response.is_none());
    assert_eq!(found[2].error.as_ref().unwrap().message, "net::ERR_CONNECTION_REFUSED");
    assert!(found[3].aborted && found[3].error.is_some(), "what broke off is not whole");
    let socket = found[4].websocket.as_ref().unwrap();
    assert_eq!(
        (&*found[4].request.host, found[4].request.port, answer(&found[4]).status),
        ("live.example", 443, 101)
    );
    assert_eq!((socket.messages[0].from_client, &socket.messages[0].content[..]), (true, &b"ping"[..]));
    assert_eq!((socket.messages[1].opcode, &socket.messages[1].content[..]), (2, &[0, 1, 255][..]));
    assert!(answer(&found[5]).content.is_none(), "left out, so not known");
}

#[test]
fn what_firefox_writes_is_read() {
    let found = read(Format::Har, &include_bytes!("../fixtures/har/firefox.har")[..]);
    assert_eq!(found.len(), 3);
    let form = &found[0];
    assert_eq!(text(form.request.content.as_ref()), "a+b=1%262&c=");
    assert_eq!((&*form.request.host, form.request.port), ("localhost", 8080));
    assert_eq!(form.request.fields.get("content-length"), Some(&b"12"[..]));
    assert_eq!((answer(form).status, body(form)), (304, String::new()));
    assert_eq!(answer(form).fields.get("content-length"), Some(&b"999"[..]), "that of what it stands for");
    let font = &found[1];
    assert_eq!((answer(font).status, &*body(font)), (200, "wOF2\0"));
    assert_eq!(
        answer(font).fields,
        pairs(&[("content-type", "font/woff2"), ("vary", "Origin"), ("vary", "Accept")])
    );
    assert_eq!(font.request.fields, pairs(&[("Host", "fonts.example"), ("TE", "trailers")]));
    assert!((form.request.started - 1_772_359_200.123).abs() < 1e-6);
    assert!((font.request.started - 1_772_359_200.2).abs() < 1e-6);
    assert!(found[2].response.is_none() && found[2].error.is_some());
}

/// `mitmproxy.har` is what mitmproxy made of `mitm/recorded-21.mitm`.
#[test]
fn what_mitmproxy_writes_is_read() {
    let found = read(Format::Har, &include_bytes!("../fixtures/har/mitmproxy.har")[..]);
    let flows = read(Format::Mitm, &include_bytes!("../fixtures/mitm/recorded-21.mitm")[..]);
    assert_eq!(found.len(), flows.len());
    for (found, flow) in found.iter().zip(&flows) {
        let target = |e: &Recorded| {
            (e.request.method.clone(), e.request.host.clone(), e.request.port, e.request.path.clone())
        };
        assert_eq!(target(found), target(flow));
        assert_eq!(found.request.version, flow.request.version);
        let status = |e: &Recorded| e.response.as_ref().map(|response| response.status);
        assert_eq!(status(found), status(flow));
        assert!((found.request.started - flow.request.started).abs() < 1e-5);
        assert_eq!(found.websocket.is_some(), flow.websocket.is_some());
        let codings = answer(found).fields.get("content-encoding");
        assert!(codings.is_none(), "bodies are decoded");
    }
    let gzipped = found.iter().zip(&flows).find(|(_, flow)| flow.request.path == b"/gzip").unwrap();
    let decoded = millpond_tape::coding::decoded(
        answer(gzipped.1).content.as_ref().unwrap(),
        &answer(gzipped.1).fields,
        1 << 20,
    );
    assert_eq!(std::io::read_to_string(decoded.unwrap()).unwrap(), body(gzipped.0));
}

#[test]
fn members_come_in_any_order_and_may_be_missing() {
    let entry = r#"{"request":{"url":"http://a.example","method":"GET"}}"#;
    for archive in [
        format!(r#"{{"log":{{"entries":[{entry},{entry}]}}}}"#),
        format!(
            r#"{{"x":[{{}}],"log":{{"version":"1.2","entries":[{entry},{entry}],"creator":{{"entries":[1]}}}},"y":1}}"#
        ),
        format!("\u{feff} {{\"log\" : {{ \"entries\":[\n{entry}\n,\n{entry}],\"pages\":[]}}}} \n"),
    ] {
        let found = read(Format::Har, archive.clone());
        assert_eq!(found.len(), 2, "{archive}");
        assert_eq!((&*found[0].request.host, &found[0].request.path[..]), ("a.example", &b"/"[..]));
        assert!(found[0].response.is_none());
        assert_ne!(found[0].id, found[1].id);
        let again = read(Format::Har, archive);
        assert_eq!(found[0].id, again[0].id, "the same each time");
    }
}

#[test]
fn what_is_no_archive_is_said_to_be_wrong() {
    let post = |members: &str| {
        format!(r#"{{"log":{{"entries":[{{"request":{{"method":"POST","url":"http://a/"{members}}}}}]}}}}"#)
    };
    assert_eq!(read(Format::Har, post("")).len(), 1);
    for wrong in [
        r#"{"log":{}}"#.to_owned(),
        r#"{"log":7}"#.into(),
        "{}".into(),
        "[]".into(),
        r#"{"log":{"entries":[{}]}}"#.into(),
        r#"{"log":{"entries":[7]}}"#.into(),
        r#"{"log":{"entries":[{"request":{"method":"GET"}}]}}"#.into(),
        r#"{"log":{"entries":[]}} {}"#.into(),
        post(r#","postData":{"text":"%","_encoding":"base64"}"#),
    ] {
        let found = tried(Format::Har, wrong.clone());
        assert!(matches!(found[..], [Err(TapeError::Malformed { .. })]), "{wrong}: {found:?}");
    }
}

#[test]
fn an_archive_cut_anywhere_is_torn_or_whole() {
    let all = [answered(&[], "a"), everything(), answered(&[], "c")];
    let tape = written(Format::Har, &all);
    let full = read(Format::Har, tape.clone());
    for cut in 0..tape.len() - 1 {
        let mut found = tried(Format::Har, tape[..cut].to_vec());
        assert!(matches!(found.pop(), Some(Err(TapeError::Torn { at })) if at <= cut as u64), "cut at {cut}");
        for (one, other) in found.iter().zip(&full) {
            assert_eq!(differences(one.as_ref().unwrap(), other), [""; 0]);
        }
    }
}

#[test]
fn what_playwright_writes_is_read() {
    let found = read(Format::Har, &include_bytes!("../fixtures/har/playwright.har")[..]);
    let facts: Vec<_> = found
        .iter()
        .map(|one| {
            let path = String::from_utf8_lossy(&one.request.path).into_owned();
            (path, answer(one).status, answer(one).content.as_ref().map(Content::len))
        })
        .collect();
    let expected = [
        ("/", 200, 175),
        ("/style.css", 200, 208),
        ("/lilies.png", 200, 1795),
        ("/app.js", 200, 470),
        ("/fish.json?kind=trout&kind=pike", 200, 27),
        ("/orders", 201, 43),
        // Without text and with a size of -1, though nothing is missing.
        ("/moved", 302, 0),
        ("/fish.json", 200, 27),
        ("/empty", 204, 0),
        ("/form", 200, 24),
    ];
    assert_eq!(facts, expected.map(|(path, status, length)| (path.to_owned(), status, Some(length))));
    assert_eq!(text(found[9].request.content.as_ref()), "note=gr%C3%BC%C3%9Fe");
    assert!(found.iter().all(|one| one.request.authority == b"brook.example" && !one.aborted));
}

#[test]
fn one_entry_is_read_where_it_begins() {
    let tape = Bytes::from_static(include_bytes!("../fixtures/har/chromium.har"));
    let source: Arc<dyn millpond_tape::ReadAt> = Arc::new(tape);
    for item in har::reader(Arc::clone(&source)) {
        let (at, exchange) = item.unwrap();
        assert_eq!(differences(&exchange, &har::read_one(&source, at).unwrap()), [""; 0]);
    }
}

#[test]
fn large_bodies_stay_in_their_place() {
    for (bytes, form) in
        [("é\n".repeat(30_000).into_bytes(), Form::JsonText), (vec![255; 50_000], Form::JsonBase64)]
    {
        let found = read(
            Format::Har,
            written(Format::Har, &[answered(&[("Content-Type", "a/json")], bytes.clone())]),
        );
        let content = answer(&found[0]).content.clone().unwrap();
        assert!(matches!(content, Content::Held { form: found, .. } if found == form));
        assert!(bytes_of(&content) == bytes);
    }
}

fn lines() -> impl Strategy<Value = Pairs> {
    let name = prop_oneof![
        Just("Content-Type".to_owned()),
        Just("content-encoding".into()),
        Just("Content-Length".into()),
        Just("Cookie".into()),
        Just("Set-Cookie".into()),
        Just("Host".into()),
        Just("Location".into()),
        "\\PC{0,5}",
    ];
    let value = prop_oneof![
        Just(b"gzip".to_vec()),
        Just(b"text/html; charset=latin1".to_vec()),
        Just(b"a=b; Expires=Wed, 21-Oct-26 07:28:00 GMT; Secure; =; Path".to_vec()),
        Just(b"7".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec((name, value), 0..5).prop_map(|lines| lines.into_iter().collect())
}

fn content() -> impl Strategy<Value = Option<Content>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "\\PC{0,30}".prop_map(String::into_bytes),
        "\\PC{0,30}".prop_map(|text| gzip(text.as_bytes())),
    ];
    proptest::option::of(bytes.prop_map(|bytes| Content::Memory(bytes.into())))
}

prop_compose! {
    fn exchange()(
        (method, scheme, path, reason) in (prop_oneof![Just("CONNECT".to_owned()), "[A-Z]{0,7}"], prop_oneof![Just("http"), Just("https"), Just("")], proptest::collection::vec(any::<u8>(), 0..20), "\\PC{0,5}"),
        (version, authority, host) in (prop_oneof![Just("HTTP/1.1"), Just("HTTP/2.0"), Just("HTTP/3")], "\\PC{0,9}", "\\PC{0,9}"),
        (asked, answered, trailers) in (lines(), lines(), proptest::option::of(lines())),
        (sent, got, status, there) in (content(), content(), 0..999_u16, any::<bool>()),
        (started, took) in (0.0..4e9_f64, proptest::collection::vec(-0.5..9.0_f64, 3)),
        (aborted, failed, port) in (any::<bool>(), any::<bool>(), any::<u16>()),
    ) -> Recorded {
        let some = everything();
        Recorded {
            request: RecordedRequest {
                method: method.into(), scheme: scheme.into(), path, version: version.into(), authority: authority.into(), host, port,
                fields: asked, content: sent, trailers: trailers.clone(), started, ended: Some(started + took[0]),
            },
            response: there.then_some(RecordedResponse {
                status, reason: reason.into(), version: version.into(), fields: answered, content: got, trailers,
                started: started + took[1], ended: Some(started + took[2]),
            }),
            error: some.error.filter(|_| failed),
            aborted,
            ..everything()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is written is as the specification says, and what was lost once is all that is lost.
    #[test]
    fn any_exchange_makes_an_archive_that_says_the_same_when_written_again(exchange in exchange()) {
        let first = archive(std::slice::from_ref(&exchange));
        let once = read(Format::Har, first.to_string());
        prop_assert_eq!(once.len(), 1);
        let twice = read(Format::Har, archive(&once).to_string());
        let mut found = differences(&once[0], &twice[0]);
        // Sums of times differ in their last bits.
        found.retain(|difference| !difference.starts_with("request.ended") && !difference.starts_with("response: ("));
        found.retain(|difference| !difference.starts_with("error"));
        prop_assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn noise_is_an_error(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(matches!(tried(Format::Har, noise)[..], [Err(_)]));
    }

    #[test]
    fn a_changed_byte_never_panics(which in 0..3_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut tape = [
            &include_bytes!("../fixtures/har/chromium.har")[..],
            include_bytes!("../fixtures/har/firefox.har"),
            include_bytes!("../fixtures/har/mitmproxy.har"),
        ][which].to_vec();
        let at = at.index(tape.len());
        tape[at] = byte;
        for exchange in tried(Format::Har, tape).into_iter().flatten() {
            if let Some(content) = exchange.response.and_then(|response| response.content) {
                prop_assert_eq!(bytes_of(&content).len() as u64, content.len());
            }
        }
    }
}
