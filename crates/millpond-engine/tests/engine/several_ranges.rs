//! Several ranges in one request: out of a whole response, out of parts, out of a fill, and passed on.

use crate::parts::{CONTENT, filling, part, ranged, world};
use crate::support::{Got, MIB, Reply, World, gate, generated, in_time, request, settle, stepped};
use futures_util::StreamExt as _;
use millpond_engine::RangeFill;
use millpond_exchange::{Body, Frame};
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

const TAGGED: &[(&str, &str)] =
    &[("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Type", "text/plain")];

/// Takes multipart/byteranges apart, by the rules of RFC 2046 section 5.1.1 and not by how it is written: the fields and the
/// content of each part.
pub fn parts_of(got: &Got) -> Vec<(Vec<String>, Vec<u8>)> {
    let media_type = got.fields.get_str("content-type").expect("there is a Content-Type");
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").expect("multipart/byteranges");
    assert!((1..=70).contains(&boundary.len()), "{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = [b"\r\n", &got.body[..]].concat();
    let mut parts: Vec<(Vec<String>, Vec<u8>)> = Vec::new();
    loop {
        let at = find(&rest, delimiter.as_bytes()).expect("a delimiter");
        match parts.last_mut() {
            Some((_, content)) => *content = rest[..at].to_vec(),
            None => assert_eq!(at, 0, "nothing before the first"),
        }
        rest.drain(..at + delimiter.len());
        if rest.starts_with(b"--") {
            assert_eq!(rest, b"--\r\n", "nothing after the last");
            return parts;
        }
        let end = find(&rest, b"\r\n\r\n").expect("the end of the fields");
        let lines = String::from_utf8(rest[2..end].to_vec()).expect("text");
        parts.push((lines.split("\r\n").map(str::to_owned).collect(), Vec::new()));
        rest.drain(..end + 4);
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// `OUTCOME STATUS` and, in brackets, range and content of each part; or the line of any other answer.
fn told(got: &Got) -> String {
    let multipart =
        got.fields.get_str("content-type").is_some_and(|value| value.starts_with("multipart/byteranges"));
    if !multipart || got.cut.is_some() {
        return got.line();
    }
    assert!(!got.fields.contains("content-range"), "RFC 9110 section 15.3.7.2");
    let parts = parts_of(got).into_iter().map(|(fields, content)| {
        let value = |name| fields.iter().find_map(|line| line.strip_prefix(name));
        assert_eq!((value("Content-Type: "), fields.len()), (Some("text/plain"), 2), "{fields:?}");
        let range = value("Content-Range: bytes ").expect("a Content-Range");
        format!("[{range} {}]", String::from_utf8_lossy(&content))
    });
    format!("{} {} {}", got.outcome, got.status, parts.collect::<String>())
}

async fn ask(world: &World, lines: &[(&str, &str)]) -> String {
    let got = in_time(Box::pin(world.read(request("GET", "/", lines)))).await;
    settle().await;
    told(&got)
}

/// RFC 9110 sections 14.2, 14.6 and 15.3.7.2.
#[tokio::test(start_paused = true)]
async fn several_ranges_of_a_stored_response() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, CONTENT));
    world.get("/").await;
    for (range, expected) in [
        ("bytes=0-1,4-5", "hit 206 [0-1/10 01][4-5/10 45]"),
        ("bytes=-1, 0-0", "hit 206 [9-9/10 9][0-0/10 0]"),
        ("bytes=0-1,2-3", "hit 206 0123"),
        ("bytes=0-1,20-", "hit 206 01"),
        ("bytes=20-,-0", "hit 416"),
        ("bytes=0-1,5-4", "hit 200 0123456789"),
        ("bytes=0-9,1-2,3-4,5-6", "hit 200 0123456789"),
    ] {
        assert_eq!(ask(&world, &[("Range", range)]).await, expected, "{range}");
    }
    let several = ("Range", "bytes=0-1,4-5");
    assert_eq!(ask(&world, &[several, ("If-Range", "\"v1\"")]).await, "hit 206 [0-1/10 01][4-5/10 45]");
    assert_eq!(ask(&world, &[several, ("If-Range", "\"v2\"")]).await, "hit 200 0123456789");
    assert_eq!(ask(&world, &[several, ("If-None-Match", "\"v1\"")]).await, "hit 304");
    assert_eq!(world.line("HEAD", "/", &[several]).await, "hit 200", "RFC 9110 section 14.2");
    let none = world.read(request("GET", "/", &[("Range", "bytes=20-,-0")])).await;
    assert_eq!(none.fields.get_str("content-range"), Some("bytes */10"), "RFC 9110 section 15.5.17");
    assert_eq!(world.origin.count(), 1);
}

/// RFC 2046 section 5.1.1: a boundary must not occur in the content, so nobody may be able to write it there.
#[tokio::test(start_paused = true)]
async fn every_answer_has_a_boundary_of_its_own() {
    let world = World::new();
    world.origin.says(|_| Reply::ok(TAGGED, CONTENT));
    world.get("/").await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let got = world.read(request("GET", "/", &[("Range", "bytes=0-1,4-5")])).await;
        let media_type = got.fields.get_str("content-type").expect("set").to_owned();
        assert!(media_type.len() >= "multipart/byteranges; boundary=".len() + 32, "{media_type}");
        assert!(seen.insert(media_type));
    }
}

