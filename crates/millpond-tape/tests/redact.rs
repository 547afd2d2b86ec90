//! Secrets, planted wherever they are found in practice, and what is left of them.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use millpond_tape::redact::{DROPPED, MARK, Rules};
use millpond_tape::{
    Chunk, Content, Failure, Form, Pairs, ReadAt, Recorded, RecordedRequest, RecordedResponse, WebSocket,
    WebSocketMessage,
};
use proptest::prelude::*;
use std::io::{self, Write as _};
use std::sync::Arc;

const SECRET: &str = "s3cr3t";

fn rules() -> Rules {
    Rules::new(["x-api-key"], ["token", "password"], ["token", "password"])
}

fn memory(text: impl Into<Vec<u8>>) -> Content {
    Content::Memory(text.into().into())
}

fn bytes(content: Option<&Content>) -> Bytes {
    content.expect("recorded").to_bytes(u64::MAX).expect("readable").expect("small")
}

fn text(content: Option<&Content>) -> String {
    String::from_utf8(bytes(content).to_vec()).expect("text")
}

fn response(kind: &str, body: impl Into<Vec<u8>>) -> RecordedResponse {
    let body = body.into();
    let length = body.len().to_string();
    let fields = [("Content-Type", kind), ("Content-Length", &length), ("ETag", "\"1\"")];
    RecordedResponse {
        status: 200,
        fields: fields.into_iter().collect(),
        content: Some(memory(body)),
        ..RecordedResponse::default()
    }
}

/// What the body of a response becomes; it must be framed by then.
fn redacted(kind: &str, body: &str) -> String {
    let mut response = response(kind, body);
    rules().response(&mut response).expect("redacted");
    let after = text(response.content.as_ref());
    assert_eq!(response.fields.get_str("content-length"), Some(&*after.len().to_string()));
    assert_eq!(response.fields.get("etag").is_some(), after == body, "{after}");
    let again = after.clone();
    rules().response(&mut response).expect("redacted");
    assert_eq!(text(response.content.as_ref()), again, "twice is once");
    after
}

fn field(name: &str, value: &str) -> String {
    let once = rules().field(name.as_bytes(), value.as_bytes()).unwrap_or_else(|| value.into());
    assert_eq!(rules().field(name.as_bytes(), &once), None, "twice is once");
    String::from_utf8(once).expect("text")
}

#[test]
fn credentials_keep_their_scheme() {
    assert_eq!(field("Authorization", "Bearer s3cr3t"), "Bearer REDACTED");
    assert_eq!(field("authorization", "basic dTpw"), "basic REDACTED");
    assert_eq!(field("Proxy-Authorization", "Digest username=\"u\", response=\"x\""), "Digest REDACTED");
    assert_eq!(field("Authorization", "s3cr3t"), "REDACTED");
    assert_eq!(field("Authorization", "s3cr3t and more"), "REDACTED");
    assert_eq!(field("X-Api-Key", "s3cr3t"), "REDACTED");
    assert_eq!(field("Accept", "text/html"), "text/html");
}

#[test]
fn cookies_keep_their_names() {
    assert_eq!(field("Cookie", "a=1; b=x=y"), "a=REDACTED; b=REDACTED");
    assert_eq!(field("Cookie", "s3cr3t"), "REDACTED");
    assert_eq!(field("Cookie", "a=\"1;s3cr3t\""), "a=REDACTED; REDACTED");
    assert_eq!(
        field("Set-Cookie", "id=s3cr3t; Path=/a; HttpOnly; Max-Age=5"),
        "id=REDACTED; Path=/a; HttpOnly; Max-Age=5"
    );
    assert_eq!(field("Set-Cookie", "id=\"a;s3cr3t\"; Secure"), "id=REDACTED; REDACTED; Secure");
}

