//! Origins that fail: before the head, within the body, or by sending what they did not announce.

use crate::support::{Got, Reply, World, gate, in_time, request, settle, stepped};
use millpond_exchange::Body;
use tokio::task::JoinSet;

const TAGGED: &[(&str, &str)] = &[("Cache-Control", "max-age=10"), ("ETag", "\"v1\"")];

fn crowd(world: &World, size: usize) -> JoinSet<Got> {
    let mut crowd = JoinSet::new();
    for _ in 0..size {
        let world = world.clone();
        crowd.spawn(async move { world.read(request("GET", "/", &[])).await });
    }
    crowd
}

async fn all(mut crowd: JoinSet<Got>) -> Vec<Got> {
    let mut all = Vec::new();
    while let Some(got) = in_time(crowd.join_next()).await {
        all.push(got.expect("no client fails"));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn one_failure_is_told_to_everyone_and_asked_for_once() {
    let world = World::new();
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::gone().behind(&held));
    let waiting = crowd(&world, 100);
    settle().await;
    open.add_permits(100);
    assert!(all(waiting).await.iter().all(|got| got.line() == "failed origin-connect"));
    assert_eq!((world.origin.count(), world.engine.shared().counters.origin_failures.get()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn one_failure_leaves_everyone_the_stale_response() {
    for status in [None, Some(503)] {
        let world = World::new();
        world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=10, stale-if-error=60")], "old"));
        world.get("/").await;
        world.advance(20);
        let open = gate();
        let held = open.clone();
        world.origin.says(move |_| {
            status.map_or_else(Reply::gone, |status| Reply::status(status, &[])).behind(&held)
        });
        let waiting = crowd(&world, 100);
        settle().await;
        open.add_permits(100);
        assert!(all(waiting).await.iter().all(|got| got.line() == "stale 200 old"));
        assert_eq!(world.origin.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_cut_half_way_is_cut_for_everyone_and_kept_by_nobody() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "old"));
    world.get("/").await;
    world.advance(20);
    let (tap, body) = stepped(Some(8));
    world.origin.says_once(Reply::new(200, TAGGED, body));
    let readers = crowd(&world, 20);
    settle().await;
    tap.send("half");
    settle().await;
    tap.cut();
    for got in all(readers).await {
        assert_eq!((got.body.as_slice(), got.cut.is_some()), (&b"half"[..], true));
    }
    assert_eq!((world.origin.count(), world.in_flight()), (2, 0));
    world.origin.says(|_| Reply::gone());
    assert_eq!(world.get("/").await, "stale 200 old", "what was there before stays");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_as_long_as_announced_is_not_kept() {
    for (announced, content) in [(8, "short"), (3, "long"), (1, "")] {
        let world = World::new();
        world.origin.says(move |_| {
            let (tap, body) = stepped(Some(announced));
            if !content.is_empty() {
                tap.send(content);
            }
            Reply::new(200, TAGGED, body)
        });
        let got = world.read(request("GET", "/", &[])).await;
        assert!(got.cut.is_some(), "{content}");
        assert!(got.body.len() as u64 <= announced, "never more than announced");
        assert_eq!((world.entries(), world.engine.shared().counters.fills_cut.get()), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_within_a_body_is_a_cut() {
    let world = World::new();
    world.origin.says(|_| {
        let stream = futures_util::stream::poll_fn(|_| -> std::task::Poll<Option<_>> {
            panic!("a bug in the transport")
        });
        Reply::new(200, TAGGED, Body::from_stream(stream))
    });
    for got in all(crowd(&world, 5)).await {
        assert!(got.cut.is_some());
    }
    world.origin.says(|_| Reply::ok(TAGGED, "new"));
    assert_eq!(world.get("/").await, "miss 200 new");
}

#[tokio::test(start_paused = true)]
async fn trailers_are_kept_and_replayed() {
    use futures_util::StreamExt as _;
    use millpond_exchange::Frame;
    let world = World::new();
    world.origin.says(|_| {
        let frames = [Frame::Data("x".into()), Frame::Trailers(crate::support::fields(&[("Sum", "1")]))];
        Reply::new(200, TAGGED, Body::from_stream(futures_util::stream::iter(frames.map(Ok))))
    });
    for _ in 0..2 {
        let answer = world.ask(request("GET", "/", &[])).await.expect("there is an answer");
        let frames: Vec<_> = answer.body.into_stream().collect().await;
        assert!(
            matches!(frames.last(), Some(Ok(Frame::Trailers(fields))) if fields.contains("sum")),
            "{frames:?}"
        );
    }
    assert_eq!(world.origin.count(), 1);
}

/// The origin hangs up on what one client wrote into its request; the others wrote nothing of the kind.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_request_the_origin_will_not_have_does_not_fail_the_others() {
    let world = World::new();
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| {
        if head.fields.contains("x-attack") {
            Reply::hangs_up().behind(&held)
        } else {
            Reply::ok(TAGGED, "well")
        }
    });
    let attacker = world.clone();
    let attack =
        tokio::spawn(async move { attacker.read(request("GET", "/", &[("X-Attack", "1")])).await.line() });
    settle().await;
    let waiting = crowd(&world, 100);
    settle().await;
    assert_eq!(world.origin.count(), 1, "they wait for the attacker's fetch");
    open.add_permits(1);
    assert!(all(waiting).await.iter().all(|got| got.body == b"well"));
    assert_eq!(in_time(attack).await.expect("it ends"), "failed origin-closed");
    assert_eq!(world.origin.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_nobody_waits_for_any_more_is_given_up() {
    let world = World::new();
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::ok(TAGGED, "late").behind(&held));
    let mut waiting = crowd(&world, 3);
    settle().await;
    waiting.abort_all();
    while waiting.join_next().await.is_some() {}
    // Longer than a client that reloads would take to come back.
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    settle().await;
    open.add_permits(1);
    settle().await;
    assert_eq!((open.available_permits(), world.entries()), (1, 0), "the fetch is gone");
    assert_eq!(world.get("/").await, "miss 200 late", "and nobody waits for it");
}
