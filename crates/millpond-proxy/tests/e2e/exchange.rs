//! Everything an exchange may be beside a request and a response: trailers, 1xx, expectations, upgrades.

use crate::support::{Origin, proxy};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
async fn trailers_travel_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Check\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Check: 5\r\n\r\n",
        )
        .await;
    let reply = client.reply().await;
    assert_eq!(
        (reply.text().as_str(), reply.trailers.as_slice()),
        ("abc", &[("x-sum".into(), "7".into())][..]),
        "{reply:?}"
    );
    let got = origin.only();
    assert_eq!(got.text(), "hi");
    let (name, value) = &got.trailers[0];
    assert_eq!((name.to_ascii_lowercase().as_str(), value.as_str()), ("x-check", "5"));
}

#[tokio::test]
async fn trailers_come_from_the_store_too() {
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin).start();
    for x_cache in ["MISS", "HIT"] {
        let reply = proxy.get_with("/", "TE: trailers\r\nConnection: TE\r\n").await;
        assert_eq!(
            (reply.x_cache().as_str(), reply.text().as_str(), reply.trailers.len()),
            (x_cache, "abc", 1),
            "{reply:?}"
        );
    }
    let without = proxy.get("/").await;
    assert_eq!((without.text().as_str(), without.trailers.len()), ("abc", 0), "who does not ask gets none");
}

/// RFC 9110 section 15.2: a proxy forwards 1xx responses, those to a request that fills the store too.
#[tokio::test]
async fn interim_responses_are_forwarded_as_they_come() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 102 Processing\r\n\r\n").await;
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n")
            .await;
        conn.told().await;
        conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.next_head().await.line.trim_end(), "HTTP/1.1 102 Processing");
    let hints = client.next_head().await;
    assert_eq!(hints.line.trim_end(), "HTTP/1.1 103 Early Hints");
    assert_eq!((hints.get("link").as_deref(), hints.get("x-hop")), (Some("</a.css>"), None), "{hints:?}");
    origin.tell();
    assert_eq!(client.reply().await.text(), "ok");
    let hit = proxy.get("/").await;
    assert_eq!((hit.x_cache().as_str(), hit.interim.len()), ("HIT", 0));
}

#[tokio::test]
async fn interim_responses_are_not_for_http_1_0() {
    let origin = Origin::script([
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ])
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.interim.len(), reply.text().as_str()), (0, "ok"));
}

const EXPECTING: &str = "PUT /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[tokio::test]
async fn expectation_is_met_by_the_origin() {
    let origin = Origin::start(|mut conn| async move {
        let Some(mut request) = conn.head().await else { return };
        assert_eq!(request.get("expect").as_deref(), Some("100-continue"));
        conn.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        conn.body(&mut request).await;
        conn.note(&request);
        conn.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send(EXPECTING).await;
    assert_eq!(client.next_head().await.line.trim_end(), "HTTP/1.1 100 Continue");
    client.send("hello").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.interim.len()), (201, 0), "one 100 is enough: {reply:?}");
    assert_eq!(origin.only().text(), "hello");
}

#[tokio::test]
async fn refused_expectation_reaches_the_client_before_its_body() {
    for answer in ["HTTP/1.1 417 Expectation Failed", "HTTP/1.1 401 Unauthorized"] {
        let origin = Origin::start(move |mut conn| async move {
            let Some(request) = conn.head().await else { return };
            conn.note(&request);
            conn.send(format!("{answer}\r\nContent-Length: 2\r\n\r\nno")).await;
            // Nothing of the client's body may follow.
            conn.head().await;
        })
        .await;
        let proxy = proxy(&origin).start();
        let mut client = proxy.client().await;
        client.send(EXPECTING).await;
        let reply = client.reply().await;
        assert!(answer.contains(&reply.status.to_string()) && reply.interim.is_empty(), "{reply:?}");
        assert_eq!(reply.text(), "no");
        drop(client);
        origin.until_closed(1).await;
        let raw = String::from_utf8(origin.raw().remove(0)).unwrap();
        assert!(raw.ends_with("\r\n\r\n"), "{raw}");
    }
}

