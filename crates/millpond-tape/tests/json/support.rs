//! What the tests of the codecs share: exchanges that have everything, and comparing them.
use bytes::Bytes;
use millpond_tape::{
    Chunk, ConnectionFacts, Content, Failure, Format, Pairs, Recorded, RecordedRequest, RecordedResponse,
    TapeError, WebSocket, WebSocketMessage, har, json, writer,
};
use serde_json::json;
use std::fmt::Debug;
use std::sync::Arc;

pub fn pairs(all: &[(&str, &str)]) -> Pairs {
    all.iter().copied().collect()
}

pub fn bytes_of(content: &Content) -> Bytes {
    content.to_bytes(1 << 30).unwrap().unwrap()
}

/// An exchange in which every member of the model says something.
pub fn everything() -> Recorded {
    Recorded {
        id: "0b5f2c9e-5b1c-4f0e-8f3e-3f3ad3f7c001".into(),
        request: request(),
        response: Some(response()),
        error: Some(Failure { message: "the server closed the connection".into(), at: 1_700_000_001.5 }),
        aborted: true,
        created: 1_700_000_000.25,
        client: connection(true),
        server: connection(false),
        timing: vec![Chunk { after: 0.0, bytes: 3 }, Chunk { after: 0.125, bytes: u64::MAX }],
        websocket: Some(websocket()),
        is_replay: Some("response".into()),
        marked: ":star:".into(),
        comment: "seen twice \u{1f600}".into(),
        metadata: json!({"millpond_key": "k", "list": [1, -2, 0.1, null, true, {"a": "b"}]})
            .as_object()
            .unwrap()
            .clone(),
    }
}

fn request() -> RecordedRequest {
    RecordedRequest {
        method: b"POST".to_vec(),
        scheme: b"https".to_vec(),
        host: "192.0.2.7".into(),
        port: 8443,
        authority: b"example.org:8443".to_vec(),
        path: b"/a%20b?x=1&y=%C3%A9&x=2".to_vec(),
        version: b"HTTP/2.0".to_vec(),
        fields: pairs(&[
            ("Host", "example.org:8443"),
            ("X-Case", "a"),
            ("x-case", "b"),
            ("Cookie", "a=1; b=2"),
        ]),
        content: Some(Bytes::from_static(b"sent \xff\x00").into()),
        trailers: Some(pairs(&[("X-Sum", "1")])),
        started: 1_700_000_000.25,
        ended: Some(1_700_000_000.375),
    }
}

fn response() -> RecordedResponse {
    let mut fields = pairs(&[
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Set-Cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
    ]);
    fields.push("X-Bytes", b"caf\xe9");
    RecordedResponse {
        status: 203,
        reason: "Très bien".into(),
        version: b"HTTP/1.1".to_vec(),
        fields,
        content: Some(Bytes::from_static("ligne\r\n\"\\\u{1}\u{2028}é😀".as_bytes()).into()),
        trailers: Some(pairs(&[("X-End", "2"), ("X-End", "3")])),
        started: 1_700_000_000.5,
        ended: Some(1_700_000_001.5),
    }
}

fn connection(client: bool) -> ConnectionFacts {
    ConnectionFacts {
        id: if client { "c" } else { "s" }.into(),
        peer: Some(("192.0.2.7".into(), 8443)),
        local: Some(("::1".into(), 50_000)),
        address: (!client).then(|| ("192.0.2.7".into(), 8443)),
        tls: true,
        sni: Some("example.org".into()),
        alpn: Some(b"h2".to_vec()),
        alpn_offers: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        cipher: Some("TLS_AES_128_GCM_SHA256".into()),
        ciphers: vec!["TLS_AES_128_GCM_SHA256".into()],
        tls_version: Some("TLSv1.3".into()),
        certificates: vec![b"-----BEGIN CERTIFICATE-----\n".to_vec()],
        shown_certificate: client.then(|| b"-----BEGIN CERTIFICATE-----\n".to_vec()),
        error: Some("reset".into()),
        transport: "tcp".into(),
        proxy_mode: if client { "regular" } else { "" }.into(),
        via: (!client).then(|| ("http".into(), "proxy.example".into(), 3128)),
        started: Some(1_699_999_999.0),
        tcp_setup: (!client).then_some(1_699_999_999.25),
        tls_setup: Some(1_699_999_999.5),
        ended: Some(1_700_000_002.0),
    }
}

