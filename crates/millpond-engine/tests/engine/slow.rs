//! Origins that are slow while something stale could answer: the setting `stale_when_slow`.

use crate::support::{Got, Lines, Reply, World, gate, in_time, request, settle};
use millpond_engine::Exchange;
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_millis(1500);
const FRESH: Lines<'_> = &[("Cache-Control", "max-age=60")];
const TAGGED: Lines<'_> = &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")];

fn world() -> World {
    World::with(Profile { stale_when_slow: Some(LIMIT), ..Profile::default() }, MemoryOptions::default())
}

/// A world that stored `lines` with the body `old`, whose lifetime is over since 10 seconds, and whose origin now answers
/// `new` with [`FRESH`], or confirms what it is asked about, but only when the gate lets it.
async fn stale(world: World, lines: Lines<'static>) -> (World, Arc<Semaphore>) {
    world.origin.says(move |_| Reply::ok(lines, "old"));
    assert_eq!(world.get("/").await, "miss 200 old");
    world.advance(70);
    let open = gate();
    let held = Arc::clone(&open);
    world.origin.says(move |head| {
        let confirmed = head.fields.contains("if-none-match");
        let reply = if confirmed { Reply::status(304, TAGGED) } else { Reply::ok(FRESH, "new") };
        reply.behind(&held)
    });
    (world, open)
}

