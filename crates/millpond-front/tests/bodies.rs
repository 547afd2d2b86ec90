//! Bodies both ways: back pressure, expectations, interim responses, trailers, cuts.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use millpond_front::{ConnectionEnd, FrontLimits};
use support::{Client, connect, connect_sized, connect_with, get, post};
use tokio::io::AsyncReadExt as _;

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

#[tokio::test(start_paused = true)]
async fn a_body_is_echoed_while_it_comes() {
    let mut client = connect();
    client.send(post("/echo", CHUNKED, "3\r\none\r\n")).await;
    let (status, fields) = client.head().await.unwrap();
    assert_eq!((status, fields.get_str("Transfer-Encoding")), (200, Some("chunked")));
    assert_eq!(client.take(8).await.unwrap(), b"3\r\none\r\n", "before the client has sent the rest");
    client.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(client.take(13).await.unwrap(), b"3\r\ntwo\r\n0\r\n\r\n");
    client.assert_open().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_can_be_read_from_another_task() {
    let mut client = connect();
    client.send(post("/task", "Content-Length: 11\r\n", "hello")).await;
    client.send(" world").await;
    assert_eq!(client.reply().await.text(), "hello world");
    client.assert_open().await;
}

#[tokio::test(start_paused = true)]
async fn a_large_upload_is_bounded_by_its_reader() {
    let client = connect_sized(FrontLimits::default(), 4096);
    let body = "x".repeat(1 << 20);
    let request = post("/echo", &format!("Content-Length: {}\r\n", body.len()), "");
    let (mut read, mut write) = tokio::io::split(client.io);
    let upload = async {
        use tokio::io::AsyncWriteExt as _;
        write.write_all(request.as_bytes()).await.unwrap();
        write.write_all(body.as_bytes()).await.unwrap();
    };
    // Nobody reads the echo: the upload must come to a stop.
    let mut upload = std::pin::pin!(upload);
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(5), &mut upload).await;
    assert!(stopped.is_err(), "a megabyte was buffered");
    let mut got = Vec::new();
    let download = async {
        while !got.ends_with(b"0\r\n\r\n") {
            assert!(read.read_buf(&mut got).await.unwrap() > 0);
        }
    };
    tokio::join!(upload, download);
    got.retain(|b| *b == b'x');
    assert_eq!(got.len(), 1 << 20);
    client.server.abort();
}

#[tokio::test(start_paused = true)]
async fn continue_is_sent_when_the_body_is_read() {
    let mut client = connect();
    client.send(post("/collect", "Expect: 100-Continue\r\nContent-Length: 5\r\n", "")).await;
    assert_eq!(client.reply().await.status, 100);
    client.send("hello").await;
    assert_eq!(client.reply().await.text(), "hello");
    client.assert_open().await;
}

#[tokio::test(start_paused = true)]
async fn continue_is_sent_once() {
    let mut client = connect();
    client.send(post("/continue", "Expect: 100-continue\r\nContent-Length: 5\r\n", "")).await;
    assert_eq!(client.reply().await.status, 100);
    client.send("hello").await;
    assert_eq!(client.reply().await.text(), "hello");
    client.assert_open().await;
}

