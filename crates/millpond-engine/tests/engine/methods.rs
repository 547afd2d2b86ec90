//! HEAD, unsafe methods, and what goes past the cache.

use crate::support::{Reply, World, request};
use millpond_engine::Exchange;
use millpond_exchange::{Body, QueryRules};
use millpond_policy::{Profile, Reason};
use std::sync::Arc;

const TAGGED: &[(&str, &str)] = &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")];

#[tokio::test(start_paused = true)]
async fn head_is_answered_from_a_stored_get() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "one"));
    let head = world.read(request("HEAD", "/", &[])).await;
    assert_eq!(head.line(), "miss 200", "a HEAD alone brings nothing to store");
    world.get("/").await;
    let head = world.read(request("HEAD", "/", &[])).await;
    assert_eq!((head.line().as_str(), head.announce), ("hit 200", Some(3)));
    assert_eq!(world.origin.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn head_freshens_what_it_agrees_with() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "one"));
    world.get("/").await;
    world.advance(61);
    world.origin.says(|_| {
        Reply::status(200, &[("Cache-Control", "max-age=100"), ("ETag", "\"v1\""), ("Content-Length", "3")])
    });
    let head = world.read(request("HEAD", "/", &[])).await;
    assert_eq!((head.line().as_str(), head.announce), ("miss 200", Some(3)));
    assert_eq!(world.get("/").await, "hit 200 one");
}

#[tokio::test(start_paused = true)]
async fn head_makes_stale_what_it_disagrees_with() {
    for line in [("ETag", "\"v2\""), ("Content-Length", "4")] {
        let world = World::new();
        world.origin.says(|_| Reply::ok(TAGGED, "one"));
        world.get("/").await;
        world.origin.says(move |_| Reply::status(200, &[line]));
        assert_eq!(world.line("HEAD", "/", &[("Cache-Control", "no-cache")]).await, "miss 200");
        world.origin.says(|_| Reply::ok(TAGGED, "two"));
        assert_eq!(world.get("/").await, "miss 200 two", "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn unsafe_methods_invalidate_target_and_location() {
    let world = World::new();
    let get = || Reply::ok(&[("Cache-Control", "max-age=600")], "x");
    for (method, status, other, invalidates) in [
        ("POST", 201, "/new", true),
        ("DELETE", 204, "http://example.com/new", true),
        ("FROB", 200, "/new", true),
        ("PUT", 200, "http://elsewhere.com/new", false),
        ("POST", 500, "/new", false),
        ("OPTIONS", 200, "/new", false),
    ] {
        world.origin.says(move |_| get());
        for path in ["/a", "/new", "/c"] {
            world.get(path).await;
        }
        world.origin.says(move |head| match head.method.as_str() {
            "GET" => get(),
            _ => Reply::status(status, &[("Location", other)]),
        });
        assert_eq!(world.line(method, "/a", &[]).await, format!("bypass {status}"));
        let target = method != "OPTIONS" && status < 400;
        let outcome = |gone| if gone { "miss 200 x" } else { "hit 200 x" };
        assert_eq!(world.get("/a").await, outcome(target), "{method} {status}");
        assert_eq!(world.get("/new").await, outcome(invalidates), "{method} {status} {other}");
        assert_eq!(world.get("/c").await, "hit 200 x");
    }
}

#[tokio::test(start_paused = true)]
async fn invalidation_names_what_is_stored_as_its_key_does() {
    let mut world = World::new();
    let mut context = (*world.context).clone();
    context.query = QueryRules { drop: vec!["utm_*".into()], ..QueryRules::default() };
    world.context = Arc::new(context);
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=600")], "x"));
    for written in ["/%7Ea", "/b/../~a", "/~a?utm_source=mail"] {
        world.get("/~a").await;
        assert_eq!(world.get(written).await, "hit 200 x");
        world.line("POST", written, &[]).await;
        assert_eq!(world.get("/~a").await, "miss 200 x", "{written}");
    }
    let mut shouted = request("POST", "/~a", &[]);
    shouted.authority = "EXAMPLE.com:80".into();
    world.read(shouted).await;
    assert_eq!(world.get("/~a").await, "miss 200 x");
}

#[tokio::test(start_paused = true)]
async fn an_unsafe_request_that_fails_invalidates_nothing() {
    let world = World::new();
    world.origin.says(|head| if head.method == "GET" { Reply::ok(TAGGED, "x") } else { Reply::gone() });
    world.get("/").await;
    assert_eq!(world.line("POST", "/", &[]).await, "failed origin-connect");
    assert_eq!(world.get("/").await, "hit 200 x");
}

#[tokio::test(start_paused = true)]
async fn some_requests_pass_by_the_store() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "x"));
    assert_eq!(world.pass("/", Reason::PassPath).await, "bypass 200 x");
    assert_eq!(world.line("GET", "/", &[("If-Match", "\"a\"")]).await, "bypass 200 x");
    let upgrade = Exchange { upgrade: true, ..world.exchange(request("GET", "/", &[])) };
    let with_body = Exchange { body: Body::from_bytes("q"), ..world.exchange(request("GET", "/", &[])) };
    for exchange in [upgrade, with_body] {
        let answer = world.engine.handle(exchange).await.expect("it is forwarded");
        assert_eq!(answer.outcome.as_str(), "bypass");
    }
    assert_eq!((world.entries(), world.origin.count()), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_request_with_no_store_is_not_stored_and_disturbs_nobody() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "x"));
    let got = world.read(request("GET", "/", &[("Cache-Control", "no-store")])).await;
    assert_eq!((got.line().as_str(), got.detail), ("miss 200 x", Some("request-no-store")));
    assert_eq!(world.get("/").await, "miss 200 x");
    assert_eq!(world.line("GET", "/", &[("Cache-Control", "no-store")]).await, "hit 200 x");
}

#[tokio::test(start_paused = true)]
async fn an_offline_cache_serves_what_it_has() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "x"));
    world.get("/").await;
    world.advance(3600);
    let offline = world.under(Profile { offline: true, ..Profile::default() });
    assert_eq!(offline.get("/").await, "stale 200 x");
    assert_eq!(offline.get("/other").await, "not-cached offline");
    assert_eq!(world.origin.count(), 1);
}
