//! Ranges through the proxy: what is stored of a part, what it answers later, how it is completed, and what passes by.

use crate::support::{Message, Origin, Proxy, Reply, proxy, soon};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CONTENT: &str = "0123456789";

/// The representation of the moment: its content begins with another digit for each version.
fn version(number: usize) -> (String, String) {
    (CONTENT.replace('0', &number.to_string()), format!("\"v{number}\""))
}

/// What an origin that knows ranges answers: a single range, `If-Range` and `If-None-Match` by the tag.
fn ranged(request: &Message, number: usize) -> String {
    let (content, tag) = version(number);
    let fields = format!("Cache-Control: max-age=60\r\nETag: {tag}\r\nContent-Type: text/plain\r\n");
    let whole = || format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{content}", content.len());
    // RFC 9110 section 14.2: Range is for GET alone.
    if request.line.starts_with("HEAD ") {
        return format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", content.len());
    }
    if request.get("if-none-match").is_some_and(|wanted| wanted == tag) {
        return format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n");
    }
    let Some(range) =
        request.get("range").filter(|_| request.get("if-range").is_none_or(|wanted| wanted == tag))
    else {
        return whole();
    };
    let spec = range.strip_prefix("bytes=").unwrap();
    if spec.contains(',') {
        let body = "--x\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--x--\r\n";
        return format!(
            "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nETag: {tag}\r\n\
             Content-Type: multipart/byteranges; boundary=x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    let end = content.len();
    let (first, last) = match spec.split_once('-').unwrap() {
        ("", count) => (end - count.parse::<usize>().unwrap(), end - 1),
        (first, "") => (first.parse().unwrap(), end - 1),
        (first, last) => (first.parse().unwrap(), last.parse::<usize>().unwrap().min(end - 1)),
    };
    if first >= end {
        return format!(
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{end}\r\nContent-Length: 0\r\n\r\n"
        );
    }
    let part = &content[first..=last];
    format!(
        "HTTP/1.1 206 Partial Content\r\n{fields}Content-Range: bytes {first}-{last}/{end}\r\n\
         Content-Length: {}\r\n\r\n{part}",
        part.len()
    )
}

/// An origin that knows ranges, and a proxy before it.
struct Pond {
    origin: Origin,
    version: Arc<AtomicUsize>,
    proxy: Proxy,
}

impl Pond {
    async fn new(range_fill: &str) -> Self {
        let version = Arc::new(AtomicUsize::new(0));
        let current = Arc::clone(&version);
        let origin = Origin::answering(move |request| ranged(request, current.load(Ordering::SeqCst))).await;
        let proxy = proxy(&origin).set("range_fill", range_fill).start();
        Self { origin, version, proxy }
    }

    /// Asks for a range, and checks what the reply says of itself.
    async fn part(&self, range: &str, body: &str, told: (&str, &str)) -> Reply {
        let reply = self.proxy.get_with("/", &format!("Range: {range}\r\n")).await;
        assert_eq!((reply.status, reply.text().as_str()), (206, body), "{range}: {reply:?}");
        self.says(&reply, told);
        reply
    }

    async fn whole(&self, body: &str, told: (&str, &str)) {
        let reply = self.proxy.get("/").await;
        assert_eq!((reply.status, reply.text().as_str()), (200, body), "{reply:?}");
        self.says(&reply, told);
    }

    fn says(&self, reply: &Reply, told: (&str, &str)) {
        let said = (reply.x_cache(), reply.cache_status());
        assert_eq!((&*said.0, &*said.1), told, "{reply:?}; asked: {:?}", self.origin.asked());
        assert!(reply.all("content-range").count() <= 1 && reply.all("content-length").count() <= 1);
    }

    /// Waits until so many responses were stored.
    async fn stored(&self, count: u64) {
        let counters = || self.proxy.running.as_ref().unwrap().counters();
        let stored = || counters().iter().any(|(name, value)| name == "stored" && value >= count);
        soon(async {
            while !stored() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The values of a field in the last request to the origin.
    fn last(&self, field: &str) -> Option<String> {
        self.origin.asked().last().unwrap().get(field)
    }

    fn asked(&self) -> usize {
        self.origin.asked().len()
    }
}

const FETCHED: (&str, &str) =
    ("MISS", "millpond; fwd=uri-miss; fwd-status=206; stored; detail=range-not-stored");
const HIT: (&str, &str) = ("HIT", "millpond; hit; ttl=60");

#[tokio::test]
async fn a_part_is_stored_and_given_again() {
    let pond = Pond::new("off").await;
    let first = pond.part("bytes=6-9", "6789", FETCHED).await;
    assert_eq!(first.get("content-range").as_deref(), Some("bytes 6-9/10"));
    pond.stored(1).await;
    let rows = [
        ("bytes=6-9", "6789", "bytes 6-9/10"),
        ("bytes=7-8", "78", "bytes 7-8/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=9-99", "9", "bytes 9-9/10"),
    ];
    for (range, body, content_range) in rows {
        let reply = pond.part(range, body, HIT).await;
        assert_eq!(reply.get("content-range").as_deref(), Some(content_range));
        assert_eq!(reply.get("content-length").unwrap(), body.len().to_string());
        assert_eq!((reply.get("etag").as_deref(), reply.get("age").as_deref()), (Some("\"v0\""), Some("0")));
    }
    let beyond = pond.proxy.get_with("/", "Range: bytes=10-\r\n").await;
    assert_eq!((beyond.status, beyond.get("content-range").as_deref()), (416, Some("bytes */10")));
    pond.says(&beyond, HIT);
    assert_eq!(pond.asked(), 1);
}

#[tokio::test]
async fn a_stored_part_answers_conditions() {
    let pond = Pond::new("off").await;
    pond.part("bytes=2-5", "2345", FETCHED).await;
    pond.stored(1).await;
    let fields = "Range: bytes=3-4\r\nIf-Range: \"v0\"\r\n";
    let reply = pond.proxy.get_with("/", fields).await;
    assert_eq!((reply.status, reply.text().as_str()), (206, "34"));
    pond.says(&reply, HIT);
    let reply = pond.proxy.get_with("/", "Range: bytes=3-4\r\nIf-None-Match: \"v0\"\r\n").await;
    assert_eq!(reply.status, 304);
    pond.says(&reply, HIT);
    assert_eq!(pond.asked(), 1);
}

#[tokio::test]
async fn a_suffix_that_is_not_stored_is_fetched() {
    let pond = Pond::new("off").await;
    pond.part("bytes=0-3", "0123", FETCHED).await;
    pond.stored(1).await;
    let told = "millpond; fwd=partial; fwd-status=206; stored; detail=range-not-stored";
    pond.part("bytes=-3", "789", ("MISS", told)).await;
    assert_eq!((pond.asked(), pond.last("range").as_deref()), (2, Some("bytes=-3")));
}

#[tokio::test]
async fn a_stored_beginning_is_completed() {
    let pond = Pond::new("off").await;
    pond.part("bytes=0-3", "0123", FETCHED).await;
    pond.stored(1).await;
    let told = "millpond; fwd=partial; fwd-status=206; stored; detail=range-not-stored";
    pond.part("bytes=2-6", "23456", ("MISS", told)).await;
    assert_eq!(pond.last("range").as_deref(), Some("bytes=4-6"));
    assert_eq!(pond.last("if-range").as_deref(), Some("\"v0\""));
    pond.stored(2).await;
    pond.part("bytes=0-6", "0123456", HIT).await;
    let whole = pond.proxy.get("/").await;
    assert_eq!((whole.status, whole.text().as_str()), (200, CONTENT), "{whole:?}");
    pond.says(&whole, ("MISS", "millpond; fwd=partial; fwd-status=206; stored"));
    assert_eq!(whole.get("content-length").as_deref(), Some("10"));
    assert_eq!(whole.get("content-range"), None, "{whole:?}");
    assert_eq!(pond.last("range").as_deref(), Some("bytes=7-"));
    pond.stored(3).await;
    pond.whole(CONTENT, HIT).await;
    pond.part("bytes=1-8", "12345678", HIT).await;
    assert_eq!(pond.asked(), 3);
}

#[tokio::test]
async fn a_changed_representation_is_never_mixed_with_the_part() {
    let pond = Pond::new("off").await;
    pond.part("bytes=0-3", "0123", FETCHED).await;
    pond.stored(1).await;
    pond.version.store(7, Ordering::SeqCst);
    let whole = pond.proxy.get("/").await;
    assert_eq!((whole.status, whole.text().as_str(), whole.x_cache().as_str()), (200, "7123456789", "MISS"));
    assert_eq!(whole.get("etag").as_deref(), Some("\"v7\""));
    assert_eq!(pond.asked(), 2, "If-Range failed, and the origin sent all of it");
    pond.stored(2).await;
    pond.part("bytes=0-3", "7123", HIT).await;
}

#[tokio::test]
async fn a_stale_part_is_confirmed_or_replaced() {
    let pond = Pond::new("off").await;
    pond.part("bytes=0-3", "0123", FETCHED).await;
    pond.stored(1).await;
    pond.proxy.later(61);
    pond.part("bytes=1-2", "12", ("HIT", "millpond; fwd=stale; fwd-status=304")).await;
    assert_eq!(pond.last("if-none-match").as_deref(), Some("\"v0\""));
    pond.part("bytes=0-3", "0123", HIT).await;
    pond.proxy.later(61);
    pond.version.store(7, Ordering::SeqCst);
    pond.part("bytes=0-1", "71", ("MISS", "millpond; fwd=stale; fwd-status=206; stored")).await;
    pond.stored(2).await;
    pond.part("bytes=0-1", "71", HIT).await;
}

/// Takes a reply of multipart/byteranges apart: the fields of each part, and its content.
fn parts_of(reply: &Reply) -> Vec<(String, String)> {
    let media_type = reply.get("content-type").unwrap();
    let boundary =
        media_type.strip_prefix("multipart/byteranges; boundary=").unwrap_or_else(|| panic!("{reply:?}"));
    assert_eq!((reply.status, reply.get("content-range")), (206, None), "RFC 9110 section 15.3.7.2");
    let text = format!("\r\n{}", reply.text());
    assert_eq!(reply.get("content-length").unwrap(), (text.len() - 2).to_string());
    let (parts, end) = text.rsplit_once(&format!("\r\n--{boundary}--\r\n")).expect("a last delimiter");
    assert_eq!(end, "");
    let delimiter = format!("\r\n--{boundary}\r\n");
    let mut parts = parts.split(&delimiter);
    assert_eq!(parts.next(), Some(""));
    let part =
        |part: &str| part.split_once("\r\n\r\n").map(|(fields, content)| (fields.into(), content.into()));
    parts.map(|text| part(text).expect("fields and content")).collect()
}

/// RFC 9110 section 14.6: from memory, from the disk, and from parts.
#[tokio::test]
async fn several_ranges_are_answered_from_the_store() {
    const COUNT: usize = 750_000;
    let numbers: Vec<_> = (0..COUNT).map(|number| format!("{number:08}")).collect();
    let long: Arc<str> = numbers.concat().into();
    let content = Arc::clone(&long);
    let origin = Origin::answering(move |request| {
        let content = if request.line.contains("/long") { &*content } else { CONTENT };
        let fields = "Cache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Type: text/x-numbers";
        format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {}\r\n\r\n{content}", content.len())
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let disk = proxy(&origin).set("cache_dir", dir.path().to_str().unwrap()).set("memory.size", "4MiB");
    let pond = Pond { version: Arc::default(), proxy: disk.start(), origin };
    let fields = |range: &str| format!("Content-Type: text/x-numbers\r\nContent-Range: bytes {range}");
    for (path, content) in [("/short", CONTENT), ("/long", &*long)] {
        assert_eq!(pond.proxy.get(path).await.text(), content);
        pond.stored(if path == "/short" { 1 } else { 2 }).await;
        let (mut client, len) = (pond.proxy.client().await, content.len());
        // On one connection: what is sent is as long as it says.
        for _ in 0..2 {
            let reply = client.ask("GET", path, "Range: bytes=-3, 0-1,4-5\r\nIf-Range: \"a\"\r\n").await;
            let expected = [
                (fields(&format!("{}-{}/{len}", len - 3, len - 1)), content[len - 3..].to_owned()),
                (fields(&format!("0-1/{len}")), content[..2].to_owned()),
                (fields(&format!("4-5/{len}")), content[4..6].to_owned()),
            ];
            assert_eq!(parts_of(&reply), expected, "{path}");
            pond.says(&reply, HIT);
            assert_eq!(
                (reply.get("etag").as_deref(), reply.get("age").as_deref()),
                (Some("\"a\""), Some("0"))
            );
        }
        let head = client.ask("HEAD", path, "Range: bytes=0-1,4-5\r\n").await;
        assert_eq!((head.status, head.get("content-length").unwrap()), (200, len.to_string()));
    }
    let reply = pond.proxy.get_with("/long", "Range: bytes=800000-4799999,0-7,5000000-5999999\r\n").await;
    let contents: Vec<_> = parts_of(&reply).into_iter().map(|(_, content)| content).collect();
    assert!(contents == [&long[800_000..4_800_000], &long[..8], &long[5_000_000..]], "every byte is right");
    assert_eq!(pond.asked(), 2);
}

/// RFC 9111 section 3.3: each of the ranges lies in a stored part.
#[tokio::test]
async fn several_ranges_are_answered_from_parts() {
    let pond = Pond::new("off").await;
    pond.part("bytes=0-2", "012", FETCHED).await;
    pond.stored(1).await;
    let told = "millpond; fwd=partial; fwd-status=206; stored; detail=range-not-stored";
    pond.part("bytes=6-8", "678", ("MISS", told)).await;
    pond.stored(2).await;
    let reply = pond.proxy.get_with("/", "Range: bytes=7-8,0-0\r\n").await;
    let contents: Vec<_> = parts_of(&reply).into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, ["78", "0"]);
    pond.says(&reply, HIT);
    // With what lies between, all of it is one.
    pond.part("bytes=3-5", "345", ("MISS", told)).await;
    pond.stored(3).await;
    pond.part("bytes=1-5", "12345", HIT).await;
    assert_eq!(pond.asked(), 3);
}

/// RFC 9110 section 14.2 has a cache without the representation pass several ranges on; the answer is not stored.
#[tokio::test]
async fn several_ranges_pass_through() {
    let pond = Pond::new("off").await;
    for asked in 1..=2 {
        let reply = pond.proxy.get_with("/", "Range: bytes=0-0,5-5\r\n").await;
        assert_eq!((reply.status, reply.x_cache().as_str()), (206, "MISS"), "{reply:?}");
        assert!(reply.get("content-type").unwrap().starts_with("multipart/byteranges"), "{reply:?}");
        assert!(
            reply.text().starts_with("--x\r\n") && !reply.cache_status().contains("stored;"),
            "{reply:?}"
        );
        assert_eq!((pond.asked(), pond.last("range").as_deref()), (asked, Some("bytes=0-0,5-5")));
    }
}

#[tokio::test]
async fn the_second_range_brings_the_whole() {
    let pond = Pond::new("second").await;
    pond.part("bytes=2-3", "23", FETCHED).await;
    pond.stored(1).await;
    let reply = pond.proxy.get_with("/", "Range: bytes=7-8\r\n").await;
    assert_eq!(
        (reply.status, reply.text().as_str(), reply.x_cache().as_str()),
        (206, "78", "MISS"),
        "{reply:?}"
    );
    assert_eq!(reply.get("content-range").as_deref(), Some("bytes 7-8/10"));
    assert_eq!(pond.last("range"), None, "all of it was asked for");
    pond.stored(2).await;
    pond.whole(CONTENT, HIT).await;
    pond.part("bytes=0-0", "0", HIT).await;
    assert_eq!(pond.asked(), 2);
}

#[tokio::test]
async fn with_the_first_range_when_so_told() {
    let pond = Pond::new("first").await;
    let reply = pond.proxy.get_with("/", "Range: bytes=7-8\r\n").await;
    assert_eq!(
        (reply.status, reply.text().as_str(), reply.x_cache().as_str()),
        (206, "78", "MISS"),
        "{reply:?}"
    );
    pond.stored(1).await;
    pond.whole(CONTENT, HIT).await;
    assert_eq!(pond.asked(), 1);
}

/// A part says nothing of the whole's head: a HEAD is forwarded, and takes nothing away from the part.
#[tokio::test]
async fn a_head_is_no_part() {
    let pond = Pond::new("off").await;
    pond.part("bytes=0-3", "0123", FETCHED).await;
    pond.stored(1).await;
    let head = pond.proxy.client().await.ask("HEAD", "/", "").await;
    assert_eq!((head.status, head.x_cache().as_str()), (200, "MISS"), "{head:?}");
    assert_eq!(head.get("content-length").as_deref(), Some("10"), "{head:?}");
    assert_eq!(pond.origin.asked().last().unwrap().line, "HEAD / HTTP/1.1");
    pond.part("bytes=0-3", "0123", HIT).await;
    let head = pond.proxy.client().await.ask("HEAD", "/", "Range: bytes=0-1\r\n").await;
    assert_eq!(head.status, 200, "{head:?}");
}

/// RFC 9111 sections 3.3 and 3.4: parts that come before, behind and between stored ones are joined with them, and what has
/// become whole is the whole after a restart. In between, too: what was stored then was read from the disk.
#[tokio::test]
async fn parts_on_disk_are_joined_on_both_sides() {
    for restarts in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin::answering(|request| ranged(request, 0)).await;
        let on_disk = || {
            let setup = proxy(&origin).set("range_fill", "off");
            setup.set("cache_dir", dir.path().to_str().unwrap()).start()
        };
        let mut server = on_disk();
        for (range, body) in [("8-9", "89"), ("5-8", "5678"), ("0-1", "01"), ("2-5", "2345")] {
            let reply = server.get_with("/", &format!("Range: bytes={range}\r\n")).await;
            assert_eq!((reply.status, reply.text().as_str()), (206, body), "{range}");
            if restarts || range == "2-5" {
                server.stop();
                server.stopped().await;
                server = on_disk();
            }
        }
        let whole = server.get("/").await;
        assert_eq!((whole.status, whole.x_cache().as_str(), whole.text().as_str()), (200, "HIT", CONTENT));
        assert_eq!(whole.get("content-range"), None);
        assert_eq!(origin.asked().len(), 4);
    }
}
