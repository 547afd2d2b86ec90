//! Parts that go on where a stored one ends are joined with it as they come (RFC 9111 section 3.4), where they may be.

use crate::parts::{CONTENT, part, ranged, world};
use crate::support::{MIB, Reply, World, generated_from, in_time, request, settle, stepped};
use millpond_exchange::{Body, PurgeMode, RequestHead, Selector};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// RFC 9110 section 15.3.7.3: the same strong validator.
#[tokio::test(start_paused = true)]
async fn a_part_right_behind_a_stored_one_is_joined() {
    let world = world();
    part(&world, "bytes=0-3").await;
    let got = world.read(request("GET", "/", &[("Range", "bytes=4-6")])).await;
    settle().await;
    assert_eq!(
        (got.line().as_str(), got.fields.get_str("content-range")),
        ("miss 206 456", Some("bytes 4-6/10"))
    );
    assert_eq!(world.origin.last().fields.get_str("range"), Some("bytes=4-6"), "as the client asked");
    assert_eq!(world.entries(), 1);
    assert_eq!(part(&world, "bytes=0-6").await, "hit 206 0123456");
    assert_eq!(part(&world, "bytes=7-").await, "miss 206 789");
    assert_eq!(world.get("/").await, "hit 200 0123456789", "the last one made it whole");
    assert_eq!((world.origin.count(), world.entries()), (3, 1));
}

