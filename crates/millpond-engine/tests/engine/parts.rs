//! Parts: stored as they come, given again, completed, and never mixed with those of another representation.

use crate::support::{MIB, Reply, World, request, settle, stepped};
use millpond_engine::{Context, RangeFill};
use millpond_exchange::{Body, RequestHead};
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use std::sync::Arc;

pub const CONTENT: &str = "0123456789";

/// What an origin that knows ranges says: one range, If-Range and If-None-Match by a strong tag.
pub fn ranged(request: &RequestHead, content: &str, tag: &str) -> Reply {
    let field = |name: &str| request.fields.get_str(name);
    let lines = [("Cache-Control", "max-age=60"), ("ETag", tag), ("Content-Type", "text/plain")];
    if field("if-none-match") == Some(tag) {
        return Reply::status(304, &lines);
    }
    let range = field("range").filter(|_| field("if-range").is_none_or(|wanted| wanted == tag));
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Reply::ok(&lines, content);
    };
    let end = content.len();
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(end - 1)),
        (Ok(first), Err(_)) => (first, end - 1),
        (Err(_), Ok(count)) => (end - count, end - 1),
        (Err(_), Err(_)) => return Reply::status(400, &[]),
    };
    let content_range = format!("bytes {first}-{last}/{end}");
    let lines = [lines.as_slice(), &[("Content-Range", content_range.as_str())]].concat();
    Reply::new(206, &lines, Body::from_bytes(content[first..=last].to_owned()))
}

pub fn world() -> World {
    filling(RangeFill::Off)
}

pub fn filling(range_fill: RangeFill) -> World {
    let world = World::with(Profile::default(), MemoryOptions::default());
    world.origin.says(|request| ranged(request, CONTENT, "\"v1\""));
    let context = Context { range_fill, ..Context::clone(&world.context) };
    World { context: Arc::new(context), ..world }
}

pub async fn part(world: &World, range: &str) -> String {
    let line = world.line("GET", "/", &[("Range", range)]).await;
    settle().await;
    line
}

