//! Timeouts, shutdown, upgrades and clients that leave. Time is tokio's paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use millpond_front::{ConnectionEnd, FrontLimits, Refusal};
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{connect, connect_sized, get, post, settle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_with_408() {
    let mut client = connect();
    // The timer is set for the idle connection by now, and must be brought forward.
    client.get("/ready").await;
    settle().await;
    let start = Instant::now();
    for byte in b"GET / HTTP/1.1\r\n" {
        client.send([*byte]).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(client.reply().await.status, 408);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(11), "{waited:?}");
    client.assert_closed().await;
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Refused(Refusal::HeadTimeout));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_silently() {
    let mut client = connect();
    client.get("/ready").await;
    tokio::time::sleep(Duration::from_secs(74)).await;
    client.get("/ready").await;
    let start = Instant::now();
    client.assert_closed().await;
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(75) && waited < Duration::from_secs(76), "{waited:?}");
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_with_an_error() {
    let mut client = connect();
    client.send(post("/collect", "Content-Length: 10\r\n", "hello")).await;
    let start = Instant::now();
    let got = client.reply().await;
    assert_eq!(
        (got.status, got.field("X-Error"), got.field("Connection")),
        (400, Some("Timeout"), Some("close"))
    );
    assert_eq!(start.elapsed().as_secs(), 30);
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut() {
    let mut client = connect_sized(FrontLimits::default(), 1024);
    client.send(get("/big")).await;
    let start = Instant::now();
    assert_eq!((&mut client.server).await.unwrap(), ConnectionEnd::Cut);
    assert_eq!(start.elapsed().as_secs(), 30);
    let outcome = client.script.finished.lock().unwrap()[0];
    assert!(!outcome.complete);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_not_cut() {
    let mut client = connect_sized(FrontLimits::default(), 1024 * 1024);
    client.send(get("/big")).await;
    client.head().await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        client.take(1024 * 1024).await.expect("still there");
    }
    client.assert_open().await;
}

#[tokio::test(start_paused = true)]
async fn drain_closes_idle_connections_at_once() {
    let mut client = connect();
    client.get("/ready").await;
    settle().await;
    let start = Instant::now();
    client.drain.start();
    client.drain.finished().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    client.assert_closed().await;
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Drained);
}

#[tokio::test(start_paused = true)]
async fn drain_lets_replies_in_flight_finish() {
    let mut client = connect();
    client.send(get("/wait")).await;
    client.script.reached.notified().await;
    client.drain.start();
    settle().await;
    assert_eq!(client.drain.connections(), 1);
    client.script.go.notify_one();
    let got = client.reply().await;
    assert_eq!((got.text(), got.field("Connection")), ("waited", Some("close")));
    client.drain.finished().await;
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_connection_made_during_the_drain_gets_one_reply() {
    let mut client = connect();
    client.drain.start();
    client.send(get("/ready")).await;
    assert_eq!(client.reply().await.field("Connection"), Some("close"));
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_client_gets_its_replies() {
    let mut client = connect();
    client.send(get("/wait") + &get("/hello")).await;
    client.io.shutdown().await.unwrap();
    client.script.reached.notified().await;
    settle().await;
    client.script.go.notify_one();
    assert_eq!(client.reply().await.text(), "waited");
    let last = client.reply().await;
    assert_eq!((last.text(), last.field("Connection")), ("hello", Some("close")));
    client.assert_closed().await;
}

#[tokio::test]
async fn a_reset_cancels_the_call() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let io = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let mut client = support::serve(io, theirs, FrontLimits::default());
    client.send(get("/wait")).await;
    client.script.reached.notified().await;
    client.io.set_zero_linger().unwrap();
    drop(client.io);
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Cut);
    assert_eq!(client.script.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_during_the_reply_is_noticed() {
    let mut client = connect_sized(FrontLimits::default(), 1024);
    client.send(get("/big")).await;
    client.take(100).await.unwrap();
    drop(client.io);
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Cut);
    assert!(!client.script.finished.lock().unwrap()[0].complete);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_hands_the_connection_over() {
    let mut client = connect();
    client
        .send("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly")
        .await;
    let (status, fields) = client.head().await.unwrap();
    assert_eq!((status, fields.get_str("Upgrade")), (101, Some("echo")));
    assert_eq!(fields.get_str("Connection"), Some("upgrade"));
    assert_eq!(fields.get_str("Content-Length"), None);
    client.send(" bird").await;
    assert_eq!(client.take(10).await.unwrap(), b"early bird");
    client.io.shutdown().await.unwrap();
    client.assert_closed().await;
    assert_eq!(client.server.await.unwrap(), ConnectionEnd::Upgraded);
}

#[tokio::test(start_paused = true)]
async fn connect_opens_a_tunnel() {
    let mut client = connect();
    client.send("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n").await;
    let (status, fields) = client.head().await.unwrap();
    assert_eq!((status, fields.get_str("Content-Length"), fields.get_str("Connection")), (200, None, None));
    client.send("raw").await;
    assert_eq!(client.take(3).await.unwrap(), b"raw");
    assert_eq!(client.script.seen.lock().unwrap()[0].authority, "b.example:443");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_behind_an_unread_body_is_refused() {
    let mut client = connect();
    client.send(post("/upgrade", "Content-Length: 5\r\n", "")).await;
    assert_eq!(client.reply().await.status, 500);
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_close_lingers_for_what_the_client_still_sends() {
    let mut client = connect();
    client.send("GET  / HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 400);
    let mut rest = [0; 1];
    assert_eq!(client.io.read(&mut rest).await.unwrap(), 0, "closed in one direction");
    client.send("more that is still taken in").await;
    let start = Instant::now();
    (&mut client.server).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5, "but not for ever");
}

#[tokio::test(start_paused = true)]
async fn the_close_lingers_when_a_body_was_not_read() {
    let mut client = connect();
    client.send(post("/ignore", "Content-Length: 10000000\r\n", "")).await;
    client.reply().await;
    client.send("more that is still taken in").await;
    client.io.shutdown().await.unwrap();
    assert_eq!((&mut client.server).await.unwrap(), ConnectionEnd::Closed);

    let mut client = connect();
    client.send(post("/ignore", "Content-Length: 10000000\r\n", "")).await;
    client.reply().await;
    let start = Instant::now();
    (&mut client.server).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
}