/// RFC 9110 section 14.1.2: what a suffix means of an unknown length, only the origin knows.
#[tokio::test(start_paused = true)]
async fn a_part_that_overlaps_a_stored_one_is_joined() {
    let world = world();
    world.origin.says(|_| {
        let lines = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", "bytes 0-5/*")];
        Reply::new(206, &lines, millpond_exchange::Body::from_bytes("012345"))
    });
    part(&world, "bytes=0-5").await;
    world.origin.says(|request| ranged(request, CONTENT, "\"v1\""));
    assert_eq!(part(&world, "bytes=-5").await, "miss 206 56789");
    assert_eq!(world.get("/").await, "hit 200 0123456789");
    assert_eq!((world.origin.count(), world.entries()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn parts_with_a_gap_between_lie_side_by_side() {
    let world = world();
    part(&world, "bytes=0-1").await;
    part(&world, "bytes=6-9").await;
    assert_eq!(world.entries(), 2);
    assert_eq!(part(&world, "bytes=2-5").await, "miss 206 2345");
    assert_eq!(world.entries(), 1, "what lay between makes it whole");
    assert_eq!(world.get("/").await, "hit 200 0123456789");
    assert_eq!(world.origin.count(), 3);
}

/// RFC 9111 section 3.3: nor need what comes lie behind what is stored.
#[tokio::test(start_paused = true)]
async fn a_part_right_before_a_stored_one_is_joined() {
    let world = world();
    part(&world, "bytes=6-9").await;
    let got = world.read(request("GET", "/", &[("Range", "bytes=4-5")])).await;
    settle().await;
    assert_eq!(
        (got.line().as_str(), got.fields.get_str("content-range")),
        ("miss 206 45", Some("bytes 4-5/10"))
    );
    assert_eq!(world.entries(), 1, "the part within it has left");
    assert_eq!(part(&world, "bytes=4-9").await, "hit 206 456789");
    // What overlaps it, and what is asked for together with what is there.
    assert_eq!(part(&world, "bytes=1-4").await, "miss 206 1234");
    assert_eq!(part(&world, "bytes=1-9").await, "hit 206 123456789");
    assert_eq!(part(&world, "bytes=0-0").await, "miss 206 0");
    assert_eq!(world.get("/").await, "hit 200 0123456789");
    assert_eq!((world.origin.count(), world.entries()), (4, 1));
}

/// The rest that is fetched behind one part leads up to another.
#[tokio::test(start_paused = true)]
async fn a_completed_part_is_joined_with_the_one_behind_it() {
    let world = world();
    part(&world, "bytes=0-3").await;
    part(&world, "bytes=7-9").await;
    assert_eq!(part(&world, "bytes=2-6").await, "miss 206 23456");
    assert_eq!(world.origin.last().fields.get_str("range"), Some("bytes=4-6"));
    assert_eq!((world.get("/").await.as_str(), world.entries()), ("hit 200 0123456789", 1));
}

/// RFC 9110 section 15.3.7.3 and RFC 9111 sections 3, 3.4, 4.1: what must not be joined is stored beside, if at all.
#[tokio::test(start_paused = true)]
async fn what_does_not_belong_together_is_not_joined() {
    type Lines = &'static [(&'static str, &'static str)];
    const LENGTH: (&str, &str) = ("Cache-Control", "max-age=60");
    let behind = ("Content-Range", "bytes 4-6/10");
    #[rustfmt::skip]
    let rows: &[(&str, Lines, Lines, u64)] = &[
        ("another tag", &[LENGTH, ("ETag", "\"v2\"")], &[], 2),
        ("no tag", &[LENGTH], &[], 2),
        ("a weak tag", &[LENGTH, ("ETag", "W/\"v1\"")], &[], 2),
        ("another coding", &[LENGTH, ("ETag", "\"v1\""), ("Content-Encoding", "br")], &[], 2),
        ("no-store", &[("Cache-Control", "no-store"), ("ETag", "\"v1\"")], &[], 1),
        ("a cookie of someone", &[("ETag", "\"v1\""), ("Set-Cookie", "a=b")], &[], 1),
        ("Authorization", &[LENGTH, ("ETag", "\"v1\"")], &[("Authorization", "Basic eDp5")], 1),
        ("request no-store", &[LENGTH, ("ETag", "\"v1\"")], &[("Cache-Control", "no-store")], 1),
    ];
    for (what, lines, asked, entries) in rows {
        let world = world();
        part(&world, "bytes=0-3").await;
        let lines = [lines, &[behind][..]].concat();
        world.origin.says(move |_| Reply::new(206, &lines, millpond_exchange::Body::from_bytes("456")));
        let asked = [asked, &[("Range", "bytes=4-6")][..]].concat();
        assert_eq!(world.line("GET", "/", &asked).await, "miss 206 456", "{what}");
        settle().await;
        assert_eq!(world.entries(), *entries, "{what}");
        world.origin.says(|_| Reply::gone());
        assert_eq!(part(&world, "bytes=2-5").await, "failed origin-connect", "{what}");
    }
}

/// RFC 9110 section 8.8.2.2: a date that is strong combines as well.
#[tokio::test(start_paused = true)]
async fn a_strong_date_joins() {
    for (modified, entries) in [("@-9", 1), ("@0", 2)] {
        let world = world();
        world.origin.says(move |request| {
            let first = usize::from(request.fields.get_str("range") != Some("bytes=0-3")) * 4;
            let range = format!("bytes {first}-{}/10", first + 3);
            let lines = [
                ("Cache-Control", "max-age=60"),
                ("Date", "@0"),
                ("Last-Modified", modified),
                ("Content-Range", range.as_str()),
            ];
            Reply::new(206, &lines, millpond_exchange::Body::from_bytes(&CONTENT[first..first + 4]))
        });
        part(&world, "bytes=0-3").await;
        assert_eq!(part(&world, "bytes=4-7").await, "miss 206 4567");
        assert_eq!(world.entries(), entries, "{modified}");
    }
}

/// To join is to copy: what is long is not copied for the sake of a little more.
#[tokio::test(start_paused = true)]
async fn a_long_part_is_joined_with_what_is_long() {
    const LEN: u64 = 16 * MIB;
    let world = world();
    let pulled = Arc::new(AtomicU64::new(0));
    world.origin.says(move |request| {
        let range = request.fields.get_str("range").and_then(|range| range.strip_prefix("bytes="));
        let (first, last) = range.and_then(|range| range.split_once('-')).expect("a range");
        let (first, last): (u64, u64) = (first.parse().expect("a number"), last.parse().expect("a number"));
        let range = format!("bytes {first}-{last}/{LEN}");
        let lines = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", range.as_str())];
        let len = last - first + 1;
        Reply::new(206, &lines, generated_from(first, len, Some(len), &pulled))
    });
    let fetch = async |first: u64, len: u64| {
        let range = format!("bytes={first}-{}", first + len - 1);
        let got = in_time(Box::pin(world.read(request("GET", "/", &[("Range", &range)])))).await;
        settle().await;
        assert!(crate::support::is_pattern(first, &got.body) && got.body.len() as u64 == len, "{range}");
        got.outcome
    };
    fetch(0, 2 * MIB).await;
    fetch(2 * MIB, MIB / 2).await;
    assert_eq!(world.entries(), 1);
    fetch(5 * MIB / 2, 1000).await;
    assert_eq!(world.entries(), 2, "1000 bytes are not worth it");
    fetch(5 * MIB / 2 + 1000, 1000).await;
    assert_eq!(world.entries(), 2, "but there is a short one beside now");
    assert_eq!(fetch(0, 5 * MIB / 2).await, "hit");
    assert_eq!(fetch(5 * MIB / 2, 2000).await, "hit");
    // A request that begins in a long part and goes a little beyond it does not wait for a copy either.
    assert_eq!(fetch(5 * MIB / 2 - 10, 3000).await, "miss");
    assert_eq!(world.origin.last().fields.get_str("range"), Some("bytes=2621430-2624429"));
}

/// A purge that comes while the continuation is on its way is about the stored part as well, on whichever side that lies, and
/// also where it names what only the stored part has.
#[tokio::test(start_paused = true)]
async fn a_purge_overtakes_a_join() {
    let tag = || Selector::Tag { origin: None, tag: "6-9".into() };
    for (selector, left) in [(Selector::All, 0), (tag(), 1)] {
        for stored in [&["bytes=6-9"][..], &["bytes=0-3", "bytes=6-9"]] {
            let world = world();
            for &range in stored {
                let named = range.trim_start_matches("bytes=");
                world.origin.says(move |request| {
                    let content_range = format!("bytes {named}/10");
                    let lines = [
                        ("Cache-Control", "max-age=60"),
                        ("ETag", "\"v1\""),
                        ("Cache-Tag", named),
                        ("Content-Range", &content_range),
                    ];
                    assert_eq!(request.fields.get_str("range"), Some(range));
                    let body = if named == "0-3" { "0123" } else { "6789" };
                    Reply::new(206, &lines, Body::from_bytes(body))
                });
                part(&world, range).await;
            }
            let (tap, body) = stepped(Some(2));
            let lines = [
                ("Cache-Control", "max-age=60"),
                ("ETag", "\"v1\""),
                ("Cache-Tag", "4-5"),
                ("Content-Range", "bytes 4-5/10"),
            ];
            world.origin.says_once(Reply::new(206, &lines, body));
            let (line, ()) = in_time(async {
                tokio::join!(part(&world, "bytes=4-5"), async {
                    settle().await;
                    // Its head has come, and what lies around it was looked for.
                    let purge = world.engine.shared().purge(&selector, PurgeMode::Hard);
                    purge.await.expect("memory does not fail");
                    tap.send("45");
                    drop(tap);
                })
            })
            .await;
            assert_eq!(line, "miss 206 45");
            let others = if left == 0 { 0 } else { stored.len() as u64 - 1 };
            assert_eq!(world.entries(), others, "{selector:?} {stored:?}");
        }
    }
}

/// What lies behind is not taken for what is missing: one client sees the end of it, and nothing is stored.
#[tokio::test(start_paused = true)]
async fn a_part_that_breaks_off_before_a_stored_one_is_not_joined() {
    for sent in ["23", "23456"] {
        let world = world();
        part(&world, "bytes=6-9").await;
        let (tap, body) = stepped(None);
        let lines = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", "bytes 2-5/10")];
        world.origin.says_once(Reply::new(206, &lines, body));
        tap.send(sent);
        drop(tap);
        let got = in_time(Box::pin(world.read(request("GET", "/", &[("Range", "bytes=2-5")])))).await;
        assert!(got.cut.is_some() && "2345".starts_with(&*String::from_utf8_lossy(&got.body)), "{got:?}");
        settle().await;
        assert_eq!(part(&world, "bytes=6-9").await, "hit 206 6789");
        world.origin.says(|_| Reply::gone());
        assert_eq!(part(&world, "bytes=5-6").await, "failed origin-connect");
    }
}

/// RFC 9110 section 15.3.7.3: nor is anything joined that lies before another version.
#[tokio::test(start_paused = true)]
async fn what_comes_before_something_else_is_not_joined() {
    type Lines = &'static [(&'static str, &'static str)];
    const FRESH: (&str, &str) = ("Cache-Control", "max-age=60");
    #[rustfmt::skip]
    let rows: &[(&str, Lines)] = &[
        ("another tag", &[FRESH, ("ETag", "\"v2\"")]),
        ("no tag", &[FRESH]),
        ("a weak tag", &[FRESH, ("ETag", "W/\"v1\"")]),
        ("another coding", &[FRESH, ("ETag", "\"v1\""), ("Content-Encoding", "br")]),
        ("other selecting fields", &[FRESH, ("ETag", "\"v1\""), ("Vary", "*")]),
    ];
    for (what, lines) in rows {
        let world = world();
        part(&world, "bytes=6-9").await;
        let lines = [lines, &[("Content-Range", "bytes 4-5/10")][..]].concat();
        world.origin.says(move |_| Reply::new(206, &lines, Body::from_bytes("45")));
        assert_eq!(part(&world, "bytes=4-5").await, "miss 206 45", "{what}");
        world.origin.says(|_| Reply::gone());
        assert_eq!(part(&world, "bytes=5-6").await, "failed origin-connect", "{what}");
    }
}

/// What breaks off leaves the stored part as it is.
#[tokio::test(start_paused = true)]
async fn a_continuation_that_breaks_off_is_not_joined() {
    for whole in [false, true] {
        let world = world();
        part(&world, "bytes=0-3").await;
        let (tap, body) = stepped(None);
        let lines = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", "bytes 4-6/10")];
        world.origin.says_once(Reply::new(206, &lines, body));
        tap.send(if whole { "4567" } else { "45" });
        drop(tap);
        let line = part(&world, "bytes=4-6").await;
        assert!(line.ends_with(" cut"), "{line}");
        assert_eq!(world.entries(), 1);
        assert_eq!(part(&world, "bytes=0-3").await, "hit 206 0123");
        world.origin.says(|_| Reply::gone());
        assert_eq!(part(&world, "bytes=3-4").await, "failed origin-connect");
    }
}

/// A request whose precondition the origin has let through is not judged again by another rule.
#[tokio::test(start_paused = true)]
async fn preconditions_beside_a_join() {
    let world: World = world();
    part(&world, "bytes=0-3").await;
    let lines = [("Range", "bytes=4-6"), ("If-None-Match", "\"v0\"")];
    assert_eq!(world.line("GET", "/", &lines).await, "miss 206 456");
    settle().await;
    assert_eq!(world.entries(), 1);
    let lines = [("Range", "bytes=4-8"), ("If-Range", "\"v1\"")];
    assert_eq!(world.line("GET", "/", &lines).await, "miss 206 45678");
    settle().await;
    assert_eq!(part(&world, "bytes=0-8").await, "hit 206 012345678");
}

/// RFC 9110 section 15.3.7: a 206 to If-Range may leave out Content-Encoding, and then leaves out the rest as well. One that
/// states its type is not coded, and is neither joined with what is nor answered under its head.
#[tokio::test(start_paused = true)]
async fn codings_do_not_mix_whatever_if_range_says() {
    for stated in [true, false] {
        let world = world();
        let coded = |request: &RequestHead| request.fields.contains("accept-encoding");
        world.origin.says(move |request| {
            let mut lines = vec![("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")];
            if stated {
                lines.push(("Content-Type", "text/plain"));
            }
            let (range, body) = match (request.fields.get_str("range"), coded(request)) {
                (Some("bytes=0-3"), true) => ("bytes 0-3/8", "GZIP"),
                (Some("bytes=4-7"), false) => ("bytes 4-7/8", "iden"),
                _ => return Reply::status(400, &[]),
            };
            lines.push(("Content-Range", range));
            if coded(request) {
                lines.push(("Content-Encoding", "gzip"));
            }
            Reply::new(206, &lines, Body::from_bytes(body))
        });
        let first = [("Range", "bytes=0-3"), ("Accept-Encoding", "gzip")];
        assert_eq!(world.line("GET", "/", &first).await, "miss 206 GZIP");
        settle().await;
        let rest = request("GET", "/", &[("Range", "bytes=4-7"), ("If-Range", "\"v1\"")]);
        let got = in_time(Box::pin(world.read(rest))).await;
        assert_eq!(
            (got.line().as_str(), got.fields.contains("content-encoding")),
            ("miss 206 iden", false),
            "stated: {stated}"
        );
        settle().await;
        let whole = part(&world, "bytes=0-7").await;
        assert!(!whole.starts_with("hit") && !whole.contains("GZIPiden"), "stated: {stated}: {whole}");
    }
}