#[tokio::test(start_paused = true)]
async fn continue_is_not_sent_for_a_body_nobody_reads() {
    let mut client = connect();
    client.send(post("/ignore", "Expect: 100-continue\r\nContent-Length: 5\r\n", "")).await;
    let got = client.reply().await;
    // The client may or may not send the body now: the connection cannot be used again.
    assert_eq!((got.text(), got.field("Connection")), ("ignored", Some("close")));
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn continue_is_not_sent_to_http_1_0_nor_without_a_body() {
    for request in [
        "POST /collect HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        "POST /continue HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
        "GET /hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "POST /collect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let mut client = connect();
        client.send(request).await;
        assert_eq!(client.reply().await.status, 200, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn interim_responses_come_before_the_reply() {
    let mut client = connect();
    client.send(get("/hints")).await;
    let hints = client.reply().await;
    assert_eq!((hints.status, hints.field("Link")), (103, Some("</style.css>; rel=preload")));
    assert_eq!(hints.field("Date"), None);
    assert_eq!(client.reply().await.status, 102);
    assert_eq!(client.reply().await.text(), "hinted");
    client.assert_open().await;
}

#[tokio::test(start_paused = true)]
async fn interim_responses_are_kept_from_http_1_0() {
    let mut client = connect();
    client.send("GET /hints HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "hinted");
}

#[tokio::test(start_paused = true)]
async fn a_1xx_is_no_final_reply() {
    let mut client = connect();
    let got = client.get("/interim-as-final").await;
    assert_eq!((got.status, got.field("Content-Type")), (500, Some("application/problem+json")));
    client.assert_closed().await;
    assert_eq!(client.script.finished.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn trailers_reach_clients_that_take_them() {
    for path in ["/trailers", "/announced-trailers"] {
        let mut client = connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nTE: deflate;q=0.5, trailers\r\n\r\n")).await;
        let got = client.reply().await;
        assert_eq!((got.text(), got.field("Transfer-Encoding")), ("content", Some("chunked")));
        assert_eq!(got.trailers.wire(), b"X-Sum: 42\r\n", "{path}: what must not trail is dropped");
        client.assert_open().await;
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_are_dropped_for_others() {
    let mut client = connect();
    let got = client.get("/trailers").await;
    assert_eq!((got.text(), got.trailers.len()), ("content", 0));
    let got = client.get("/announced-trailers").await;
    assert_eq!((got.text(), got.field("Trailer"), got.field("Content-Length")), ("content", None, Some("7")));
}

#[tokio::test(start_paused = true)]
async fn forbidden_request_trailers_are_dropped() {
    let mut client = connect();
    let body = "1\r\nx\r\n0\r\nX-A: 1\r\nContent-Length: 5\r\nHost: b\r\nAuthorization: c\r\nX-B: 2\r\n\r\n";
    client.send(post("/collect", CHUNKED, body)).await;
    assert_eq!(client.reply().await.field("X-Trailers"), Some("X-A X-B"));
}

#[tokio::test(start_paused = true)]
async fn an_unread_body_is_drained() {
    for path in ["/ignore", "/ready", "/ready-stream", "/keep"] {
        let mut client = connect();
        client.send(post(path, "Content-Length: 20\r\n", "GET /smuggled")).await;
        assert_eq!(client.reply().await.status, 200, "{path}");
        client.send(" HTTP/1").await;
        client.assert_open().await;
        assert_eq!(client.script.lines(), [format!("POST {path}"), "GET /hello".to_owned()]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unread_body_that_is_too_large_closes() {
    for path in ["/ignore", "/ready"] {
        let mut client = connect();
        client.send(post(path, "Content-Length: 10000000\r\n", &get("/smuggled"))).await;
        assert_eq!(client.reply().await.field("Connection"), Some("close"), "{path}");
        client.assert_closed().await;
        assert_eq!(client.script.lines(), [format!("POST {path}")]);
        assert_eq!(client.server.await.unwrap(), ConnectionEnd::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unread_chunked_body_that_is_too_large_closes() {
    let mut client = connect_with(FrontLimits { drain_bytes: 10, ..FrontLimits::default() });
    client.send(post("/ignore", CHUNKED, "20\r\n0123456789abcdef0123456789abcdef\r\n0\r\n\r\n")).await;
    assert_eq!(client.reply().await.text(), "ignored");
    client.assert_closed().await;
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Closed);
}

#[tokio::test(start_paused = true)]
async fn trailers_are_bounded_in_bytes_and_in_number() {
    let tight = FrontLimits { trailer_bytes: 20, fields: 3, ..FrontLimits::default() };
    for (trailers, status) in [
        ("A: 1\r\nB: 2\r\nC: 3\r\n", 200),
        ("A: 1\r\nB: 2\r\nC: 3\r\nD:\r\n", 400),
        ("A: 1234567890123456\r\n", 400),
    ] {
        let mut client = connect_with(tight.clone());
        client.send(post("/collect", CHUNKED, &format!("1\r\nx\r\n0\r\n{trailers}\r\n"))).await;
        assert_eq!(client.reply().await.status, status, "{trailers}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_short_cuts_the_connection() {
    for (path, tail) in [("/short", "\r\n\r\none"), ("/fails", "4\r\npart\r\n")] {
        let mut client = connect();
        client.send(get(path)).await;
        let mut all = String::new();
        client.io.read_to_string(&mut all).await.unwrap();
        assert!(all.ends_with(tail), "{path}: {all:?}");
        assert_eq!(client.server.await.unwrap(), ConnectionEnd::Cut, "{path}");
        assert!(!client.script.finished.lock().unwrap()[0].complete, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_on_is_cut_to_its_length() {
    let mut client = connect();
    assert_eq!(client.get("/long").await.text(), "onet");
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_cut_by_the_client_ends_with_an_error() {
    for fields in ["Content-Length: 10\r\n", CHUNKED] {
        let mut client = connect();
        client.send(post("/collect", fields, "5\r\nhel")).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.io).await.unwrap();
        let got = client.reply().await;
        assert_eq!((got.status, got.field("X-Error")), (400, Some("Cut")), "{fields}");
        client.assert_closed().await;
    }
}

#[tokio::test]
async fn ten_mebibytes_reach_a_slow_reader_over_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let io = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let mut client: Client<_> = support::serve(io, theirs, FrontLimits::default());
    client.send(get("/big") + &get("/ready")).await;
    let (_, fields) = client.head().await.unwrap();
    assert_eq!(fields.get_str("Content-Length"), Some("10485760"));
    for n in 0..40u8 {
        let piece = client.take(256 * 1024).await.unwrap();
        assert!(piece.iter().all(|b| *b == n), "piece {n}");
        tokio::task::yield_now().await;
    }
    assert_eq!(client.reply().await.text(), "at once");
}
