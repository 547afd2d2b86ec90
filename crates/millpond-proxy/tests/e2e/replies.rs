//! What a reply says about itself, for each thing that can happen to a request.

use crate::support::{Origin, Proxy, Reply, Then, proxy, step};

fn says(reply: &Reply, x_cache: &str, cache_status: &str) {
    assert_eq!(reply.cache_status(), cache_status, "{reply:?}");
    assert_eq!(reply.x_cache(), x_cache, "{reply:?}");
    assert!(reply.get("via").is_none_or(|via| via.ends_with("1.1 millpond")), "{reply:?}");
    assert_eq!(reply.get("x-request-id").unwrap().len(), 32, "{reply:?}");
    for name in ["x-cache", "cache-status", "x-request-id", "age", "date"] {
        assert!(reply.all(name).count() <= 1, "{name}: {reply:?}");
    }
}

const FRESH: &str =
    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\nhello";

async fn filled(answer: &str) -> (Origin, Proxy) {
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin).start();
    assert_eq!(proxy.get("/").await.status, 200);
    (origin, proxy)
}

#[tokio::test]
async fn fetched_and_stored() {
    let origin = Origin::script([FRESH]).await;
    let reply = proxy(&origin).start().get("/").await;
    says(&reply, "MISS", "millpond; fwd=uri-miss; fwd-status=200; stored");
    assert_eq!(reply.get("age"), None);
}

#[tokio::test]
async fn fresh_hit() {
    let (_origin, proxy) = filled(FRESH).await;
    proxy.later(12);
    let reply = proxy.get("/").await;
    says(&reply, "HIT", "millpond; hit; ttl=48");
    assert_eq!(reply.get("age").as_deref(), Some("12"));
}

/// RFC 9111 section 4.2.3: the time spent in caches before this one counts.
#[tokio::test]
async fn age_continues_that_of_an_upstream_cache() {
    let aged = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nAge: 30\r\nContent-Length: 2\r\n\r\nxx";
    let origin = Origin::script([aged]).await;
    let proxy = proxy(&origin).start();
    assert_eq!(proxy.get("/").await.get("age").as_deref(), Some("30"));
    proxy.later(12);
    let reply = proxy.get("/").await;
    says(&reply, "HIT", "millpond; hit; ttl=18");
    assert_eq!(reply.get("age").as_deref(), Some("42"));
    proxy.later(19);
    assert_eq!(proxy.get("/").await.text(), "sane");
}

#[tokio::test]
async fn parts_and_heads_of_a_hit() {
    let (_origin, proxy) = filled(FRESH).await;
    let rows = [("GET", "Range: bytes=0-1\r\n"), ("GET", "If-None-Match: \"a\"\r\n"), ("HEAD", "")];
    for (method, fields) in rows {
        let reply = proxy.client().await.ask(method, "/", fields).await;
        says(&reply, "HIT", "millpond; hit; ttl=60");
        assert_eq!(reply.get("age").as_deref(), Some("0"), "{method} {fields}");
    }
}

#[tokio::test]
async fn validated() {
    let origin = Origin::script([
        FRESH,
        "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\n\r\n",
    ])
    .await;
    let proxy = proxy(&origin).start();
    proxy.get("/").await;
    proxy.later(61);
    let reply = proxy.get("/").await;
    says(&reply, "HIT", "millpond; fwd=stale; fwd-status=304");
    assert_eq!(reply.text(), "hello");
    assert_eq!(origin.asked()[1].get("if-none-match").as_deref(), Some("\"a\""));
    says(&proxy.get("/").await, "HIT", "millpond; hit; ttl=60");
}

#[tokio::test]
async fn replaced() {
    let (_origin, proxy) = filled(FRESH).await;
    proxy.later(61);
    let reply = proxy.get("/").await;
    says(&reply, "MISS", "millpond; fwd=stale; fwd-status=200; stored");
    assert_eq!(reply.text(), "sane");
}

#[tokio::test]
async fn forced_by_the_request() {
    let (_origin, proxy) = filled(FRESH).await;
    let reply = proxy.get_with("/", "Cache-Control: no-cache\r\n").await;
    says(&reply, "MISS", "millpond; fwd=request; fwd-status=200; stored; detail=request-no-cache");
}

#[tokio::test]
async fn another_variant() {
    let vary = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language\r\nContent-Length: 2\r\n\r\nxx";
    let (_origin, proxy) = filled(vary).await;
    let reply = proxy.get_with("/", "Accept-Language: de\r\n").await;
    says(&reply, "MISS", "millpond; fwd=vary-miss; fwd-status=200; stored");
}

#[tokio::test]
async fn not_cacheable() {
    let rows = [
        ("Cache-Control: no-store\r\n", "no-store"),
        ("Cache-Control: private\r\n", "private"),
        ("Cache-Control: max-age=60\r\nVary: *\r\n", "vary-any"),
        ("", "no-freshness"),
    ];
    for (fields, reason) in rows {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nxx");
        let origin = Origin::script([answer.clone(), answer]).await;
        let proxy = proxy(&origin).start();
        for _ in 0..2 {
            let expected = format!("millpond; fwd=uri-miss; fwd-status=200; detail={reason}");
            says(&proxy.get("/").await, "MISS", &expected);
        }
    }
}

#[tokio::test]
async fn other_methods() {
    let (_origin, proxy) = filled(FRESH).await;
    let reply = proxy.client().await.ask("DELETE", "/", "").await;
    says(&reply, "MISS", "millpond; fwd=method; fwd-status=200");
    // RFC 9111 section 4.4: and the stored response is gone.
    says(&proxy.get("/").await, "MISS", "millpond; fwd=uri-miss; fwd-status=200; stored");
}