fn websocket() -> WebSocket {
    let message = WebSocketMessage {
        opcode: 1,
        from_client: true,
        content: b"hello".to_vec(),
        at: 1_700_000_000.75,
        dropped: true,
        injected: true,
    };
    let binary = WebSocketMessage { opcode: 2, from_client: false, content: vec![0, 255], ..message.clone() };
    WebSocket {
        messages: vec![message, binary],
        closed_by_client: Some(false),
        close_code: Some(1000),
        close_reason: Some("done".into()),
        ended: Some(1_700_000_001.0),
    }
}

/// Every difference between two exchanges, by name.
pub fn differences(a: &Recorded, b: &Recorded) -> Vec<String> {
    let mut found = Vec::new();
    macro_rules! compare {
        ($($name:ident).+) => {
            let (one, other) = (&a.$($name).+, &b.$($name).+);
            if one != other {
                found.push(format!("{}: {one:?} != {other:?}", stringify!($($name).+)));
            }
        };
    }
    compare!(id);
    compare!(error);
    compare!(aborted);
    compare_times(&mut found, "created", a.created, b.created);
    compare!(client);
    compare!(server);
    compare!(timing);
    compare!(websocket);
    compare!(is_replay);
    compare!(marked);
    compare!(comment);
    compare!(metadata);
    compare!(request.method);
    compare!(request.scheme);
    compare!(request.host);
    compare!(request.port);
    compare!(request.authority);
    compare!(request.path);
    compare!(request.version);
    compare_times(&mut found, "request.started", a.request.started, b.request.started);
    compare!(request.ended);
    messages(&mut found, "request", &request_parts(a), &request_parts(b));
    match (&a.response, &b.response) {
        (Some(one), Some(other)) => {
            let facts =
                |r: &RecordedResponse| (r.status, r.reason.clone(), r.version.clone(), r.started, r.ended);
            if facts(one) != facts(other) {
                found.push(format!("response: {:?} != {:?}", facts(one), facts(other)));
            }
            messages(&mut found, "response", &response_parts(one), &response_parts(other));
        }
        (None, None) => {}
        _ => found.push("response: there, and not there".into()),
    }
    found
}

/// Bit for bit.
fn compare_times(found: &mut Vec<String>, name: &str, one: f64, other: f64) {
    if one.to_bits() != other.to_bits() {
        found.push(format!("{name}: {one} != {other}"));
    }
}

type Parts = (Vec<(Vec<u8>, Vec<u8>)>, Option<Pairs>, Option<Bytes>);

fn lines(pairs: &Pairs) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn request_parts(exchange: &Recorded) -> Parts {
    let request = &exchange.request;
    (lines(&request.fields), request.trailers.clone(), request.content.as_ref().map(bytes_of))
}

fn response_parts(response: &RecordedResponse) -> Parts {
    (lines(&response.fields), response.trailers.clone(), response.content.as_ref().map(bytes_of))
}

fn messages(found: &mut Vec<String>, side: &str, one: &Parts, other: &Parts) {
    let mut differ =
        |what: &str, a: &dyn Debug, b: &dyn Debug| found.push(format!("{side} {what}: {a:?} != {b:?}"));
    if one.0 != other.0 {
        differ("fields", &one.0, &other.0);
    }
    if one.1 != other.1 {
        differ("trailers", &one.1, &other.1);
    }
    if one.2 != other.2 {
        differ("content", &one.2, &other.2);
    }
}

/// Writes exchanges in a format.
pub fn written(format: Format, all: &[Recorded]) -> Vec<u8> {
    let mut to = Vec::new();
    let mut tape = writer(format, &mut to);
    for exchange in all {
        tape.write(exchange).unwrap();
    }
    tape.finish().unwrap();
    to
}

/// Reads a tape in a format.
pub fn tried(format: Format, tape: impl Into<Bytes>) -> Vec<Result<Recorded, TapeError>> {
    let source = Arc::new(tape.into());
    let tape = match format {
        Format::Json => json::reader(source),
        Format::Har => har::reader(source),
        Format::Mitm => millpond_tape::mitm::reader(source),
    };
    tape.map(|item| item.map(|(_, exchange)| exchange)).collect()
}

/// Reads a tape that is in order.
pub fn read(format: Format, tape: impl Into<Bytes>) -> Vec<Recorded> {
    tried(format, tape).into_iter().collect::<Result<_, _>>().unwrap()
}