#[test]
fn urls_in_fields_lose_named_parameters_and_user_information() {
    assert_eq!(field("Referer", "https://a/?x=1&token=s3cr3t#f"), "https://a/?x=1&token=REDACTED#f");
    assert_eq!(
        field("Location", "https://u:s3cr3t@a/cb#token=s3cr3t&x=1"),
        "https://REDACTED@a/cb#token=REDACTED&x=1"
    );
    assert_eq!(field("Refresh", "5; url=/x?password=s3cr3t"), "5; url=/x?password=REDACTED");
    assert_eq!(
        field("Link", "</a?token=s3cr3t&p=2>; rel=next, </b?p=1>; rel=prev"),
        "</a?token=REDACTED&p=2>; rel=next, </b?p=1>; rel=prev"
    );
    // A URL within a parameter, encoded once and twice; what is encoded more often than its name belongs to a value.
    assert_eq!(
        field("Location", "/login?next=%2Fx%3Ftoken%3Ds3cr3t%2526s3cr3t%26y%3D1&z=2"),
        "/login?next=%2Fx%3Ftoken%3DREDACTED%26y%3D1&z=2"
    );
    assert_eq!(
        field("Location", "/?n=%252F%253Ftoken%253Ds3cr3t%2526a"),
        "/?n=%252F%253Ftoken%253DREDACTED%2526a"
    );
    assert_eq!(
        field("Location", "/?user%5Bpassword%5D=s3cr3t&TOKEN=s3cr3t"),
        "/?user%5Bpassword%5D=REDACTED&TOKEN=REDACTED"
    );
    assert_eq!(field("Location", "/?token=a;s3cr3t&b"), "/?token=REDACTED&b");
    assert_eq!(field("Host", "u:s3cr3t@a"), "REDACTED@a");
}

#[test]
fn a_request_loses_the_secrets_of_its_target_and_body() {
    let mut request = RecordedRequest {
        path: b"/a;token=s3cr3t?q=1&token=s3cr3t".to_vec(),
        authority: b"u:s3cr3t@host".to_vec(),
        fields: [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", "32")]
            .into_iter()
            .collect(),
        content: Some(memory("user=u&password=s3cr3t%26s3cr3t+x")),
        trailers: Some([("x-api-key", SECRET)].into_iter().collect()),
        ..RecordedRequest::default()
    };
    let done = rules().request(&mut request).expect("redacted");
    assert!(done.changed && !done.dropped);
    assert_eq!(request.authority, b"REDACTED@host");
    assert_eq!(text(request.content.as_ref()), "user=u&password=REDACTED");
    assert_eq!(request.fields.get_str("content-length"), Some("24"));
    let shown = format!("{:?} {}", request, String::from_utf8_lossy(&request.path));
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!rules().request(&mut request).expect("redacted").changed);
}

