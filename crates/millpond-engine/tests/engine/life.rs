//! The life of an entry: missed, hit, expired, validated, served stale, gone.

use crate::support::{Got, Reply, World, gate, in_time, request, settle};
use millpond_engine::Outcome;

const FRESH: &[(&str, &str)] = &[("Cache-Control", "max-age=60")];

#[tokio::test(start_paused = true)]
async fn a_miss_is_stored_and_then_hit() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(FRESH, "one"));
    assert_eq!(world.get("/").await, "miss 200 one");
    world.advance(10);
    let got = world.read(request("GET", "/", &[])).await;
    assert_eq!((got.line().as_str(), got.age), ("hit 200 one", Some(10)));
    assert_eq!(world.origin.count(), 1);
    assert_eq!(world.get("/other").await, "miss 200 one", "another URL is another key");
}

#[tokio::test(start_paused = true)]
async fn the_fast_path_answers_what_is_fresh_and_nothing_else() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60"), ("Vary", "X-Lang")], "one"));
    let head = request("GET", "/", &[]);
    let target = millpond_engine::Target {
        scheme: head.scheme,
        authority: &head.authority,
        path_and_query: &head.path_and_query,
        client_scheme: None,
    };
    let hit = |head: &_| world.engine.hit(head, target, &world.context);
    assert!(hit(&head).is_none());
    world.get("/").await;
    assert_eq!(hit(&head).map(|answer| answer.outcome), Some(Outcome::Hit));
    for (method, lines) in [
        ("POST", &[][..]),
        ("GET", &[("Cache-Control", "no-cache")]),
        ("GET", &[("If-Match", "\"a\"")]),
        ("GET", &[("X-Lang", "de")]),
    ] {
        assert!(hit(&request(method, "/", lines)).is_none(), "{method} {lines:?}");
    }
    let mut rewriting = (*world.context).clone();
    rewriting.rewritten = vec!["x-lang".into()];
    assert!(world.engine.hit(&head, target, &rewriting).is_none(), "the value that counts is not known here");
    world.advance(60);
    assert!(hit(&head).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_expired_entry_is_validated_and_takes_the_new_fields() {
    let world = World::new();
    world
        .origin
        .says(|_| Reply::ok(&[("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("X-Gen", "1")], "one"));
    world.get("/").await;
    world.advance(61);
    world.origin.says(|_| {
        Reply::status(304, &[("ETag", "\"v1\""), ("Cache-Control", "max-age=120"), ("X-Gen", "2")])
    });
    let got = world.read(request("GET", "/", &[])).await;
    assert_eq!((got.line().as_str(), got.fields.get_str("x-gen")), ("validated 200 one", Some("2")));
    assert_eq!(world.origin.last().fields.get_str("if-none-match"), Some("\"v1\""));
    world.advance(100);
    let got = world.read(request("GET", "/", &[])).await;
    assert_eq!((got.line().as_str(), got.fields.get_str("x-gen")), ("hit 200 one", Some("2")));
    assert_eq!(world.origin.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_entry_without_validator_is_fetched_anew() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(FRESH, "one"));
    world.get("/").await;
    world.advance(61);
    world.origin.says(|_| Reply::ok(FRESH, "two"));
    assert_eq!(world.get("/").await, "miss 200 two");
    assert_eq!(world.get("/").await, "hit 200 two");
}

#[tokio::test(start_paused = true)]
async fn a_validation_may_bring_a_new_response() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")], "one"));
    world.get("/").await;
    world.advance(61);
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60"), ("ETag", "\"v2\"")], "two"));
    assert_eq!(world.get("/").await, "miss 200 two");
    assert_eq!(world.get("/").await, "hit 200 two");
    assert_eq!(world.entries(), 1);
}

