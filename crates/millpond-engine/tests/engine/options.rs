//! The deviations of a profile, switched on and off.

use crate::support::{Lines, Reply, World, request};
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn world(profile: Profile, status: u16, lines: Lines<'static>) -> World {
    let world = World::with(profile, MemoryOptions::default());
    world.origin.says(move |_| Reply::new(status, lines, millpond_exchange::Body::from_bytes("x")));
    world
}

#[tokio::test(start_paused = true)]
async fn default_ttl_keeps_what_says_nothing_until_it_is_off() {
    let plain = world(Profile::default(), 200, &[]);
    for _ in 0..2 {
        let got = plain.read(request("GET", "/", &[])).await;
        assert_eq!((got.line().as_str(), got.detail), ("miss 200 x", Some("no-freshness")));
    }
    let kept = world(Profile { default_ttl: Some(MINUTE), ..Profile::default() }, 200, &[]);
    assert_eq!(kept.get("/").await, "miss 200 x");
    assert_eq!(kept.get("/").await, "hit 200 x");
    assert_eq!(
        kept.under(Profile::default()).get("/").await,
        "miss 200 x",
        "what only the option admitted is unusable"
    );
    kept.get("/other").await;
    kept.advance(61);
    assert_eq!(kept.get("/other").await, "miss 200 x");
}

#[tokio::test(start_paused = true)]
async fn force_cache_overrides_what_the_response_forbids() {
    let forced = world(
        Profile { force_cache: Some(MINUTE), ..Profile::default() },
        200,
        &[("Cache-Control", "no-store")],
    );
    assert_eq!(forced.get("/").await, "miss 200 x");
    assert_eq!(forced.get("/").await, "hit 200 x");
    assert_eq!(forced.under(Profile::default()).get("/").await, "miss 200 x");
    let cookie = &[("Cookie", "a=1")];
    assert_eq!(forced.line("GET", "/mine", cookie).await, "miss 200 x");
    assert_eq!(forced.line("GET", "/mine", cookie).await, "miss 200 x", "but not what one user asked for");
}

#[tokio::test(start_paused = true)]
async fn negative_ttl_keeps_the_errors_it_names() {
    let profile = Profile { negative_ttl: vec![(404, MINUTE)], ..Profile::default() };
    let named = world(profile.clone(), 404, &[]);
    assert_eq!(named.get("/").await, "miss 404 x");
    assert_eq!(named.get("/").await, "hit 404 x");
    let other = world(profile, 403, &[]);
    other.get("/").await;
    assert_eq!(other.get("/").await, "miss 403 x");
}

#[tokio::test(start_paused = true)]
async fn windows_may_come_from_the_profile() {
    let profile = Profile { stale_while_revalidate: Some(MINUTE), ..Profile::default() };
    let world = world(profile, 200, &[("Cache-Control", "max-age=10")]);
    world.get("/").await;
    world.advance(30);
    assert_eq!(world.get("/").await, "stale 200 x");
}
