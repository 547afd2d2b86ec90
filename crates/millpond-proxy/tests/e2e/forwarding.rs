//! What reaches the origin, to the byte, and what of it depends on the configuration.

use crate::support::{Message, Origin, Proxy, proxy};

/// A request head with every kind of field that must not travel on, or not as it is.
const LOADED: &str = "GET /a?b=c HTTP/1.1\r\nHost: client.example\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\n\
    Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nProxy-Authorization: Basic eA==\r\nTE: trailers, gzip\r\n\
    Accept-Encoding: br;q=1.0, gzip, *;q=0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
    X-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\nX-Request-Id: theirs\r\nVia: 1.0 first\r\n\
    User-Agent: test\r\nX-End: kept\r\n\r\n";

async fn through(proxy: &Proxy, origin: &Origin, request: &str) -> Message {
    let mut client = proxy.client().await;
    client.send(request).await;
    let method = request.split(' ').next().unwrap();
    assert_eq!(client.reply_to(method).await.status, 200);
    origin.asked().pop().unwrap()
}

fn has(message: &Message, name: &str, value: &str) {
    assert_eq!(message.get(name).as_deref(), Some(value), "{name} in {message:?}");
}

fn lacks(message: &Message, name: &str) {
    assert_eq!(message.get(name), None, "{message:?}");
}

#[tokio::test]
async fn request_is_rewritten_for_the_next_hop() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let got = through(&proxy, &origin, LOADED).await;
    assert_eq!(got.line.trim_end(), "GET /a?b=c HTTP/1.1");
    has(&got, "host", &origin.address.to_string());
    has(&got, "via", "1.0 first, 1.1 millpond");
    has(&got, "x-forwarded-for", "127.0.0.1");
    has(&got, "x-forwarded-proto", "http");
    has(&got, "forwarded", "for=127.0.0.1;proto=http");
    has(&got, "te", "trailers");
    has(&got, "user-agent", "test");
    has(&got, "x-end", "kept");
    assert_eq!(got.get("x-request-id").unwrap().len(), 32, "{got:?}");
    // A GET may be answered for others: the client's host must not colour the answer.
    lacks(&got, "x-forwarded-host");
    for name in
        ["connection", "x-hop", "keep-alive", "proxy-connection", "proxy-authorization", "content-length"]
    {
        lacks(&got, name);
    }
    assert_eq!(got.all("host").count(), 1);
}

#[tokio::test]
async fn accept_encoding_is_normalised() {
    for (sent, expected) in [("gzip, deflate, br, zstd", true), ("*;q=0", false), ("deflate", true)] {
        let origin = Origin::script([""; 0]).await;
        let proxy = proxy(&origin).start();
        proxy.get_with("/", &format!("Accept-Encoding: {sent}\r\n")).await;
        let got = origin.only().get("accept-encoding");
        assert!(got.as_ref().is_none_or(|value| value.len() <= sent.len()), "{sent}: {got:?}");
        assert!(expected || got.as_deref().is_none_or(|value| !value.contains("gzip")), "{sent}: {got:?}");
    }
}

#[tokio::test]
async fn two_spellings_of_accept_encoding_share_an_entry() {
    let vary =
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Encoding\r\nContent-Length: 1\r\n\r\nx";
    let origin = Origin::script([vary]).await;
    let proxy = proxy(&origin).start();
    proxy.get_with("/", "Accept-Encoding: gzip, br\r\n").await;
    let second = proxy.get_with("/", "accept-encoding: br,gzip\r\n").await;
    assert_eq!((second.x_cache().as_str(), second.text().as_str()), ("HIT", "x"), "{second:?}");
}

#[tokio::test]
async fn forwarding_fields_of_a_trusted_peer_are_continued() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("trusted_proxies", vec!["127.0.0.0/8"]).start();
    let got = through(&proxy, &origin, LOADED).await;
    has(&got, "x-forwarded-for", "6.6.6.6, 127.0.0.1");
    has(&got, "x-forwarded-proto", "https");
    // The chain of addresses is in X-Forwarded-For; what else stands in Forwarded could colour an answer that others get.
    has(&got, "forwarded", "for=127.0.0.1;proto=https");
    has(&got, "x-request-id", "theirs");
}