/// What the stored head says of the whole content is not said of parts (RFC 9530 section 2), and what is coded is not put
/// into parts, whose fields have no room for that.
#[tokio::test(start_paused = true)]
async fn fields_of_the_whole_content_are_left_out() {
    let world = World::new();
    let digests = [("Content-Digest", "sha-256=:AAAA:"), ("Repr-Digest", "sha-256=:BBBB:")];
    world.origin.says(move |_| Reply::ok(&[TAGGED, &digests].concat(), CONTENT));
    world.get("/").await;
    for range in ["bytes=0-1,4-5", "bytes=0-1"] {
        let got = world.read(request("GET", "/", &[("Range", range)])).await;
        let has = |name| got.fields.contains(name);
        assert_eq!((has("content-digest"), has("repr-digest"), has("etag")), (false, true, true), "{range}");
    }
    let long = "x".repeat(2000);
    let lines = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Type", &*long)];
    let lines: Vec<(String, String)> = lines.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    world.origin.says(move |_| {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Reply::ok(&lines, CONTENT)
    });
    world.get("/long").await;
    let got = world.read(request("GET", "/long", &[("Range", "bytes=0-1,4-5")])).await;
    assert_eq!(parts_of(&got)[0].0, ["Content-Range: bytes 0-1/10"], "no part is longer for it");
    world.origin.says(|_| Reply::ok(&[TAGGED, &[("Content-Encoding", "gzip")]].concat(), CONTENT));
    world.get("/coded").await;
    let line = world.line("GET", "/coded", &[("Range", "bytes=0-1,4-5")]).await;
    assert_eq!(line, "hit 200 0123456789");
    assert_eq!(world.line("GET", "/coded", &[("Range", "bytes=0-1")]).await, "hit 206 01");
}

/// Long content is given piece by piece, and each part is what stands there.
#[tokio::test(start_paused = true)]
async fn parts_of_long_content() {
    let world = World::new();
    let pulled = Arc::new(AtomicU64::new(0));
    world.origin.says(move |_| Reply::new(200, TAGGED, generated(8 * MIB, Some(8 * MIB), &pulled)));
    world.read(request("GET", "/", &[])).await;
    settle().await;
    let got = world.read(request("GET", "/", &[("Range", "bytes=5000000-5999999,100-70000,-1")])).await;
    let parts = parts_of(&got);
    let expected = [(5_000_000, 1_000_000), (100, 69_901), (8 * MIB - 1, 1)];
    assert_eq!((got.outcome, parts.len()), ("hit", expected.len()));
    for ((fields, content), (first, len)) in parts.iter().zip(expected) {
        let range = format!("Content-Range: bytes {first}-{}/{}", first + len - 1, 8 * MIB);
        assert!(fields.contains(&range), "{fields:?}");
        assert_eq!(content.len() as u64, len);
        assert!(crate::support::is_pattern(first, content));
    }
}

/// RFC 9111 section 3.3: parts answer what lies within them, several of them as well as one.
#[tokio::test(start_paused = true)]
async fn several_ranges_of_stored_parts() {
    let world = world();
    part(&world, "bytes=0-2").await;
    part(&world, "bytes=6-8").await;
    assert_eq!((world.origin.count(), world.entries()), (2, 2));
    for (range, expected) in [
        ("bytes=0-0,2-2", "hit 206 [0-0/10 0][2-2/10 2]"),
        ("bytes=1-1,7-8", "hit 206 [1-1/10 1][7-8/10 78]"),
        ("bytes=8-8,0-1", "hit 206 [8-8/10 8][0-1/10 01]"),
        ("bytes=1-1,7-8,10-", "hit 206 [1-1/10 1][7-8/10 78]"),
    ] {
        assert_eq!(ask(&world, &[("Range", range)]).await, expected, "{range}");
    }
    let several = ("Range", "bytes=1-1,7-8");
    assert_eq!(ask(&world, &[several, ("If-Range", "\"v1\"")]).await, "hit 206 [1-1/10 1][7-8/10 78]");
    assert_eq!(world.origin.count(), 2);
    world.advance(61);
    world.origin.says(|_| Reply::status(503, &[]));
    assert_eq!(ask(&world, &[several]).await, "miss 503", "none of them is fresh");
}