/// RFC 9110 section 10.1.1: who expects a 100 does not wait for it without end, and neither do we.
#[tokio::test]
async fn ignored_expectation_is_met_after_a_second() {
    let origin = Origin::script(["HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"]).await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send(EXPECTING).await;
    assert_eq!(client.next_head().await.line.trim_end(), "HTTP/1.1 100 Continue");
    client.send("hello").await;
    assert_eq!(client.reply().await.status, 201);
    assert_eq!(origin.only().text(), "hello");
}

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[tokio::test]
async fn upgraded_connection_carries_bytes_both_ways() {
    let origin = Origin::start(|mut conn| async move {
        let Some(request) = conn.request().await else { return };
        assert_eq!(
            request.get("connection").map(|value| value.to_ascii_lowercase()).as_deref(),
            Some("upgrade")
        );
        assert_eq!(request.get("upgrade").as_deref(), Some("websocket"));
        assert_eq!(request.get("sec-websocket-version").as_deref(), Some("13"));
        // The first bytes come in one packet with the head.
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst",
        )
        .await;
        conn.expect(b"ping").await;
        conn.send("pong").await;
        conn.expect(&[0, 255, 13, 10, 13, 10]).await;
        conn.stream.shutdown().await.unwrap();
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    // So do the client's.
    client.send(format!("{UPGRADE}ping")).await;
    let reply = client.reply_to("GET").await;
    assert_eq!(reply.status, 101, "{reply:?}");
    assert_eq!(reply.get("upgrade").as_deref(), Some("websocket"));
    assert_eq!(reply.get("connection").map(|value| value.to_ascii_lowercase()).as_deref(), Some("upgrade"));
    client.expect(b"firstpong").await;
    client.send([0, 255, 13, 10, 13, 10]).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b"", "the tunnel ends where the origin ended it");
}

/// The client of a connection that has changed its protocol is not waited for when it says nothing.
#[tokio::test]
async fn upgraded_connection_does_not_hold_up_the_end() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        conn.expect(b"ping").await;
        conn.send("pong").await;
        conn.told().await;
        conn.send("last").await;
        conn.head().await;
    })
    .await;
    let proxy = proxy(&origin).set("limits.drain_timeout", "20s").start();
    let mut client = proxy.client().await;
    client.send(format!("{UPGRADE}ping")).await;
    assert_eq!(client.reply_to("GET").await.status, 101);
    client.expect(b"pong").await;
    let begun = Instant::now();
    proxy.stop();
    origin.tell();
    assert_eq!(client.rest().await, b"last", "one at work goes on");
    proxy.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn upgraded_connection_in_which_nothing_moves_is_closed() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        conn.head().await;
    })
    .await;
    let proxy = proxy(&origin).set("limits.tunnel_idle_timeout", "200ms").start();
    let mut client = proxy.client().await;
    client.send(UPGRADE).await;
    assert_eq!(client.reply_to("GET").await.status, 101);
    assert_eq!(client.rest().await, b"");
    origin.until_closed(1).await;
}

#[tokio::test]
async fn refused_upgrade_is_an_ordinary_response() {
    let origin = Origin::script(["HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"]).await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send(UPGRADE).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (403, "no"));
    assert_eq!(client.get("/next").await.text(), "sane");
}

#[tokio::test]
async fn head_is_answered_like_get_without_content() {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1000\r\nETag: \"a\"\r\n\r\n";
    let origin = Origin::script([head]).await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    let reply = client.ask("HEAD", "/", "").await;
    assert_eq!((reply.status, reply.get("content-length").as_deref()), (200, Some("1000")), "{reply:?}");
    assert_eq!(client.get("/").await.text(), "sane", "a HEAD does not fill the store");
    let stored = client.ask("HEAD", "/", "").await;
    assert_eq!((stored.x_cache().as_str(), stored.get("content-length").as_deref()), ("HIT", Some("4")));
    assert_eq!(client.get("/").await.text(), "sane");
}

