//! The corners of RFC 9110, RFC 9111 and their companions that the published suite does not reach, over real sockets. The
//! tables of the policy have every row of them; here is what a client sees of each.

use crate::support::{Origin, Proxy, Reply, Step, proxy};

/// What the origin says first, with this status and these fields; a 204 has no body.
fn answer(status: u16, fields: &str) -> Step {
    let body = if status == 204 { "" } else { "Content-Length: 6\r\n\r\nstored" };
    let end = if status == 204 { "\r\n" } else { "" };
    format!("HTTP/1.1 {status} Some Reason\r\n{fields}{end}{body}").into()
}

async fn behind(steps: impl IntoIterator<Item = Step>) -> (Origin, Proxy) {
    let origin = Origin::script(steps).await;
    let proxy = proxy(&origin).start();
    (origin, proxy)
}

const MODIFIED: &str =
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nLast-Modified: Wed, 31 Dec 2025 23:43:20 GMT\r\n";

/// RFC 9110 section 15.1, by the age of the response alone (RFC 9111 section 4.2.2): a tenth of 1,000 seconds.
#[tokio::test]
async fn heuristic_freshness_for_each_status() {
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        let (origin, proxy) = behind([answer(status, MODIFIED)]).await;
        assert_eq!(
            proxy.get("/").await.cache_status(),
            format!("millpond; fwd=uri-miss; fwd-status={status}; stored")
        );
        proxy.later(40);
        let hit = proxy.get("/").await;
        assert_eq!((hit.status, hit.cache_status().as_str()), (status, "millpond; hit; ttl=60"));
        assert_eq!(hit.get("age").as_deref(), Some("40"), "{status}");
        let head = proxy.client().await.ask("HEAD", "/", "").await;
        assert_eq!((head.status, head.cache_status().as_str()), (status, "millpond; hit; ttl=60"));
        proxy.later(60);
        assert_eq!(proxy.get("/").await.text(), "sane", "{status}");
        let asked = origin.asked();
        assert_eq!(asked.len(), 2, "{status}");
        assert!(asked[1].get("if-modified-since").is_some(), "{status} is validated");
    }
    for status in [201, 202, 302, 303, 307, 400, 403, 500, 503] {
        let (origin, proxy) = behind([answer(status, MODIFIED)]).await;
        let told = format!("millpond; fwd=uri-miss; fwd-status={status}; detail=status-not-default");
        assert_eq!(proxy.get("/").await.cache_status(), told);
        assert_eq!(proxy.get("/").await.text(), "sane");
        assert_eq!(origin.asked().len(), 2);
    }
}

/// RFC 9110 section 15.3.7: a 206 is heuristically cacheable too.
#[tokio::test]
async fn heuristic_freshness_for_a_part() {
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/6\r\nETag: \"a\"\r\n";
    let (origin, proxy) = behind([format!("{part}{MODIFIED}Content-Length: 3\r\n\r\nsto").into()]).await;
    let range = "Range: bytes=0-2\r\n";
    assert_eq!(proxy.get_with("/", range).await.status, 206);
    proxy.later(40);
    let hit = proxy.get_with("/", range).await;
    assert_eq!((hit.status, hit.cache_status().as_str()), (206, "millpond; hit; ttl=60"));
    assert_eq!((hit.text().as_str(), origin.asked().len()), ("sto", 1));
}

/// RFC 9111 section 4.3.2: without Last-Modified, Date tells what has changed since, and without that the time of receipt.
#[tokio::test]
async fn if_modified_since_without_last_modified() {
    let with_date = "Cache-Control: max-age=60\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    for fields in [with_date, "Cache-Control: max-age=60\r\n"] {
        let (origin, proxy) = behind([answer(200, fields)]).await;
        proxy.get("/").await;
        proxy.later(9);
        for (since, status) in [("00:00:00", 304), ("00:00:09", 304)] {
            let line = format!("If-Modified-Since: Thu, 01 Jan 2026 {since} GMT\r\n");
            let reply = proxy.get_with("/", &line).await;
            assert_eq!((reply.status, reply.cache_status().as_str()), (status, "millpond; hit; ttl=51"));
            assert_eq!((reply.get("age").as_deref(), reply.text().as_str()), (Some("9"), ""));
        }
        let before = proxy.get_with("/", "If-Modified-Since: Wed, 31 Dec 2025 23:59:59 GMT\r\n").await;
        assert_eq!((before.status, before.text().as_str()), (200, "stored"), "it may have changed since");
        assert_eq!(origin.asked().len(), 1);
    }
}

