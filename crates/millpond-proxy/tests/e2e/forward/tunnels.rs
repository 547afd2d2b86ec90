//! CONNECT: bytes both ways, and nothing else.

use super::{ask, forward};
use crate::support::{Client, Origin, closed_port, soon};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// An origin that is greeted, answers, and goes on until the other side closes its direction; then it says how much came.
async fn counting() -> Origin {
    Origin::start(|mut conn| async move {
        conn.expect(b"hello").await;
        conn.send("welcome").await;
        let mut rest = Vec::new();
        conn.stream.read_to_end(&mut rest).await.unwrap();
        conn.send(format!("got {}", rest.len())).await;
    })
    .await
}

fn authority(origin: &Origin) -> String {
    format!("tunnelled.example:{}", origin.address.port())
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_side_closes_for_itself() {
    let origin = counting().await;
    let proxy = forward().forward();
    let mut tunnel = Client::to(proxy.address).await.tunnel(&authority(&origin)).await;
    tunnel.write_all(b"hello").await.unwrap();
    let mut greeting = [0; 7];
    soon(tunnel.read_exact(&mut greeting)).await.unwrap();
    assert_eq!(&greeting, b"welcome");
    assert_eq!(proxy.figure("tunnels_open"), 1);
    // Not HTTP, not text, and more than any buffer on the way.
    let much: Vec<u8> = (0..1_000_000u32).map(|n| n.wrapping_mul(2_654_435_761) as u8).collect();
    tunnel.write_all(&much).await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(tunnel.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"got 1000000");
    assert_eq!(proxy.figure("tunnels_opened"), 1);
    assert_eq!(proxy.figure("tunnels_sent_bytes"), 1_000_005);
    assert_eq!(proxy.figure("tunnels_received_bytes"), 18);
}

#[tokio::test]
async fn what_comes_with_the_request_goes_through_too() {
    let origin = counting().await;
    let proxy = forward().forward();
    let mut client = Client::to(proxy.address).await;
    let authority = authority(&origin);
    client.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\nhello")).await;
    let reply = client.head().await;
    assert_eq!(
        (reply.status, reply.get("content-length"), reply.get("transfer-encoding")),
        (200, None, None)
    );
    client.expect(b"welcome").await;
}

#[tokio::test]
async fn log_has_one_line_with_what_went_through() {
    let origin = counting().await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let proxy = forward().set("access_log.file", log.to_str().unwrap().to_owned()).forward();
    let mut client = Client::to(proxy.address).await;
    let reply = client.connect(&authority(&origin)).await;
    client.send(b"hello").await;
    client.stream.shutdown().await.unwrap();
    client.rest().await;
    Client::to(proxy.address).await.connect("[::1]:1").await.problem(502);
    proxy.stop();
    proxy.stopped().await;
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let expected = format!("\"CONNECT {}\" 200 12 tunnel - ", authority(&origin));
    assert!(lines[0].contains(&expected), "{text}");
    assert!(lines[0].ends_with(&reply.get("x-request-id").unwrap()), "neither cut nor another's: {text}");
    assert!(
        lines[1].contains("\"CONNECT [::1]:1\" 502 ") && lines[1].contains(" error origin-connect "),
        "{text}"
    );
}

#[tokio::test]
async fn tunnel_in_which_nothing_moves_is_closed() {
    let origin = Origin::start(|mut conn| async move {
        conn.head().await;
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let setup = forward().set("access_log.file", log.to_str().unwrap().to_owned());
    let proxy = setup.set("limits.tunnel_idle_timeout", "200ms").forward();
    let mut tunnel = Client::to(proxy.address).await.tunnel(&authority(&origin)).await;
    assert_eq!(soon(tunnel.read(&mut [0; 1])).await.unwrap_or(0), 0, "closed");
    origin.until_closed(1).await;
    proxy.stop();
    proxy.stopped().await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains(" 200 0 tunnel idle ") && text.trim_end().ends_with("cut"), "{text}");
}

#[tokio::test]
async fn targets_that_do_not_answer_are_504_and_502() {
    let (_held, port) = closed_port();
    let proxy = forward().forward();
    let text = Client::to(proxy.address).await.connect(&format!("closed.example:{port}")).await.problem(502);
    assert!(text.contains("origin-connect"), "{text}");
    let never = millpond_proxy::Names::with(|_| std::future::pending());
    let proxy =
        forward().set("limits.connect_timeout", "100ms").try_forward(never).unwrap_or_else(|e| panic!("{e}"));
    let text = Client::to(proxy.address).await.connect("slow.example:443").await.problem(504);
    assert!(text.contains("problem:dns"), "{text}");
    assert_eq!(proxy.figure("tunnels_failed"), 1);
}

/// After a refusal the connection is still a connection to a proxy.
#[tokio::test]
async fn connection_goes_on_after_a_refused_tunnel() {
    let origin =
        Origin::script([crate::support::Step::from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]).await;
    let proxy = forward().set("forward.tunnel_ports", vec![443i64]).forward();
    let mut client = Client::to(proxy.address).await;
    let text = client.connect(&authority(&origin)).await.problem(403);
    assert!(text.contains("target-refused") && text.contains("forward.tunnel_ports"), "{text}");
    let reply = client.ask("GET", &format!("http://{}/", authority(&origin)), "").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(proxy.figure("tunnels_refused"), 1);
}

/// A tunnel at rest does not hold up the end; one at work has its time.
#[tokio::test]
async fn server_stops_although_tunnels_are_open() {
    let origin = Origin::start(|mut conn| async move {
        conn.expect(b"hello").await;
        conn.send("welcome").await;
        conn.told().await;
        conn.send("the rest").await;
        conn.head().await;
    })
    .await;
    let proxy = forward().set("limits.drain_timeout", "20s").forward();
    let mut tunnel = Client::to(proxy.address).await.tunnel(&authority(&origin)).await;
    tunnel.write_all(b"hello").await.unwrap();
    let mut greeting = [0; 7];
    soon(tunnel.read_exact(&mut greeting)).await.unwrap();
    let begun = std::time::Instant::now();
    proxy.stop();
    origin.tell();
    let mut rest = Vec::new();
    let _ = soon(tunnel.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"the rest");
    proxy.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn tunnel_that_is_cut_is_logged_too() {
    let origin = Origin::start(|mut conn| async move {
        conn.expect(b"hello").await;
        conn.send("welcome").await;
        conn.head().await;
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let setup = forward().set("access_log.file", log.to_str().unwrap().to_owned());
    let proxy = setup.set("limits.drain_timeout", "50ms").forward();
    let mut tunnel = Client::to(proxy.address).await.tunnel(&authority(&origin)).await;
    tunnel.write_all(b"hello").await.unwrap();
    soon(tunnel.read_exact(&mut [0; 7])).await.unwrap();
    proxy.stop();
    proxy.stopped().await;
    let text = std::fs::read_to_string(&log).unwrap();
    let expected = format!("\"CONNECT {}\" 200 7 tunnel - ", authority(&origin));
    assert!(
        text.lines().count() == 1 && text.contains(&expected) && text.trim_end().ends_with("cut"),
        "{text}"
    );
}

#[tokio::test]
async fn malformed_tunnels_are_refused() {
    let proxy = forward().forward();
    for authority in ["example:0", "2130706433:80", "0x7f.1:80", "0177.0.0.1:80", "127.1:80", "1.2.3.4.5:80"]
    {
        let text = Client::to(proxy.address).await.connect(authority).await.problem(400);
        assert!(text.contains("target-malformed"), "{authority}: {text}");
    }
    for url in ["http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://127.1/"] {
        let text = ask(&proxy, "GET", url, "").await.problem(400);
        assert!(text.contains("target-malformed"), "{url}: {text}");
    }
}
