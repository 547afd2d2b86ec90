//! What the origin takes back (RFC 9111 sections 4.3.3 to 4.3.5) is given to nobody any more.

use crate::support::{Lines, Reply, World, gate, request, settle, stepped};
use millpond_exchange::Body;
use millpond_policy::{CacheStatus, Profile};
use millpond_store::MemoryOptions;

const OLD: Lines<'_> = &[("ETag", "\"a\""), ("Cache-Control", "max-age=1, stale-while-revalidate=600")];

/// A world that has `lines` stored, `later` seconds ago.
async fn stored(lines: Lines<'static>, later: u64) -> World {
    let world = World::new();
    world.origin.says(|_| Reply::ok(lines, "old"));
    assert_eq!(world.get("/").await, "miss 200 old");
    world.advance(later);
    world
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_ends_what_it_replaces() {
    type Row = (&'static str, u16, Lines<'static>, &'static str);
    #[rustfmt::skip]
    let rows: [Row; 12] = [
        ("not found, without a lifetime", 404, &[], "miss 404"),
        ("gone", 410, &[("Cache-Control", "no-store")], "miss 410"),
        ("forbidden", 403, &[], "miss 403"),
        ("for one user", 200, &[("Cache-Control", "private")], "miss 200"),
        ("not to be stored", 200, &[("Cache-Control", "no-store")], "miss 200"),
        ("a cookie without a lifetime", 200, &[("Set-Cookie", "a=b")], "miss 200"),
        ("confirmed, for one user", 304, &[("ETag", "\"a\""), ("Cache-Control", "private")], "miss 200 new"),
        ("confirmed, not to be stored", 304, &[("ETag", "\"a\""), ("Cache-Control", "no-store")], "miss 200 new"),
        ("a fault of the request", 400, &[], "stale 200 old"),
        ("asked too often", 429, &[], "stale 200 old"),
        ("an error of the server", 500, &[], "stale 200 old"),
        ("another one", 505, &[], "stale 200 old"),
    ];
    for (what, status, lines, expected) in rows {
        let world = stored(OLD, 5).await;
        world.origin.says(move |head| {
            let is_conditional = head.fields.contains("if-none-match");
            let unasked = status == 304 && !is_conditional;
            if unasked { Reply::ok(&[], "new") } else { Reply::status(status, lines) }
        });
        assert_eq!(world.get("/").await, "stale 200 old", "{what}: the window is there for that");
        settle().await;
        assert_eq!(world.get("/").await, expected, "{what}");
        // It is not there for an origin that cannot be reached either.
        world.origin.says(|_| Reply::gone());
        let expected = if expected.starts_with("stale") { expected } else { "failed origin-connect" };
        assert_eq!(world.get("/").await, expected, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn so_does_one_that_a_reload_brings() {
    let world = stored(&[("Cache-Control", "max-age=60")], 5).await;
    world.origin.says(|_| Reply::status(404, &[("Cache-Control", "no-store")]));
    assert_eq!(world.line("GET", "/", &[("Cache-Control", "no-cache")]).await, "miss 404");
    assert_eq!(world.get("/").await, "miss 404", "it has no validator, and is gone all the same");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_one_user_is_not_said_of_the_others() {
    let world = stored(&[("Cache-Control", "max-age=60")], 5).await;
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60")], "mine"));
    let mine = &[("Cache-Control", "no-cache"), ("Authorization", "Basic YTpi")];
    assert_eq!(world.line("GET", "/", mine).await, "miss 200 mine");
    assert_eq!(world.get("/").await, "hit 200 old");
    assert_eq!(world.line("GET", "/", &[("Cache-Control", "no-cache, no-store")]).await, "miss 200 mine");
    assert_eq!(world.get("/").await, "hit 200 old");
}

#[tokio::test(start_paused = true)]
async fn the_other_variants_stay() {
    let world = World::new();
    let vary = &[("Cache-Control", "max-age=60"), ("Vary", "X-Lang")];
    world.origin.says(|_| Reply::ok(vary, "old"));
    for lang in ["de", "en"] {
        world.line("GET", "/", &[("X-Lang", lang)]).await;
    }
    world.origin.says(|_| Reply::status(404, &[("Cache-Control", "no-store")]));
    assert_eq!(world.line("GET", "/", &[("X-Lang", "de"), ("Cache-Control", "no-cache")]).await, "miss 404");
    assert_eq!(world.line("GET", "/", &[("X-Lang", "de")]).await, "miss 404");
    assert_eq!(world.line("GET", "/", &[("X-Lang", "en")]).await, "hit 200 old");
    world.origin.says(|_| Reply::ok(vary, "back"));
    assert_eq!(world.line("GET", "/", &[("X-Lang", "de")]).await, "miss 200 back");
    assert_eq!(world.line("GET", "/", &[("X-Lang", "de")]).await, "hit 200 back");
    assert_eq!(world.entries(), 2, "what came back took the place of what was gone");
}

/// Nothing would ever take the place of the old one.
#[tokio::test(start_paused = true)]
async fn a_body_that_became_too_large_ends_the_one_before_it() {
    let large = "x".repeat(5_000);
    for announced in [Some(5_000), None] {
        let world = World::with(
            Profile::default(),
            MemoryOptions { max_object: Some(4_000), ..MemoryOptions::default() },
        );
        world.origin.says(|_| Reply::ok(OLD, "old"));
        world.get("/").await;
        world.advance(1_000);
        let (tap, body) = stepped(announced);
        world.origin.says_once(Reply::new(200, &[("Cache-Control", "max-age=60")], body));
        tap.send(large.clone());
        let _gone = tap.end();
        assert_eq!(world.get("/").await, format!("miss 200 {large}"));
        world.origin.says(|_| Reply::gone());
        assert_eq!(world.get("/").await, "failed origin-connect", "{announced:?}");
    }
}

/// RFC 9111 section 4.3.5: the fields of the answer to a HEAD are those of what is stored from then on.
#[tokio::test(start_paused = true)]
async fn an_answer_to_a_head_takes_back_as_well() {
    for (directives, expected) in
        [("private", "miss 200 new"), ("no-store", "miss 200 new"), ("max-age=9", "hit 200 old")]
    {
        let world = stored(&[("ETag", "\"a\""), ("Cache-Control", "max-age=60")], 5).await;
        let directives = directives.to_owned();
        world.origin.says(move |head| match head.method.as_str() {
            "HEAD" => Reply::new(200, &[("ETag", "\"a\""), ("Cache-Control", &directives)], Body::Empty),
            _ => Reply::ok(&[("Cache-Control", "max-age=60")], "new"),
        });
        world.line("HEAD", "/", &[("Cache-Control", "no-cache")]).await;
        assert_eq!(world.get("/").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_disagrees_is_told_as_that() {
    let world = stored(&[("ETag", "\"a\""), ("Cache-Control", "max-age=60")], 5).await;
    world.origin.says(|head| match head.method.as_str() {
        "HEAD" => Reply::status(200, &[("ETag", "\"b\""), ("Content-Length", "+5")]),
        _ => Reply::ok(&[("Cache-Control", "max-age=60")], "new"),
    });
    let head = world.read(request("HEAD", "/", &[("Cache-Control", "no-cache")])).await;
    assert_eq!(head.announce, None, "that is no length");
    let got = world.read(request("GET", "/", &[])).await;
    assert_eq!((got.line().as_str(), got.detail), ("miss 200 new", Some("head-mismatch")));
}

/// RFC 9111 section 4: "when more than one suitable response is stored", and what must be validated is not.
#[tokio::test(start_paused = true)]
async fn a_newer_response_that_is_stale_does_not_hide_one_that_is_fresh() {
    let world = World::new();
    let long = &[("Cache-Control", "max-age=600"), ("Vary", "X-A")];
    world.origin.says(|_| Reply::ok(long, "long"));
    world.line("GET", "/", &[("X-A", "1")]).await;
    world.advance(10);
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=1"), ("Vary", "X-B")], "short"));
    world.line("GET", "/", &[("X-A", "2"), ("X-B", "1")]).await;
    let both = &[("X-A", "1"), ("X-B", "1")];
    assert_eq!(world.line("GET", "/", both).await, "hit 200 short", "the newest of those that are fresh");
    world.advance(10);
    world.origin.says(|_| Reply::gone());
    assert_eq!(world.line("GET", "/", both).await, "hit 200 long");
}

/// RFC 9211 section 2.6.
#[tokio::test(start_paused = true)]
async fn who_waited_for_the_304_of_another_is_told_as_collapsed() {
    let world = stored(&[("ETag", "\"a\""), ("Cache-Control", "max-age=1")], 5).await;
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::status(304, &[("ETag", "\"a\"")]).behind(&held));
    let asking = || {
        let world = world.clone();
        tokio::spawn(async move { world.ask(request("GET", "/", &[])).await.expect("an answer").status })
    };
    let (first, second) = (asking(), asking());
    settle().await;
    open.add_permits(1);
    let told = |status: CacheStatus<'_>| (status.collapsed, status.fwd_status);
    let mut all = [told(first.await.expect("it ends")), told(second.await.expect("it ends"))];
    all.sort_unstable();
    assert_eq!(all, [(false, Some(304)), (true, Some(304))]);
}