#[tokio::test]
async fn ranges_and_conditions_are_answered_from_the_store() {
    let origin = Origin::script([
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n0123456789",
    ])
    .await;
    let proxy = proxy(&origin).start();
    proxy.get("/").await;
    let rows = [
        ("Range: bytes=2-4\r\n", 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=-3\r\n", 206, "789", Some("bytes 7-9/10")),
        ("Range: bytes=20-\r\n", 416, "", Some("bytes */10")),
        ("If-None-Match: \"a\"\r\n", 304, "", None),
        ("If-None-Match: \"b\"\r\n", 200, "0123456789", None),
        ("Range: bytes=0-0\r\nIf-Range: \"b\"\r\n", 200, "0123456789", None),
    ];
    for (fields, status, body, range) in rows {
        let reply = proxy.get_with("/", fields).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, body), "{fields}: {reply:?}");
        assert_eq!(reply.get("content-range").as_deref(), range, "{fields}");
        assert_eq!(reply.x_cache(), "HIT", "{fields}");
    }
    assert_eq!(origin.asked().len(), 1);
}

/// An origin may answer before it has the whole request, and both go on side by side.
#[tokio::test]
async fn bodies_flow_both_ways_at_once() {
    let origin = Origin::start(|mut conn| async move {
        let Some(mut request) = conn.head().await else { return };
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
        conn.body(&mut request).await;
        conn.note(&request);
        conn.send("4\r\nlast\r\n0\r\n\r\n").await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    let head = client.head().await;
    client.expect(b"5\r\nfirst\r\n").await;
    client.send("3\r\ntwo\r\n0\r\n\r\n").await;
    let reply = client.finish(head, "POST").await;
    assert_eq!((reply.whole, reply.text().as_str()), (true, "last"));
    assert_eq!(origin.only().text(), "onetwo");
}

/// An origin that will not have a large body says so at once, and its client hears it.
#[tokio::test]
async fn early_refusal_of_a_large_body_is_heard() {
    let origin = Origin::start(|mut conn| async move {
        let Some(request) = conn.head().await else { return };
        conn.note(&request);
        conn.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno").await;
        conn.told().await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nsome of it").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (413, "no"));
    origin.tell();
}

/// A response that is stored goes on without the client that asked for it; one that is not ends with it, as soon as a write
/// shows that the client is gone (the end of its stream alone may be a half-close).
#[tokio::test]
async fn client_that_leaves_takes_an_unstored_response_along() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        while conn.send("5\r\nagain\r\n").await {
            tokio::task::yield_now().await;
        }
        conn.head().await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    drop(client);
    origin.until_closed(1).await;
}

#[tokio::test]
async fn stored_response_outlives_its_client() {
    let origin = Origin::start(|mut conn| async move {
        while conn.request().await.is_some() {
            conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst")
                .await;
            conn.told().await;
            conn.send("-half").await;
        }
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    drop(client);
    origin.tell();
    let second = proxy.get("/").await;
    assert_eq!((second.whole, second.text().as_str()), (true, "first-half"), "{second:?}");
    assert_eq!(origin.asked().len(), 1);
}

/// The time in which an origin must answer does not run while the client is the slow one.
#[tokio::test]
async fn slow_client_does_not_use_up_the_origins_time() {
    let origin = Origin::script([""; 0]).await;
    let short = proxy(&origin).set("limits.first_byte_timeout", "50ms").set("limits.connect_timeout", "50ms");
    let proxy = short.start();
    let mut client = proxy.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
    let early = tokio::time::timeout(Duration::from_millis(500), client.reply()).await;
    assert!(early.is_err(), "{early:?}");
    client.send("cd").await;
    assert_eq!(client.reply().await.status, 200);
    assert_eq!(origin.only().text(), "abcd");
}