#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_answers_at_once_and_refreshes_once() {
    let world = World::new();
    let lines = &[("Cache-Control", "max-age=10, stale-while-revalidate=30")];
    world.origin.says(|_| Reply::ok(lines, "one"));
    world.get("/").await;
    world.advance(15);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::ok(lines, "two").behind(&held));
    for _ in 0..5 {
        assert_eq!(world.get("/").await, "stale 200 one");
        settle().await;
    }
    assert_eq!(world.origin.count(), 2, "one fetch for all of them");
    open.add_permits(1);
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 two");
    world.advance(41);
    world.origin.says(|_| Reply::ok(FRESH, "three"));
    assert_eq!(world.get("/").await, "miss 200 three", "past the window someone has to wait");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_behind_an_answer_validates_and_is_a_get() {
    let world = World::new();
    let lines = &[("Cache-Control", "max-age=10, stale-while-revalidate=30"), ("ETag", "\"v1\"")];
    world.origin.says(|_| Reply::ok(lines, "one"));
    world.get("/").await;
    world.advance(15);
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=10"), ("ETag", "\"v2\"")], "two"));
    assert_eq!(world.line("HEAD", "/", &[]).await, "stale 200");
    settle().await;
    let asked = world.origin.last();
    assert_eq!((asked.method.as_str(), asked.fields.get_str("if-none-match")), ("GET", Some("\"v1\"")));
    assert_eq!(world.get("/").await, "hit 200 two");
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_leaves_the_entry() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=10, stale-while-revalidate=30")], "one"));
    world.get("/").await;
    world.advance(15);
    for reply in [Reply::gone as fn() -> Reply, || Reply::status(500, &[]), || Reply::status(304, &[])] {
        world.origin.says(move |_| reply());
        assert_eq!(world.get("/").await, "stale 200 one");
        settle().await;
    }
    assert_eq!(world.origin.count(), 4);
    assert_eq!(world.get("/").await, "stale 200 one");
}

#[tokio::test(start_paused = true)]
async fn a_client_past_the_window_joins_the_refresh_under_way() {
    let world = World::new();
    let lines = &[("Cache-Control", "max-age=10, stale-while-revalidate=30")];
    world.origin.says(|_| Reply::ok(lines, "one"));
    world.get("/").await;
    world.advance(15);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::ok(lines, "two").behind(&held));
    assert_eq!(world.get("/").await, "stale 200 one");
    world.advance(60);
    let (line, ()) = in_time(async {
        tokio::join!(world.get("/"), async {
            settle().await;
            open.add_permits(1);
        })
    })
    .await;
    assert_eq!((line.as_str(), world.origin.count()), ("collapsed 200 two", 2));
}

#[tokio::test(start_paused = true)]
async fn stale_if_error_stands_in_for_an_origin_in_trouble() {
    for validator in [&[][..], &[("ETag", "\"v1\"")]] {
        let world = World::new();
        let lines = [&[("Cache-Control", "max-age=10, stale-if-error=60")], validator].concat();
        world.origin.says(move |_| Reply::ok(&lines, "one"));
        world.get("/").await;
        world.advance(20);
        world.origin.says(|_| Reply::status(503, &[]));
        assert_eq!(world.get("/").await, "stale 200 one");
        world.origin.says(|_| Reply::status(503, &[("Cache-Control", "max-age=60")]));
        assert_eq!(
            world.get("/").await,
            "stale 200 one",
            "an error that could be stored stands back as well"
        );
        world.origin.says(|_| Reply::gone());
        assert_eq!(world.get("/").await, "stale 200 one");
        world.origin.says(|_| Reply::status(404, &[]));
        assert_eq!(world.get("/").await, "miss 404", "that is an answer, not an error of the origin");
        world.advance(60);
        world.origin.says(|_| Reply::status(503, &[]));
        assert_eq!(world.get("/").await, "miss 503");
        world.origin.says(|_| Reply::gone());
        assert_eq!(world.get("/").await, "failed origin-connect");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_is_gone_leaves_the_stale_unless_forbidden() {
    for (directives, expected) in
        [("max-age=10", "stale 200 one"), ("max-age=10, must-revalidate", "failed origin-connect")]
    {
        let world = World::new();
        world.origin.says(move |_| Reply::ok(&[("Cache-Control", directives)], "one"));
        world.get("/").await;
        world.advance(3600);
        world.origin.says(|_| Reply::gone());
        assert_eq!(world.get("/").await, expected, "{directives}");
        assert_eq!(world.line("HEAD", "/", &[]).await, expected.replace(" one", ""), "{directives}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_if_cached_never_asks_the_origin() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60, stale-while-revalidate=60")], "one"));
    let only = &[("Cache-Control", "only-if-cached")];
    assert_eq!(world.line("GET", "/", only).await, "not-cached nothing-stored");
    assert_eq!(world.engine.shared().counters.snapshot().errors, 1);
    world.get("/").await;
    assert_eq!(world.line("GET", "/", only).await, "hit 200 one");
    world.advance(61);
    assert_eq!(world.line("GET", "/", only).await, "stale 200 one");
    settle().await;
    assert_eq!(world.origin.count(), 1, "not even behind an answer");
    world.advance(61);
    assert_eq!(world.line("GET", "/", only).await, "not-cached stale");
    let conditional = &[("Cache-Control", "only-if-cached"), ("If-Match", "\"one\"")];
    assert_eq!(world.line("GET", "/", conditional).await, "not-cached precondition");
    assert_eq!(world.origin.count(), 1, "nor where the store cannot know the answer");
    world.line("POST", "/", only).await;
    assert_eq!(world.origin.count(), 2, "what is not safe is for the origin");
}