/// RFC 9110 section 12.5.4 and RFC 9111 section 4.1.
#[tokio::test]
async fn languages() {
    let german = "Cache-Control: max-age=60\r\nVary: Accept-Language\r\nContent-Language: de\r\n";
    let silent = "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n";
    let rows = [
        (silent, "EN , de;q=1.0", "unordered", "millpond; hit; ttl=60"),
        (silent, "de, en", "unordered", "millpond; hit; ttl=60"),
        (silent, "de, en", "exact", "millpond; fwd=vary-miss; fwd-status=200; stored"),
        (silent, "de, en;q=0.9", "preferred", "millpond; fwd=vary-miss; fwd-status=200; stored"),
        (german, "de, en", "unordered", "millpond; hit; ttl=60"),
        (german, "fr;q=0.5, de;q=1.0", "unordered", "millpond; fwd=vary-miss; fwd-status=200; stored"),
        (german, "fr;q=0.5, de;q=1.0", "preferred", "millpond; hit; ttl=60; detail=language-preferred"),
        (german, "fr, de;q=0.5", "preferred", "millpond; fwd=vary-miss; fwd-status=200; stored"),
    ];
    for (fields, second, setting, expected) in rows {
        let origin = Origin::script([answer(200, fields)]).await;
        let proxy = proxy(&origin).set("policy.accept_language", setting).start();
        proxy.get_with("/", "Accept-Language: en, de\r\n").await;
        let reply = proxy.get_with("/", &format!("Accept-Language: {second}\r\n")).await;
        assert_eq!(reply.cache_status(), expected, "{second} under {setting}");
    }
}

/// RFC 9213: a long life here, a short one further on; Age counts for both, and a 304 leaves the long one in place.
#[tokio::test]
async fn a_targeted_lifetime_over_a_short_one() {
    let both = "Cache-Control: max-age=5\r\nCDN-Cache-Control: max-age=600\r\nETag: \"a\"\r\nAge: 100\r\n";
    let confirmed = "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: max-age=7\r\n\r\n";
    let (origin, proxy) = behind([answer(200, both), confirmed.into()]).await;
    proxy.get("/").await;
    proxy.later(300);
    let told = |reply: &Reply| {
        let value = |name: &str| reply.get(name).unwrap_or_default();
        [reply.cache_status(), value("age"), value("cache-control"), value("cdn-cache-control")].join(" | ")
    };
    let hit = proxy.get("/").await;
    assert_eq!(told(&hit), "millpond; hit; ttl=200 | 400 | max-age=5 | max-age=600");
    proxy.later(200);
    let validated = proxy.get("/").await;
    assert_eq!(told(&validated), "millpond; fwd=stale; fwd-status=304 | 0 | max-age=7 | max-age=600");
    assert_eq!(origin.asked()[1].get("if-none-match").as_deref(), Some("\"a\""));
    proxy.later(599);
    assert_eq!(told(&proxy.get("/").await), "millpond; hit; ttl=1 | 599 | max-age=7 | max-age=600");
}

/// RFC 9211 section 2: caches before this one have spoken already; and section 2.7.
#[tokio::test]
async fn cache_status_comes_last_and_shows_the_key_if_told_to() {
    let fields = "Cache-Control: max-age=60\r\nCache-Status: \"other\"; hit; ttl=99\r\n";
    let origin = Origin::script([answer(200, fields)]).await;
    let proxy = proxy(&origin).set("cache_status_key", true).set("query.sort", true).start();
    let key = format!("key=\"http://{}/a?b=2&c=1\"", origin.address);
    let target = "/x/../a?c=1&b=2";
    for own in [
        format!("millpond; fwd=uri-miss; fwd-status=200; stored; {key}"),
        format!("millpond; hit; ttl=60; {key}"),
    ] {
        let reply = proxy.get(target).await;
        let lines: Vec<_> = reply.all("cache-status").collect();
        assert_eq!(lines, ["\"other\"; hit; ttl=99", own.as_str()]);
    }
    let passed = proxy.client().await.ask("DELETE", "/a", "").await;
    assert_eq!(passed.cache_status(), "millpond; fwd=method; fwd-status=200", "nothing was looked up");
    let long = format!("/{}", "a".repeat(2000));
    let shown = proxy.get(&long).await.cache_status();
    let key = shown.split("key=").nth(1).unwrap();
    assert_eq!(key.len(), 1024 + 2, "no longer than every reader of structured fields takes");
    let silent = crate::support::proxy(&origin).start();
    assert!(
        !silent.get("/a").await.cache_status().contains("key="),
        "it may tell more than clients are to know"
    );
}

