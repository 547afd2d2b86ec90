//! Tunnels in a recording and in a replay.

use crate::setup::*;
use crate::support::tls::{Authority, handshake};
use crate::support::{Client, Origin, soon};
use millpond_config::Config;
use millpond_engine::ManualClock;
use millpond_exchange::Timestamp;
use millpond_proxy::{Server, tape_options};
use millpond_recorder::{Mode, Tapes};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A target at which nobody is asked for anything.
const TARGET: &str = "localhost:9";

async fn until(mut is: impl FnMut() -> bool) {
    soon(async {
        while !is() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The certificate of the authority that a recording or replay made for itself.
fn own_authority(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("ca/millpond-ca-cert.pem")).unwrap()
}

/// An authority that did not make what clients are shown.
fn other_authority() -> String {
    std::fs::read_to_string(Authority::new("pinned").file()).unwrap()
}

#[tokio::test]
async fn replay_counts_tunnels_it_cannot_read_as_misses() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("limits.head_timeout", "200ms".into())];
    let player = taping_with(dir.path(), Mode::ReadOnlyFailOnMiss, &settings);
    for (misses, said) in [(1, &b"SSH-2.0-x\r\n"[..]), (2, b"")] {
        let mut tunnel = player.client().await.tunnel(TARGET).await;
        tunnel.write_all(said).await.unwrap();
        // Closed, or reset where it had not read all.
        let _ = soon(tunnel.read_to_end(&mut Vec::new())).await;
        until(|| player.tapes.totals().misses >= misses).await;
        assert_eq!(player.tapes.totals().misses, misses, "{said:?}");
    }
    // One that left at once has asked for nothing.
    let mut tunnel = player.client().await.tunnel(TARGET).await;
    tunnel.shutdown().await.unwrap();
    let _ = soon(tunnel.read_to_end(&mut Vec::new())).await;
    let totals = player.tapes.totals();
    assert_eq!((totals.misses, totals.upstream_attempts), (2, 0));
}

#[tokio::test]
async fn replay_counts_what_it_turns_away_as_misses() {
    let dir = tempfile::tempdir().unwrap();
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    let misses = || player.tapes.totals().misses;
    let mut inside = Client::over(player.client().await.tunnel(TARGET).await);
    inside.send("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    inside.reply().await.problem(421);
    assert_eq!(misses(), 1);
    let mut inside = Client::over(player.client().await.tunnel(TARGET).await);
    inside.connect("other.example:443").await.problem(405);
    assert_eq!(misses(), 2);
    player.client().await.connect("127.1:443").await.problem(400);
    assert_eq!(misses(), 3);
    player.get("/").await.problem(400);
    assert_eq!(misses(), 4);
    let tunnel = player.client().await.tunnel(TARGET).await;
    assert!(handshake(tunnel, &other_authority(), "localhost", &["http/1.1"]).await.is_err());
    until(|| misses() == 5).await;
    assert_eq!(player.tapes.totals().upstream_attempts, 0);
}

/// What is tunnelled is on no tape: a recording goes on reading, whatever clients refuse.
#[tokio::test]
async fn recording_tunnels_nothing_unasked() {
    for mode in [Mode::WriteOnly, Mode::ReadWrite, Mode::ReadOnlyFailOnMiss] {
        let dir = tempfile::tempdir().unwrap();
        let taping = taping(dir.path(), mode);
        let other = other_authority();
        for refusals in 1..=4 {
            let tunnel = taping.client().await.tunnel(TARGET).await;
            assert!(handshake(tunnel, &other, "localhost", &["http/1.1"]).await.is_err());
            until(|| taping.figure("tunnels_distrusted") >= refusals).await;
        }
        let tunnel = taping.client().await.tunnel(TARGET).await;
        let read = handshake(tunnel, &own_authority(dir.path()), "localhost", &["http/1.1"]).await;
        assert!(read.is_ok(), "{mode}: {read:?}");
        assert_eq!(taping.figure("tunnels_opened"), 0, "{mode}");
    }
}

/// A connection that was opened in advance, and is used later, is on the tape like any other.
#[tokio::test]
async fn client_that_is_silent_for_long_is_recorded_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate".to_owned()).await;
    let settings = [("limits.head_timeout", "200ms".into())];
    let recording = taping_with(dir.path(), Mode::WriteOnly, &settings);
    let target = origin.address.to_string();
    let mut client = Client::over(recording.client().await.tunnel(&target).await);
    // It is taken to wait for the origin's first words.
    until(|| origin.connections() == 1).await;
    client.send(format!("GET /late HTTP/1.1\r\nHost: {target}\r\n\r\n")).await;
    assert_eq!(client.reply().await.text(), "late");
    drop(client);
    assert_eq!(recording.figure("tunnels_opened"), 0);
    recording.ended().await;
    assert_eq!(on_tape(dir.path()).len(), 1);
}

#[tokio::test]
async fn origin_that_speaks_first_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start(|mut conn| async move {
        conn.send("220 ready\r\n").await;
        conn.expect(b"QUIT\r\n").await;
        conn.send("221 bye\r\n").await;
    })
    .await;
    let settings = [("limits.head_timeout", "200ms".into())];
    let recording = taping_with(dir.path(), Mode::WriteOnly, &settings);
    let mut client = Client::over(recording.client().await.tunnel(&origin.address.to_string()).await);
    client.expect(b"220 ready\r\n").await;
    client.send("QUIT\r\n").await;
    client.expect(b"221 bye\r\n").await;
    assert_eq!(recording.tapes.totals().upstream_attempts, 1);
    assert_eq!(recording.figure("tunnels_opened"), 1);
}

#[test]
fn replay_beyond_loopback_needs_a_word_and_an_authority_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let bind = |open: bool, settings: &[(&str, &str)]| {
        let mut config = Config::builder()
            .set("listen", "0.0.0.0:0")
            .set("workers", 1)
            .set("access_log.console", false)
            .set("tape.dir", dir.path().to_str().unwrap())
            .set("forward.open_to_all", open);
        for (path, value) in settings {
            config = config.set(path, *value);
        }
        let config = config.build().unwrap_or_else(|errors| panic!("{errors}")).config;
        let start = Timestamp::from_millis(1_767_225_600_000);
        let tapes = Tapes::open(tape_options(&config, Mode::ReadOnlyFailOnMiss).unwrap(), start).unwrap();
        Server::bind_tape(&config, Arc::new(ManualClock::new(start)), tapes).map(drop)
    };
    let message = bind(false, &[]).expect_err("strangers could read the tapes").to_string();
    assert!(message.contains("forward.open_to_all"), "{message}");
    // Not beside the tapes, which are for sharing.
    let message = bind(true, &[]).expect_err("there is no place for the authority").to_string();
    assert!(message.contains("intercept.ca_dir"), "{message}");
    assert!(!dir.path().join("ca").exists());
    bind(true, &[("cache_dir", dir.path().join("cache").to_str().unwrap())]).unwrap();
    assert!(dir.path().join("cache/ca").exists());
}
