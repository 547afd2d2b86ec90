//! Purges that come while a response is on its way.

use crate::support::{Reply, World, gate, in_time, request, settle, stepped};
use millpond_exchange::{PurgeMode, Selector};

const FRESH: &[(&str, &str)] = &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Cache-Tag", "news")];

async fn purge(world: &World, selector: Selector, mode: PurgeMode) {
    world.engine.shared().purge(&selector, mode).await.expect("the memory tier purges by anything");
}

fn selectors() -> Vec<Selector> {
    vec![
        Selector::All,
        Selector::Url("http://example.com/a".into()),
        Selector::Prefix("http://example.com/".into()),
        Selector::Host("example.com".into()),
        Selector::Tag { origin: None, tag: "news".into() },
    ]
}

#[tokio::test(start_paused = true)]
async fn a_purge_overtakes_a_fill_before_its_head_and_within_its_body() {
    for selector in selectors() {
        for before_head in [true, false] {
            let world = World::new();
            let (tap, body) = stepped(None);
            let open = gate();
            world.origin.says_once(Reply::new(200, FRESH, body).behind(&open));
            let early = tokio::spawn({
                let world = world.clone();
                async move { world.get("/a").await }
            });
            settle().await;
            if !before_head {
                open.add_permits(1);
                settle().await;
                tap.send("o");
                settle().await;
            }
            purge(&world, selector.clone(), PurgeMode::Hard).await;
            world.origin.says(|_| Reply::ok(FRESH, "new"));
            assert_eq!(
                world.get("/a").await,
                "miss 200 new",
                "{selector:?}: who comes after it gets nothing older"
            );
            open.add_permits(1);
            tap.send("ld");
            drop(tap);
            let early = in_time(early).await.expect("it does not fail");
            assert!(early.starts_with("miss 200"), "{early}");
            assert_eq!(
                world.get("/a").await,
                "hit 200 new",
                "{selector:?}: and what was older does not come back"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_something_else_changes_nothing() {
    let world = World::new();
    let open = gate();
    world.origin.says_once(Reply::ok(FRESH, "one").behind(&open));
    let first = tokio::spawn({
        let world = world.clone();
        async move { world.get("/a").await }
    });
    settle().await;
    for selector in [Selector::Url("http://example.com/b".into()), Selector::Host("other.com".into())] {
        purge(&world, selector, PurgeMode::Hard).await;
    }
    let second = tokio::spawn({
        let world = world.clone();
        async move { world.get("/a").await }
    });
    settle().await;
    open.add_permits(1);
    assert_eq!(in_time(first).await.expect("it does not fail"), "miss 200 one");
    assert_eq!(in_time(second).await.expect("it does not fail"), "collapsed 200 one");
    assert_eq!(world.get("/a").await, "hit 200 one");
}

#[tokio::test(start_paused = true)]
async fn a_write_is_seen_by_whoever_reads_after_it() {
    let world = World::new();
    let open = gate();
    world.origin.says_once(Reply::ok(FRESH, "before").behind(&open));
    let early = tokio::spawn({
        let world = world.clone();
        async move { world.get("/a").await }
    });
    settle().await;
    world.origin.says(|head| match head.method.as_str() {
        "GET" => Reply::ok(FRESH, "after"),
        _ => Reply::status(204, &[]),
    });
    assert_eq!(world.line("PUT", "/a", &[]).await, "bypass 204");
    assert_eq!(world.get("/a").await, "miss 200 after");
    open.add_permits(1);
    in_time(early).await.expect("it does not fail");
    assert_eq!(world.get("/a").await, "hit 200 after");
}

#[tokio::test(start_paused = true)]
async fn a_purge_between_304_and_refresh_stays_a_purge() {
    for mode in [PurgeMode::Hard, PurgeMode::Soft] {
        let world = World::new();
        world.origin.says(|_| Reply::ok(FRESH, "one"));
        world.get("/a").await;
        world.advance(61);
        let open = gate();
        world.origin.says_once(Reply::status(304, FRESH).behind(&open));
        let waiting = tokio::spawn({
            let world = world.clone();
            async move { world.get("/a").await }
        });
        settle().await;
        purge(&world, Selector::All, mode).await;
        open.add_permits(1);
        assert_eq!(in_time(waiting).await.expect("it does not fail"), "validated 200 one");
        world.origin.says(|_| Reply::ok(FRESH, "two"));
        assert_eq!(world.get("/a").await, "miss 200 two", "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_soft_purge_makes_stale_and_a_304_makes_fresh_again() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(FRESH, "one"));
    world.get("/a").await;
    purge(&world, Selector::All, PurgeMode::Soft).await;
    world.origin.says(|_| Reply::status(304, &[("ETag", "\"v1\"")]));
    assert_eq!(world.get("/a").await, "validated 200 one");
    assert_eq!(world.get("/a").await, "hit 200 one");
    let got = world.read(request("GET", "/a", &[])).await;
    assert_eq!(got.outcome, "hit");
}