#[tokio::test]
async fn collapsed() {
    let origin = Origin::start(|mut conn| async move {
        while conn.request().await.is_some() {
            conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\n").await;
            conn.told().await;
            conn.send("hello").await;
        }
    })
    .await;
    let proxy = proxy(&origin).set("workers", 2).start();
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let first = one.head().await;
    two.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The head comes to both before the body does.
    let second = two.head().await;
    origin.tell();
    says(&one.finish(first, "GET").await, "MISS", "millpond; fwd=uri-miss; fwd-status=200; stored");
    let second = two.finish(second, "GET").await;
    says(&second, "MISS", "millpond; fwd=uri-miss; collapsed");
    assert_eq!((second.text().as_str(), origin.asked().len()), ("hello", 1));
}

#[tokio::test]
async fn served_stale_because_the_origin_failed() {
    let origin = Origin::script([FRESH.into(), step("", Then::Close), step("", Then::Close)]).await;
    let proxy = proxy(&origin).start();
    proxy.get("/").await;
    proxy.later(70);
    let reply = proxy.get("/").await;
    says(&reply, "HIT", "millpond; hit; ttl=-10; detail=stale-unreachable");
    assert_eq!((reply.text().as_str(), reply.get("age").as_deref()), ("hello", Some("70")));
}

#[tokio::test]
async fn errors_are_problems_with_the_requests_id() {
    let origin = Origin::script([step("", Then::Close)]).await;
    let proxy = proxy(&origin).start();
    let reply = proxy.get("/secret?token=hidden").await;
    let text = reply.problem(502);
    assert!(text.contains("urn:millpond:problem:origin-closed"), "{text}");
    assert!(!text.contains("hidden") && !text.contains("src/"), "{text}");
    assert!(!text.contains(&origin.address.to_string()), "strangers learn nothing of addresses: {text}");
    says(&reply, "MISS", "millpond; fwd=uri-miss");
    assert_eq!(reply.get("cache-control").as_deref(), Some("no-store"));
}

#[tokio::test]
async fn origin_that_is_not_there_is_a_502() {
    let closed = Origin::script([""; 0]).await.address;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    assert_ne!(closed, nobody);
    let proxy = crate::support::Setup::new().set("origin", format!("http://{nobody}")).start();
    let text = proxy.get("/").await.problem(502);
    assert!(text.contains("origin-connect") && text.contains("no connection"), "{text}");
    assert!(!text.contains(&nobody.port().to_string()) && !text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn nothing_usable_and_only_if_cached_is_a_504() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let reply = proxy.get_with("/", "Cache-Control: only-if-cached\r\n").await;
    reply.problem(504);
    assert_eq!(origin.connections(), 0);
}

const SILENT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx";

/// An API that says nothing about caching: by default nothing is kept, and the reply says why.
#[tokio::test]
async fn silent_origin_is_not_cached_and_says_why() {
    let origin = Origin::script([SILENT, SILENT]).await;
    let proxy = proxy(&origin).start();
    proxy.get("/").await;
    says(&proxy.get("/").await, "MISS", "millpond; fwd=uri-miss; fwd-status=200; detail=no-freshness");
}

#[tokio::test]
async fn silent_origin_is_cached_with_a_default_ttl() {
    let origin = Origin::script([SILENT]).await;
    let proxy = proxy(&origin).set("policy.default_ttl", "60s").start();
    says(&proxy.get("/").await, "MISS", "millpond; fwd=uri-miss; fwd-status=200; stored");
    says(&proxy.get("/").await, "HIT", "millpond; hit; ttl=60");
    proxy.later(61);
    assert_eq!(proxy.get("/").await.text(), "sane");
}

#[tokio::test]
async fn silent_origin_is_cached_with_the_preset_caching_proxy() {
    let forbidden = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\nno";
    let origin = Origin::script([SILENT, forbidden, forbidden]).await;
    let proxy = proxy(&origin).preset("caching-proxy").start();
    proxy.get("/").await;
    proxy.later(365 * 24 * 3600);
    let year_later = proxy.get("/").await;
    assert_eq!((year_later.x_cache().as_str(), year_later.text().as_str()), ("HIT", "xx"), "{year_later:?}");
    for _ in 0..2 {
        let reply = proxy.get("/forbidden").await;
        assert_eq!((reply.x_cache().as_str(), reply.text().as_str()), ("MISS", "no"));
    }
    let user = proxy.get_with("/user", "Authorization: Basic eA==\r\n").await;
    assert!(!user.cache_status().contains("stored"), "{user:?}");
}

/// A route may set a smaller bound on what it stores than the whole; larger responses pass through whole.
#[tokio::test]
async fn objects_over_a_routes_limit_pass_through() {
    let whole = "Cache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello";
    let chunked =
        "Cache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    for answer in [whole, chunked] {
        let answer = format!("HTTP/1.1 200 OK\r\n{answer}");
        let origin = Origin::script([answer.clone(), answer]).await;
        let url = crate::support::url_of(&origin);
        let small = format!(
            "origin = '{url}'\n[[route]]\npath_prefix = '/small'\norigin = '{url}'\nlimits.object = '4B'\n"
        );
        let proxy = crate::support::Setup::new().file(&small).start();
        let reply = proxy.get("/small").await;
        assert_eq!((reply.whole, reply.text().as_str()), (true, "hello"), "{reply:?}");
        let refused = reply.cache_status().contains("detail=object-too-large");
        assert!(refused || reply.get("content-length").is_none(), "{reply:?}");
        assert_eq!(proxy.get("/large").await.text(), "hello");
        assert_eq!(proxy.get("/small").await.x_cache(), "MISS");
        assert_eq!(proxy.get("/large").await.x_cache(), "HIT");
    }
}
