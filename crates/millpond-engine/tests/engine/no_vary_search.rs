//! No-Vary-Search: what was fetched for one URL answers for those that differ from it where the origin says it makes no
//! difference.

use crate::support::{Lines, Reply, World, gate, in_time, settle, stepped};
use millpond_exchange::{PurgeMode, RequestHead, Selector};
use millpond_store::{Above as _, MemoryOptions, MemoryStore, Store as _, Tiered};
use std::sync::Arc;
use tokio::task::JoinSet;

const RULE: Lines<'_> =
    &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("No-Vary-Search", "params=(\"u\")")];

/// Another rule for the same paths.
const OTHER_RULE: Lines<'_> =
    &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("No-Vary-Search", "params=(\"z\")")];

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
    let (tap, body) = stepped(None);
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

/// Who purges a URL.
#[derive(Clone, Copy, Debug)]
enum Purger {
    Operator,
    OtherProcess,
    UnsafeRequest,
}

/// The purge knew nothing of the URL that the fetched one turned out to be equivalent to.
#[tokio::test(start_paused = true)]
async fn a_purge_overtakes_the_fetch_that_brings_the_first_rule() {
    for purger in [Purger::Operator, Purger::OtherProcess, Purger::UnsafeRequest] {
        let disk = MemoryStore::new(MemoryOptions::default());
        let tiered = Tiered::new(MemoryStore::new(MemoryOptions::default()), Arc::new(disk.clone()));
        let world = World::over(millpond_policy::Profile::default(), tiered);
        // There is a rule for the path, which is not that for GET.
        world.origin.says(by_url(OTHER_RULE));
        world.send("QUERY", "/p?a=1", &[], "q").await;
        let open = gate();
        let held = open.clone();
        world.origin.says(move |head| match head.method.as_str() {
            "POST" => Reply::status(204, &[]),
            _ => by_url(RULE)(head).behind(&held),
        });
        let early = tokio::spawn({
            let world = world.clone();
            async move { world.get("/p?a=1&u=1").await }
        });
        settle().await;
        let (url, shared) = (Selector::Url("http://example.com/p?a=1&u=1".into()), world.engine.shared());
        match purger {
            Purger::Operator => {
                shared.purge(&url, PurgeMode::Hard).await.expect("memory purges by anything");
            }
            Purger::OtherProcess => {
                disk.remove(&url, PurgeMode::Hard, shared.now()).await.expect("memory purges by anything");
                shared.purged(&url, PurgeMode::Hard, shared.now());
            }
            Purger::UnsafeRequest => {
                world.line("POST", "/p?a=1&u=1", &[]).await;
            }
        }
        open.add_permits(10);
        assert_eq!(in_time(early).await.expect("no failure"), "miss 200 /p?a=1&u=1");
        settle().await;
        assert_eq!(world.get("/p?a=1&u=1").await, "miss 200 /p?a=1&u=1", "{purger:?}");
        assert_eq!(world.get("/p?a=1&u=2").await, "hit 200 /p?a=1&u=1", "{purger:?}: the rule is known");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_purged_fetch_at_the_place_its_rule_gives_it() {
    let world = World::new();
    let open = gate();
    let (tap, body) = stepped(None);
    world.origin.says_once(Reply::new(200, RULE, body).behind(&open));
    let ask = |path: &'static str| {
        let world = world.clone();
        tokio::spawn(async move { world.get(path).await })
    };
    let before = ask("/p?u=1");
    settle().await;
    world.origin.says(by_url(RULE));
    let purged = world.engine.shared().purge(&Selector::All, PurgeMode::Hard).await;
    assert_eq!(purged.expect("memory purges by anything"), 0);
    open.add_permits(1);
    settle().await;
    let after = ask("/p?u=2");
    settle().await;
    tap.send("old");
    drop(tap);
    assert_eq!(in_time(before).await.expect("no failure"), "miss 200 old");
    assert_eq!(in_time(after).await.expect("no failure"), "miss 200 /p?u=2");
}

/// RFC 9111 section 4.4: as long as rules may have been forgotten, or others have taken their place, more is invalidated
/// rather than less.
#[tokio::test(start_paused = true)]
async fn an_unsafe_request_reaches_what_was_stored_by_a_rule_that_is_known_no_more() {
    let long = "x".repeat(4000);
    for (flood, path) in [(0, ""), (600, long.as_str())] {
        let world = World::new();
        world.origin.says(|head| match head.method.as_str() {
            "POST" => Reply::status(204, &[]),
            _ if head.path_and_query.starts_with("/p?c") => Reply::ok(OTHER_RULE, "other"),
            _ => Reply::ok(RULE, &head.path_and_query[..4]),
        });
        for kept in ["/p?a=1&u=1", "/p?b=1&u=1", "/q?a=1&u=1"] {
            world.get(kept).await;
        }
        for at in 0..flood {
            world.get(&format!("/{path}{at}")).await;
        }
        if flood == 0 {
            world.get("/p?c=1").await;
        }
        world.line("POST", "/p?a=1&u=1", &[]).await;
        assert!(world.get("/p?a=1").await.starts_with("miss"), "{flood}");
        assert!(world.get("/q?a=1").await.starts_with("hit"), "{flood}: another path");
    }
}

#[tokio::test(start_paused = true)]
async fn names_count_for_what_rules_may_take() {
    let names: Vec<_> = (0..600).map(|at| format!("\"{at}\"")).collect();
    let many = format!("params=({})", names.join(" "));
    let world = World::new();
    world.origin.says(move |head| match head.path_and_query.as_bytes() {
        _ if head.method.as_str() == "POST" => Reply::status(204, &[]),
        [b'/', b'p', ..] => Reply::ok(RULE, "x"),
        _ => Reply::ok(&[("Cache-Control", "max-age=60"), ("No-Vary-Search", many.as_str())], "x"),
    });
    for path in ["/p?a=1&u=1", "/p?b=1&u=1"] {
        world.get(path).await;
    }
    for at in 0..80 {
        world.get(&format!("/{at}")).await;
    }
    world.line("POST", "/p?a=1&u=1", &[]).await;
    assert_eq!(
        world.get("/p?b=1").await,
        "miss 200 x",
        "the rule of /p was forgotten for those of the others"
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_start_an_unsafe_request_reaches_what_it_was_fetched_for() {
    let disk = MemoryStore::new(MemoryOptions::default());
    let start = || {
        let tiered = Tiered::new(MemoryStore::new(MemoryOptions::default()), Arc::new(disk.clone()));
        let world = World::over(millpond_policy::Profile::default(), tiered);
        world.origin.says(|head| match head.method.as_str() {
            "POST" => Reply::status(204, &[]),
            _ => by_url(RULE)(head),
        });
        world
    };
    start().get("/p?a=1&u=1").await;
    let world = start();
    world.line("POST", "/p?a=1&u=1", &[]).await;
    assert_eq!(world.get("/p?a=1").await, "miss 200 /p?a=1");
}

/// What rules cost each request is bounded.
#[tokio::test(start_paused = true)]
async fn a_query_that_is_too_much_work_stands_for_itself() {
    let long = |byte: &str| format!("/p?u={}", byte.repeat(5000));
    let many = |last: &str| format!("/p?{}u={last}", "u&".repeat(256));
    for (one, other) in [(long("x"), long("y")), (many("x"), many("y"))] {
        let world = World::new();
        world.origin.says(by_url(RULE));
        world.get("/p?u=1").await;
        for path in [one, other] {
            assert_eq!(world.get(&path).await, format!("miss 200 {path}"));
            assert_eq!(world.get(&path).await, format!("hit 200 {path}"));
        }
        assert_eq!(world.get("/p?u=2").await, "hit 200 /p?u=1");
    }
}

/// What an origin confirms under another rule is for the request that asked: by that rule it is no answer to the URL it lies
/// under.
#[tokio::test(start_paused = true)]
async fn what_is_confirmed_under_another_rule_is_fetched_again() {
    for method in ["GET", "HEAD"] {
        let world = World::new();
        world.origin.says(by_url(RULE));
        world.get("/p?a=1&u=1").await;
        world.advance(100);
        world.origin.says(|head| {
            if head.fields.contains("if-none-match") && head.path_and_query == "/p?a=1&u=1" {
                return Reply::status(304, OTHER_RULE);
            }
            Reply::ok(OTHER_RULE, &head.path_and_query)
        });
        let confirmed = world.line(method, "/p?a=1&u=1", &[]).await;
        assert!(confirmed.starts_with(if method == "GET" { "validated 200" } else { "miss 200" }));
        assert_eq!(world.get("/p?a=1").await, "miss 200 /p?a=1", "{method}");
        assert_eq!(world.get("/p?a=1&z=3").await, "hit 200 /p?a=1", "{method}");
        assert_eq!(world.get("/p?a=1&u=1").await, "miss 200 /p?a=1&u=1", "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_confirmed_under_another_rule_is_not_for_those_who_asked_for_something_else() {
    let world = World::new();
    world.origin.says(by_url(RULE));
    world.get("/p?a=1&u=1").await;
    world.advance(100);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| {
        let confirms = head.fields.contains("if-none-match") && head.path_and_query == "/p?a=1&u=1";
        let reply = if confirms {
            Reply::status(304, OTHER_RULE)
        } else {
            Reply::ok(OTHER_RULE, &format!("new {}", head.path_and_query))
        };
        reply.behind(&held)
    });
    let ask = |path: &'static str| {
        let world = world.clone();
        tokio::spawn(async move { world.get(path).await })
    };
    let first = ask("/p?a=1&u=1");
    settle().await;
    let (same, other) = (ask("/p?a=1&u=1"), ask("/p?a=1"));
    settle().await;
    assert_eq!(world.origin.count(), 2);
    open.add_permits(10);
    assert_eq!(in_time(first).await.expect("no failure"), "validated 200 /p?a=1&u=1");
    assert_eq!(in_time(same).await.expect("no failure"), "validated 200 /p?a=1&u=1");
    assert_eq!(in_time(other).await.expect("no failure"), "miss 200 new /p?a=1");
}