#[tokio::test]
async fn forwarded_of_a_trusted_peer_is_continued_on_an_unsafe_request() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("trusted_proxies", vec!["127.0.0.0/8"]).start();
    let request = LOADED.replace("GET /", "POST /");
    let got = through(&proxy, &origin, &request).await;
    has(&got, "x-forwarded-proto", "https");
    has(&got, "x-forwarded-host", "evil.example");
    has(&got, "forwarded", "for=6.6.6.6, for=127.0.0.1;proto=http;host=\"client.example\"");
}

/// The forwarded host of a trusted peer is not part of the key, so it must not reach an origin that answers for all.
#[tokio::test]
async fn forwarded_host_of_a_trusted_peer_colours_no_shared_answer() {
    let origin = Origin::answering(|request| {
        let told =
            request.get("x-forwarded-host").is_some() || request.get("forwarded").unwrap().contains("host");
        let host = if told { "evil" } else { "none" };
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{host}",
            host.len()
        )
    })
    .await;
    let proxy = proxy(&origin).set("trusted_proxies", vec!["127.0.0.1"]).start();
    let first = proxy
        .get_with("/", "X-Forwarded-Host: evil.example\r\nForwarded: for=1.1.1.1;host=evil.example\r\n")
        .await;
    let second = proxy.get("/").await;
    assert_eq!((first.text().as_str(), second.text().as_str()), ("none", "none"));
    has(&origin.only(), "forwarded", "for=127.0.0.1;proto=http");
}

#[tokio::test]
async fn unsafe_request_tells_the_clients_host() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let request = "POST / HTTP/1.1\r\nHost: client.example:81\r\nContent-Length: 2\r\n\r\nhi";
    let got = through(&proxy, &origin, request).await;
    has(&got, "x-forwarded-host", "client.example:81");
    has(&got, "forwarded", "for=127.0.0.1;proto=http;host=\"client.example:81\"");
    has(&got, "content-length", "2");
    assert_eq!(got.text(), "hi");
}

#[tokio::test]
async fn preserved_host_reaches_the_origin_and_the_key() {
    let origin = Origin::answering(|request| {
        let host = request.get("host").unwrap();
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{host}",
            host.len()
        )
    })
    .await;
    let proxy = proxy(&origin).set("preserve_host", true).start();
    for (host, x_cache) in [("one.example", "MISS"), ("two.example", "MISS"), ("ONE.example", "HIT")] {
        let mut client = proxy.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let reply = client.reply().await;
        assert_eq!((reply.text(), reply.x_cache()), (host.to_ascii_lowercase(), x_cache.into()), "{host}");
    }
    assert_eq!(origin.asked()[0].get("x-forwarded-host").as_deref(), Some("one.example"));
}

#[tokio::test]
async fn content_of_unknown_length_stays_chunked() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    for method in ["POST", "GET"] {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        );
        let got = through(&proxy, &origin, &request).await;
        assert_eq!(got.text(), "abcde", "{got:?}");
        has(&got, "transfer-encoding", "chunked");
        lacks(&got, "content-length");
    }
}

#[tokio::test]
async fn content_of_a_get_reaches_the_origin() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let got = through(&proxy, &origin, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    has(&got, "content-length", "3");
    assert_eq!(got.text(), "abc");
}

#[tokio::test]
async fn field_rules_change_requests_and_responses() {
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nServer: secret/1.0\r\nX-Old: a\r\nX-Old: b\r\nContent-Length: 1\r\n\r\nx";
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin)
        .file(
            "request_fields.set = { X-Api = 'k', User-Agent = 'millpond' }\nrequest_fields.remove = ['Cookie']\n\
             response_fields.set = { X-Old = 'c', X-New = 'd' }\nresponse_fields.remove = ['Server']\n",
        )
        .start();
    for x_cache in ["MISS", "HIT"] {
        let reply = proxy.get_with("/", "Cookie: a=b\r\nUser-Agent: curl\r\n").await;
        assert_eq!(reply.x_cache(), x_cache);
        assert_eq!(reply.get("server"), None);
        assert_eq!(reply.get("x-old").as_deref(), Some("c"));
        assert_eq!(reply.get("x-new").as_deref(), Some("d"));
    }
    let got = origin.only();
    has(&got, "x-api", "k");
    has(&got, "user-agent", "millpond");
    lacks(&got, "cookie");
}

