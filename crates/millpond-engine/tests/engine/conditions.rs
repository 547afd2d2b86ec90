//! Preconditions and ranges of clients, answered from what is stored or on its way there.

use crate::support::{MIB, Reply, World, gate, in_time, request, settle, stepped};
use millpond_exchange::Body;

const TAGGED: &[(&str, &str)] = &[
    ("Cache-Control", "max-age=60"),
    ("ETag", "\"v1\""),
    ("Last-Modified", "@-1000"),
    ("Content-Type", "text/plain"),
];

#[tokio::test(start_paused = true)]
async fn preconditions_are_answered_from_the_store() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "hello"));
    world.get("/").await;
    for (line, expected) in [
        (("If-None-Match", "\"v1\""), "hit 304"),
        (("If-None-Match", "W/\"v1\", \"x\""), "hit 304"),
        (("If-None-Match", "\"v2\""), "hit 200 hello"),
        (("If-Modified-Since", "@-1000"), "hit 304"),
        (("If-Modified-Since", "@-1001"), "hit 200 hello"),
    ] {
        assert_eq!(world.line("GET", "/", &[line]).await, expected, "{line:?}");
    }
    let got = world.read(request("GET", "/", &[("If-None-Match", "\"v1\"")])).await;
    assert_eq!((got.fields.get_str("etag"), got.fields.contains("content-type")), (Some("\"v1\""), false));
    assert_eq!(world.origin.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_precondition_does_not_reach_the_origin() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "hello"));
    assert_eq!(world.line("GET", "/", &[("If-None-Match", "\"v1\"")]).await, "miss 304");
    assert!(!world.origin.last().fields.contains("if-none-match"));
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 hello", "the whole response was stored");
    world.advance(61);
    world.origin.says(|_| Reply::status(304, &[("ETag", "\"v1\"")]));
    assert_eq!(world.line("GET", "/", &[("If-None-Match", "\"v1\"")]).await, "validated 304");
    assert_eq!(world.line("GET", "/", &[("If-None-Match", "\"old\"")]).await, "hit 200 hello");
}

#[tokio::test(start_paused = true)]
async fn ranges_are_cut_from_what_is_stored() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "hello"));
    world.get("/").await;
    for (lines, expected, range) in [
        (&[("Range", "bytes=1-2")][..], "hit 206 el", Some("bytes 1-2/5")),
        (&[("Range", "bytes=-2")], "hit 206 lo", Some("bytes 3-4/5")),
        (&[("Range", "bytes=3-")], "hit 206 lo", Some("bytes 3-4/5")),
        (&[("Range", "bytes=9-")], "hit 416", Some("bytes */5")),
        (&[("Range", "lines=1-2")], "hit 200 hello", None),
        (&[("Range", "bytes=1-2"), ("If-Range", "\"v1\"")], "hit 206 el", Some("bytes 1-2/5")),
        (&[("Range", "bytes=1-2"), ("If-Range", "\"v2\"")], "hit 200 hello", None),
        (&[("Range", "bytes=1-2"), ("If-None-Match", "\"v1\"")], "hit 304", None),
    ] {
        let got = world.read(request("GET", "/", lines)).await;
        assert_eq!(
            (got.line().as_str(), got.fields.get_str("content-range")),
            (expected, range),
            "{lines:?}"
        );
    }
    assert_eq!(world.origin.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_what_is_not_stored_is_asked_of_the_origin() {
    let world = World::new();
    world.origin.says(|_| {
        let lines = [TAGGED, &[("Content-Range", "bytes 1-2/5")]].concat();
        Reply::new(206, &lines, millpond_exchange::Body::from_bytes("el"))
    });
    let got = world.read(request("GET", "/", &[("Range", "bytes=1-2")])).await;
    assert_eq!((got.line().as_str(), got.detail), ("miss 206 el", Some("range-not-stored")));
    assert_eq!(world.origin.last().fields.get_str("range"), Some("bytes=1-2"));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_what_is_stale_is_cut_from_the_new_one() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "hello"));
    world.get("/").await;
    world.advance(61);
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60"), ("ETag", "\"v2\"")], "world"));
    assert_eq!(world.line("GET", "/", &[("Range", "bytes=1-2")]).await, "miss 206 or");
    assert!(!world.origin.last().fields.contains("range"));
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 world");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_answered_by_their_own_preconditions() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "hello"));
    world.get("/").await;
    world.advance(61);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::ok(TAGGED, "hello").behind(&held));
    let ask = |lines| world.line("GET", "/", lines);
    let (a, b, c, d, ()) = in_time(async {
        tokio::join!(
            ask(&[]),
            ask(&[("If-None-Match", "\"v1\"")]),
            ask(&[("Range", "bytes=1-2")]),
            ask(&[("Range", "bytes=7-")]),
            async {
                settle().await;
                open.add_permits(1);
            }
        )
    })
    .await;
    assert_eq!([a, b, c, d], ["miss 200 hello", "collapsed 304", "collapsed 206 el", "collapsed 416"]);
    assert_eq!(world.origin.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_precondition_on_what_is_never_stored_is_for_the_origin() {
    let world = World::new();
    world.origin.says(|head| match head.fields.get_str("if-none-match") {
        Some("\"v1\"") => Reply::status(304, &[("ETag", "\"v1\"")]),
        _ => Reply::ok(&[("Cache-Control", "private"), ("ETag", "\"v1\"")], "mine"),
    });
    let have = &[("If-None-Match", "\"v1\"")];
    assert_eq!(world.line("GET", "/", have).await, "miss 200 mine", "it could have been for everyone");
    assert_eq!(world.line("GET", "/", have).await, "miss 304");
    assert_eq!(world.get("/").await, "miss 200 mine");
    // Were it to become storable, a client without the current one would bring it in.
    world.origin.says(|_| Reply::ok(TAGGED, "ours"));
    assert_eq!(world.line("GET", "/", &[("If-None-Match", "\"v0\"")]).await, "miss 200 ours");
    settle().await;
    assert_eq!(world.line("GET", "/", have).await, "hit 304");
}

/// RFC 9110 section 13.1.5: a date holds where it is the Last-Modified and that is strong (section 8.8.2.2).
#[tokio::test(start_paused = true)]
async fn if_range_with_a_date() {
    for (modified, asked, expected) in [
        ("@-1000", "@-1000", "hit 206 el"),
        ("@-1000", "@-999", "hit 200 hello"),
        ("@-1000", "@-1001", "hit 200 hello"),
        ("@0", "@0", "hit 200 hello"),
        ("@-1", "@-1", "hit 206 el"),
    ] {
        let world = World::new();
        world.origin.says(move |_| {
            let lines = [("Cache-Control", "max-age=60"), ("Date", "@0"), ("Last-Modified", modified)];
            Reply::ok(&lines, "hello")
        });
        world.get("/").await;
        let line = world.line("GET", "/", &[("Range", "bytes=1-2"), ("If-Range", asked)]).await;
        assert_eq!(line, expected, "{modified} {asked}");
        assert_eq!(world.origin.count(), 1);
    }
}

/// Each of those who wait for one fill has its own If-Range, evaluated on what came.
#[tokio::test(start_paused = true)]
async fn if_range_of_those_who_wait() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, "hello"));
    world.get("/").await;
    world.advance(61);
    let open = gate();
    let held = open.clone();
    let new: &[(&str, &str)] = &[("Cache-Control", "max-age=60"), ("ETag", "\"v2\""), ("Date", "@61")];
    world.origin.says(move |_| Reply::ok(new, "world").behind(&held));
    let ask = |lines| world.line("GET", "/", lines);
    let (a, b, c, d, ()) = Box::pin(in_time(async {
        tokio::join!(
            ask(&[("Range", "bytes=1-2"), ("If-Range", "\"v1\"")]),
            ask(&[("Range", "bytes=1-2"), ("If-Range", "\"v2\"")]),
            ask(&[("Range", "bytes=1-2"), ("If-Range", "@-1000")]),
            ask(&[("Range", "bytes=1-2"), ("If-Range", "W/\"v2\"")]),
            async {
                settle().await;
                open.add_permits(1);
            }
        )
    }))
    .await;
    let whole = "collapsed 200 world";
    assert_eq!([a, b, c, d], ["miss 200 world", "collapsed 206 or", whole, whole]);
    assert!(!world.origin.last().fields.contains("if-range"), "what comes is for everyone");
}