#[tokio::test(start_paused = true)]
async fn every_request_is_counted_once() {
    let world = World::new();
    world.origin.says(|head| match head.path_and_query.as_str() {
        "/gone" => Reply::gone(),
        _ => Reply::ok(&[("Cache-Control", "max-age=10"), ("ETag", "\"a\"")], "one"),
    });
    let all = [
        ("GET", "/"),
        ("GET", "/"),
        ("HEAD", "/"),
        ("HEAD", "/x"),
        ("POST", "/y"),
        ("GET", "/gone"),
        ("POST", "/gone"),
    ];
    for (method, path) in all {
        world.line(method, path, &[]).await;
    }
    world.line("GET", "/z", &[("Cache-Control", "only-if-cached")]).await;
    let count = world.engine.shared().counters.snapshot();
    let sum = count.hits
        + count.stale_hits
        + count.validated
        + count.collapsed
        + count.misses
        + count.bypassed
        + count.errors;
    assert_eq!((count.requests, sum), (8, 8), "{count:?}");
    assert_eq!((count.hits, count.misses, count.bypassed, count.errors), (2, 2, 1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_304_nobody_asked_for_is_an_error_of_the_origin() {
    let world = World::new();
    world.origin.says(|_| Reply::status(304, &[("ETag", "\"a\"")]));
    assert_eq!(world.get("/").await, "failed origin-malformed");
    // To a stored response it does not name: asked again without conditions, and then the same.
    world.origin.says(|_| {
        Reply::ok(
            &[("Cache-Control", "max-age=1, must-revalidate"), ("ETag", "\"a\""), ("Last-Modified", "@-9")],
            "one",
        )
    });
    world.get("/").await;
    world.advance(5);
    world.origin.says(|_| Reply::status(304, &[("ETag", "\"other\"")]));
    assert_eq!(world.get("/").await, "failed origin-malformed");
    assert_eq!(world.origin.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_unmatched_304_is_asked_again_without_conditions() {
    let world = World::new();
    world.origin.says(|_| {
        Reply::ok(&[("Cache-Control", "max-age=1"), ("ETag", "\"a\""), ("Last-Modified", "@-9")], "one")
    });
    world.get("/").await;
    world.advance(5);
    world.origin.says(|head| {
        let conditional = head.fields.contains("if-none-match");
        if conditional { Reply::status(304, &[("ETag", "\"other\"")]) } else { Reply::ok(FRESH, "two") }
    });
    assert_eq!(world.get("/").await, "miss 200 two");
    assert_eq!(world.get("/").await, "hit 200 two");
}

#[tokio::test(start_paused = true)]
async fn what_is_for_this_cache_alone_does_not_go_out() {
    let world = World::new();
    let lines = &[("Millpond-Cache-Control", "max-age=60"), ("Cache-Tag", "a"), ("X-Kept", "1")];
    world.origin.says(|_| Reply::ok(lines, "one"));
    for (method, path) in [("GET", "/"), ("GET", "/"), ("HEAD", "/other"), ("POST", "/")] {
        let Got { fields, .. } = world.read(request(method, path, &[])).await;
        let own = fields.contains("millpond-cache-control") || fields.contains("cache-tag");
        assert!(!own && fields.contains("x-kept"), "{method} {path}: {fields:?}");
    }
}

/// Every connection has room for this future, idle or not.
#[tokio::test(start_paused = true)]
async fn what_a_waiting_request_keeps_is_small() {
    let world = World::new();
    let future = world.ask(request("GET", "/", &[]));
    let size = size_of_val(&future);
    assert!(size <= 4096, "{size} bytes");
}