/// What is not all there is asked for as the client asks for it, and an answer with several parts is not stored.
#[tokio::test(start_paused = true)]
async fn several_ranges_are_passed_on() {
    const ANSWER: &str = "--x\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--x--\r\n";
    let world = world();
    part(&world, "bytes=0-2").await;
    world.origin.says(|request| match request.fields.get_str("range") {
        Some(range) if range.contains(',') => {
            let lines =
                [("Cache-Control", "max-age=60"), ("Content-Type", "multipart/byteranges; boundary=x")];
            Reply::new(206, &lines, Body::from_bytes(ANSWER))
        }
        _ => ranged(request, CONTENT, "\"v1\""),
    });
    for (count, if_range) in [(2, None), (3, Some(("If-Range", "\"v0\"")))] {
        let lines: Vec<_> = [("Range", "bytes=0-0,7-8")].into_iter().chain(if_range).collect();
        let got = world.read(request("GET", "/", &lines)).await;
        assert_eq!((got.status, got.outcome, got.body), (206, "miss", ANSWER.as_bytes().to_vec()));
        let last = world.origin.last();
        assert_eq!((last.fields.get_str("range"), world.origin.count()), (Some("bytes=0-0,7-8"), count));
        settle().await;
        assert_eq!(world.entries(), 1);
    }
    // An answer with one part is stored like any other.
    world.origin.says(|request| {
        let mut request = request.clone();
        let _ = request.fields.set("range", "bytes=5-8");
        ranged(&request, CONTENT, "\"v1\"")
    });
    assert_eq!(ask(&world, &[("Range", "bytes=0-0,7-8")]).await, "miss 206 5678");
    assert_eq!(part(&world, "bytes=6-7").await, "hit 206 67");
}

/// The whole is on its way: several ranges are cut from it where they come in its order.
#[tokio::test(start_paused = true)]
async fn several_ranges_of_what_is_on_its_way() {
    let world = filling(RangeFill::First);
    let open = gate();
    let held = open.clone();
    world.origin.says(move |_| Reply::ok(TAGGED, CONTENT).behind(&held));
    let waiting = |lines: &'static [(&'static str, &'static str)]| {
        let world = world.clone();
        async move { told(&Box::pin(world.read(request("GET", "/", lines))).await) }
    };
    let (a, b, c, d, ()) = in_time(async {
        tokio::join!(
            waiting(&[]),
            waiting(&[("Range", "bytes=1-2,7-8")]),
            waiting(&[("Range", "bytes=7-8,1-2")]),
            waiting(&[("Range", "bytes=1-2,7-8"), ("If-Range", "\"v2\"")]),
            async {
                settle().await;
                open.add_permits(1);
            }
        )
    })
    .await;
    assert_eq!(a, "miss 200 0123456789");
    assert_eq!(b, "collapsed 206 [1-2/10 12][7-8/10 78]");
    assert_eq!(c, "collapsed 200 0123456789", "a body is read in the order in which it comes");
    assert_eq!(d, "collapsed 200 0123456789", "RFC 9110 section 13.1.5");
    assert_eq!(world.origin.count(), 1);
}

/// A fill that is cut cuts those who read parts of it, and never puts a delimiter where content is missing.
#[tokio::test(start_paused = true)]
async fn a_cut_fill_cuts_its_parts() {
    let world = filling(RangeFill::First);
    let (tap, body) = stepped(Some(10));
    world.origin.says_once(Reply::new(200, TAGGED, body));
    let reader = {
        let world = world.clone();
        tokio::spawn(async move { world.read(request("GET", "/", &[("Range", "bytes=1-2,7-8")])).await })
    };
    settle().await;
    tap.send("0123");
    settle().await;
    tap.cut();
    let got = in_time(reader).await.expect("it does not panic");
    assert!(got.cut.is_some());
    let text = String::from_utf8_lossy(&got.body).into_owned();
    assert!(
        text.contains("bytes 1-2/10\r\n\r\n12\r\n--") && text.ends_with("bytes 7-8/10\r\n\r\n"),
        "{text}"
    );
    settle().await;
    assert_eq!(world.entries(), 0);
}

/// A fill that is not stored waits for its slowest reader. One client that asks for several ranges and is alone holds up
/// nobody: its own later parts wait for the first.
#[tokio::test(start_paused = true)]
async fn a_slow_client_is_not_cut_by_its_own_parts() {
    let memory = MemoryOptions { capacity: 64 * MIB, max_in_flight: Some(MIB), ..MemoryOptions::default() };
    let world = World::with(Profile::default(), memory);
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=10")], "old"));
    world.get("/big").await;
    world.advance(20);
    let pulled = Arc::new(AtomicU64::new(0));
    world.origin.says_once(Reply::new(200, TAGGED, generated(8 * MIB, Some(8 * MIB), &pulled)));
    let range = ("Range", "bytes=0-5999999,7000000-7000009");
    let answer = in_time(Box::pin(world.ask(request("GET", "/big", &[range])))).await.expect("an answer");
    assert_eq!(answer.head.head().status, 206);
    let length = answer.body.length().expect("known");
    let mut body = answer.body.into_stream();
    let mut got = 0;
    for piece in 0.. {
        if piece == 3 {
            // For longer than a fill waits for one that holds up others. The clock jumps there.
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
        match in_time(body.next()).await {
            Some(Ok(Frame::Data(piece))) => got += piece.len() as u64,
            Some(Ok(Frame::Trailers(_))) => {}
            Some(Err(error)) => panic!("cut after {got} bytes: {error}"),
            None => break,
        }
    }
    assert_eq!(got, length);
}
