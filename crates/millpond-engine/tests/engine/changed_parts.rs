//! The representation changes, or the origin lies, between a part and its completion: nothing is mixed, for anyone, anywhere
//! (RFC 9110 section 15.3.7.3, RFC 9111 section 3.4).

use crate::parts::{part, ranged, world};
use crate::support::{Reply, World, request, settle};
use futures_util::stream;
use millpond_exchange::{Body, Frame};

type Lines = &'static [(&'static str, &'static str)];

/// What the origin answers to the request for the rest: status, fields, content, and whether its length is announced.
struct Row {
    what: &'static str,
    status: u16,
    lines: Lines,
    body: &'static str,
    announced: bool,
}

const FRESH: (&str, &str) = ("Cache-Control", "max-age=60");
const V1: (&str, &str) = ("ETag", "\"v1\"");
const V2: (&str, &str) = ("ETag", "\"v2\"");
const REST: (&str, &str) = ("Content-Range", "bytes 4-9/10");

const fn row(what: &'static str, status: u16, lines: Lines, body: &'static str) -> Row {
    Row { what, status, lines, body, announced: true }
}

/// A world in which the first four bytes of `0123456789` are stored, tagged `"v1"`; the origin says `row` to the request for
/// the rest, and has `abcdefghij`, tagged `"v2"`, for every other one.
async fn changed(row: &'static Row) -> World {
    let world = world();
    part(&world, "bytes=0-3").await;
    world.origin.says(move |request| {
        if !request.fields.contains("if-range") {
            return ranged(request, "abcdefghij", "\"v2\"");
        }
        let body = if row.announced {
            Body::from_bytes(row.body)
        } else {
            Body::from_stream(stream::iter([Ok(Frame::Data(row.body.into()))]))
        };
        Reply::new(row.status, row.lines, body)
    });
    world
}

/// RFC 9110 sections 13.1.5, 14.4, 15.3.7.3, 15.5.13 and 15.5.17: the request is sent once more, as the client made it.
static ASKED_AGAIN: &[Row] = &[
    row("another tag: If-Range is not known to it", 206, &[FRESH, V2, REST], "efghij"),
    row("no tag", 206, &[FRESH, REST], "efghij"),
    row("a weak tag", 206, &[FRESH, ("ETag", "W/\"v1\""), REST], "efghij"),
    row("another length", 206, &[FRESH, V1, ("Content-Range", "bytes 4-9/11")], "efghij"),
    row("a gap", 206, &[FRESH, V1, ("Content-Range", "bytes 5-9/10")], "fghij"),
    row("bytes before", 206, &[FRESH, V1, ("Content-Range", "bytes 0-2/10")], "abc"),
    row("no Content-Range", 206, &[FRESH, V1], "efghij"),
    row("a Content-Range that is none", 206, &[FRESH, V1, ("Content-Range", "bytes 9-4/10")], "efghij"),
    row("two of them", 206, &[FRESH, V1, REST, REST], "efghij"),
    row("another unit", 206, &[FRESH, V1, ("Content-Range", "rows 4-9/10")], "efghij"),
    row("a Content-Length that does not fit", 206, &[FRESH, V1, REST, ("Content-Length", "5")], "efghi"),
    row("another coding", 206, &[FRESH, V1, REST, ("Content-Encoding", "gzip")], "efghij"),
    row("several parts", 206, &[FRESH, V1, ("Content-Type", "multipart/byteranges; boundary=x")], "--x--"),
    row("less than was asked for", 206, &[FRESH, V1, ("Content-Range", "bytes 4-4/10")], "4"),
    row("it varies on everything now", 206, &[FRESH, V1, REST, ("Vary", "*")], "efghij"),
    row("it is not to be stored any more", 206, &[V1, REST, ("Cache-Control", "no-store")], "efghij"),
    row("a failed precondition", 412, &[FRESH], ""),
    row("no such bytes", 416, &[FRESH, ("Content-Range", "bytes */3")], ""),
    row("a 304 that nobody asked for", 304, &[V1], ""),
];

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_asked_for_again() {
    for row in ASKED_AGAIN {
        for (range, answer) in [(None, "miss 200 abcdefghij"), (Some("bytes=2-7"), "miss 206 cdefgh")] {
            let world = changed(row).await;
            let lines: Vec<_> = range.map(|range| ("Range", range)).into_iter().collect();
            assert_eq!(world.line("GET", "/", &lines).await, answer, "{} {range:?}", row.what);
            settle().await;
            assert_eq!(world.origin.count(), 3, "{}", row.what);
            assert_eq!(world.origin.last().fields.get_str("range"), range, "{}", row.what);
            only_the_new_one(&world, row.what, range.is_none()).await;
        }
    }
}

/// Nothing that is stored has a byte of the old one.
async fn only_the_new_one(world: &World, what: &str, whole: bool) {
    let (outcome, bytes) = if whole { ("hit", "abcdefghij") } else { ("miss", "abcdefghij") };
    assert_eq!(part(world, "bytes=2-7").await, "hit 206 cdefgh", "{what}");
    assert_eq!(world.get("/").await, format!("{outcome} 200 {bytes}"), "{what}");
}

/// RFC 9110 section 13.1.5: If-Range failed, or the origin does not do ranges. It has sent all there is.
#[tokio::test(start_paused = true)]
async fn all_of_it_comes_instead() {
    static WHOLE: Row = row("", 200, &[FRESH, V2], "abcdefghij");
    let world = changed(&WHOLE).await;
    assert_eq!(part(&world, "bytes=2-7").await, "miss 206 cdefgh");
    assert_eq!(world.origin.count(), 2);
    only_the_new_one(&world, "a range", true).await;
    let world = changed(&WHOLE).await;
    assert_eq!(world.get("/").await, "miss 200 abcdefghij");
    assert_eq!(world.origin.count(), 2);
    settle().await;
    only_the_new_one(&world, "the whole", true).await;
}

/// RFC 9112 section 8: what is shorter or longer than it says is not complete. The client's connection is cut, and the part is
/// what it was.
#[tokio::test(start_paused = true)]
async fn what_breaks_off_is_cut() {
    static SHORT: Row = Row { announced: false, ..row("short", 206, &[FRESH, V1, REST], "45678") };
    static LONG: Row = Row { announced: false, ..row("long", 206, &[FRESH, V1, REST], "456789a") };
    for row in [&SHORT, &LONG] {
        let world = changed(row).await;
        let got = world.read(request("GET", "/", &[])).await;
        assert!(
            got.cut.is_some() && "0123456789".starts_with(&*String::from_utf8_lossy(&got.body)),
            "{got:?}"
        );
        settle().await;
        assert_eq!(world.entries(), 1, "{}", row.what);
        assert_eq!(part(&world, "bytes=0-3").await, "hit 206 0123", "{}", row.what);
    }
}

/// RFC 9111 section 4.2.4: an error is no new version. The client gets it, and the part stays.
#[tokio::test(start_paused = true)]
async fn an_error_takes_nothing_away() {
    static BUSY: Row = row("", 503, &[], "busy");
    for range in [None, Some(("Range", "bytes=2-7"))] {
        let world = changed(&BUSY).await;
        let lines: Vec<_> = range.into_iter().collect();
        assert_eq!(world.line("GET", "/", &lines).await, "miss 503 busy");
        settle().await;
        assert_eq!(part(&world, "bytes=0-3").await, "hit 206 0123");
    }
}
