//! What breaks off is marked, and never passed off as complete.

use crate::setup::*;
use crate::support::{Origin, Then, step};
use millpond_recorder::Mode;

#[tokio::test]
async fn an_answer_that_breaks_off_is_cut_marked_and_fetched_again() {
    let dir = tempfile::tempdir().unwrap();
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole";
    let origin = Origin::script([
        step("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", Then::Close),
        step("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", Then::Close),
        step(whole, Then::Keep),
    ])
    .await;
    let recording = taping(dir.path(), Mode::ReadWrite);
    for _ in 0..2 {
        let reply = recording.get(&at(&origin, "/")).await;
        assert!(!reply.whole && reply.text() == "part", "{reply:?}");
    }
    assert_eq!(recording.get(&at(&origin, "/")).await.text(), "whole");
    assert_eq!(recording.get(&at(&origin, "/")).await.x_cache(), "HIT");
    let all = on_tape(dir.path());
    assert_eq!(all.iter().map(|exchange| exchange.aborted).collect::<Vec<_>>(), [true, true, false]);
    assert!(all[..2].iter().all(|exchange| content(exchange).as_deref() == Some("part")));
    let totals = recording.tapes.totals();
    assert_eq!((totals.aborted, totals.recorded, totals.misses), (2, 1, 3));
    recording.ended().await;
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    assert_eq!(player.get(&at(&origin, "/")).await.text(), "whole");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_what_came_and_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart").await;
        conn.request().await;
    })
    .await;
    let recording = taping(dir.path(), Mode::WriteOnly);
    let mut client = recording.client().await;
    client.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", at(&origin, "/"))).await;
    client.head().await;
    client.expect(b"part").await;
    client.stream.set_zero_linger().unwrap();
    drop(client);
    origin.until_closed(1).await;
    recording.ended().await;
    let exchange = on_tape(dir.path()).remove(0);
    assert!(exchange.aborted && exchange.error.is_some());
    assert_eq!(content(&exchange).as_deref(), Some("part"));
    // Whoever asks for it again is told why it is not there.
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    assert!(player.get(&at(&origin, "/")).await.problem(504).contains("broke off"));
    assert!(player.get(&at(&origin, "/other")).await.problem(504).contains("no tape has it"));
}
