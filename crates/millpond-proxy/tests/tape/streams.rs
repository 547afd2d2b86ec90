//! Content that passes while it is recorded, and comes back.

use crate::setup::*;
use crate::support::{Origin, soon};
use millpond_recorder::Mode;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const SSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn events_pass_at_once_and_the_end_comes_with_the_tape() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send(format!("{SSE}f\r\ndata: first\r\n\r\n\r\n")).await;
        conn.told().await;
        conn.send("10\r\ndata: second\r\n\r\n\r\n0\r\n\r\n").await;
        conn.request().await;
    })
    .await;
    let recording = taping(dir.path(), Mode::ReadWrite);
    let mut client = recording.client().await;
    client.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", at(&origin, "/"))).await;
    assert_eq!(client.head().await.status, 200);
    client.expect(b"f\r\ndata: first\r\n\r\n\r\n").await;
    assert!(on_tape(dir.path()).is_empty());
    // Nobody else gets what is not complete.
    assert_eq!(recording.tapes.totals().recorded, 0);
    origin.tell();
    client.expect(b"10\r\ndata: second\r\n\r\n\r\n0\r\n\r\n").await;
    let expected = "data: first\r\n\r\ndata: second\r\n\r\n";
    assert_eq!(content(&on_tape(dir.path())[0]).as_deref(), Some(expected));
    recording.ended().await;
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    let reply = player.get(&at(&origin, "/")).await;
    assert_eq!(
        (reply.text().as_str(), reply.get("content-type").as_deref()),
        (expected, Some("text/event-stream"))
    );
}

#[tokio::test]
async fn a_recorded_pace_is_kept_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send(format!("{SSE}5\r\nfirst\r\n")).await;
        conn.told().await;
        conn.send("6\r\nsecond\r\n0\r\n\r\n").await;
        conn.request().await;
    })
    .await;
    let timing = [("tape.timing", true.into())];
    let recording = taping_with(dir.path(), Mode::WriteOnly, &timing);
    let mut client = recording.client().await;
    client.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", at(&origin, "/"))).await;
    client.head().await;
    client.expect(b"5\r\nfirst\r\n").await;
    let began = Instant::now();
    // The pause is part of what is recorded.
    tokio::time::sleep(Duration::from_millis(300)).await;
    origin.tell();
    client.expect(b"6\r\nsecond\r\n0\r\n\r\n").await;
    let pause = began.elapsed();
    recording.ended().await;
    for (settings, slow) in [(&timing[..], true), (&[], false)] {
        let player = taping_with(dir.path(), Mode::ReadOnlyFailOnMiss, settings);
        let began = Instant::now();
        assert_eq!(player.get(&at(&origin, "/")).await.text(), "firstsecond");
        let least = Duration::from_millis(300);
        assert_eq!(began.elapsed() >= least, slow, "{:?} for {pause:?}", began.elapsed());
    }
}

/// Reads a reply's content without keeping it; answers how many bytes it had.
async fn drain(mut stream: TcpStream, request: String) -> u64 {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buf = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        match soon(stream.read(&mut buf)).await.unwrap() {
            0 => return total,
            read => total += read as u64,
        }
    }
}

#[tokio::test]
async fn two_hundred_megabytes_pass_in_bounded_memory() {
    const PIECE: usize = 256 * 1024;
    const PIECES: usize = 800;
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PIECE * PIECES)).await;
        let piece = vec![b'x'; PIECE];
        for _ in 0..PIECES {
            conn.send(&piece).await;
        }
        conn.request().await;
    })
    .await;
    let taping = taping(dir.path(), Mode::ReadWrite);
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", at(&origin, "/"));
    let before = peak_memory();
    for _ in 0..2 {
        let came = drain(TcpStream::connect(taping.address).await.unwrap(), request.clone()).await;
        assert!(came > (PIECE * PIECES) as u64, "{came}");
    }
    let totals = taping.tapes.totals();
    assert_eq!((totals.recorded, totals.hits), (1, 1));
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more at the peak");
}

/// The most memory this process ever had, KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
