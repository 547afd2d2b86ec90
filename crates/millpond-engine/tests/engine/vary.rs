//! Responses that vary, and requests that wait for them together.

use crate::support::{Lines, Reply, World, gate, in_time, request, settle};
use millpond_exchange::RequestHead;
use tokio::task::JoinSet;

fn by_language(head: &RequestHead) -> Reply {
    let language = head.fields.get_str("x-lang").unwrap_or("none");
    Reply::ok(&[("Cache-Control", "max-age=60"), ("Vary", "X-Lang")], language)
}

#[tokio::test(start_paused = true)]
async fn each_value_has_an_entry_of_its_own() {
    let world = World::new();
    world.origin.says(by_language);
    let ask = |lines: Lines<'static>| world.line("GET", "/", lines);
    for round in ["miss", "hit"] {
        assert_eq!(ask(&[("X-Lang", "de")]).await, format!("{round} 200 de"));
        assert_eq!(ask(&[("X-Lang", "fr")]).await, format!("{round} 200 fr"));
        assert_eq!(ask(&[]).await, format!("{round} 200 none"));
    }
    assert_eq!(world.origin.count(), 3);
    assert_eq!(world.entries(), 3);
}

#[tokio::test(start_paused = true)]
async fn vary_star_is_for_nobody_else() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60"), ("Vary", "*")], "x"));
    assert_eq!(world.get("/").await, "miss 200 x");
    assert_eq!(world.get("/").await, "miss 200 x");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_splits_into_one_fetch_for_each_value() {
    let world = World::new();
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| by_language(head).behind(&held));
    let mut crowd = JoinSet::new();
    for at in 0..1000 {
        let (world, language) = (world.clone(), ["de", "fr", "it", "rm"][at % 4]);
        crowd
            .spawn(async move { (language, world.read(request("GET", "/", &[("X-Lang", language)])).await) });
    }
    settle().await;
    assert_eq!(world.origin.count(), 1, "nobody knows yet that it varies");
    open.add_permits(1000);
    while let Some(got) = in_time(crowd.join_next()).await {
        let (language, got) = got.expect("no client fails");
        assert_eq!(String::from_utf8_lossy(&got.body), language);
    }
    assert_eq!(world.origin.count(), 4);
    assert_eq!(world.line("GET", "/", &[("X-Lang", "it")]).await, "hit 200 it");
}

#[tokio::test(start_paused = true)]
async fn another_variant_does_not_hide_that_this_one_is_missing() {
    let world = World::new();
    world.origin.says(|head| {
        let language = head.fields.get_str("x-lang").unwrap_or("none").to_owned();
        let lines = [("Cache-Control", "max-age=10, stale-while-revalidate=60"), ("Vary", "X-Lang")];
        Reply::ok(&lines, &language)
    });
    world.line("GET", "/", &[("X-Lang", "de")]).await;
    world.advance(20);
    assert_eq!(world.line("GET", "/", &[("X-Lang", "fr")]).await, "miss 200 fr");
    assert_eq!(world.line("GET", "/", &[("X-Lang", "de")]).await, "stale 200 de");
    settle().await;
    assert_eq!(world.line("GET", "/", &[("X-Lang", "de")]).await, "hit 200 de");
}

/// Two variants of one tag, as a server that compresses on the fly sends them: a 304 for one says nothing of the other.
#[tokio::test(start_paused = true)]
async fn a_304_does_not_turn_one_variant_into_another() {
    let world = World::new();
    world.origin.says(|head| {
        let lines: Lines<'_> = &[("Cache-Control", "max-age=60"), ("Vary", "Cookie"), ("ETag", "\"same\"")];
        if head.fields.contains("if-none-match") {
            return Reply::status(304, lines);
        }
        Reply::ok(lines, head.fields.get_str("cookie").unwrap_or("nobody"))
    });
    for user in ["alice", "bob"] {
        world.line("GET", "/", &[("Cookie", user)]).await;
    }
    let reload: Lines<'_> = &[("Cookie", "alice"), ("Cache-Control", "no-cache")];
    assert_eq!(world.line("GET", "/", reload).await, "validated 200 alice");
    for user in ["alice", "bob"] {
        assert_eq!(world.line("GET", "/", &[("Cookie", user)]).await, format!("hit 200 {user}"));
    }
    assert_eq!(world.origin.count(), 3);
}
