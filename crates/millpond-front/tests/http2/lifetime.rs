//! Timeouts, shutdown, and clients that give up. Time is tokio's paused clock.

use crate::client::{get, h2, h2_with, read, request, reset_of};
use crate::raw::{
    self, END_HEADERS, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PREFACE, SETTINGS, SETTINGS_TIMEOUT,
};
use crate::support::settle;
use bytes::Bytes;
use h2::Reason;
use http::Method;
use millpond_front::{ConnectionEnd, FrontLimits, Refusal};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_reset_cancels_the_call() {
    let mut client = h2().await;
    let (response, mut body) = client.start(get("/wait"), false).await;
    client.script.reached.notified().await;
    body.send_reset(Reason::CANCEL);
    drop(response);
    settle().await;
    assert_eq!(client.script.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(client.get("/hello").await.text(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_reset_during_the_reply_ends_it() {
    let mut client = h2().await;
    let (response, _) = client.start(get("/big"), true).await;
    let response = response.await.unwrap();
    drop(response);
    settle().await;
    let outcome = client.script.finished.lock().unwrap()[0];
    assert!(!outcome.complete && outcome.body_bytes < 40 * 256 * 1024, "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_cancels_its_calls() {
    let mut client = h2().await;
    let (_response, _) = client.start(get("/wait"), true).await;
    client.script.reached.notified().await;
    client.connection.abort();
    client.server.await.unwrap();
    assert_eq!(client.script.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_told_and_closed() {
    let mut client = h2().await;
    client.get("/ready").await;
    tokio::time::sleep(Duration::from_secs(74)).await;
    client.get("/ready").await;
    let start = Instant::now();
    client.connection.await.unwrap().unwrap();
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(75) && waited < Duration::from_secs(76), "{waited:?}");
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Idle);
}

/// A client may not have seen our GOAWAY; one that has had five seconds for it has.
#[tokio::test(start_paused = true)]
async fn who_does_not_heed_a_goaway_is_not_served_for_ever() {
    let mut client = raw::connected(FrontLimits::default(), &[]).await;
    client.drain.start();
    let mut answered = 0;
    for number in 0..200 {
        client.send(raw::get(1 + 2 * number, "/ready")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if client.server.is_finished() {
            break;
        }
        answered = number;
    }
    assert!((1..15).contains(&answered), "{answered}");
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Drained);
}

/// PING is no request (RFC 9113 section 6.7): it keeps nothing open.
#[tokio::test(start_paused = true)]
async fn pings_keep_no_connection_open() {
    let mut client = raw::connected(FrontLimits::default(), &[]).await;
    let start = Instant::now();
    while !client.server.is_finished() {
        client.send(raw::frame(raw::PING, 0, 0, &[7; 8])).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let waited = start.elapsed().as_secs();
    assert!((75..100).contains(&waited), "{waited}");
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_preface_and_then_silence() {
    let limits = FrontLimits { head_timeout: Duration::from_secs(3), ..FrontLimits::default() };
    let mut client = raw::silent(limits.clone(), 64 * 1024);
    client.send(PREFACE).await;
    let start = Instant::now();
    client.assert_goaway(SETTINGS_TIMEOUT).await;
    assert_eq!(start.elapsed().as_secs(), 3);
    drop(client.write);
    drop(client.read);
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Refused(Refusal::HeadTimeout));

    // Half of it is a slow head of HTTP/1.1.
    let mut client = raw::silent(limits, 64 * 1024);
    client.send(&PREFACE[..20]).await;
    let mut reply = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut client.read, &mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end() {
    for (flags, cut) in [(0, 0), (END_HEADERS, 3)] {
        let mut client = raw::connected(FrontLimits::default(), &[]).await;
        client.send(raw::get(1, "/ready")).await;
        client.until(raw::DATA).await;
        let mut head = raw::frame(HEADERS, flags, 3, &raw::block(&[(":method", b"GET")]));
        head.truncate(head.len() - cut);
        client.send(head).await;
        let start = Instant::now();
        client.assert_goaway(ENHANCE_YOUR_CALM).await;
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(client.script.lines(), ["GET /ready"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_with_an_error() {
    let mut client = h2().await;
    let (response, mut body) = client.start(request(Method::POST, "/collect"), false).await;
    body.send_data(Bytes::from_static(b"half"), false).unwrap();
    let start = Instant::now();
    let got = read(response.await.unwrap()).await.unwrap();
    assert_eq!((got.status, got.field("x-error")), (400, Some("Timeout")));
    assert_eq!(start.elapsed().as_secs(), 30);
}

/// A body shorter or longer than its Content-Length is malformed (RFC 9113 section 8.1.1), and its reader learns that.
#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_is_malformed() {
    for sent in ["four", "sixsix"] {
        let mut client = h2().await;
        let mut asked = request(Method::POST, "/collect");
        asked.headers_mut().insert("content-length", http::HeaderValue::from_static("5"));
        let (response, mut body) = client.start(asked, false).await;
        settle().await;
        body.send_data(Bytes::from_static(sent.as_bytes()), true).unwrap();
        assert_eq!(reset_of(response.await), Reason::PROTOCOL_ERROR);
        assert_eq!(client.script.dropped.load(Ordering::SeqCst), 0, "{sent}");
        assert!(client.script.finished.lock().unwrap().iter().all(|outcome| !outcome.complete), "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut() {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
    let mut client = h2_with(FrontLimits::default(), &builder).await;
    let (response, _) = client.start(get("/big"), true).await;
    response.await.unwrap();
    // The client's task no longer runs: its socket is not read.
    let start = Instant::now();
    let (script, server) = (client.script.clone(), client.server);
    client.connection.abort();
    assert!(!matches!(server.await.unwrap(), ConnectionEnd::Idle));
    assert!(start.elapsed().as_secs() <= 30);
    assert!(!script.finished.lock().unwrap()[0].complete);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_is_cut() {
    let mut client = raw::silent(FrontLimits::default(), 16 * 1024);
    // Windows wide open, and a pipe that nobody reads.
    let settings = [0, 4, 0x7f, 0xff, 0xff, 0xff];
    let window = raw::frame(raw::WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes());
    client.send([PREFACE, &raw::frame(SETTINGS, 0, 0, &settings), &window].concat()).await;
    client.send(raw::get(1, "/big")).await;
    let start = Instant::now();
    assert_eq!((&mut client.server).await.unwrap(), ConnectionEnd::Cut);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(!client.script.finished.lock().unwrap()[0].complete);
}

#[tokio::test(start_paused = true)]
async fn drain_closes_idle_connections_at_once() {
    let mut client = h2().await;
    client.get("/ready").await;
    settle().await;
    let start = Instant::now();
    client.drain.start();
    client.drain.finished().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    client.connection.await.unwrap().unwrap();
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Drained);
}

#[tokio::test(start_paused = true)]
async fn drain_lets_requests_in_flight_finish() {
    let mut client = h2().await;
    let (response, _) = client.start(get("/wait"), true).await;
    client.script.reached.notified().await;
    client.drain.start();
    settle().await;
    assert_eq!(client.drain.connections(), 1);
    assert!(std::future::poll_fn(|cx| client.send.poll_ready(cx)).await.is_err(), "GOAWAY was sent");
    client.script.go.notify_one();
    assert_eq!(read(response.await.unwrap()).await.unwrap().text(), "waited");
    client.drain.finished().await;
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Drained);
}

/// The first GOAWAY leaves room for requests that cross it (RFC 9113 section 6.8).
#[tokio::test(start_paused = true)]
async fn a_request_that_crosses_the_goaway_is_answered() {
    let mut client = raw::connected(FrontLimits::default(), &[]).await;
    client.send(raw::get(1, "/ready")).await;
    client.until(raw::DATA).await;
    client.drain.start();
    let goaway = client.until(GOAWAY).await;
    assert_eq!((&goaway.payload[..4], goaway.code()), (&[0x7f, 0xff, 0xff, 0xff][..], 0));
    client.send(raw::get(3, "/hello")).await;
    let data = client.until(raw::DATA).await;
    assert_eq!((data.stream, &data.payload[..]), (3, &b"hello"[..]));
    // A client that does not answer the PING is not waited for.
    let start = Instant::now();
    while client.next().await.is_some() {}
    assert!(start.elapsed().as_secs() <= 5);
}

#[tokio::test(start_paused = true)]
async fn replies_and_limits_that_close() {
    let mut client = h2().await;
    assert_eq!(client.get("/close").await.text(), "closing");
    client.connection.await.unwrap().unwrap();
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Closed);

    let limits = FrontLimits { requests: Some(2), ..FrontLimits::default() };
    let mut client = h2_with(limits, &h2::client::Builder::new()).await;
    client.get("/ready").await;
    client.get("/ready").await;
    client.connection.await.unwrap().unwrap();
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Closed);
}
