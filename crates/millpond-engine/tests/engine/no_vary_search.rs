//! No-Vary-Search: what was fetched for one URL answers for those that differ from it where the origin says it makes no
//! difference.

use crate::support::{Lines, Reply, World, gate, in_time, settle};
use millpond_exchange::{PurgeMode, RequestHead, Selector};
use millpond_store::{MemoryOptions, MemoryStore, Tiered};
use std::sync::Arc;
use tokio::task::JoinSet;

const RULE: Lines<'_> =
    &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("No-Vary-Search", "params=(\"u\")")];

/// Answers with the URL it was asked for.
fn by_url(lines: Lines<'static>) -> impl Fn(&RequestHead) -> Reply + Send + Sync + 'static {
    move |head| {
        if head.fields.contains("if-none-match") {
            Reply::status(304, lines)
        } else {
            Reply::ok(lines, &head.path_and_query)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_difference_is_no_other_request() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    assert_eq!(world.get("/p?a=1&u=2").await, "miss 200 /p?a=1&u=2");
    for path in ["/p?a=1", "/p?a=1&u=3", "/p?u=4&u=5&a=%31", "/p?a=1&u=2"] {
        assert_eq!(world.get(path).await, "hit 200 /p?a=1&u=2", "{path}");
    }
    assert_eq!(world.line("HEAD", "/p?u=7&a=1", &[]).await, "hit 200");
    for path in ["/p?a=2&u=2", "/p?u=2", "/q?a=1&u=2", "/p?a=1&a=1"] {
        assert_eq!(world.get(path).await, format!("miss 200 {path}"));
    }
    assert_eq!(world.entries(), 5);
}

#[tokio::test(start_paused = true)]
async fn rules_are_those_of_their_method_host_and_path() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?u=1").await;
    assert_eq!(world.send("QUERY", "/p?u=2", &[], "q").await, "miss 200 /p?u=2");
    assert_eq!(world.send("QUERY", "/p?u=3", &[], "q").await, "hit 200 /p?u=2");
    assert_eq!(world.send("QUERY", "/p?u=3", &[], "other").await, "miss 200 /p?u=3");
    let elsewhere = |path: &str| RequestHead::get("example.org", path);
    assert_eq!(world.read(elsewhere("/p?u=4")).await.line(), "miss 200 /p?u=4");
    assert_eq!(world.read(elsewhere("/p?u=5")).await.line(), "hit 200 /p?u=4");
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_queries_is_for_its_own_url() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?a=1&u=1").await;
    world.origin.says(by_url(&[("Cache-Control", "max-age=60")]));
    assert_eq!(world.get("/p?a=2&u=1").await, "miss 200 /p?a=2&u=1");
    assert_eq!(world.get("/p?a=2&u=1").await, "hit 200 /p?a=2&u=1");
    assert_eq!(world.get("/p?a=2&u=2").await, "miss 200 /p?a=2&u=2");
    assert_eq!(world.get("/p?a=2").await, "miss 200 /p?a=2");
    assert_eq!(world.get("/p?a=1&u=9").await, "hit 200 /p?a=1&u=1", "the rule of the other is still known");
}

#[tokio::test(start_paused = true)]
async fn an_entry_counts_only_under_its_own_rule() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?b=1").await;
    world.origin.says(by_url(&[("Cache-Control", "max-age=60"), ("No-Vary-Search", "params=(\"a\")")]));
    assert_eq!(world.get("/p?c=1&a=1").await, "miss 200 /p?c=1&a=1");
    // By the new rule this stands for /p?b=1, whose own rule knows nothing of `a`.
    assert_eq!(world.get("/p?b=1&a=1").await, "miss 200 /p?b=1&a=1");
    assert_eq!(world.get("/p?b=1&a=2").await, "hit 200 /p?b=1&a=1");
    // A rule that says that all of it matters ends the one before.
    world.origin.says(by_url(&[("Cache-Control", "max-age=60"), ("No-Vary-Search", "params=?0")]));
    world.get("/p?d=1&a=1").await;
    assert_eq!(world.get("/p?b=1&a=3").await, "miss 200 /p?b=1&a=3");
}

#[tokio::test(start_paused = true)]
async fn it_goes_with_vary() {
    let world = World::new();
    world.origin.says(|head| {
        let lines: Lines<'_> =
            &[("Cache-Control", "max-age=60"), ("No-Vary-Search", "params"), ("Vary", "X-Lang")];
        Reply::ok(lines, head.fields.get_str("x-lang").unwrap_or("none"))
    });
    for language in ["de", "fr"] {
        assert_eq!(
            world.line("GET", "/p?u=1", &[("X-Lang", language)]).await,
            format!("miss 200 {language}")
        );
    }
    for language in ["de", "fr"] {
        assert_eq!(world.line("GET", "/p?u=2", &[("X-Lang", language)]).await, format!("hit 200 {language}"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_is_validated_by_an_equivalent_url() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?a=1&u=1").await;
    world.advance(100);
    assert_eq!(world.get("/p?a=1&u=2").await, "validated 200 /p?a=1&u=1");
    assert_eq!(world.origin.last().path_and_query, "/p?a=1&u=2", "what is asked is what is sent");
    assert_eq!(world.get("/p?a=1&u=3").await, "hit 200 /p?a=1&u=1");
    assert_eq!((world.origin.count(), world.entries()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_with_equivalent_urls_makes_one_fetch() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?u=0").await;
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| by_url(RULE)(head).behind(&held));
    let mut crowd = JoinSet::new();
    for at in 0..100 {
        let world = world.clone();
        crowd.spawn(async move { world.get(&format!("/p?a=1&u={at}")).await });
    }
    settle().await;
    assert_eq!(world.origin.count(), 2);
    open.add_permits(1);
    while let Some(line) = in_time(crowd.join_next()).await {
        let line = line.expect("nobody fails");
        assert!(line.contains("200 /p?a=1&u="), "{line}");
    }
    assert_eq!(world.origin.count(), 2);
}

/// The crowd expects the rule that was stated last, and the answer states none: it is for its leader's URL alone.
#[tokio::test(start_paused = true)]
async fn a_crowd_is_not_given_what_is_for_another_url() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?u=0").await;
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| by_url(&[("Cache-Control", "max-age=60")])(head).behind(&held));
    let mut crowd = JoinSet::new();
    for at in 0..20 {
        let (world, path) = (world.clone(), format!("/p?a=1&u={}", at % 4));
        crowd.spawn(async move { (world.get(&path).await, path) });
    }
    settle().await;
    open.add_permits(100);
    while let Some(asked) = in_time(crowd.join_next()).await {
        let (line, path) = asked.expect("nobody fails");
        assert!(line.ends_with(&format!("200 {path}")), "{path}: {line}");
    }
    assert_eq!(world.origin.count(), 5, "one for each URL");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_first_answer_is_on_its_way_joins_it() {
    let world = World::new();
    let (tap, body) = crate::support::stepped(None);
    world.origin.says_once(Reply::new(200, RULE, body));
    let ask = |path: &'static str| {
        let world = world.clone();
        tokio::spawn(async move { world.get(path).await })
    };
    let first = ask("/p?u=1");
    settle().await;
    // Its head has come, and with it the rule.
    let (same, equivalent) = (ask("/p?u=1"), ask("/p?u=2"));
    settle().await;
    tap.send("x");
    drop(tap);
    assert_eq!(in_time(first).await.expect("no failure"), "miss 200 x");
    for other in [same, equivalent] {
        assert_eq!(in_time(other).await.expect("no failure"), "collapsed 200 x");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_by_any_equivalent_url_reaches_it() {
    for purged in ["/p?a=1&u=1", "/p?a=1&u=2", "/p?a=1", "/p?u=%32&a=1"] {
        let world = World::new();
        world.origin.says(by_url(RULE));
        world.get("/p?a=1&u=1").await;
        world.get("/p?a=2&u=1").await;
        let url = Selector::Url(format!("http://example.com{purged}"));
        let count = world.engine.shared().purge(&url, PurgeMode::Hard).await;
        assert_eq!(count.expect("memory purges by anything"), 1, "{purged}");
        assert_eq!(world.get("/p?a=1&u=3").await, "miss 200 /p?a=1&u=3", "{purged}");
        assert_eq!(world.get("/p?a=2&u=3").await, "hit 200 /p?a=2&u=1", "{purged}");
    }
}

/// RFC 9111 section 4.4.
#[tokio::test(start_paused = true)]
async fn an_unsafe_request_invalidates_what_its_url_stands_for() {
    let world = World::new();
    world.origin.says(|head| match head.method.as_str() {
        "GET" => by_url(RULE)(head),
        _ => Reply::status(204, &[]),
    });
    world.get("/p?a=1&u=1").await;
    world.line("POST", "/p?u=2&a=1", &[]).await;
    assert_eq!(world.get("/p?a=1&u=1").await, "miss 200 /p?a=1&u=1");
}

#[tokio::test(start_paused = true)]
async fn a_purge_overtakes_what_is_fetched_for_an_equivalent_url() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?u=0").await;
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| by_url(RULE)(head).behind(&held));
    let early = tokio::spawn({
        let world = world.clone();
        async move { world.get("/p?a=1&u=1").await }
    });
    settle().await;
    let url = Selector::Url("http://example.com/p?u=9&a=1".into());
    world.engine.shared().purge(&url, PurgeMode::Hard).await.expect("memory purges by anything");
    open.add_permits(10);
    assert_eq!(in_time(early).await.expect("no failure"), "miss 200 /p?a=1&u=1");
    assert_eq!(world.get("/p?a=1&u=2").await, "miss 200 /p?a=1&u=2", "what was older is not kept");
}

/// After a start, rules are known again from the first stored response of their path that is looked at, or the next one
/// that is fetched.
#[tokio::test(start_paused = true)]
async fn rules_come_back_from_the_store() {
    let disk = MemoryStore::new(MemoryOptions::default());
    let tiered =
        |disk: &MemoryStore| Tiered::new(MemoryStore::new(MemoryOptions::default()), Arc::new(disk.clone()));
    let world = World::over(millpond_policy::Profile::default(), tiered(&disk));
    world.origin.says(by_url(RULE));
    world.get("/p?a=1&u=1").await;
    world.get("/p?a=2&u=1").await;
    let restarted = World::over(millpond_policy::Profile::default(), tiered(&disk));
    restarted.origin.says(by_url(RULE));
    assert_eq!(restarted.get("/p?a=1").await, "hit 200 /p?a=1&u=1");
    assert_eq!(restarted.get("/p?a=2&u=5").await, "hit 200 /p?a=2&u=1");
    let fetching = World::over(millpond_policy::Profile::default(), tiered(&disk));
    fetching.origin.says(by_url(RULE));
    assert_eq!(fetching.get("/p?a=3&u=1").await, "miss 200 /p?a=3&u=1");
    assert_eq!(fetching.get("/p?a=2&u=5").await, "hit 200 /p?a=2&u=1");
}
