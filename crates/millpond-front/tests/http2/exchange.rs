//! Requests and replies.

use crate::client::{get, h2, h2_with, read, request, reset_of};
use crate::raw;
use crate::support::io::{Counted, Counts};
use crate::support::{self, DATE, settle};
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use millpond_exchange::Scheme;
use millpond_front::{ConnInfo, ConnectionEnd, Drain, FrontLimits, Refusal, TargetForm, serve_http2};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test(start_paused = true)]
async fn a_request_reaches_the_service_as_one_of_http_1_would() {
    let mut client = h2().await;
    let mut asked = get("/ready?x=1");
    asked.headers_mut().insert("x-one", HeaderValue::from_static("1"));
    asked.headers_mut().append("cookie", HeaderValue::from_static("a=b"));
    asked.headers_mut().append("cookie", HeaderValue::from_static("c=d"));
    asked.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    client.ask(asked).await;
    let seen = client.script.seen.lock().unwrap()[0].clone();
    assert_eq!((seen.line.as_str(), seen.authority.as_str()), ("GET /ready?x=1", "a.example"));
    assert_eq!((seen.form, seen.body_length), (TargetForm::Origin, Some(0)));
    assert_eq!(seen.version, Version::HTTP_2);
    assert!(seen.accepts_trailers);
    assert_eq!(seen.fields.get_str("host"), Some("a.example"));
    assert_eq!(seen.fields.get_str("x-one"), Some("1"));
    assert_eq!(
        seen.fields.get_all("cookie").collect::<Vec<_>>(),
        [&b"a=b; c=d"[..]],
        "RFC 9113 section 8.2.3"
    );
}

#[tokio::test(start_paused = true)]
async fn asterisk_and_other_schemes_keep_their_form() {
    let mut client = h2().await;
    // The client crate writes `*` when the target is asked for as such.
    let asked =
        Request::builder().method(Method::OPTIONS).uri("*").header("host", "a.example").body(()).unwrap();
    client.ask(asked).await;
    client.ask(Request::builder().uri("https://a.example/").body(()).unwrap()).await;
    let seen = client.script.seen.lock().unwrap().clone();
    assert_eq!((seen[0].line.as_str(), seen[0].form), ("OPTIONS *", TargetForm::Asterisk));
    assert_eq!(seen[0].authority, "a.example");
    assert_eq!((seen[1].line.as_str(), seen[1].form), ("GET /", TargetForm::Absolute));
}

#[tokio::test(start_paused = true)]
async fn replies_of_the_fast_path_and_of_the_other() {
    let mut client = h2().await;
    for (path, text) in [("/ready", "at once"), ("/hello", "hello"), ("/ready-stream", "ab")] {
        let got = client.get(path).await;
        assert_eq!((got.status, got.text(), got.field("date")), (200, text, Some(DATE)), "{path}");
    }
    assert_eq!(client.get("/hello").await.field("content-length"), Some("5"));
    assert_eq!(client.get("/stream").await.text(), "onetwothree");
    assert_eq!(client.get("/stream").await.field("content-length"), None);
    let outcomes = client.script.finished.lock().unwrap().clone();
    assert!(outcomes.iter().all(|outcome| outcome.complete), "{outcomes:?}");
    assert_eq!(outcomes[0].body_bytes, 7);
    let with_request = client.script.with_request.lock().unwrap().clone();
    assert_eq!(with_request, [true, false, true, false, false, false]);
}

