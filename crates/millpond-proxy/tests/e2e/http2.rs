//! HTTP/2 towards clients, on the same port as HTTP/1.1 and out of the same cache.

use crate::support::http2::{Http2, read, request, request_with};
use crate::support::{Origin, proxy, soon};
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request};
use std::future::poll_fn;

const FRESH: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nX-Own: 1\r\nConnection: X-Hop\r\n\
    X-Hop: 1\r\nContent-Length: 10\r\n\r\n0123456789";

#[tokio::test]
async fn a_miss_a_hit_and_what_they_say() {
    let origin = Origin::script([FRESH]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let miss = client.get("/a?b=c").await;
    assert_eq!(miss.brief(), (200, "MISS", "0123456789".into()), "{miss:?}");
    proxy.later(12);
    let hit = client.get("/a?b=c").await;
    assert_eq!(hit.brief(), (200, "HIT", "0123456789".into()), "{hit:?}");
    for reply in [&miss, &hit] {
        assert_eq!((reply.get("x-own"), reply.get("content-length")), (Some("1"), Some("10")));
        assert_eq!(reply.get("via"), Some("1.1 millpond"), "the origin's version");
        assert_eq!(reply.get("x-request-id").map(str::len), Some(32));
        assert!(reply.get("date").is_some());
        for name in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
            assert_eq!(reply.get(name), None);
        }
    }
    assert_eq!((hit.get("age"), hit.get("cache-status")), (Some("12"), Some("millpond; hit; ttl=48")));
    let got = origin.only();
    assert_eq!(got.line, "GET /a?b=c HTTP/1.1");
    assert_eq!(got.get("via").as_deref(), Some("2.0 millpond"), "RFC 9110 section 7.6.3");
    assert_eq!(got.get("host"), Some(origin.address.to_string()));
    assert_eq!(got.get("forwarded").as_deref(), Some("for=127.0.0.1;proto=http"));
}

#[tokio::test]
async fn parts_conditions_and_heads() {
    let origin = Origin::script([FRESH]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    client.get("/").await;
    let part = client.ask(request_with("GET", "/", &[("range", "bytes=2-4")])).await;
    assert_eq!(part.brief(), (206, "HIT", "234".into()));
    assert_eq!((part.get("content-range"), part.get("content-length")), (Some("bytes 2-4/10"), Some("3")));
    let same = client.ask(request_with("GET", "/", &[("if-none-match", "\"a\"")])).await;
    assert_eq!((same.brief(), same.get("etag")), ((304, "HIT", String::new()), Some("\"a\"")));
    let head = client.ask(request("HEAD", "/")).await;
    assert_eq!((head.brief(), head.get("content-length")), ((200, "HIT", String::new()), Some("10")));
    origin.only();
}

#[tokio::test]
async fn both_versions_share_port_and_cache() {
    let origin = Origin::script([FRESH, FRESH]).await;
    let proxy = proxy(&origin).start();
    let mut two = Http2::to(&proxy).await;
    let mut one = proxy.client().await;
    assert_eq!(one.get("/one").await.x_cache(), "MISS");
    assert_eq!(two.get("/one").await.brief().1, "HIT");
    assert_eq!(two.get("/two").await.brief().1, "MISS");
    assert_eq!(one.get("/two").await.x_cache(), "HIT");
    assert_eq!(origin.asked().len(), 2);
}

#[tokio::test]
async fn waiters_share_one_fill() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.told().await;
        conn.send(FRESH).await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(client.start(request("GET", "/"), true).await.0);
    }
    origin.until_asked(1).await;
    origin.tell();
    for response in waiting {
        let reply = read(soon(response).await.unwrap()).await.unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "0123456789"));
    }
    origin.only();
}