/// A response that varies on a field a route rewrites is chosen by what the origin was sent.
#[tokio::test]
async fn vary_on_a_rewritten_field_still_hits() {
    let vary =
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: User-Agent\r\nContent-Length: 1\r\n\r\nx";
    let origin = Origin::script([vary]).await;
    let proxy = proxy(&origin).file("request_fields.set = { User-Agent = 'millpond' }\n").start();
    proxy.get_with("/", "User-Agent: one\r\n").await;
    assert_eq!(proxy.get_with("/", "User-Agent: two\r\n").await.x_cache(), "HIT");
}

#[tokio::test]
async fn query_rules_act_on_key_and_origin() {
    let rows: [(&str, &str, &str, &str); 3] = [
        ("query.sort = true", "/?b=1&a=2&b=0", "/?a=2&b=1&b=0", "/?a=2&b=1&b=0"),
        ("query.drop = ['utm_*']", "/?utm_source=x&a=1&utm_id=2", "/?a=1", "/?a=1"),
        ("query.keep = ['page']", "/?page=1&junk=2", "/?page=1&other=3", "/?page=1"),
    ];
    for (rule, first, second, upstream) in rows {
        let origin = Origin::script([""; 0]).await;
        let proxy = proxy(&origin).file(rule).start();
        assert_eq!(proxy.get(first).await.x_cache(), "MISS");
        assert_eq!(proxy.get(second).await.x_cache(), "HIT", "{rule}");
        assert_eq!(origin.only().line.trim_end(), format!("GET {upstream} HTTP/1.1"), "{rule}");
    }
}

#[tokio::test]
async fn pass_rules_keep_requests_out_of_the_cache() {
    let rows = [
        ("pass.paths = ['/private']", "/private/x", "", "pass-path"),
        ("pass.cookies = ['session*']", "/", "Cookie: theme=1; session_id=2\r\n", "pass-cookie"),
        ("pass.fields = ['X-Preview']", "/", "X-Preview: 1\r\n", "pass-field"),
    ];
    for (rule, target, fields, reason) in rows {
        let origin = Origin::script([""; 0]).await;
        let proxy = proxy(&origin).file(rule).start();
        for _ in 0..2 {
            let reply = proxy.get_with(target, fields).await;
            assert_eq!(reply.x_cache(), "MISS");
            let status = reply.cache_status();
            assert!(
                status.starts_with("millpond; fwd=bypass") && status.contains(&format!("detail={reason}")),
                "{status}"
            );
        }
        assert_eq!(origin.asked().len(), 2);
        assert_eq!(proxy.get("/public").await.x_cache(), "MISS");
        assert_eq!(proxy.get("/public").await.x_cache(), "HIT", "{rule}: others are cached");
    }
}

/// What the guide says of paths that an origin may take for another: they are passed when they are named.
#[tokio::test]
async fn other_spellings_of_a_path_are_passed_when_named() {
    let targets = ["/account/x", "//account/x", "/account%2fx", "/account%2Fx"];
    for (rule, passed) in [("['/account']", 1), ("['/account', '//*', '*%2F*']", 4)] {
        let origin = Origin::script([""; 0]).await;
        let proxy = proxy(&origin).file(&format!("pass.paths = {rule}")).start();
        let mut statuses = Vec::new();
        for target in targets {
            statuses.push(proxy.get(target).await.cache_status());
        }
        let bypassed = statuses.iter().filter(|status| status.contains("pass-path")).count();
        assert_eq!(bypassed, passed, "{rule}: {statuses:?}");
    }
}