#[tokio::test(start_paused = true)]
async fn content_larger_than_the_windows_arrives_whole() {
    let mut client = h2().await;
    let got = client.get("/big").await;
    assert_eq!(got.body.len(), 40 * 256 * 1024);
    assert!(got.body.chunks(256 * 1024).zip(0..).all(|(chunk, n)| chunk.iter().all(|byte| *byte == n)));
    assert_eq!(client.script.finished.lock().unwrap()[0].body_bytes, 40 * 256 * 1024);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_share_a_connection() {
    let mut client = h2().await;
    let mut waiting = Vec::new();
    for n in 0..50 {
        let path = ["/ready", "/big", "/stream", "/hello"][n % 4];
        let response = client.start(get(path), true).await.0;
        waiting.push(tokio::spawn(async move { read(response.await.unwrap()).await.unwrap() }));
    }
    for (n, got) in waiting.into_iter().enumerate() {
        let got = got.await.unwrap();
        let length = [7, 40 * 256 * 1024, 11, 5][n % 4];
        assert_eq!((got.status, got.body.len()), (200, length));
    }
}

#[tokio::test(start_paused = true)]
async fn replies_without_content() {
    let mut client = h2().await;
    let head = client.ask(request(Method::HEAD, "/hello")).await;
    assert_eq!((head.status, head.field("content-length"), head.text()), (200, Some("5"), ""));
    let none = client.get("/no-content").await;
    assert_eq!((none.status, none.field("content-length"), none.text()), (204, None, ""));
    let same = client.get("/not-modified").await;
    assert_eq!((same.status, same.field("content-length"), same.text()), (304, Some("1234"), ""));
    let reset = client.get("/reset").await;
    assert_eq!((reset.status, reset.field("content-length"), reset.text()), (205, Some("0"), ""));
}

/// RFC 9113 section 8.2.2.
#[tokio::test(start_paused = true)]
async fn connection_specific_fields_are_never_sent() {
    let mut client = h2().await;
    let got = client.get("/framing-fields").await;
    assert_eq!((got.field("x-kept"), got.field("content-length")), (Some("yes"), Some("4")));
    for name in ["transfer-encoding", "connection", "keep-alive", "upgrade"] {
        assert_eq!(got.field(name), None);
    }
    assert_eq!(client.get("/upgrade").await.status, 500, "there is no 101");
    assert_eq!(client.get("/interim-as-final").await.status, 500);
    assert_eq!(*client.script.refused.lock().unwrap(), [Refusal::BadReply, Refusal::BadReply]);
}

#[tokio::test(start_paused = true)]
async fn interim_responses_come_first() {
    let mut client = h2().await;
    let (mut response, _) = client.start(get("/hints"), true).await;
    let mut interim = Vec::new();
    while let Some(head) = std::future::poll_fn(|cx| response.poll_informational(cx)).await {
        let head = head.unwrap();
        interim.push((head.status().as_u16(), head.headers().get("link").cloned()));
    }
    let link = HeaderValue::from_static("</style.css>; rel=preload");
    assert_eq!(interim, [(103, Some(link)), (102, None)]);
    assert_eq!(read(response.await.unwrap()).await.unwrap().text(), "hinted");
}

#[tokio::test(start_paused = true)]
async fn trailers_go_to_those_who_take_them() {
    let mut client = h2().await;
    for path in ["/trailers", "/announced-trailers"] {
        let mut asked = get(path);
        asked.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let got = client.ask(asked).await;
        let trailers = got.trailers.as_ref().expect("trailers");
        assert_eq!(
            (got.text(), trailers.len(), &trailers["x-sum"]),
            ("content", 1, &HeaderValue::from_static("42"))
        );
        let got = client.get(path).await;
        assert_eq!((got.text(), &got.trailers), ("content", &None));
    }
}

#[tokio::test(start_paused = true)]
async fn request_bodies_are_streamed() {
    let mut client = h2().await;
    for path in ["/echo", "/collect", "/task"] {
        let got = client.post(request(Method::POST, path), &["one", "two"], None).await;
        assert_eq!((got.status, got.text()), (200, "onetwo"), "{path}");
    }
    let mut sized = request(Method::POST, "/collect");
    sized.headers_mut().insert("content-length", HeaderValue::from_static("6"));
    assert_eq!(client.post(sized, &["one", "two"], None).await.text(), "onetwo");
    let lengths: Vec<_> = client.script.seen.lock().unwrap().iter().map(|seen| seen.body_length).collect();
    assert_eq!(lengths, [None, None, None, Some(6)]);

    let trailers = HeaderMap::from_iter([
        ("x-sum".parse().unwrap(), HeaderValue::from_static("42")),
        ("content-type".parse().unwrap(), HeaderValue::from_static("text/plain")),
    ]);
    let got = client.post(request(Method::POST, "/collect"), &["x"], Some(trailers)).await;
    assert_eq!((got.text(), got.field("x-trailers")), ("x", Some("x-sum")));
}

/// The window is given back as the body is read, whoever reads it.
#[tokio::test(start_paused = true)]
async fn bodies_larger_than_the_windows_arrive_whole() {
    for path in ["/echo", "/collect", "/task"] {
        let mut client = h2().await;
        let (response, mut body) = client.start(request(Method::POST, path), false).await;
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        body.send_data(Bytes::from(sent.clone()), true).unwrap();
        assert!(read(response.await.unwrap()).await.unwrap().body == sent, "{path}");
    }
}

/// RFC 9113 section 8.1: a reply may come before the request is complete.
#[tokio::test(start_paused = true)]
async fn a_body_nobody_reads_does_not_hold_the_reply_up() {
    let mut client = h2().await;
    let (response, mut body) = client.start(request(Method::POST, "/ignore"), false).await;
    let got = read(response.await.unwrap()).await.unwrap();
    assert_eq!((got.status, got.text()), (200, "ignored"));
    assert_eq!(std::future::poll_fn(|cx| body.poll_reset(cx)).await.unwrap(), Reason::NO_ERROR);
    assert_eq!(client.get("/hello").await.text(), "hello");
}

/// The client may send no more than a window ahead of what the service reads.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_the_client_down() {
    let mut client = h2().await;
    let (_response, mut body) = client.start(request(Method::POST, "/wait"), false).await;
    client.script.reached.notified().await;
    let mut taken = 0;
    loop {
        body.reserve_capacity(64 * 1024);
        let room = std::future::poll_fn(|cx| body.poll_capacity(cx));
        let Ok(room) = tokio::time::timeout(std::time::Duration::from_secs(5), room).await else { break };
        let room = room.unwrap().unwrap();
        body.send_data(Bytes::from(vec![0; room]), false).unwrap();
        taken += room;
    }
    assert_eq!(taken, FrontLimits::default().stream_window as usize);
}