#[tokio::test]
async fn large_content_from_the_store() {
    let body = "0123456789abcdef".repeat(200_000);
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
    let origin = Origin::script([format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    for x_cache in ["MISS", "HIT", "HIT"] {
        let reply = client.get("/").await;
        assert_eq!((reply.brief().1, reply.body.len()), (x_cache, body.len()));
        assert!(reply.body == body.as_bytes());
    }
}

#[tokio::test]
async fn bodies_go_to_the_origin() {
    let origin = Origin::script(["HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\ndone"; 2]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    for length in [None, Some("6")] {
        let fields = length.map(|length| ("content-length", length));
        let asked = request_with("POST", "/form", fields.as_slice());
        let (response, mut body) = client.start(asked, false).await;
        body.send_data(Bytes::from_static(b"one"), false).unwrap();
        body.send_data(Bytes::from_static(b"two"), true).unwrap();
        let reply = read(soon(response).await.unwrap()).await.unwrap();
        assert_eq!(reply.brief(), (201, "MISS", "done".into()));
    }
    let asked = origin.asked();
    assert!(asked.iter().all(|request| request.text() == "onetwo"), "{asked:?}");
    assert_eq!(asked[0].get("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(asked[1].get("content-length").as_deref(), Some("6"));
}

#[tokio::test]
async fn early_hints_and_expectations() {
    let origin = Origin::start(|mut conn| async move {
        let Some(mut request) = conn.head().await else { return };
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n")
            .await;
        conn.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        conn.body(&mut request).await;
        conn.note(&request);
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let asked = request_with("POST", "/", &[("expect", "100-continue"), ("content-length", "4")]);
    let (mut response, mut body) = client.start(asked, false).await;
    let hint = soon(poll_fn(|cx| response.poll_informational(cx))).await.unwrap().unwrap();
    assert_eq!((hint.status().as_u16(), hint.headers()["link"].as_bytes()), (103, &b"</a.css>"[..]));
    assert!(!hint.headers().contains_key("x-hop"));
    let go_on = soon(poll_fn(|cx| response.poll_informational(cx))).await.unwrap().unwrap();
    assert_eq!(go_on.status().as_u16(), 100);
    body.send_data(Bytes::from_static(b"four"), true).unwrap();
    assert_eq!(read(soon(response).await.unwrap()).await.unwrap().text(), "ok");
    assert_eq!(origin.only().text(), "four");
}

#[tokio::test]
async fn trailers_travel_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
        3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
    let origin = Origin::script([answer, answer]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let (response, mut body) =
        client.start(request_with("POST", "/", &[("te", "trailers"), ("trailer", "x-check")]), false).await;
    body.send_data(Bytes::from_static(b"hi"), false).unwrap();
    let check = HeaderMap::from_iter([("x-check".parse().unwrap(), "5".parse().unwrap())]);
    body.send_trailers(check).unwrap();
    let reply = read(soon(response).await.unwrap()).await.unwrap();
    assert_eq!((reply.text().as_str(), reply.trailers.unwrap()["x-sum"].as_bytes()), ("abc", &b"7"[..]));
    let got = origin.only();
    assert_eq!((got.text().as_str(), got.trailers.len()), ("hi", 1), "{got:?}");
    for x_cache in ["MISS", "HIT"] {
        let reply = client.ask(request_with("GET", "/", &[("te", "trailers")])).await;
        assert_eq!(reply.brief(), (200, x_cache, "abc".into()));
        assert_eq!(reply.trailers.unwrap()["x-sum"].as_bytes(), b"7");
    }
}

/// A stream that cannot be completed is reset; the others of its connection go on, and nothing short is stored.
#[tokio::test]
async fn a_cut_body_resets_its_stream() {
    let short = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nshort";
    let origin = Origin::script([crate::support::step(short, crate::support::Then::Close)]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let (response, _) = client.start(request("GET", "/"), true).await;
    let cut = match soon(response).await {
        Ok(response) => read(response).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!((cut.is_reset(), cut.reason()), (true, Some(Reason::INTERNAL_ERROR)));
    assert_eq!(client.get("/").await.brief(), (200, "MISS", "sane".into()));
}

/// The client's reset reaches the origin, where nobody else waits for the answer.
#[tokio::test]
async fn a_reset_cancels_the_fetch() {
    let origin = Origin::start(|mut conn| async move {
        let Some(head) = conn.head().await else { return };
        conn.note(&head);
        // Nothing more comes: the connection is closed instead.
        conn.head().await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let (response, mut body) = client.start(request("POST", "/"), false).await;
    origin.until_asked(1).await;
    body.send_reset(Reason::CANCEL);
    drop(response);
    origin.until_closed(1).await;
    assert!(!client.connection.is_finished());
}

/// A request that is shorter or longer than it says never becomes a whole one on its way (RFC 9113 section 8.1.1).
#[tokio::test]
async fn half_a_request_stays_half() {
    for sent in ["four", "longer"] {
        let origin = Origin::start(|mut conn| async move {
            let Some(mut request) = conn.head().await else { return };
            conn.body(&mut request).await;
            if request.whole {
                conn.note(&request);
            }
            conn.head().await;
        })
        .await;
        let proxy = proxy(&origin).start();
        let mut client = Http2::to(&proxy).await;
        let asked = request_with("POST", "/", &[("content-length", "5")]);
        let (response, mut body) = client.start(asked, false).await;
        body.send_data(Bytes::from_static(sent.as_bytes()), true).unwrap();
        let error = soon(response).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR), "{error}");
        assert_eq!(origin.lines(), [""; 0], "{sent}");
    }
}

#[tokio::test]
async fn what_is_not_answered_here() {
    let origin = Origin::script([FRESH]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let connect = Request::builder().method("CONNECT").uri("b.example:443").body(()).unwrap();
    let (response, _) = client.start(connect, false).await;
    assert_eq!(soon(response).await.unwrap().status(), 501);
    // RFC 9113 section 8.3.1: the scheme of the request, over a connection that is not secured.
    let secure = Request::builder().uri("https://a.example/").body(()).unwrap();
    assert_eq!(client.ask(secure).await.status, 421);
    assert_eq!(client.ask(request("TRACE", "/")).await.status, 405);
    let many = (0..200).fold(request("GET", "/"), |mut request, n| {
        let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
        request.headers_mut().insert(name, "1".parse().unwrap());
        request
    });
    let refused = client.ask(many).await;
    assert_eq!((refused.status, refused.get("content-type")), (431, Some("application/problem+json")));
    assert_eq!(origin.lines(), [""; 0]);
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn requests_in_flight_finish_when_the_server_stops() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.told().await;
        conn.send(FRESH).await;
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    let idle = Http2::to(&proxy).await;
    let (response, _) = client.start(request("GET", "/"), true).await;
    origin.until_asked(1).await;
    proxy.stop();
    soon(idle.connection).await.unwrap().unwrap();
    // The word that no further request is taken is on its way to this client, too.
    let told = async {
        while poll_fn(|cx| client.send.poll_ready(cx)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(told).await;
    origin.tell();
    assert_eq!(read(soon(response).await.unwrap()).await.unwrap().text(), "0123456789");
    soon(client.connection).await.unwrap().unwrap();
    proxy.stopped().await;
}

#[tokio::test]
async fn requests_are_logged_and_refusals_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    let origin = Origin::script([FRESH]).await;
    let proxy = proxy(&origin).set("access_log.file", file.to_str().unwrap().to_owned()).start();
    let mut client = Http2::to(&proxy).await;
    client.get("/a").await;
    client.get("/a").await;
    let connect = Request::builder().method("CONNECT").uri("b.example:443").body(()).unwrap();
    soon(client.start(connect, false).await.0).await.unwrap();
    proxy.stop();
    proxy.stopped().await;
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').skip(2).take(6).collect()).collect();
    assert_eq!(lines[0][..5], ["\"GET", "/a\"", "200", "10", "miss"], "{text}");
    assert_eq!(lines[1][..5], ["\"GET", "/a\"", "200", "10", "hit"], "{text}");
    assert_eq!(lines[2][2..], ["501", "0", "refused", "tunnel"], "{text}");
}

#[tokio::test]
async fn the_number_of_streams_is_a_setting() {
    let origin = Origin::script([FRESH]).await;
    let proxy = proxy(&origin).set("limits.http2_streams", 7).start();
    let mut client = Http2::to(&proxy).await;
    client.get("/").await;
    assert_eq!(client.send.current_max_send_streams(), 7);
}

/// Some clients say only behind the head that a request has no content: it is as good for the cache as any other.
#[tokio::test]
async fn an_end_behind_the_head_is_no_content() {
    let origin = Origin::script([FRESH]).await;
    let proxy = proxy(&origin).start();
    let mut client = Http2::to(&proxy).await;
    for x_cache in ["MISS", "HIT"] {
        let (response, mut body) = client.start(request("GET", "/"), false).await;
        body.send_data(Bytes::new(), true).unwrap();
        let reply = read(soon(response).await.unwrap()).await.unwrap();
        assert_eq!(reply.brief(), (200, x_cache, "0123456789".into()), "{reply:?}");
    }
    let got = origin.only();
    assert_eq!((got.get("transfer-encoding"), got.get("content-length")), (None, None));
}
