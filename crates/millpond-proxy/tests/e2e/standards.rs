//! What the published suite of cache tests does not know: newer standards, each row with the section it comes from.

use crate::support::{Origin, Proxy, Step, Then, proxy, step};

/// What becomes of a stored response after some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is served; the origin is not asked.
    Reused,
    /// It is served, and the origin asked behind it.
    ReusedAndRefreshed,
    /// The origin is asked first.
    Asked,
}

use Fate::{Asked, Reused, ReusedAndRefreshed};

struct Row {
    /// The section, and what it says.
    rule: &'static str,
    /// Status and fields of the first response.
    status: u16,
    fields: &'static str,
    /// Seconds between the two requests.
    later: u64,
    /// Fields of the second request.
    request: &'static str,
    fate: Fate,
}

const fn row(rule: &'static str, fields: &'static str, later: u64, fate: Fate) -> Row {
    Row { rule, status: 200, fields, later, request: "", fate }
}

fn answer(row: &Row) -> String {
    let Row { status, fields, .. } = row;
    format!("HTTP/1.1 {status} Some Reason\r\n{fields}Content-Length: 6\r\n\r\nstored")
}

async fn check_all(rows: &[Row]) {
    for row in rows {
        check(row).await;
    }
}

async fn check(row: &Row) {
    let origin = Origin::script([answer(row)]).await;
    let proxy = proxy(&origin).start();
    assert_eq!(proxy.get("/").await.text(), "stored", "{}", row.rule);
    proxy.later(row.later);
    let second = proxy.get_with("/", row.request).await;
    let fate = match (second.text().as_str(), row.fate) {
        ("sane", _) => Asked,
        (_, ReusedAndRefreshed) => {
            origin.until_asked(2).await;
            ReusedAndRefreshed
        }
        _ => {
            // Had a refresh begun, it would be under way: another exchange over the same worker comes behind it.
            proxy.client().await.ask("POST", "/", "Content-Length: 0\r\n").await;
            if origin.asked().len() == 2 { Reused } else { ReusedAndRefreshed }
        }
    };
    assert_eq!(fate, row.fate, "{}: {} after {} s: {second:?}", row.rule, row.fields, row.later);
}

#[tokio::test]
async fn targeted_cache_control() {
    check_all(&[
        row(
            "RFC 9213 2.2: the targeted field wins over Cache-Control",
            "Cache-Control: no-store\r\nCDN-Cache-Control: max-age=60\r\n",
            30,
            Reused,
        ),
        row(
            "RFC 9213 2.2: also where it forbids",
            "Cache-Control: max-age=60\r\nCDN-Cache-Control: no-store\r\n",
            0,
            Asked,
        ),
        row(
            "RFC 9213 2.2: and over Expires",
            "Expires: Thu, 01 Jan 2037 00:00:00 GMT\r\nCDN-Cache-Control: max-age=10\r\n",
            11,
            Asked,
        ),
        row(
            "RFC 9213 2.2: the first of the target list counts",
            "CDN-Cache-Control: max-age=60\r\nMillpond-Cache-Control: max-age=10\r\n",
            11,
            Asked,
        ),
        row(
            "RFC 9213 2.1: one that is no dictionary is ignored",
            "Cache-Control: max-age=60\r\nCDN-Cache-Control: max-age=60, &\r\n",
            30,
            Reused,
        ),
        row(
            "RFC 9213 2.2: an invalid one leaves Cache-Control in force",
            "Cache-Control: no-store\r\nCDN-Cache-Control: max-age=60, &\r\n",
            0,
            Asked,
        ),
        row(
            "RFC 9213 2.1: a directive of the wrong type is ignored",
            "Cache-Control: no-store\r\nCDN-Cache-Control: max-age=\"60\"\r\n",
            0,
            Asked,
        ),
        row(
            "RFC 9213 2.2: an empty one is as if absent",
            "Cache-Control: max-age=60\r\nCDN-Cache-Control:\r\n",
            30,
            Reused,
        ),
        row(
            "RFC 9213 2.2: fields for other caches are none of ours",
            "Cache-Control: no-store\r\nOther-Cache-Control: max-age=60\r\n",
            0,
            Asked,
        ),
    ])
    .await;
}