/// The setting `stale_when_slow`, with the smallest limit there is: the origin answers when it is told to.
#[tokio::test]
async fn a_slow_origin_while_something_stale_is_there() {
    let origin = Origin::start(|mut conn| async move {
        let mut first = conn.number == 0;
        while conn.request().await.is_some() {
            if !std::mem::take(&mut first) {
                conn.told().await;
            }
            conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nstored")
                .await;
        }
    })
    .await;
    let proxy = proxy(&origin).set("policy.stale_when_slow.after", "1ms").start();
    proxy.get("/").await;
    proxy.later(70);
    let stale = proxy.get("/").await;
    assert_eq!(stale.cache_status(), "millpond; hit; ttl=-10; detail=stale-when-slow");
    assert_eq!((stale.x_cache().as_str(), stale.get("age").as_deref()), ("HIT", Some("70")));
    origin.until_asked(2).await;
    origin.tell();
    // When the new one is stored is known to the proxy alone.
    let fresh = crate::support::soon(async {
        loop {
            let reply = proxy.get("/").await;
            if reply.cache_status() == "millpond; hit; ttl=60" {
                return reply;
            }
        }
    });
    assert_eq!(fresh.await.get("age").as_deref(), Some("0"));
    assert_eq!(origin.asked().len(), 2);
}

/// RFC 9875: groups are of one origin and case-sensitive, only responses to unsafe requests invalidate, whatever their
/// status, and what falls takes nothing along.
#[tokio::test]
async fn groups() {
    let rows = [
        ("POST", "200 OK", "Cache-Group-Invalidation: \"a\"\r\n", "sane"),
        ("POST", "200 OK", "Cache-Group-Invalidation: \"x\", \"a\";p=1\r\n", "sane"),
        ("DELETE", "404 Not Found", "Cache-Group-Invalidation: \"a\"\r\n", "sane"),
        ("POST", "200 OK", "Cache-Group-Invalidation: \"A\"\r\n", "stored"),
        ("POST", "200 OK", "Cache-Group-Invalidation: a\r\n", "stored"),
        ("POST", "200 OK", "Cache-Group-Invalidation: \"a\r\n", "stored"),
        ("POST", "200 OK", "Cache-Groups: \"a\"\r\n", "stored"),
        ("GET", "200 OK", "Cache-Control: no-store\r\nCache-Group-Invalidation: \"a\"\r\n", "stored"),
        ("OPTIONS", "200 OK", "Cache-Group-Invalidation: \"a\"\r\n", "stored"),
    ];
    for (method, status, fields, expected) in rows {
        let grouped = "Cache-Control: max-age=60\r\nCache-Groups: \"a\", \"b\"\r\n";
        let beside = "Cache-Control: max-age=60\r\nCache-Groups: \"b\"\r\n";
        let changes: Step = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\n\r\n").into();
        let (_origin, proxy) = behind([answer(200, grouped), answer(200, beside), changes]).await;
        assert_eq!(proxy.get("/grouped").await.get("cache-groups").as_deref(), Some("\"a\", \"b\""));
        proxy.get("/beside").await;
        proxy.client().await.ask(method, "/other", "Content-Length: 0\r\n").await;
        assert_eq!(proxy.get("/grouped").await.text(), expected, "{method} {status} {fields}");
        assert_eq!(
            proxy.get("/beside").await.text(),
            "stored",
            "it does not cascade: {method} {status} {fields}"
        );
    }
}