/// A pass request does not leave its answer behind for those that are not passed.
#[tokio::test]
async fn passed_answer_is_not_stored() {
    let origin =
        Origin::script(["HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 7\r\n\r\nprivate"])
            .await;
    let proxy = proxy(&origin).file("pass.cookies = ['session']").start();
    assert_eq!(proxy.get_with("/", "Cookie: session=1\r\n").await.text(), "private");
    assert_eq!(proxy.get("/").await.text(), "sane");
}

#[tokio::test]
async fn request_body_limit_is_413() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("limits.request_body", "4B").start();
    let requests = [
        "POST /announced HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
        "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ];
    for request in requests {
        let mut client = proxy.client().await;
        client.send(request).await;
        client.reply().await.problem(413);
    }
    assert_eq!(origin.lines(), [""; 0], "the origin got no whole request");
    let whole = "POST /fits HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd";
    assert_eq!(through(&proxy, &origin, whole).await.text(), "abcd");
}

/// RFC 9110 section 7.6.1: what every recipient needs is not the connection's, whatever Connection says.
#[tokio::test]
async fn connection_cannot_take_off_what_every_recipient_needs() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: Host, Authorization, Cookie, Content-Length, X-Forwarded-For, Via\r\n\
        Authorization: Basic eA==\r\nCookie: a=b\r\nContent-Length: 2\r\n\r\nhi";
    let got = through(&proxy, &origin, request).await;
    has(&got, "host", &origin.address.to_string());
    has(&got, "authorization", "Basic eA==");
    has(&got, "cookie", "a=b");
    has(&got, "content-length", "2");
    has(&got, "x-forwarded-for", "127.0.0.1");
    has(&got, "via", "1.1 millpond");
    assert_eq!(got.text(), "hi");
}

#[tokio::test]
async fn bytes_beyond_ascii_pass_unchanged() {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-Name: caf\xe9\r\nContent-Length: 3\r\n\r\n"
            .to_vec();
    answer.extend([0, 255, 128]);
    let origin = Origin::script([answer]).await;
    let proxy = proxy(&origin).start();
    for x_cache in ["MISS", "HIT"] {
        let mut client = proxy.client().await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Word: \xe9t\xe9\r\n\r\n").await;
        let reply = client.reply().await;
        assert_eq!((reply.x_cache().as_str(), reply.get("x-name").as_deref()), (x_cache, Some("caf\u{e9}")));
        assert_eq!(reply.body, [0, 255, 128]);
    }
    has(&origin.only(), "x-word", "\u{e9}t\u{e9}");
}

/// One identifier names a request in every log, where the peer that gave it is trusted.
#[tokio::test]
async fn request_id_of_a_trusted_peer_is_kept() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("trusted_proxies", vec!["127.0.0.1"]).start();
    for x_cache in ["MISS", "HIT"] {
        let reply = proxy.get_with("/", "X-Request-Id: theirs-1\r\n").await;
        assert_eq!(
            (reply.x_cache().as_str(), reply.get("x-request-id").as_deref()),
            (x_cache, Some("theirs-1"))
        );
    }
    has(&origin.only(), "x-request-id", "theirs-1");
    let long = "x".repeat(200);
    let reply = proxy.get_with("/", &format!("X-Request-Id: {long}\r\n")).await;
    assert_eq!(reply.get("x-request-id").unwrap().len(), 32);
}

#[tokio::test]
async fn clients_of_different_schemes_do_not_share_an_answer() {
    let origin = Origin::script([
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nplain",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nsecure",
    ])
    .await;
    let proxy = proxy(&origin).set("trusted_proxies", "127.0.0.0/8").start();
    let plain = proxy.get("/").await;
    for _ in 0..2 {
        let secure = proxy.get_with("/", "X-Forwarded-Proto: https\r\n").await;
        assert_eq!((plain.text(), secure.text()), ("plain".into(), "secure".into()));
    }
    assert_eq!(origin.asked().len(), 2, "each is stored for its own scheme");
}