/// RFC 9213 section 2.2 leaves CDN-Cache-Control to those downstream; a field for this cache alone goes no further.
#[tokio::test]
async fn targeted_fields_towards_the_client() {
    let answer = "HTTP/1.1 200 OK\r\nCDN-Cache-Control: max-age=60\r\nMillpond-Cache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx";
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin).start();
    for x_cache in ["MISS", "HIT"] {
        let reply = proxy.get("/").await;
        assert_eq!(reply.x_cache(), x_cache);
        assert_eq!(reply.get("cdn-cache-control").as_deref(), Some("max-age=60"));
        assert_eq!(reply.get("millpond-cache-control"), None, "{reply:?}");
    }
}

#[tokio::test]
async fn must_understand() {
    let understood = "Cache-Control: must-understand, no-store, max-age=60\r\n";
    check_all(&[
        row("RFC 9111 5.2.2.3: a status that is understood lifts no-store", understood, 30, Reused),
        Row { status: 404, ..row("RFC 9111 5.2.2.3: so does 404", understood, 30, Reused) },
        Row {
            status: 299,
            ..row("RFC 9111 5.2.2.3: one that is not must not be stored", understood, 0, Asked)
        },
        Row {
            status: 299,
            ..row(
                "RFC 9111 3: without the directive an unknown final status may be",
                "Cache-Control: max-age=60\r\n",
                30,
                Reused,
            )
        },
        row(
            "RFC 9111 5.2.2.5: no-store alone stays in force",
            "Cache-Control: no-store, max-age=60\r\n",
            0,
            Asked,
        ),
    ])
    .await;
}

#[tokio::test]
async fn stale_while_revalidate() {
    let swr = "Cache-Control: max-age=10, stale-while-revalidate=20\r\n";
    check_all(&[
        row("RFC 5861 3: fresh, nothing happens", swr, 9, Reused),
        row("RFC 5861 3: stale within the window", swr, 15, ReusedAndRefreshed),
        row("RFC 5861 3: at the end of the window", swr, 29, ReusedAndRefreshed),
        row("RFC 5861 3: beyond it", swr, 31, Asked),
        row(
            "RFC 9111 4.2.4: must-revalidate forbids it",
            "Cache-Control: max-age=10, stale-while-revalidate=20, must-revalidate\r\n",
            15,
            Asked,
        ),
        row(
            "RFC 9111 4.2.4: proxy-revalidate too",
            "Cache-Control: max-age=10, stale-while-revalidate=20, proxy-revalidate\r\n",
            15,
            Asked,
        ),
        row(
            "RFC 9111 5.2.2.10: s-maxage implies proxy-revalidate",
            "Cache-Control: s-maxage=10, stale-while-revalidate=20\r\n",
            15,
            Asked,
        ),
        row(
            "RFC 9111 5.2.2.4: no-cache is validated each time",
            "Cache-Control: no-cache, stale-while-revalidate=20\r\nETag: \"a\"\r\n",
            0,
            Asked,
        ),
        Row {
            request: "Cache-Control: max-age=5\r\n",
            ..row("RFC 9111 5.2.1.1: the request may forbid it", swr, 15, Asked)
        },
    ])
    .await;
}

#[tokio::test]
async fn refresh_behind_a_stale_answer_is_used_afterwards() {
    let stale = "HTTP/1.1 200 OK\r\nCache-Control: max-age=10, stale-while-revalidate=20\r\nContent-Length: 3\r\n\r\nold";
    let origin = Origin::script([stale]).await;
    let proxy = proxy(&origin).start();
    proxy.get("/").await;
    proxy.later(15);
    let second = proxy.get("/").await;
    assert_eq!(second.cache_status(), "millpond; hit; ttl=-5; detail=stale-while-revalidate");
    assert_eq!(second.text(), "old");
    origin.until_asked(2).await;
    // Whether the refresh is stored already is known to the proxy alone.
    let fresh = crate::support::soon(async {
        loop {
            let reply = proxy.get("/").await;
            if reply.text() == "sane" {
                return reply;
            }
        }
    });
    assert_eq!(fresh.await.x_cache(), "HIT");
    assert_eq!(origin.asked().len(), 2);
}

/// What a client gets when the origin fails `later` seconds after a response with `fields`: the status, and the body.
async fn when_failing(fields: &str, failure: Step, later: u64) -> (u16, String) {
    let first = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 3\r\n\r\nold");
    let origin = Origin::script([first.into(), failure.clone(), failure]).await;
    let proxy: Proxy = proxy(&origin).start();
    proxy.get("/").await;
    proxy.later(later);
    let reply = proxy.get("/").await;
    (reply.status, reply.text())
}