#[test]
fn json_members_are_replaced_at_any_depth_and_nothing_else() {
    let cases = [
        (r#"{"token":"s3cr3t"}"#, r#"{"token":"REDACTED"}"#),
        (
            r#"{ "a" : [ {"Token" : "s3\"cr3t" , "n":1.50} ] }"#,
            r#"{ "a" : [ {"Token" : "REDACTED" , "n":1.50} ] }"#,
        ),
        (r#"{"token":17,"x":1e3}"#, r#"{"token":"REDACTED","x":1e3}"#),
        (r#"{"token":null}"#, r#"{"token":null}"#),
        (r#"{"token":{"a":["s3cr3t}"]},"x":"token"}"#, r#"{"token":"REDACTED","x":"token"}"#),
        (r#"{"to\u006ben":"s3cr3t"}"#, r#"{"to\u006ben":"REDACTED"}"#),
        (r#"{"x":"token","y":": \"token\""}"#, r#"{"x":"token","y":": \"token\""}"#),
        (r#"{"a":"token"} {"token":"s3cr3t"}"#, r#"{"a":"token"} {"token":"REDACTED"}"#),
        (r#"{"next":"https:\/\/a\/?token=s3cr3t\u0026p=2"}"#, r#"{"next":"https://a/?token=REDACTED&p=2"}"#),
        (r#"{"body":"{\"token\":\"s3cr3t\"}"}"#, r#"{"body":"{\"token\":\"REDACTED\"}"}"#),
        (
            r#"{"b":"{\"a\":\"\ud800\",\"token\":\"s3cr3t\"}"}"#,
            "{\"b\":\"{\\\"a\\\":\\\"\u{fffd}\\\",\\\"token\\\":\\\"REDACTED\\\"}\"}",
        ),
        (r#"{"a":1,"token":"s3cr"#, r#"{"a":1,"token":"REDACTED""#),
        (r#")]}',{"token":"s3cr3t"}"#, r#")]}',{"token":"REDACTED"}"#),
    ];
    for (before, after) in cases {
        assert_eq!(redacted("application/json; charset=utf-8", before), after);
        assert_eq!(redacted("application/problem+json", before), after);
    }
    assert_eq!(redacted("text/plain", r#"{"token":"s3cr3t"}"#), r#"{"token":"REDACTED"}"#);
    assert_eq!(redacted("application/x-amz-json-1.1", r#"{"token":"s3cr3t"}"#), r#"{"token":"REDACTED"}"#);
    assert_eq!(redacted("text/plain", "token=s3cr3t&x=1\n"), "token=REDACTED&x=1\n");
    assert_eq!(redacted("text/plain", "the token=s3cr3t of x\n"), "the token=s3cr3t of x\n");
    assert_eq!(
        redacted("application/x-www-form-urlencoded", r#"{"token":"s3cr3t"}"#),
        r#"{"token":"REDACTED"}"#
    );
    assert_eq!(redacted("image/png", r#"{"token":"s3cr3t"}"#), r#"{"token":"s3cr3t"}"#);
}

#[test]
fn lines_and_events_are_texts_of_their_own() {
    let lines = "{\"token\":\"s3cr3t\"}\nan odd \" quote\r\n{\"token\":\"s3cr3t\"}\n";
    let after = "{\"token\":\"REDACTED\"}\nan odd \" quote\r\n{\"token\":\"REDACTED\"}\n";
    assert_eq!(redacted("application/x-ndjson", lines), after);

    let events = "event: a \"\ndata: {\"token\":\"s3cr3t\"}\n\n: c\r\ndata:{\"a\":1,\r\ndata: \"token\":\r\ndata: \"s3cr3t\"}\r\n\r\ndata: x\n\n";
    let after = "event: a \"\ndata: {\"token\":\"REDACTED\"}\n\n: c\r\ndata:{\"a\":1,\r\ndata: \"token\":\r\ndata: \"REDACTED\"}\r\n\r\ndata: x\n\n";
    assert_eq!(redacted("text/event-stream", events), after);
    // A secret goes on in the next line, and ends with the event.
    let events = "data: {\"token\":[\ndata: s3cr3t\n\ndata: {\"a\":1}\n\n";
    let after = "data: {\"token\":\"REDACTED\"\ndata:\n\ndata: {\"a\":1}\n\n";
    assert_eq!(redacted("text/event-stream", events), after);
}

#[test]
fn parts_are_replaced_by_name_and_json_parts_by_member() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\ns3cr3t\r\n--bs3cr3t\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"token\"\r\n\r\n--b stays\r\nkept\r\n--b\r\n\
        Content-Type: application/json\r\n\r\n{\"token\":\"s3cr3t\"}\r\n--b--\r\n";
    let after = "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nREDACTED\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"token\"\r\n\r\n--b stays\r\nkept\r\n--b\r\n\
        Content-Type: application/json\r\n\r\n{\"token\":\"REDACTED\"}\r\n--b--\r\n";
    // A delimiter within a line, or with more behind it, is none.
    let (body, after) = (body.replace("--b stays", "a--b stays"), after.replace("--b stays", "a--b stays"));
    assert_eq!(redacted("multipart/form-data; boundary=b", &body), after);
    assert_eq!(redacted("multipart/form-data; boundary=\"b\"", &body), after);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn a_coded_body_is_decoded_only_where_it_changes() {
    let mut coded = response("application/json", gzip(r#"{"token":"s3cr3t"}"#));
    coded.fields.push("Content-Encoding", "gzip");
    assert!(rules().response(&mut coded).expect("redacted").changed);
    assert_eq!(text(coded.content.as_ref()), r#"{"token":"REDACTED"}"#);
    assert_eq!(coded.fields.get("content-encoding"), None);

    let before = gzip(r#"{"a":1}"#);
    let mut coded = response("application/json", before.clone());
    coded.fields.push("Content-Encoding", "gzip");
    assert!(!rules().response(&mut coded).expect("redacted").changed);
    assert_eq!(bytes(coded.content.as_ref()), before);
    assert!(coded.fields.get("content-encoding").is_some());
}

#[test]
fn what_cannot_be_read_is_not_recorded() {
    let whole = gzip(r#"{"token":"s3cr3t"}"#);
    let unreadable = [
        ("application/json", Some("gzip"), whole[..whole.len() - 9].to_vec(), None),
        ("application/json", Some("rot13"), b"{}".to_vec(), None),
        ("application/json", None, b"{\0\"\0".to_vec(), None),
        ("application/json", None, b"cr3t\"}".to_vec(), Some("bytes 12-17/18")),
        ("multipart/form-data", None, b"--b\r\n".to_vec(), None),
    ];
    for (kind, coding, body, range) in unreadable {
        let mut exchange = Recorded { response: Some(response(kind, body)), ..Recorded::default() };
        let recorded = exchange.response.as_mut().expect("a response");
        for (name, value) in [("Content-Encoding", coding), ("Content-Range", range)] {
            if let Some(value) = value {
                recorded.fields.push(name, value);
            }
        }
        rules().exchange(&mut exchange).expect("redacted");
        assert!(exchange.response.expect("a response").content.is_none(), "{kind}");
        assert_eq!(exchange.metadata[DROPPED], serde_json::json!(["response"]));
        assert_eq!(exchange.metadata[MARK], true);
    }
}

#[test]
fn an_exchange_is_redacted_where_it_is_told_to_and_marked() {
    let message = |from_client| WebSocketMessage {
        opcode: 1,
        from_client,
        content: br#"42["auth",{"token":"s3cr3t"}]"#.to_vec(),
        ..WebSocketMessage::default()
    };
    let mut exchange = Recorded {
        request: RecordedRequest {
            fields: [("Cookie", "a=s3cr3t")].into_iter().collect(),
            ..RecordedRequest::default()
        },
        response: Some(response("application/json", r#"{"token":"s3cr3ts3cr3t"}"#)),
        error: Some(Failure { message: "GET http://a/?token=s3cr3t failed".into(), at: 0.0 }),
        timing: vec![Chunk { after: 0.0, bytes: 4 }, Chunk { after: 1.0, bytes: 20 }],
        websocket: Some(WebSocket { messages: vec![message(true), message(false)], ..WebSocket::default() }),
        ..Recorded::default()
    };
    exchange.metadata.insert("note".into(), serde_json::json!({"token": ["s3cr3t"]}));
    let mut requests_only = exchange.clone();

    rules().exchange(&mut exchange).expect("redacted");
    let mut shown = format!(
        "{:?} {:?} {:?}",
        exchange.error,
        exchange.metadata,
        exchange.request.fields.get_str("cookie")
    );
    for message in &exchange.websocket.as_ref().expect("messages").messages {
        shown.push_str(&String::from_utf8_lossy(&message.content));
    }
    let body = text(exchange.response.as_ref().expect("a response").content.as_ref());
    assert!(!(shown + &body).contains(SECRET));
    assert_eq!(exchange.metadata[MARK], true);
    assert_eq!(exchange.timing.iter().map(|chunk| chunk.bytes).sum::<u64>(), body.len() as u64);

    rules().with_responses(false).exchange(&mut requests_only).expect("redacted");
    let response = requests_only.response.as_ref().expect("a response");
    assert_eq!(text(response.content.as_ref()), r#"{"token":"s3cr3ts3cr3t"}"#);
    assert_eq!(requests_only.request.fields.get_str("cookie"), Some("a=REDACTED"));
    let messages = &requests_only.websocket.as_ref().expect("messages").messages;
    assert!(!String::from_utf8_lossy(&messages[0].content).contains(SECRET));
    assert!(String::from_utf8_lossy(&messages[1].content).contains(SECRET));

    let mut plain = Recorded { response: Some(response_without_secrets()), ..Recorded::default() };
    rules().exchange(&mut plain).expect("redacted");
    assert!(plain.metadata.is_empty());
}

fn response_without_secrets() -> RecordedResponse {
    response("application/json", r#"{"a":1}"#)
}

/// JSON that is nowhere: `count` objects with a secret each, then one without.
struct Long {
    count: u64,
}

const OBJECT: &[u8] = br#"{"token":"s3cr3t","n":1},"#;

impl ReadAt for Long {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = (self.count * OBJECT.len() as u64).saturating_sub(offset);
        let count = buf.len().min(left as usize);
        for (at, byte) in buf[..count].iter_mut().enumerate() {
            *byte = OBJECT[(offset as usize + at) % OBJECT.len()];
        }
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.count * OBJECT.len() as u64)
    }
}

#[test]
fn a_body_too_long_for_memory_is_rewritten_while_it_is_read() {
    let count = (17 << 20) / OBJECT.len() as u64;
    let len = count * OBJECT.len() as u64;
    let source: Arc<dyn ReadAt> = Arc::new(Long { count });
    let mut long = response("application/json", "");
    long.content = Some(Content::Held { source, start: 0, stored: len, form: Form::Raw, len });
    assert!(rules().response(&mut long).expect("redacted").changed);
    let content = long.content.clone().expect("recorded");
    assert!(matches!(content, Content::Held { .. }));
    assert_eq!(content.len(), len + 2 * count);
    let after = bytes(Some(&content));
    let whole = br#"{"token":"REDACTED","n":1},"#.repeat(count as usize);
    assert!(after == whole);
    // A reader that begins anywhere.
    let Content::Held { source, .. } = &content else { return };
    let mut piece = [0; 8];
    assert_eq!(source.read_at(&mut piece, 9).expect("readable"), 8);
    assert_eq!(&piece, br#""REDACTE"#);
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        "\"[a-z\\\\n:{}\\[\\]&?=]{0,6}\""
            .prop_filter("JSON", |text| serde_json::from_str::<String>(text).is_ok()),
        Just("\"s3cr3t\"".to_owned()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![Just("token"), Just("a"), Just("pass\\u0077ord"), Just("b\\\"")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[ {} ]", all.join(" ,"))),
            prop::collection::vec((name, inner), 0..4).prop_map(|all| {
                let members: Vec<_> =
                    all.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// No member on the list has anything but the word, or nothing.
fn is_clean(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(values) => values.iter().all(is_clean),
        serde_json::Value::Object(members) => members.iter().all(|(name, value)| match &**name {
            "token" | "password" => value.is_null() || value == "REDACTED",
            _ => is_clean(value),
        }),
        _ => true,
    }
}

proptest! {
    #[test]
    fn json_stays_json_and_is_clean(text in json()) {
        let after = redacted("application/json", &text);
        let value: serde_json::Value = serde_json::from_str(&after).expect("JSON");
        prop_assert!(is_clean(&value), "{after}");
    }

    #[test]
    fn any_bytes_are_redacted_once(
        body in prop::collection::vec(prop_oneof![
            Just(b"\"token\":".to_vec()), Just(b"\"".to_vec()), Just(b"token=".to_vec()), Just(b"%26".to_vec()),
            Just(b"\\".to_vec()), Just(b"\n".to_vec()), Just(b"{".to_vec()), Just(b"}".to_vec()), Just(b"&".to_vec()),
            Just(b"data:".to_vec()), Just(b"\r\n--b\r\n".to_vec()), Just(b"--b".to_vec()), Just(b"\r\n\r\n".to_vec()),
            Just(b"Content-Disposition: x; name=token".to_vec()), prop::collection::vec(any::<u8>(), 0..4),
        ], 0..24),
        kind in prop::sample::select(vec![
            "application/json", "application/x-ndjson", "text/event-stream", "multipart/form-data; boundary=b",
            "application/x-www-form-urlencoded", "text/plain",
        ]),
    ) {
        let mut response = response(kind, body.concat());
        rules().response(&mut response).expect("redacted");
        if let Some(content) = response.content.clone() {
            let once = bytes(Some(&content));
            prop_assert!(!rules().response(&mut response).expect("redacted").changed, "{:?}", once);
            prop_assert_eq!(bytes(response.content.as_ref()), once);
        }
    }

    #[test]
    fn any_field_is_redacted_once(
        name in prop::sample::select(vec!["authorization", "cookie", "set-cookie", "x-api-key", "location", "host"]),
        value in "[a-z0-9 ;=&?%#@:/\"<>\\[\\]\\t]{0,40}|(token=|%3D|%2526|&|://|@|[a-z ;]){0,12}",
    ) {
        field(name, &value);
    }

    #[test]
    fn a_planted_parameter_is_never_left(before in "[a-z=&;%]{0,12}", sign in "[?&#;]", after in "(&[a-z=]{0,8})?") {
        let url = format!("/{before}{sign}token={SECRET}{after}");
        let mut request = RecordedRequest { path: url.into_bytes(), ..RecordedRequest::default() };
        rules().request(&mut request).expect("redacted");
        prop_assert!(!String::from_utf8_lossy(&request.path).contains(SECRET));
    }
}

#[test]
fn a_long_target_takes_no_longer_than_its_length() {
    // With the square of the length these would take minutes.
    for piece in [":%2F%2F", "://", "%3A%2F%2F%40", "&token=", ";token=%26", "%25", "?a=%3D"] {
        let target = piece.repeat((1 << 20) / piece.len());
        let once = rules().target(target.as_bytes()).unwrap_or_else(|| target.into_bytes());
        assert_eq!(rules().target(&once), None, "{piece}");
    }
}

#[test]
fn pairs_show_names_only() {
    let pairs: Pairs = [("a", SECRET)].into_iter().collect();
    assert!(!format!("{pairs:?}").contains(SECRET));
}

#[test]
fn keys_and_tokens_in_fields_count_without_being_named() {
    let none = Rules::new([""; 0], [""; 0], [""; 0]);
    // Written out, so that one that leaves the list is missed.
    let written = [
        "X-Api-Key",
        "x-auth-token",
        "Private-Token",
        "X-Goog-Api-Key",
        "X-Amz-Security-Token",
        "X-Vault-Token",
        "Deploy-Token",
        "X-Shopify-Access-Token",
        "X-CSRF-Token",
    ];
    for name in millpond_exchange::CREDENTIAL_FIELDS.into_iter().chain(written) {
        assert_eq!(none.field(name.as_bytes(), b"s3cr3t").as_deref(), Some(&b"REDACTED"[..]), "{name}");
    }
    assert_eq!(none.field(b"X-Request-Id", b"s3cr3t"), None);
    let target = |path: &str| {
        Rules::default().target(path.as_bytes()).map(|new| String::from_utf8(new).expect("text"))
    };
    assert_eq!(
        target("/o?X-Amz-Credential=s3cr3t&X-Amz-Date=1&X-Amz-Signature=s3cr3t&sig=s3cr3t&id_token=s3cr3t")
            .as_deref(),
        Some(
            "/o?X-Amz-Credential=REDACTED&X-Amz-Date=1&X-Amz-Signature=REDACTED&sig=REDACTED&id_token=REDACTED"
        )
    );
    assert_eq!(target("/o?code=de&key=1"), None);
    let mut long =
        response("application/json", r#"{"private_key":"s3cr3t","accessToken":"s3cr3t","token":"s3cr3t"}"#);
    Rules::default().response(&mut long).expect("redacted");
    assert!(!text(long.content.as_ref()).contains(SECRET));
}

#[test]
fn strings_too_long_to_be_held_are_looked_into_all_the_same() {
    let words = "some words ".repeat(96 << 10);
    let letters = "QUJD/+".repeat(180 << 10);
    let json = |text: &str| format!(r#"{{"a":"{text}","b":1}}"#);
    let same = |text: &str| assert!(redacted("application/json", &json(text)) == json(text));
    same(&words);
    same(&letters);
    same(&format!("data:image/png;base64,{letters}=="));
    same(&format!("{words}\\n{letters}{}", "\\/x"));
    // At the beginning, across where a piece ends, and at the end.
    for before in ["", &words, &words[..(1 << 20) - 20], &words[..(1 << 20) - 8]] {
        let after = redacted(
            "application/json",
            &json(&format!("{before}\\nhttps://u:s3cr3t@a/?token=s3cr3t {words}")),
        );
        assert!(!after.contains(SECRET), "{}", before.len());
        assert!(after.ends_with(&json(&words)[6..]), "what comes after it stays");
        assert!(serde_json::from_str::<serde_json::Value>(&after).is_ok());
    }
    // JSON in it, behind a line break, and what no space divides.
    let inner = format!(r#"\n{{\"a\":\"{letters}\",\"token\":\"s3cr3t\"}}"#);
    assert_eq!(redacted("application/json", &json(&inner)), json("REDACTED"));
    for start in ["?token=", "\\u0026token\\u003d"] {
        let secret = format!("{start}s3cr3t{letters}s3cr3t");
        assert_eq!(redacted("application/json", &json(&secret)), json("REDACTED"));
    }
}

#[test]
fn messages_and_forms_in_parts_are_looked_into() {
    let body = "--b\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n\
        POST /x?token=s3cr3t HTTP/1.1\r\nAuthorization: Bearer s3cr3t\r\n s3cr3t\r\nCookie: a=s3cr3t\r\nX-A: 1\r\n\
        Content-Type: application/json\r\n\r\n{\"token\":\"s3cr3t\",\"n\":1}\r\n--b\r\n\
        Content-Type: application/http\r\n\r\nGET /y HTTP/1.1\r\nX-Api-Key: s3cr3t\r\n--b\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\na=1&password=s3cr3t\r\n--b\r\n\
        Content-Disposition: form-data; name=\"x\"; name*=UTF-8''pass%77ord\r\n\r\ns3cr3t\r\n--b\r\n\
        Content-Disposition: form-data; name=json\r\n\r\n{\"token\":\"s3cr3t\"}\r\n--b--\r\n";
    let after = "--b\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n\
        POST /x?token=REDACTED HTTP/1.1\r\nAuthorization: Bearer REDACTED\r\nCookie: a=REDACTED\r\nX-A: 1\r\n\
        Content-Type: application/json\r\n\r\n{\"token\":\"REDACTED\",\"n\":1}\r\n--b\r\n\
        Content-Type: application/http\r\n\r\nGET /y HTTP/1.1\r\nX-Api-Key: REDACTED\r\n--b\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\na=1&password=REDACTED\r\n--b\r\n\
        Content-Disposition: form-data; name=\"x\"; name*=UTF-8''pass%77ord\r\n\r\nREDACTED\r\n--b\r\n\
        Content-Disposition: form-data; name=json\r\n\r\n{\"token\":\"REDACTED\"}\r\n--b--\r\n";
    assert_eq!(redacted("multipart/mixed; boundary=b", body), after);
}

#[test]
fn json_in_a_parameter_of_a_form_is_looked_into() {
    let form = |body: &str| redacted("application/x-www-form-urlencoded", body);
    assert_eq!(
        form("a=1&payload=%7B%22token%22%3A+%22s3cr3t%22%2C%22x%22%3A%22%C3%A4%22%7D&b=2"),
        "a=1&payload=%7B%22token%22%3A+%22REDACTED%22%2C%22x%22%3A%22%C3%A4%22%7D&b=2"
    );
    assert_eq!(
        form("password=s3cr3t&payload={\"token\":\"s3cr3t\"}"),
        "password=REDACTED&payload=%7B%22token%22%3A%22REDACTED%22%7D"
    );
    let untouched = "payload={\"a\":%201}&b=x";
    assert_eq!(form(untouched), untouched);
}

#[test]
fn many_parts_take_no_longer_than_their_bytes() {
    // With the square of the length this would take minutes.
    let body = "--b\n\n".repeat((4 << 20) / 5);
    assert!(redacted("multipart/form-data; boundary=b", &body) == body);
}