#[tokio::test(start_paused = true)]
async fn a_part_is_stored_and_given_again() {
    let world = world();
    assert_eq!(part(&world, "bytes=2-5").await, "miss 206 2345");
    for (range, expected) in [
        ("bytes=2-5", "hit 206 2345"),
        ("bytes=3-4", "hit 206 34"),
        ("bytes=10-", "hit 416"),
        ("bytes=-5", "miss 206 56789"),
        ("bytes=7-", "hit 206 789"),
    ] {
        assert_eq!(part(&world, range).await, expected, "{range}");
    }
    let got = world.read(request("GET", "/", &[("Range", "bytes=3-4")])).await;
    assert_eq!(got.fields.get_str("content-range"), Some("bytes 3-4/10"));
    assert_eq!(got.fields.get_all("content-range").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stored_beginning_is_completed_for_a_request_for_the_whole() {
    let world = world();
    part(&world, "bytes=0-3").await;
    assert_eq!(world.get("/").await, "miss 200 0123456789");
    let asked = world.origin.last();
    assert_eq!(asked.fields.get_str("range"), Some("bytes=4-"));
    assert_eq!(asked.fields.get_str("if-range"), Some("\"v1\""));
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 0123456789");
    assert_eq!(part(&world, "bytes=1-8").await, "hit 206 12345678");
    assert_eq!((world.origin.count(), world.entries()), (2, 1), "the whole took the place of the part");
}

#[tokio::test(start_paused = true)]
async fn a_range_that_begins_in_a_stored_part_is_completed() {
    let world = world();
    part(&world, "bytes=0-3").await;
    assert_eq!(part(&world, "bytes=2-7").await, "miss 206 234567");
    assert_eq!(world.origin.last().fields.get_str("range"), Some("bytes=4-7"));
    assert_eq!(part(&world, "bytes=0-7").await, "hit 206 01234567");
    assert_eq!(world.entries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_changed_representation_is_never_mixed_with_the_stored_part() {
    let world = world();
    part(&world, "bytes=0-3").await;
    world.origin.says(|request| ranged(request, "abcdefghij", "\"v2\""));
    assert_eq!(world.get("/").await, "miss 200 abcdefghij", "If-Range failed, and the origin sent all");
    settle().await;
    assert_eq!(part(&world, "bytes=0-3").await, "hit 206 abcd");
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_ignores_if_range_is_asked_again() {
    let world = world();
    part(&world, "bytes=0-3").await;
    world.origin.says(|request| {
        let mut request = request.clone();
        request.fields.remove("if-range");
        ranged(&request, "abcdefghij", "\"v2\"")
    });
    assert_eq!(world.get("/").await, "miss 200 abcdefghij");
    assert!(!world.origin.last().fields.contains("range"));
    assert_eq!(world.origin.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stale_part_is_confirmed() {
    let world = world();
    part(&world, "bytes=2-5").await;
    world.advance(61);
    assert_eq!(part(&world, "bytes=2-3").await, "validated 206 23");
    assert_eq!(world.origin.last().fields.get_str("range"), Some("bytes=2-3"));
    assert_eq!(part(&world, "bytes=4-5").await, "hit 206 45", "it is fresh again");
    world.advance(61);
    world.origin.says(|request| ranged(request, "abcdefghij", "\"v2\""));
    assert_eq!(part(&world, "bytes=2-3").await, "miss 206 cd");
    assert_eq!(part(&world, "bytes=4-5").await, "miss 206 ef", "the old part is of no use any more");
}

#[tokio::test(start_paused = true)]
async fn the_second_range_brings_the_whole_where_it_is_small() {
    let world = filling(RangeFill::Second);
    assert_eq!(part(&world, "bytes=2-3").await, "miss 206 23");
    assert_eq!(part(&world, "bytes=7-8").await, "miss 206 78");
    assert!(!world.origin.last().fields.contains("range"));
    assert_eq!(world.get("/").await, "hit 200 0123456789");
    let first = filling(RangeFill::First);
    assert_eq!(part(&first, "bytes=2-3").await, "miss 206 23");
    assert_eq!(first.get("/").await, "hit 200 0123456789");
}

#[tokio::test(start_paused = true)]
async fn a_long_representation_is_fetched_behind_the_range() {
    let world = filling(RangeFill::Second);
    world.origin.says(|request| match request.fields.get_str("range") {
        Some(_) => {
            let range = format!("bytes 0-3/{}", 2 * MIB);
            let lines = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", &*range)];
            Reply::new(206, &lines, Body::from_bytes("0123"))
        }
        None => Reply::ok(&[("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")], &"x".repeat(2 << 20)),
    });
    part(&world, "bytes=0-3").await;
    assert_eq!(part(&world, "bytes=4-4").await, "miss 206 0123", "the client does not wait for the whole");
    assert_eq!(world.origin.count(), 3);
    let head = world.read(request("GET", "/", &[])).await;
    assert_eq!((head.outcome, head.body.len()), ("hit", 2 << 20));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_part_it_claims_to_be_is_not_stored() {
    for (content_range, body) in
        [("bytes 0-9/10", "0123"), ("bytes 0-3/10", "0123456"), ("rows 0-3/10", "0123")]
    {
        let world = world();
        world.origin.says(move |_| {
            let lines =
                [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", content_range)];
            Reply::new(206, &lines, Body::from_bytes(body))
        });
        assert_eq!(part(&world, "bytes=0-3").await, format!("miss 206 {body}"), "{content_range}");
        assert_eq!(world.entries(), 0, "{content_range}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_cut_is_not_stored() {
    let world = world();
    let (tap, body) = stepped(None);
    let body = std::sync::Mutex::new(Some(body));
    world.origin.says(move |_| {
        let lines = [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", "bytes 0-3/10")];
        let body = body.lock().expect("nobody panics").take().expect("it is asked once");
        Reply::new(206, &lines, body)
    });
    tap.send("01");
    drop(tap);
    assert_eq!(
        part(&world, "bytes=0-3").await,
        "miss 206 01 cut",
        "Content-Range says how much it should be"
    );
    assert_eq!(world.entries(), 0);
}

/// RFC 9111 section 3.3: without a validator a part still answers what lies within it, and no more is made of it (RFC 9110
/// section 15.3.7.3).
#[tokio::test(start_paused = true)]
async fn a_part_without_validator_is_given_again() {
    let world = world();
    world.origin.says(|request| {
        let first = if request.fields.get_str("range") == Some("bytes=-5") { 5 } else { 0 };
        let content_range = format!("bytes {first}-{}/10", first + 4);
        let lines = [("Cache-Control", "max-age=60"), ("Content-Range", content_range.as_str())];
        Reply::new(206, &lines, Body::from_bytes(&CONTENT[first..first + 5]))
    });
    assert_eq!(part(&world, "bytes=-5").await, "miss 206 56789");
    for (range, expected) in [
        ("bytes=-5", "hit 206 56789"),
        ("bytes=6-8", "hit 206 678"),
        ("bytes=6-", "hit 206 6789"),
        ("bytes=-1", "hit 206 9"),
    ] {
        assert_eq!(part(&world, range).await, expected, "{range}");
    }
    part(&world, "bytes=0-4").await;
    assert_eq!((world.origin.count(), world.entries()), (2, 2));
    world.origin.says(|request| ranged(request, "abcdefghij", "\"v2\""));
    assert_eq!(world.get("/").await, "miss 200 abcdefghij");
    assert_eq!(world.origin.last().fields.get_str("range"), None, "nothing can be made of the two");
}

/// RFC 9110 section 14.1.2: open ranges, suffixes, and what lies behind the end, with the length known and not.
#[tokio::test(start_paused = true)]
async fn open_ranges_and_suffixes() {
    for (complete, rows) in [
        ("10", &[("bytes=5-", "hit 206 56789"), ("bytes=-2", "hit 206 89"), ("bytes=10-", "hit 416")][..]),
        ("*", &[("bytes=5-", "miss 206 56789"), ("bytes=-2", "miss 206 89"), ("bytes=10-", "miss 416")]),
    ] {
        for (range, expected) in rows {
            let world = world();
            let content_range = format!("bytes 4-9/{complete}");
            world.origin.says(move |_| {
                let lines =
                    [("Cache-Control", "max-age=60"), ("ETag", "\"v1\""), ("Content-Range", &*content_range)];
                Reply::new(206, &lines, Body::from_bytes("456789"))
            });
            part(&world, "bytes=4-9").await;
            world.origin.says(|request| match request.fields.get_str("range") {
                Some("bytes=10-") => Reply::status(416, &[("Content-Range", "bytes */10")]),
                _ => ranged(request, CONTENT, "\"v1\""),
            });
            assert_eq!(part(&world, range).await, *expected, "{range} of {complete}");
        }
    }
}

/// All bytes are the whole, whatever the status was (RFC 9111 section 3.3).
#[tokio::test(start_paused = true)]
async fn a_range_of_all_bytes_stores_the_whole() {
    for range in ["bytes=0-", "bytes=0-9", "bytes=-10", "bytes=0-99"] {
        let world = world();
        world.origin.says(|request| {
            let mut request = request.clone();
            let _ = request.fields.set("range", "bytes=0-");
            ranged(&request, CONTENT, "\"v1\"")
        });
        assert_eq!(part(&world, range).await, "miss 206 0123456789");
        assert_eq!(world.get("/").await, "hit 200 0123456789", "{range}");
        assert_eq!(part(&world, "bytes=0-").await, "hit 206 0123456789");
        assert_eq!(world.line("HEAD", "/", &[("Range", "bytes=0-1")]).await, "hit 200", "Range is for GET");
        assert_eq!(world.origin.count(), 1);
    }
}

/// RFC 9110 section 13.1.5, over parts: what the client has must be what is stored; otherwise only the origin knows.
#[tokio::test(start_paused = true)]
async fn if_range_over_parts() {
    let world = world();
    part(&world, "bytes=0-5").await;
    let ask = async |range, if_range| {
        let line = world.line("GET", "/", &[("Range", range), ("If-Range", if_range)]).await;
        settle().await;
        line
    };
    assert_eq!(ask("bytes=1-2", "\"v1\"").await, "hit 206 12");
    assert_eq!(ask("bytes=4-7", "\"v1\"").await, "miss 206 4567", "completed");
    assert_eq!(world.origin.last().fields.get_str("range"), Some("bytes=6-7"));
    assert_eq!(ask("bytes=1-2", "\"v0\"").await, "miss 200 0123456789");
    let last = world.origin.last();
    assert_eq!(last.fields.get_str("if-range"), Some("\"v0\""), "as the client asked");
    assert_eq!(world.get("/").await, "hit 200 0123456789");
}

/// RFC 9111 section 5.1: what came through another cache says how old it is, cut or not.
#[tokio::test(start_paused = true)]
async fn an_age_on_the_way_is_told() {
    let world = world();
    world.origin.says(|request| {
        let range = request.fields.get_str("range").unwrap_or_default();
        let first = if range == "bytes=0-3" { 0 } else { 4 };
        let content_range = format!("bytes {first}-{}/10", first + 3);
        let lines = [
            ("Cache-Control", "max-age=60"),
            ("ETag", "\"v1\""),
            ("Age", "7"),
            ("Content-Range", content_range.as_str()),
        ];
        Reply::new(206, &lines, Body::from_bytes(&CONTENT[first..first + 4]))
    });
    part(&world, "bytes=0-3").await;
    let got = world.read(request("GET", "/", &[("Range", "bytes=4-7")])).await;
    assert_eq!((got.line().as_str(), got.age), ("miss 206 4567", Some(7)));
    settle().await;
    assert_eq!(world.entries(), 1);
}
