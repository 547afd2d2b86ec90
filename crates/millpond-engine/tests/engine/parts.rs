//! Parts: stored as they come, given again, completed, and never mixed with those of another representation.

use crate::support::{MIB, Reply, World, request, settle, stepped};
use millpond_engine::{Context, RangeFill};
use millpond_exchange::{Body, RequestHead};
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use std::sync::Arc;

const CONTENT: &str = "0123456789";

/// What an origin that knows ranges says: one range, If-Range and If-None-Match by a strong tag.
fn ranged(request: &RequestHead, content: &str, tag: &str) -> Reply {
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

fn world() -> World {
    filling(RangeFill::Off)
}

fn filling(range_fill: RangeFill) -> World {
    let world = World::with(Profile::default(), MemoryOptions::default());
    world.origin.says(|request| ranged(request, CONTENT, "\"v1\""));
    let context = Context { range_fill, ..Context::clone(&world.context) };
    World { context: Arc::new(context), ..world }
}

async fn part(world: &World, range: &str) -> String {
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