/// What comes, and how long that takes.
async fn timed(world: &World, method: &str, lines: Lines<'_>) -> (Got, Duration) {
    let begun = Instant::now();
    let got = in_time(Box::pin(world.read(request(method, "/", lines)))).await;
    (got, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_slow_validation_is_not_waited_for() {
    let (world, open) = stale(world(), TAGGED).await;
    let (got, took) = timed(&world, "GET", &[]).await;
    assert_eq!((got.line().as_str(), got.detail), ("stale 200 old", Some("stale-when-slow")));
    assert_eq!((got.age, took), (Some(70), LIMIT));
    open.add_permits(1);
    settle().await;
    let (got, took) = timed(&world, "GET", &[]).await;
    assert_eq!(
        (got.line().as_str(), got.age, took),
        ("hit 200 old", Some(0), Duration::ZERO),
        "it was confirmed"
    );
    assert_eq!(world.origin.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_fetch_goes_on_and_stores() {
    let (world, open) = stale(world(), FRESH).await;
    assert_eq!(timed(&world, "GET", &[]).await.0.line(), "stale 200 old");
    // Much longer than a fetch that nobody waits for would last.
    tokio::time::sleep(Duration::from_secs(20)).await;
    open.add_permits(1);
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 new");
    assert_eq!(world.origin.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_slow_is_waited_for() {
    let (world, open) = stale(world(), FRESH).await;
    let answered = async {
        tokio::time::sleep(LIMIT.saturating_sub(Duration::from_millis(1))).await;
        open.add_permits(1);
    };
    let (got, ()) = tokio::join!(timed(&world, "GET", &[]), answered);
    assert_eq!(got.0.line(), "miss 200 new");
}

/// Whoever comes while a fetch is slow already does not wait as well.
#[tokio::test(start_paused = true)]
async fn the_limit_counts_from_when_the_fetch_began() {
    let (world, open) = stale(world(), FRESH).await;
    let mut crowd = JoinSet::new();
    for at in 0..100 {
        let world = world.clone();
        crowd.spawn(async move {
            tokio::time::sleep(Duration::from_millis(at * 30)).await;
            let (got, took) = timed(&world, "GET", &[]).await;
            (at, got.line(), took)
        });
    }
    while let Some(got) = in_time(crowd.join_next()).await {
        let (at, line, took) = got.expect("no client fails");
        assert_eq!(line, "stale 200 old");
        assert_eq!(took, LIMIT.saturating_sub(Duration::from_millis(at * 30)), "the one that came {at}th");
    }
    assert_eq!(world.origin.count(), 2, "one fetch for all of them");
    open.add_permits(1);
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 new");
}

#[tokio::test(start_paused = true)]
async fn each_of_those_who_wait_is_judged_by_itself() {
    let (world, open) = stale(world(), FRESH).await;
    let opened = async {
        tokio::time::sleep(LIMIT * 2).await;
        open.add_permits(2);
    };
    let (plain, insisting, part, have, ()) = tokio::join!(
        timed(&world, "GET", &[]),
        timed(&world, "GET", &[("Cache-Control", "no-cache")]),
        timed(&world, "GET", &[("Range", "bytes=1-")]),
        timed(&world, "GET", &[("If-Modified-Since", "@1000")]),
        opened
    );
    assert_eq!((plain.0.line().as_str(), plain.1), ("stale 200 old", LIMIT));
    assert_eq!((part.0.line().as_str(), part.1), ("stale 206 ld", LIMIT));
    assert_eq!((have.0.line().as_str(), have.1), ("stale 304", LIMIT));
    assert_eq!((insisting.0.line().as_str(), insisting.1), ("miss 200 new", LIMIT * 2));
    assert_eq!(world.origin.count(), 3, "who insists has a fetch of its own in the end");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_served_stale_is_waited_for() {
    const ROWS: [(Lines<'static>, Lines<'static>); 4] = [
        (&[("Cache-Control", "max-age=60, must-revalidate")], &[]),
        (&[("Cache-Control", "s-maxage=60")], &[]),
        (FRESH, &[("Cache-Control", "max-age=0")]),
        (FRESH, &[("Cache-Control", "max-stale=5")]),
    ];
    for (lines, asking) in ROWS {
        let (world, open) = stale(world(), lines).await;
        let opened = async {
            tokio::time::sleep(LIMIT * 4).await;
            open.add_permits(1);
        };
        let (got, ()) = tokio::join!(timed(&world, "GET", asking), opened);
        assert_eq!((got.0.line().as_str(), got.1), ("miss 200 new", LIMIT * 4), "{lines:?} {asking:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn past_its_window_and_without_the_setting_it_is_waited_for() {
    let bounded = Profile {
        stale_when_slow: Some(LIMIT),
        stale_when_slow_max: Duration::from_secs(9),
        ..Profile::default()
    };
    let never = Profile { stale_when_slow: Some(Duration::MAX), ..Profile::default() };
    for profile in [bounded, Profile::default(), never] {
        let (world, open) = stale(World::with(profile, MemoryOptions::default()), FRESH).await;
        let opened = async {
            tokio::time::sleep(LIMIT * 4).await;
            open.add_permits(1);
        };
        let (got, ()) = tokio::join!(timed(&world, "GET", &[]), opened);
        assert_eq!(got.0.line(), "miss 200 new");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_gets_the_stale_one_and_a_fetch_of_the_whole_begins() {
    let (world, open) = stale(world(), FRESH).await;
    let (got, took) = timed(&world, "HEAD", &[]).await;
    assert_eq!((got.line().as_str(), got.announce, took), ("stale 200", Some(3), LIMIT));
    settle().await;
    assert_eq!((world.origin.count(), world.origin.last().method.as_str()), (3, "GET"));
    open.add_permits(1);
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 new");
}

#[tokio::test(start_paused = true)]
async fn a_slow_origin_that_fails_in_the_end_costs_nothing() {
    let (world, _closed) = stale(world(), FRESH).await;
    let open = gate();
    let held = Arc::clone(&open);
    world.origin.says(move |_| Reply::status(503, &[]).behind(&held));
    assert_eq!(world.get("/").await, "stale 200 old");
    open.add_permits(1);
    settle().await;
    world.origin.says(|_| Reply::ok(FRESH, "new"));
    assert_eq!(world.get("/").await, "miss 200 new", "it is tried again");
}

/// A fetch that nobody else can join is given up with its request: no client may leave any number of them behind.
#[tokio::test(start_paused = true)]
async fn a_fetch_for_one_request_alone_ends_with_it() {
    let (world, open) = stale(world(), FRESH).await;
    let (got, took) = timed(&world, "GET", &[("Cache-Control", "no-store")]).await;
    assert_eq!((got.line().as_str(), took), ("stale 200 old", LIMIT));
    tokio::time::sleep(Duration::from_secs(5)).await;
    open.add_permits(1);
    settle().await;
    assert_eq!(open.available_permits(), 1, "the origin's answer is not waited for any more");
}

/// A client that leaves before the limit takes nobody's fetch along, and the fetch nobody waits for ends as ever.
#[tokio::test(start_paused = true)]
async fn clients_that_leave_in_time_leave_no_fetch() {
    let (world, open) = stale(world(), FRESH).await;
    let exchange: Exchange = world.exchange(request("GET", "/", &[]));
    let left = tokio::time::timeout(LIMIT / 2, world.engine.handle(exchange)).await;
    assert!(left.is_err(), "it waits");
    tokio::time::sleep(Duration::from_secs(5)).await;
    open.add_permits(1);
    settle().await;
    assert_eq!(open.available_permits(), 1);
}