/// A range of what is on its way is cut from that, once it has come so far or nearly so.
#[tokio::test(start_paused = true)]
async fn a_range_of_what_is_on_its_way() {
    const LEN: u64 = 8 * MIB;
    let world = World::new();
    let (tap, body) = stepped(Some(LEN));
    let body = std::sync::Mutex::new(Some(body));
    world.origin.says(move |request| match request.fields.get_str("range") {
        None => Reply::new(200, TAGGED, body.lock().expect("fine").take().expect("it is asked once")),
        Some(_) => Reply::new(206, &[("Content-Range", "bytes 0-0/8388608")], Body::from_bytes("x")),
    });
    let spawn = |lines: &'static [(&'static str, &'static str)]| {
        let world = world.clone();
        tokio::spawn(async move { world.read(request("GET", "/", lines)).await })
    };
    let whole = spawn(&[]);
    settle().await;
    tap.send(vec![7; 1000]);
    settle().await;
    let here = spawn(&[("Range", "bytes=10-19")]);
    let near = spawn(&[("Range", "bytes=1000000-1000001")]);
    let other = spawn(&[("Range", "bytes=10-19"), ("If-Range", "\"v0\"")]);
    let got = in_time(here).await.expect("it does not panic");
    assert_eq!(
        (got.line(), got.fields.get_str("content-range")),
        (
            "collapsed 206 \u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}\u{7}".into(),
            Some("bytes 10-19/8388608")
        )
    );
    assert_eq!(world.line("GET", "/", &[("Range", "bytes=8000000-8000001")]).await, "miss 206 x", "too far");
    assert_eq!(world.line("GET", "/", &[("Range", "bytes=-1")]).await, "miss 206 x", "too far");
    assert_eq!(in_time(other).await.expect("it does not panic").line(), "miss 206 x", "the origin decides");
    assert_eq!(world.origin.count(), 4);
    tap.send(vec![7; LEN as usize - 1000]);
    drop(tap);
    assert_eq!(in_time(near).await.expect("it does not panic").body, [7, 7]);
    assert_eq!(in_time(whole).await.expect("it does not panic").body.len() as u64, LEN);
}
