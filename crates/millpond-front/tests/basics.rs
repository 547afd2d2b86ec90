//! Requests that are as they should be: persistence, pipelining, framing of replies, HTTP/1.0.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use millpond_exchange::{Fields, StatusCode};
use millpond_front::{ConnectionEnd, FrontLimits, TargetForm, WireHead};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use support::io::{Counted, Counts};
use support::{DATE, connect, connect_sized, connect_with, get, post, serve};
use tokio::io::AsyncWriteExt as _;

#[tokio::test(start_paused = true)]
async fn a_connection_carries_many_requests() {
    let mut client = connect();
    for path in ["/ready", "/hello", "/ready", "/stream", "/ready-stream", "/sized", "/hello"] {
        let got = client.get(path).await;
        assert_eq!(got.status, 200, "{path}");
        assert_eq!(got.field("Date"), Some(DATE), "{path}");
        assert_eq!(got.field("Connection"), None, "{path}");
    }
    assert_eq!(client.script.lines().len(), 7);
    assert!(client.script.finished.lock().unwrap().iter().all(|outcome| outcome.complete));
    let Ok(()) = client.io.shutdown().await else { panic!("shutdown") };
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::ClientClosed);
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_answered_in_order() {
    let mut client = connect();
    let paths = ["/ready", "/stream", "/hello", "/ready", "/collect", "/ready"];
    client.send(paths.map(get).concat()).await;
    let mut texts = Vec::new();
    for _ in paths {
        texts.push(client.reply().await.text().to_owned());
    }
    assert_eq!(texts, ["at once", "onetwothree", "hello", "at once", "", "at once"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_may_come_one_by_one() {
    let mut client = connect();
    let body = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";
    let request = post("/collect", "Transfer-Encoding: chunked\r\n", body) + &get("/ready");
    for byte in request.as_bytes() {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    let got = client.reply().await;
    assert_eq!((got.text(), got.field("X-Trailers")), ("hello world", Some("X-Sum")));
    assert_eq!(client.reply().await.text(), "at once");
}

#[tokio::test(start_paused = true)]
async fn replies_pass_a_pipe_of_one_byte() {
    let mut client = connect_sized(FrontLimits::default(), 1);
    assert_eq!(client.get("/ready").await.text(), "at once");
    assert_eq!(client.get("/stream").await.text(), "onetwothree");
    client.send(post("/echo", "Content-Length: 5\r\n", "hello")).await;
    assert_eq!(client.reply().await.text(), "hello");
}

#[tokio::test(start_paused = true)]
async fn targets_are_read_in_all_four_forms() {
    let rows = [
        ("GET /a?b=c HTTP/1.1\r\nHost: h.example:81\r\n", "GET /a?b=c", "h.example:81", TargetForm::Origin),
        (
            "GET http://x.example/p HTTP/1.1\r\nHost: y.example\r\n",
            "GET /p",
            "x.example",
            TargetForm::Absolute,
        ),
        ("GET HTTP://x.example?q HTTP/1.1\r\nHost: y\r\n", "GET /?q", "x.example", TargetForm::Absolute),
        ("GET https://[::1]:8 HTTP/1.1\r\nHost: y\r\n", "GET /", "[::1]:8", TargetForm::Absolute),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n", "OPTIONS *", "h", TargetForm::Asterisk),
        ("OPTIONS http://x:8 HTTP/1.1\r\nHost: h\r\n", "OPTIONS *", "x:8", TargetForm::Absolute),
        ("GET /p HTTP/1.7\r\nHost: h\r\n", "GET /p", "h", TargetForm::Origin),
    ];
    for (head, line, authority, form) in rows {
        let mut client = connect();
        client.send(format!("{head}\r\n")).await;
        assert_eq!(client.reply().await.status, 200, "{head}");
        let seen = client.script.seen.lock().unwrap()[0].clone();
        assert_eq!(
            (seen.line.as_str(), seen.authority.as_str(), seen.form),
            (line, authority, form),
            "{head}"
        );
        assert_eq!(seen.fields.get_str("host"), Some(authority), "the Host field follows the target: {head}");
    }
}

#[tokio::test(start_paused = true)]
async fn field_names_and_order_are_kept() {
    let mut client = connect();
    client.send("GET /a HTTP/1.1\r\nhOsT: h\r\nX-B: 1\r\nx-a:  2 \r\nX-B: \r\n\r\n").await;
    client.reply().await;
    let seen = client.script.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.fields.wire(), b"hOsT: h\r\nX-B: 1\r\nx-a: 2\r\nX-B: \r\n");
}

#[tokio::test(start_paused = true)]
async fn more_fields_than_fit_on_the_stack() {
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect::<Vec<_>>().concat();
    let mut client = connect();
    client.send(format!("GET /a HTTP/1.1\r\nHost: h\r\n{}\r\n", many(127))).await;
    assert_eq!(client.reply().await.status, 200);
    assert_eq!(client.script.seen.lock().unwrap()[0].fields.len(), 128);
    client.send(format!("GET /a HTTP/1.1\r\nHost: h\r\n{}\r\n", many(128))).await;
    assert_eq!(client.reply().await.status, 431);
}

#[tokio::test(start_paused = true)]
async fn a_head_may_be_as_large_as_the_limit_and_no_larger() {
    let start = get("/hello").len();
    let limits = FrontLimits { head_bytes: start + 20, ..FrontLimits::default() };
    for (fill, status) in [(15, 200), (16, 431)] {
        // "X: " and its line end take five bytes.
        let head = get("/hello").trim_end().to_owned() + "\r\nX: " + &"x".repeat(fill) + "\r\n\r\n";
        let mut client = connect_with(limits.clone());
        client.send(&head).await;
        assert_eq!(client.reply().await.status, status, "{} bytes of {}", head.len(), limits.head_bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn one_empty_line_before_a_request_is_skipped() {
    let mut client = connect();
    client.send(format!("\r\n{}\r\n{}", get("/ready"), get("/hello"))).await;
    assert_eq!(client.reply().await.text(), "at once");
    assert_eq!(client.reply().await.text(), "hello");
}

#[tokio::test(start_paused = true)]
async fn head_replies_announce_and_carry_nothing() {
    for (path, length) in [
        ("/hello", Some("5")),
        ("/ready", Some("7")),
        ("/sized", Some("6")),
        ("/stream", None),
        ("/big", Some("10485760")),
    ] {
        let mut client = connect();
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let (status, fields) = client.head().await.unwrap();
        assert_eq!((status, fields.get_str("Content-Length")), (200, length), "{path}");
        client.assert_open().await;
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_without_content() {
    for (path, status, length) in
        [("/no-content", 204, None), ("/not-modified", 304, Some("1234")), ("/reset", 205, Some("0"))]
    {
        let mut client = connect();
        let got = client.get(path).await;
        assert_eq!((got.status, got.field("Content-Length")), (status, length));
        assert_eq!(got.field("Transfer-Encoding"), None);
        client.assert_open().await;
    }
}

#[tokio::test(start_paused = true)]
async fn framing_fields_of_the_service_are_replaced() {
    let mut client = connect();
    let got = client.get("/framing-fields").await;
    assert_eq!(got.fields.get_all("Content-Length").collect::<Vec<_>>(), [b"4"]);
    assert_eq!(got.field("X-Kept"), Some("yes"));
    for name in ["Transfer-Encoding", "Connection", "Keep-Alive"] {
        assert_eq!(got.field(name), None, "{name}");
    }
    client.assert_open().await;
}

#[test]
fn each_framing_field_is_dropped_by_itself() {
    for name in ["Connection", "keep-alive", "Content-Length", "TRANSFER-ENCODING", "Proxy-Connection"] {
        let fields = Fields::from_iter([("A", "1"), (name, "chunked"), ("B", "2")]);
        let mut head = WireHead::new(StatusCode::OK);
        head.copy(&fields);
        head.copy_where(&fields, |field| !field.is("B"));
        head.push(name, "close").unwrap();
        assert_eq!(head.text(), b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nA: 1\r\n", "{name}");
    }
}

#[test]
fn a_head_takes_no_line_breaks() {
    let mut head = WireHead::with_reason(StatusCode::OK, "fi\r\nne");
    assert!(head.push("X", "a\r\nY: b").is_err());
    assert!(head.push("X\r\nY", "a").is_err());
    assert!(head.push("", "a").is_err());
    assert_eq!(head.text(), b"HTTP/1.1 200 fi  ne\r\n");
}

#[tokio::test(start_paused = true)]
async fn the_date_follows_the_clock() {
    let mut client = connect();
    for (path, second, date) in [
        ("/ready", 0, DATE),
        ("/hello", 1, "Thu, 01 Jan 2026 00:00:01 GMT"),
        ("/ready", 86_400, "Fri, 02 Jan 2026 00:00:00 GMT"),
    ] {
        client.script.clock.store(second, SeqCst);
        assert_eq!(client.get(path).await.field("Date"), Some(date));
    }
}

#[tokio::test(start_paused = true)]
async fn close_is_honoured_from_both_sides() {
    let mut client = connect();
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n").await;
    assert_eq!(client.reply().await.field("Connection"), Some("close"));
    client.assert_closed().await;

    let mut client = connect();
    client.send(get("/close") + &get("/never")).await;
    assert_eq!(client.reply().await.field("Connection"), Some("close"));
    client.assert_closed().await;
    assert_eq!(client.script.lines(), ["GET /close"]);
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Closed);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_behind_a_close() {
    for path in ["/ready", "/hello", "/ready-stream", "/long"] {
        let mut client = connect();
        let close = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.send(close + &get("/never")).await;
        assert_eq!(client.reply().await.field("Connection"), Some("close"), "{path}");
        client.assert_closed().await;
        assert_eq!(client.script.lines(), [format!("GET {path}")]);
    }
    // Too late to say so in the head of a reply whose stream goes on: closed all the same.
    let mut client = connect();
    client.send(get("/long") + &get("/never")).await;
    client.reply().await;
    client.assert_closed().await;
    assert_eq!(client.script.lines(), ["GET /long"]);
}

#[tokio::test(start_paused = true)]
async fn http_1_0() {
    let mut client = connect();
    client.send("GET /hello HTTP/1.0\r\n\r\n").await;
    let got = client.reply().await;
    assert_eq!((got.text(), got.field("Connection")), ("hello", Some("close")));
    client.assert_closed().await;

    let mut client = connect();
    client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    assert_eq!(client.reply().await.field("Connection"), Some("keep-alive"));
    client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let got = client.reply().await;
    assert_eq!((got.text(), got.field("Transfer-Encoding")), ("onetwothree", None));
    assert_eq!(got.field("Connection"), Some("close"), "the end of the connection is the end of the content");
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_number_of_replies_can_be_bounded() {
    let mut client = connect_with(FrontLimits { requests: Some(2), ..FrontLimits::default() });
    assert_eq!(client.get("/ready").await.field("Connection"), None);
    assert_eq!(client.get("/ready").await.field("Connection"), Some("close"));
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_reported() {
    let mut client = connect();
    client.get("/stream").await;
    client.get("/ready").await;
    client.get("/fails-not").await;
    let finished = client.script.finished.lock().unwrap().clone();
    let bytes: Vec<_> =
        finished.iter().map(|outcome| (outcome.status.as_u16(), outcome.body_bytes)).collect();
    assert_eq!(bytes, [(200, 11), (200, 7), (200, 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_hit_costs_one_read_and_one_write() {
    let (io, theirs) = tokio::io::duplex(64 * 1024);
    let counts = Arc::new(Counts::default());
    let mut client = serve(io, Counted::new(theirs, &counts, true), FrontLimits::default());
    for _ in 0..10 {
        client.get("/ready").await;
    }
    assert_eq!((counts.reads.load(SeqCst), counts.writes.load(SeqCst)), (10, 10));
    client.get("/hello").await;
    assert_eq!(
        (counts.reads.load(SeqCst), counts.writes.load(SeqCst)),
        (11, 11),
        "nor does another small reply"
    );
}

#[tokio::test(start_paused = true)]
async fn pieces_are_joined_for_a_transport_that_takes_one_at_a_time() {
    let (io, theirs) = tokio::io::duplex(64 * 1024);
    let counts = Arc::new(Counts::default());
    let mut client = serve(io, Counted::new(theirs, &counts, false), FrontLimits::default());
    assert_eq!(client.get("/stream").await.text(), "onetwothree");
    assert_eq!(counts.writes.load(SeqCst), 1);
    client.send(get("/big") + &get("/ready")).await;
    let big = client.reply().await.body;
    assert!(big.chunks(256 * 1024).enumerate().all(|(n, piece)| piece.iter().all(|b| usize::from(*b) == n)));
    assert_eq!(client.reply().await.text(), "at once");
}

#[tokio::test(start_paused = true)]
async fn the_request_comes_back_when_the_fast_path_answered() {
    let mut client = connect();
    for (request, from_ready) in [
        (get("/ready"), true),
        (get("/ready-stream"), true),
        (post("/ready", "Content-Length: 2\r\n", "hi"), true),
        (get("/hello"), false),
    ] {
        client.send(&request).await;
        client.reply().await;
        assert_eq!(client.script.with_request.lock().unwrap().pop(), Some(from_ready), "{request}");
    }
}

/// What the front lets through, `http::Uri` takes too: a request is never accepted here and then cannot be sent on.
#[tokio::test(start_paused = true)]
async fn every_accepted_target_is_a_uri() {
    for template in ["/a@b", "/?a@b"] {
        for byte in 1..=255u8 {
            let target: Vec<u8> = template.bytes().map(|b| if b == b'@' { byte } else { b }).collect();
            let mut client = connect();
            client.send([b"GET ", &target[..], b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat()).await;
            let accepted = client.reply().await.status == 200;
            let is_uri = std::str::from_utf8(&target).is_ok_and(|text| text.parse::<http::Uri>().is_ok());
            let clean = byte.is_ascii_graphic() && byte != b'#';
            assert!(!accepted || is_uri, "{}", target.escape_ascii());
            assert_eq!(accepted, is_uri && clean, "{}", target.escape_ascii());
        }
    }
}

/// The same for hosts.
#[tokio::test(start_paused = true)]
async fn every_accepted_host_is_an_authority() {
    let bytes = (1..=255u8).map(|byte| vec![b'a', byte, b'b']);
    let texts = [
        "a",
        "a:0",
        "a:65535",
        "a:65536",
        "a:",
        ":80",
        "a%41",
        "[::1]",
        "[::1]:8",
        "[::1",
        "[1.2.3.4]",
        "[v1.a]",
        "a..b",
        "1.2.3.4",
    ];
    for host in bytes.chain(texts.map(|text| text.as_bytes().to_vec())) {
        let mut client = connect();
        client.send([b"GET / HTTP/1.1\r\nHost: ", &host[..], b"\r\n\r\n"].concat()).await;
        let accepted = client.reply().await.status == 200;
        let is_authority = http::uri::Authority::try_from(&host[..]).is_ok();
        assert!(!accepted || is_authority, "{}", host.escape_ascii());
    }
}
