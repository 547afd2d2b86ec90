//! A crowd waits, and the response turns out to be for one client only.

use crate::support::{Reply, Tap, World, gate, in_time, request, settle, stepped};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

const CROWD: usize = 50;
const SECRET: &[(&str, &str)] = &[("Cache-Control", "no-store")];

fn crowd(world: &World) -> JoinSet<String> {
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let world = world.clone();
        crowd.spawn(async move {
            String::from_utf8(world.read(request("GET", "/", &[])).await.body).expect("text")
        });
    }
    crowd
}

async fn bodies(mut crowd: JoinSet<String>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(body) = in_time(crowd.join_next()).await {
        all.push(body.expect("no client fails"));
    }
    all.sort_unstable();
    all
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_end_of_what_is_not_for_them() {
    let world = World::new();
    let taps: Arc<Mutex<Vec<Tap>>> = Arc::default();
    let kept = Arc::clone(&taps);
    world.origin.says(move |_| {
        let (tap, body) = stepped(None);
        kept.lock().expect("no test panics with it").push(tap);
        Reply::new(200, SECRET, body)
    });
    let crowd = crowd(&world);
    settle().await;
    assert_eq!(world.origin.count(), CROWD, "everyone asks, though no body has ended");
    for (at, tap) in taps.lock().expect("no test panics with it").drain(..).enumerate() {
        tap.send(format!("{at:02}"));
    }
    let expected: Vec<String> = (0..CROWD).map(|at| format!("{at:02}")).collect();
    assert_eq!(bodies(crowd).await, expected, "each response went to one client");
    assert_eq!((world.entries(), world.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_next_crowd_does_not_queue_for_a_while() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(SECRET, "x"));
    world.get("/").await;
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::ok(SECRET, "x").behind(&held));
    let second = crowd(&world);
    settle().await;
    assert_eq!(world.origin.count(), 1 + CROWD);
    open.add_permits(CROWD);
    bodies(second).await;
    world.advance(11);
    let third = crowd(&world);
    settle().await;
    assert_eq!(world.origin.count(), 2 + CROWD, "after that they queue again");
    open.add_permits(CROWD);
    bodies(third).await;
}

#[tokio::test(start_paused = true)]
async fn a_storable_answer_is_stored_all_the_same() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(SECRET, "x"));
    world.get("/").await;
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=1")], "y"));
    assert_eq!(world.get("/").await, "miss 200 y");
    assert_eq!(world.get("/").await, "hit 200 y");
    world.advance(2);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::ok(&[("Cache-Control", "max-age=1")], "z").behind(&held));
    let crowd = crowd(&world);
    settle().await;
    assert_eq!(world.origin.count(), 3, "and from then on they queue");
    open.add_permits(1);
    assert!(bodies(crowd).await.iter().all(|body| body == "z"));
}

/// RFC 9111 section 5.2.2.4: each request needs a validation of its own, so waiting for another's is of no use.
#[tokio::test(start_paused = true)]
async fn what_each_must_validate_is_not_waited_for() {
    let world = World::new();
    let lines = &[("Cache-Control", "no-cache"), ("ETag", "\"v1\"")];
    world.origin.says(|_| Reply::ok(lines, "one"));
    assert_eq!(world.get("/").await, "miss 200 one");
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::status(304, &[("ETag", "\"v1\"")]).behind(&held));
    let crowd = crowd(&world);
    settle().await;
    assert_eq!(world.origin.count(), 1 + CROWD);
    open.add_permits(CROWD);
    assert!(bodies(crowd).await.iter().all(|body| body == "one"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_forbids_storing_neither_leads_nor_spoils_a_crowd() {
    let world = World::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| {
        let body = counted.fetch_add(1, Ordering::SeqCst).to_string();
        Reply::ok(&[("Cache-Control", "max-age=60")], &body).behind(&held)
    });
    let private = {
        let world = world.clone();
        tokio::spawn(async move { world.line("GET", "/", &[("Cache-Control", "no-store")]).await })
    };
    settle().await;
    let crowd = crowd(&world);
    settle().await;
    assert_eq!(world.origin.count(), 2);
    open.add_permits(2);
    assert_eq!(in_time(private).await.expect("it does not fail"), "miss 200 0");
    assert!(bodies(crowd).await.iter().all(|body| body == "1"));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_on_a_cold_response_that_each_must_validate_gets_one_each() {
    let world = World::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| {
        let body = format!("{:02}", asked.fetch_add(1, Ordering::SeqCst));
        Reply::ok(&[("Cache-Control", "no-cache"), ("ETag", "\"v1\"")], &body).behind(&held)
    });
    let crowd = crowd(&world);
    settle().await;
    assert_eq!(world.origin.count(), 1, "nobody knows yet");
    open.add_permits(CROWD);
    let expected: Vec<String> = (0..CROWD).map(|at| format!("{at:02}")).collect();
    assert_eq!(bodies(crowd).await, expected);
}

/// RFC 9111 section 5.2.1.4: a response that was asked for before this request is no answer to it.
#[tokio::test(start_paused = true)]
async fn a_client_that_insists_on_a_fetch_gets_one_and_still_serves_the_crowd() {
    let world = World::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| {
        let body = asked.fetch_add(1, Ordering::SeqCst).to_string();
        Reply::ok(&[("Cache-Control", "max-age=60")], &body).behind(&held)
    });
    let reload = |world: &World| {
        let world = world.clone();
        tokio::spawn(async move { world.line("GET", "/", &[("Cache-Control", "no-cache")]).await })
    };
    let first = reload(&world);
    settle().await;
    let crowd = crowd(&world);
    let late = reload(&world);
    settle().await;
    assert_eq!(world.origin.count(), 1);
    open.add_permits(2);
    assert_eq!(in_time(first).await.expect("it does not fail"), "miss 200 0");
    assert_eq!(in_time(late).await.expect("it does not fail"), "miss 200 1");
    assert!(bodies(crowd).await.iter().all(|body| body == "0"));
    assert_eq!(world.origin.count(), 2);
}