#[tokio::test]
async fn stale_if_error() {
    let sie = "Cache-Control: max-age=10, stale-if-error=20\r\n";
    let failing =
        |status: u16| step(format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nfail"), Then::Keep);
    for status in [500, 502, 503, 504] {
        let got = when_failing(sie, failing(status), 15).await;
        assert_eq!(got, (200, "old".into()), "RFC 5861 section 4: {status} within the window");
        let got = when_failing(sie, failing(status), 31).await;
        assert_eq!(got, (status, "fail".into()), "RFC 5861 section 4: {status} beyond it");
    }
    for status in [404, 501] {
        let got = when_failing(sie, failing(status), 15).await;
        assert_eq!(got, (status, "fail".into()), "RFC 5861 section 4: {status} is no such error");
    }
    let closed = || step("", Then::Close);
    assert_eq!(when_failing(sie, closed(), 15).await.0, 200, "RFC 5861 section 4: unreachable");
    let strict = "Cache-Control: max-age=10, stale-if-error=20, must-revalidate\r\n";
    assert_eq!(
        when_failing(strict, failing(503), 15).await.0,
        503,
        "RFC 9111 section 5.2.2.2: must-revalidate"
    );
    let got = when_failing("Cache-Control: max-age=10, must-revalidate\r\n", closed(), 15).await.0;
    assert!([502, 504].contains(&got), "RFC 9111 section 5.2.2.2: an error, not the stale response: {got}");
}

#[tokio::test]
async fn immutable() {
    let fields = "Cache-Control: max-age=60, immutable\r\nETag: \"a\"\r\n";
    check_all(&[
        row("RFC 8246 2: fresh is fresh", fields, 59, Reused),
        row("RFC 8246 2: it says nothing once the response is stale", fields, 61, Asked),
        Row {
            request: "Cache-Control: no-cache\r\n",
            ..row("RFC 8246 2: a client that insists is heard", fields, 0, Asked)
        },
    ])
    .await;
}

/// RFC 9111 section 3.1: what a cache must not store, and RFC 9110 section 7.6.1: what is not for the next hop.
#[tokio::test]
async fn fields_that_are_not_stored() {
    let names = [
        "Connection",
        "X-Hop",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
    ];
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Authenticate: Basic\r\nProxy-Authentication-Info: x=y\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\n\
        TE: trailers\r\nUpgrade: h2c\r\nX-End: kept\r\nContent-Length: 1\r\n\r\nx";
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin).start();
    for x_cache in ["MISS", "HIT"] {
        let reply = proxy.get("/").await;
        assert_eq!((reply.x_cache().as_str(), reply.get("x-end").as_deref()), (x_cache, Some("kept")));
        for name in names {
            assert_eq!(reply.get(name), None, "{x_cache}: {name} in {reply:?}");
        }
    }
}

/// RFC 9111 section 5.2.2.4 and 5.2.2.7 with field names: those fields are not replayed without validation, or at all.
#[tokio::test]
async fn fields_named_by_private_are_not_replayed() {
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60, private=\"X-User\"\r\nX-User: alice\r\nContent-Length: 1\r\n\r\nx";
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin).start();
    assert_eq!(proxy.get("/").await.text(), "x");
    let second = proxy.get("/").await;
    assert_ne!(second.get("x-user").as_deref(), Some("alice"), "{second:?}");
}

/// RFC 9111 section 3.5: what was asked for with credentials is for all only where the response says so.
#[tokio::test]
async fn responses_to_authorised_requests() {
    let rows = [
        ("max-age=60", false),
        ("public, max-age=60", true),
        ("s-maxage=60", true),
        ("must-revalidate, max-age=60", true),
        ("private, max-age=60", false),
    ];
    for (directives, shared) in rows {
        let answer =
            format!("HTTP/1.1 200 OK\r\nCache-Control: {directives}\r\nContent-Length: 5\r\n\r\nalice");
        let origin = Origin::script([answer]).await;
        let proxy = proxy(&origin).start();
        assert_eq!(proxy.get_with("/", "Authorization: Basic YTpi\r\n").await.text(), "alice");
        let other = proxy.get("/").await;
        assert_eq!(other.text(), if shared { "alice" } else { "sane" }, "{directives}");
    }
}
