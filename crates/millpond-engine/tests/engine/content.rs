//! QUERY, and POST where a route opts in: requests whose content is part of what is asked.

use crate::support::{Got, Lines, Reply, World, fields, gate, in_time, read, request, settle, stepped};
use millpond_engine::{CachePost, ContentKeys, EngineError, Exchange};
use millpond_exchange::{BodyErrorKind, PurgeMode, RequestHead, Selector};
use std::sync::Arc;
use tokio::task::JoinSet;

const JSON: Lines<'_> = &[("Content-Type", "application/json")];
const TAGGED: Lines<'_> = &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")];

/// A world whose route takes POST so.
fn posting(post: CachePost) -> World {
    with_keys(ContentKeys { post, ..ContentKeys::default() })
}

fn with_keys(content_keys: ContentKeys) -> World {
    let mut world = World::new();
    let mut context = (*world.context).clone();
    context.content_keys = content_keys;
    world.context = Arc::new(context);
    world
}

/// Answers with the method and content it was sent.
fn echo(head: &RequestHead) -> Reply {
    Reply::ok(TAGGED, &format!("{} {}", head.method, head.fields.get_str("x-content").unwrap_or("-")))
}

#[tokio::test(start_paused = true)]
async fn a_query_is_answered_by_content() {
    let world = World::new();
    world.origin.says(echo);
    assert_eq!(world.send("QUERY", "/", JSON, r#"{"a":1,"b":2}"#).await, r#"miss 200 QUERY {"a":1,"b":2}"#);
    assert_eq!(
        world.send("QUERY", "/", JSON, r#"{ "b": 2, "a": 1 }"#).await,
        r#"hit 200 QUERY {"a":1,"b":2}"#
    );
    for (lines, content) in [
        (JSON, r#"{"a":1}"#),
        (&[("Content-Type", "text/plain")][..], r#"{"a":1,"b":2}"#),
        (&[("Content-Type", "application/json"), ("Content-Encoding", "x")][..], r#"{"a":1,"b":2}"#),
        (&[][..], r#"{"a":1,"b":2}"#),
    ] {
        assert_eq!(world.send("QUERY", "/", lines, content).await, format!("miss 200 QUERY {content}"));
    }
    assert_eq!(world.get("/").await, "miss 200 GET -", "GET is another request");
    assert_eq!(world.send("QUERY", "/", &[], "").await, "miss 200 QUERY -", "and so is no content");
    assert_eq!((world.origin.count(), world.entries()), (7, 7));
}

#[tokio::test(start_paused = true)]
async fn a_query_is_sent_again_whole_to_be_validated_and_behind_an_answer() {
    let world = World::new();
    world.origin.says(|head| match head.fields.get_str("if-none-match") {
        Some("\"v1\"") => Reply::status(304, TAGGED),
        _ => Reply::ok(
            &[("Cache-Control", "max-age=60, stale-while-revalidate=10"), ("ETag", "\"v1\"")],
            "one",
        ),
    });
    let ask = || world.send("QUERY", "/", JSON, "[ 1 ]");
    assert_eq!(ask().await, "miss 200 one");
    world.advance(65);
    assert_eq!(ask().await, "stale 200 one");
    settle().await;
    assert_eq!(ask().await, "hit 200 one", "it was refreshed behind the answer");
    world.advance(100);
    assert_eq!(ask().await, "validated 200 one");
    assert_eq!(world.origin.last().method.as_str(), "QUERY");
    assert_eq!(world.origin.contents(), ["[ 1 ]", "[ 1 ]", "[ 1 ]"]);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_with_one_question_makes_one_fetch() {
    let world = World::new();
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| echo(head).behind(&held));
    let mut crowd = JoinSet::new();
    for at in 0..100 {
        let (world, content) = (world.clone(), ["[1]", "[ 1]", "[2]", "[2 ]"][at % 4]);
        crowd.spawn(async move { (at % 4, world.send("QUERY", "/", JSON, content).await) });
    }
    settle().await;
    assert_eq!(world.origin.count(), 2);
    open.add_permits(2);
    while let Some(asked) = in_time(crowd.join_next()).await {
        let (at, line) = asked.expect("nobody fails");
        let digit = ["1", "1", "2", "2"][at];
        assert!(line.contains("200 QUERY [") && line.contains(digit), "{at}: {line}");
    }
}

/// RFC 10008 sections 2.6 and 2.8.
#[tokio::test(start_paused = true)]
async fn conditions_and_ranges_of_a_query_are_answered_as_those_of_a_get() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "0123"));
    world.send("QUERY", "/", JSON, "[1]").await;
    let with = |field: (&'static str, &'static str)| [("Content-Type", "application/json"), field];
    assert_eq!(world.send("QUERY", "/", &with(("If-None-Match", "\"v1\"")), "[1]").await, "hit 304");
    assert_eq!(world.send("QUERY", "/", &with(("Range", "bytes=1-2")), "[1]").await, "hit 206 12");
    assert_eq!(world.send("QUERY", "/", &with(("If-Match", "\"v1\"")), "[1]").await, "bypass 200 0123");
    assert_eq!(world.origin.contents(), ["[1]", "[1]"]);
}

#[tokio::test(start_paused = true)]
async fn a_query_invalidates_nothing_and_is_invalidated_and_purged_by_its_url() {
    let world = World::new();
    world.origin.says(|head| match head.method.as_str() {
        "POST" => Reply::status(204, &[]),
        _ => Reply::ok(&[("Cache-Control", "max-age=60"), ("Cache-Group-Invalidation", "\"g\"")], "x"),
    });
    world.get("/").await;
    world.send("QUERY", "/", JSON, "[1]").await;
    assert_eq!(world.get("/").await, "hit 200 x", "QUERY is safe");
    assert_eq!(world.line("POST", "/", &[]).await, "bypass 204");
    assert_eq!(world.send("QUERY", "/", JSON, "[1]").await, "miss 200 x");
    let url = Selector::Url("http://example.com/".into());
    world.engine.shared().purge(&url, PurgeMode::Hard).await.expect("memory purges by anything");
    assert_eq!(world.send("QUERY", "/", JSON, "[1]").await, "miss 200 x");
}

#[tokio::test(start_paused = true)]
async fn longer_content_goes_past_the_cache_whole() {
    let world = with_keys(ContentKeys { limit: 4, ..ContentKeys::default() });
    world.origin.says(echo);
    assert_eq!(world.send("QUERY", "/", &[], "1234").await, "miss 200 QUERY 1234");
    assert_eq!(world.send("QUERY", "/", &[], "12345").await, "bypass 200 QUERY 12345");
    // Its length is not known beforehand.
    let (tap, body) = stepped(None);
    for piece in ["12", "34", "56"] {
        tap.send(piece);
    }
    drop(tap);
    let exchange = Exchange { body, ..world.exchange(request("QUERY", "/", &[])) };
    let got = Got::of(world.engine.handle(exchange).await).await;
    assert_eq!((got.line().as_str(), got.detail), ("bypass 200 QUERY 123456", Some("key-body")));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_for_keys_is_bounded_and_given_back() {
    let world = World::new();
    world.engine.shared().set_content_limit(10);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |head| echo(head).behind(&held));
    let first = tokio::spawn({
        let world = world.clone();
        async move { world.send("QUERY", "/", &[], "12345678").await }
    });
    settle().await;
    let second = tokio::spawn({
        let world = world.clone();
        async move { world.send("QUERY", "/", &[], "abc").await }
    });
    settle().await;
    open.add_permits(10);
    assert_eq!(in_time(first).await.expect("it is answered"), "miss 200 QUERY 12345678");
    assert_eq!(in_time(second).await.expect("it is answered"), "bypass 200 QUERY abc", "there was no room");
    settle().await;
    assert_eq!(
        world.send("QUERY", "/", &[], "abcdefghij").await,
        "miss 200 QUERY abcdefghij",
        "now there is"
    );
}

#[tokio::test(start_paused = true)]
async fn content_that_breaks_off_is_never_asked() {
    let world = World::new();
    let (tap, body) = stepped(Some(10));
    tap.send("12");
    tap.cut();
    let exchange = Exchange { body, ..world.exchange(request("QUERY", "/", &[])) };
    let Err(EngineError::Request(error)) = world.engine.handle(exchange).await else {
        panic!("it is the request's fault");
    };
    assert_eq!((error.kind, world.origin.count()), (BodyErrorKind::Cut, 0));
}

#[tokio::test(start_paused = true)]
async fn a_post_is_answered_by_content_where_the_route_says_so() {
    for (post, outcome) in [(CachePost::Off, "bypass"), (CachePost::Any, "hit")] {
        let world = posting(post);
        world.origin.says(echo);
        world.get("/").await;
        world.send("POST", "/", JSON, "[1]").await;
        assert_eq!(world.send("POST", "/", JSON, "[ 1]").await.split(' ').next(), Some(outcome), "{post:?}");
        let get = if post == CachePost::Any { "hit 200 GET -" } else { "miss 200 GET -" };
        assert_eq!(world.get("/").await, get, "a lookup invalidates nothing");
        assert_eq!(
            world.send("QUERY", "/", JSON, "[1]").await,
            "miss 200 QUERY [1]",
            "QUERY is another request"
        );
    }
}

/// RFC 9110 section 13.1.2: a condition in a POST means 412, not 304.
#[tokio::test(start_paused = true)]
async fn a_post_is_never_made_conditional() {
    let world = posting(CachePost::Any);
    world.origin.says(echo);
    world.send("POST", "/", JSON, "[1]").await;
    world.advance(100);
    assert_eq!(world.send("POST", "/", JSON, "[1]").await, "miss 200 POST [1]");
    assert!(!world.origin.last().fields.contains("if-none-match"));
    let own = [("Content-Type", "application/json"), ("If-None-Match", "\"v1\"")];
    assert_eq!(world.send("POST", "/", &own, "[1]").await, "bypass 200 POST [1]");
}

#[tokio::test(start_paused = true)]
async fn of_graphql_only_queries_are_kept() {
    let world = posting(CachePost::Graphql);
    world.origin.says(echo);
    let query = r#"{"query":"{a}"}"#;
    let mutation = r#"{"query":"mutation {a}"}"#;
    assert_eq!(world.send("POST", "/", JSON, query).await, format!("miss 200 POST {query}"));
    assert_eq!(world.send("POST", "/", JSON, query).await, format!("hit 200 POST {query}"));
    for _ in 0..2 {
        assert_eq!(world.send("POST", "/", JSON, mutation).await, format!("bypass 200 POST {mutation}"));
    }
    assert_eq!(
        world.send("POST", "/", JSON, query).await,
        format!("miss 200 POST {query}"),
        "it invalidates"
    );
}

/// RFC 9110 section 9.3.3, RFC 9111 section 4.
#[tokio::test(start_paused = true)]
async fn an_answer_to_post_that_is_the_target_answers_get() {
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, &str)] = &[
        ("fresh, and the target", &[("Cache-Control", "max-age=60"), ("Content-Location", "/a")], "hit 200 posted"),
        ("the target, absolute", &[("Cache-Control", "max-age=60"), ("Content-Location", "http://EXAMPLE.com:80/a")], "hit 200 posted"),
        ("another resource", &[("Cache-Control", "max-age=60"), ("Content-Location", "/b")], "miss 200 got"),
        ("of which resource it is not said", &[("Cache-Control", "max-age=60")], "miss 200 got"),
        ("no explicit lifetime", &[("Content-Location", "/a"), ("ETag", "\"v\"")], "miss 200 got"),
        ("not to be stored", &[("Cache-Control", "max-age=60, private"), ("Content-Location", "/a")], "miss 200 got"),
    ];
    for (what, lines, expected) in rows {
        let world = World::new();
        world.origin.says(|_| Reply::ok(TAGGED, "got"));
        world.get("/a").await;
        let posted = fields(lines);
        world.origin.says(move |head| {
            if head.method == "GET" {
                return Reply::ok(TAGGED, "got");
            }
            let lines: Vec<_> =
                posted.iter().map(|f| (f.name_str(), f.value_str().unwrap_or_default())).collect();
            Reply::ok(&lines, "posted")
        });
        assert_eq!(world.send("POST", "/a", &[], "x").await, "bypass 200 posted", "{what}");
        assert_eq!(world.get("/a").await, *expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_during_a_post_covers_its_answer() {
    let lines: Lines<'_> = &[("Cache-Control", "max-age=60"), ("Content-Location", "/a")];
    for (purged, expected) in [(false, "hit 200 posted"), (true, "miss 200 posted")] {
        let world = World::new();
        let open = gate();
        let held = open.clone();
        world.origin.says(move |_| Reply::ok(lines, "posted").behind(&held));
        let posting = tokio::spawn({
            let world = world.clone();
            async move { world.send("POST", "/a", &[], "x").await }
        });
        settle().await;
        if purged {
            let url = Selector::Url("http://example.com/a".into());
            world.engine.shared().purge(&url, PurgeMode::Hard).await.expect("memory purges by anything");
        }
        open.add_permits(10);
        assert_eq!(in_time(posting).await.expect("it is answered"), "bypass 200 posted");
        assert_eq!(world.get("/a").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_to_post_goes_by_while_it_is_stored() {
    let world = World::new();
    let (tap, body) = stepped(None);
    let lines: Lines<'_> = &[("Cache-Control", "max-age=60"), ("Content-Location", "/a")];
    world.origin.says_once(Reply::new(200, lines, body));
    let answer = Box::pin(world.engine.handle(world.exchange(request("POST", "/a", &[]))));
    let answer = in_time(answer).await.expect("its head has come");
    assert!(answer.status.stored);
    tap.send("half ");
    tap.send("and half");
    drop(tap);
    assert_eq!(read(answer.body).await.0, b"half and half");
    settle().await;
    assert_eq!(world.get("/a").await, "hit 200 half and half");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_goes_past_the_store_and_may_not_be_fetched_is_not() {
    let world = with_keys(ContentKeys { limit: 4, ..ContentKeys::default() });
    world.origin.says(echo);
    let only = ("Cache-Control", "only-if-cached");
    assert_eq!(world.send("QUERY", "/", &[only], "12345").await, "not-cached key-body");
    let conditional = [only, ("If-Match", "\"one\"")];
    assert_eq!(world.send("QUERY", "/", &conditional, "1").await, "not-cached precondition");
    assert_eq!(world.origin.count(), 0);
    world.send("POST", "/", &[only], "12345").await;
    assert_eq!(world.origin.count(), 1, "what is not safe is for the origin");
}

/// Asks for a path in the name of a client that names `host`.
async fn ask(world: &World, method: &str, host: Option<&str>) -> String {
    let client_host = host.map(Into::into);
    let exchange = Exchange { client_host, ..world.exchange(request(method, "/a", &[])) };
    in_time(Box::pin(async { Got::of(world.engine.handle(exchange).await).await })).await.line()
}

/// Where the origin was told of a host that the key knows nothing of, its answer is for those who name the same one, while it is
/// fresh and when it is confirmed; and it is gone with the URL.
#[tokio::test(start_paused = true)]
async fn an_answer_to_post_is_kept_for_those_who_name_its_host() {
    let lines: Lines<'_> = &[("Cache-Control", "max-age=60"), ("Content-Location", "/a"), ("ETag", "\"p\"")];
    let world = || {
        let world = World::new();
        world.origin.says(move |head| match head.fields.get_str("if-none-match") {
            _ if head.method == "POST" => Reply::ok(lines, "posted"),
            Some("\"p\"") => Reply::status(304, lines),
            _ => Reply::ok(&[("Cache-Control", "no-store")], "got"),
        });
        world
    };
    let named = world();
    assert_eq!(ask(&named, "POST", Some("a.example")).await, "bypass 200 posted");
    settle().await;
    for (host, line) in [
        (Some("a.example"), "hit 200 posted"),
        (Some("b.example"), "miss 200 got"),
        (None, "miss 200 got"),
        (Some("a.example"), "hit 200 posted"),
    ] {
        assert_eq!(ask(&named, "GET", host).await, line, "{host:?}");
    }
    assert_eq!(ask(&named, "HEAD", Some("a.example")).await, "hit 200");
    named.advance(61);
    let mut crowd = JoinSet::new();
    for _ in 0..20 {
        let world = named.clone();
        crowd.spawn(async move { ask(&world, "GET", Some("a.example")).await });
    }
    let asked = named.origin.count();
    while let Some(line) = in_time(crowd.join_next()).await {
        assert_eq!(line.expect("nobody fails"), "validated 200 posted");
    }
    assert_eq!(named.origin.count(), asked + 1, "they wait for each other");
    assert_eq!(ask(&named, "GET", Some("a.example")).await, "hit 200 posted");
    let url = Selector::Url("http://example.com/a".into());
    named.engine.shared().purge(&url, PurgeMode::Hard).await.expect("memory purges by anything");
    assert_eq!(ask(&named, "GET", Some("a.example")).await, "miss 200 got");
    let unnamed = world();
    ask(&unnamed, "POST", None).await;
    settle().await;
    assert_eq!(ask(&unnamed, "GET", Some("a.example")).await, "hit 200 posted", "what is for everybody");
}