#[tokio::test(start_paused = true)]
async fn a_100_is_sent_when_the_body_is_wanted() {
    let mut client = h2().await;
    let mut asked = request(Method::POST, "/collect");
    asked.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    asked.headers_mut().insert("content-length", HeaderValue::from_static("4"));
    let (mut response, mut body) = client.start(asked, false).await;
    let interim = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
    assert_eq!(interim.unwrap().unwrap().status(), 100);
    body.send_data(Bytes::from_static(b"four"), true).unwrap();
    assert_eq!(read(response.await.unwrap()).await.unwrap().text(), "four");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_resets_its_stream_only() {
    let mut client = h2().await;
    for path in ["/fails", "/short"] {
        let (response, _) = client.start(get(path), true).await;
        let response = match response.await {
            Ok(response) => read(response).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert_eq!(reset_of(response), Reason::INTERNAL_ERROR, "{path}");
    }
    assert_eq!(client.get("/long").await.text(), "onet", "cut to what was announced");
    let complete: Vec<_> =
        client.script.finished.lock().unwrap().iter().map(|outcome| outcome.complete).collect();
    assert_eq!(complete, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn heads_beyond_the_limits_are_refused() {
    let mut client = h2().await;
    let mut many = get("/");
    for n in 0..129 {
        many.headers_mut()
            .insert(http::HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from_static("1"));
    }
    let got = client.ask(many).await;
    assert_eq!((got.status, got.field("content-type")), (431, Some("application/problem+json")));
    let mut large = get("/");
    large.headers_mut().insert("x-large", HeaderValue::try_from("x".repeat(65_000)).unwrap());
    assert_eq!(client.ask(large.clone()).await.status, 200, "within 64 KiB");
    large.headers_mut().insert("x-more", HeaderValue::try_from("x".repeat(1_000)).unwrap());
    assert_eq!(client.ask(large.clone()).await.status, 431);
    large.headers_mut().insert("x-much-more", HeaderValue::try_from("x".repeat(20_000)).unwrap());
    assert_eq!(client.ask(large).await.status, 431, "the h2 crate's own");
    let long = format!("/{}", "x".repeat(33_000));
    assert_eq!(client.get(&long).await.status, 414);
    let mut expects = get("/");
    expects.headers_mut().insert("expect", HeaderValue::from_static("something"));
    assert_eq!(client.ask(expects).await.status, 417);
    assert_eq!(client.get("/hello").await.text(), "hello", "the connection goes on");
    let refused = client.script.refused.lock().unwrap().clone();
    let expected =
        [Refusal::HeadTooLarge, Refusal::HeadTooLarge, Refusal::TargetTooLong, Refusal::Expectation];
    assert_eq!(refused, expected);
}

/// RFC 9113 section 8.5: a tunnel would be a stream; none is offered.
#[tokio::test(start_paused = true)]
async fn connect_is_not_offered() {
    let mut client = h2().await;
    let connect = Request::builder().method(Method::CONNECT).uri("b.example:443").body(()).unwrap();
    let (response, _) = client.start(connect, false).await;
    assert_eq!(response.await.unwrap().status(), 501);
    assert_eq!(*client.script.refused.lock().unwrap(), [Refusal::Tunnel]);
    assert!(!client.send.is_extended_connect_protocol_enabled());
    assert_eq!(client.get("/hello").await.text(), "hello");
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_allowed_wait_in_the_client() {
    let limits = FrontLimits { streams: 3, ..FrontLimits::default() };
    let mut client = h2_with(limits, &h2::client::Builder::new()).await;
    client.get("/ready").await;
    assert_eq!(client.send.current_max_send_streams(), 3);
}

/// Replies to requests that came together leave together: one read, one write.
#[tokio::test(start_paused = true)]
async fn replies_to_a_batch_are_one_write() {
    let counts = Arc::new(Counts::default());
    let (io, theirs) = tokio::io::duplex(1024 * 1024);
    let theirs = Counted::new(theirs, &counts, true);
    let client = support::serve(io, theirs, FrontLimits::default());
    let mut raw = raw::Raw::over(client);
    raw.greet(&[]).await;
    let batch: Vec<u8> = (1..40).step_by(2).flat_map(|stream| raw::get(stream, "/ready-kib")).collect();
    settle().await;
    let before = (counts.reads.load(SeqCst), counts.writes.load(SeqCst));
    raw.send(batch).await;
    for stream in (1..40).step_by(2) {
        assert_eq!(raw.until(raw::DATA).await.stream, stream);
    }
    settle().await;
    let after = (counts.reads.load(SeqCst), counts.writes.load(SeqCst));
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1), "reads and writes");
}

#[tokio::test(start_paused = true)]
async fn transports_without_vectored_writes() {
    let counts = Arc::new(Counts::default());
    let (io, theirs) = tokio::io::duplex(64 * 1024);
    let client = support::serve(io, Counted::new(theirs, &counts, false), FrontLimits::default());
    let (mut send, connection) = h2::client::handshake(client.io).await.unwrap();
    tokio::spawn(connection);
    for path in ["/big", "/ready"] {
        let (response, _) = send.send_request(get(path), true).unwrap();
        let length = if path == "/big" { 40 * 256 * 1024 } else { 7 };
        assert_eq!(read(response.await.unwrap()).await.unwrap().body.len(), length);
        std::future::poll_fn(|cx| send.poll_ready(cx)).await.unwrap();
    }
}

/// A connection that ALPN found to be HTTP/2 is never anything else.
#[tokio::test(start_paused = true)]
async fn a_connection_known_to_be_http_2() {
    for preface in [true, false] {
        let (mut io, theirs) = tokio::io::duplex(64 * 1024);
        let (script, drain) = (Arc::new(support::Script::default()), Drain::new());
        let limits = Arc::new(FrontLimits::default());
        let info = ConnInfo { scheme: Scheme::Https, ..ConnInfo::new(1) };
        let server = serve_http2(theirs, info, Arc::clone(&script), limits, drain.signal());
        let server = tokio::spawn(server);
        if preface {
            let (mut send, connection) = h2::client::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let asked = Request::builder().uri("https://a.example/ready").body(()).unwrap();
            let (response, _) = send.send_request(asked, true).unwrap();
            assert_eq!(read(response.await.unwrap()).await.unwrap().text(), "at once");
            assert_eq!(script.seen.lock().unwrap()[0].form, TargetForm::Origin);
        } else {
            tokio::io::AsyncWriteExt::write_all(&mut io, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                .await
                .unwrap();
            tokio::io::copy(&mut io, &mut tokio::io::sink()).await.unwrap();
            drop(io);
            assert_eq!(server.await.unwrap(), ConnectionEnd::Refused(Refusal::Frame));
            assert_eq!(*script.refused.lock().unwrap(), [Refusal::Frame]);
        }
    }
}

/// HTTP/1.1 and HTTP/2 come to the same door.
#[tokio::test(start_paused = true)]
async fn the_preface_is_told_from_a_request() {
    for split in 1..raw::PREFACE.len() {
        let mut client = raw::silent(FrontLimits::default(), 64 * 1024);
        client.send(&raw::PREFACE[..split]).await;
        settle().await;
        client.send(&raw::PREFACE[split..]).await;
        assert_eq!(client.next().await.unwrap().kind, raw::SETTINGS, "after {split} bytes");
    }
    let mut text = support::connect();
    text.send("P").await;
    settle().await;
    text.send("RIVATE /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(text.reply().await.text(), "hello");
    // Only a connection that begins with it is one: this is a request for the version 2.0 in text.
    text.send(raw::PREFACE).await;
    assert_eq!(text.reply().await.status, 505);
}
