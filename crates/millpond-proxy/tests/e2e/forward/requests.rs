//! Requests with an absolute-form target, through the cache.

use super::{ask, forward, get};
use crate::support::{Client, Origin, closed_port};

const FRESH: &str =
    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n0123456789";

#[tokio::test]
async fn second_request_is_a_hit_and_asks_nobody() {
    let origin = Origin::script([FRESH]).await;
    let proxy = forward().forward();
    let first = get(&proxy, "one.example", origin.address, "/a?b=c", "").await;
    assert_eq!((first.status, first.x_cache().as_str(), first.text().as_str()), (200, "MISS", "0123456789"));
    assert!(first.cache_status().contains("fwd=uri-miss; fwd-status=200; stored"), "{first:?}");
    let again = get(&proxy, "one.example", origin.address, "/a?b=c", "").await;
    assert_eq!((again.x_cache().as_str(), again.text().as_str()), ("HIT", "0123456789"));
    let asked = origin.only();
    assert_eq!(asked.line, "GET /a?b=c HTTP/1.1");
    assert_eq!(asked.get("host"), Some(format!("one.example:{}", origin.address.port())));
    assert_eq!(asked.get("via").as_deref(), Some("1.1 millpond"));
}

#[tokio::test]
async fn hosts_do_not_share_answers() {
    let origin = Origin::answering(|request| {
        let host = request.get("host").unwrap();
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{host}",
            host.len()
        )
    })
    .await;
    let proxy = forward().forward();
    for host in ["one.example", "two.example", "ONE.example", "one.example"] {
        let reply = get(&proxy, host, origin.address, "/", "").await;
        assert_eq!(reply.text(), format!("{}:{}", host.to_lowercase(), origin.address.port()));
    }
    assert_eq!(origin.asked().len(), 2, "case makes no difference");
}

#[tokio::test]
async fn ranges_and_conditions_are_answered_from_the_cache() {
    let origin = Origin::script([FRESH]).await;
    let proxy = forward().forward();
    get(&proxy, "one.example", origin.address, "/", "").await;
    let part = get(&proxy, "one.example", origin.address, "/", "Range: bytes=2-4\r\n").await;
    assert_eq!((part.status, part.text().as_str(), part.x_cache().as_str()), (206, "234", "HIT"));
    let same = get(&proxy, "one.example", origin.address, "/", "If-None-Match: \"a\"\r\n").await;
    assert_eq!((same.status, same.x_cache().as_str()), (304, "HIT"));
    origin.only();
}

#[tokio::test]
async fn ranges_and_conditions_have_their_effect_without_the_cache() {
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\n\r\n234";
    let origin =
        Origin::script([part, FRESH, "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"]).await;
    let proxy = forward().forward();
    let reply = get(&proxy, "one.example", origin.address, "/r", "Range: bytes=2-4\r\n").await;
    assert_eq!((reply.status, reply.text().as_str()), (206, "234"), "{reply:?}");
    // The whole is fetched, and what the client has compared with it.
    let reply = get(&proxy, "one.example", origin.address, "/c", "If-None-Match: \"a\"\r\n").await;
    assert_eq!(reply.status, 304, "{reply:?}");
    let url = format!("http://one.example:{}/p", origin.address.port());
    assert_eq!(ask(&proxy, "DELETE", &url, "If-Match: \"x\"\r\n").await.status, 412);
    let asked = origin.asked();
    assert_eq!(asked[0].get("range").as_deref(), Some("bytes=2-4"));
    assert_eq!(asked[2].get("if-match").as_deref(), Some("\"x\""));
}

/// A forward proxy tells origins of itself, not of its clients.
#[tokio::test]
async fn fields_go_on_as_the_client_wrote_them() {
    let origin = Origin::script([FRESH, FRESH]).await;
    let proxy = forward().forward();
    let more = "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\nUser-Agent: apt\r\n\
                Connection: close, X-Hop\r\nX-Hop: 1\r\nX-Mine: 2\r\nX-Request-Id: mine\r\n\
                Accept-Encoding: br\r\nX-Forwarded-For: 192.0.2.1\r\n";
    get(&proxy, "one.example", origin.address, "/", more).await;
    let asked = origin.only();
    let gone = [
        "proxy-connection",
        "proxy-authorization",
        "x-hop",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "forwarded",
        "connection",
    ];
    for name in gone {
        assert_eq!(asked.get(name), None, "{asked:?}");
    }
    for (name, value) in
        [("user-agent", "apt"), ("x-mine", "2"), ("x-request-id", "mine"), ("accept-encoding", "br")]
    {
        assert_eq!(asked.get(name).as_deref(), Some(value), "{asked:?}");
    }
    let mut client = Client::to(proxy.address).await;
    let url = format!("http://one.example:{}/", origin.address.port());
    client
        .send(format!(
            "POST {url} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 2\r\n\r\nhi"
        ))
        .await;
    assert_eq!(client.reply_to("POST").await.status, 200);
    let posted = origin.asked().remove(1);
    assert_eq!((posted.text().as_str(), posted.get("x-forwarded-for").as_deref()), ("hi", Some("192.0.2.1")));
}

#[tokio::test]
async fn routes_and_rules_say_how_their_hosts_are_treated() {
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let origin = Origin::script([plain; 8]).await;
    let file = "[forward]\nprivate_addresses = true\n\
                [[route]]\nhost = \"*.cached.example\"\norigin = \"http://unused.invalid\"\npolicy.default_ttl = \"1h\"\n\
                response_fields.set.x-route = \"cached\"\n";
    let proxy = crate::support::Setup::new().file(file).forward();
    for (host, expected) in
        [("a.cached.example", "HIT"), ("other.example", "MISS"), ("b.cached.example", "HIT")]
    {
        get(&proxy, host, origin.address, "/", "").await;
        let again = get(&proxy, host, origin.address, "/", "").await;
        assert_eq!(again.x_cache(), expected, "{host}: {again:?}");
        assert_eq!(again.get("x-route").is_some(), expected == "HIT", "{host}");
    }
    let asked = origin.asked();
    let hosts: Vec<_> = asked.iter().map(|message| message.get("host").unwrap()).collect();
    let port = origin.address.port();
    let expected = ["a.cached.example", "other.example", "other.example", "b.cached.example"];
    assert_eq!(hosts, expected.map(|host| format!("{host}:{port}")));
}

#[tokio::test]
async fn requests_that_name_no_origin_are_told_what_this_is() {
    let proxy = forward().forward();
    for target in ["/", "/index.html"] {
        let text = ask(&proxy, "GET", target, "").await.problem(400);
        assert!(text.contains("not-a-proxy-request") && text.contains("http_proxy"), "{text}");
    }
    let text = ask(&proxy, "OPTIONS", "*", "").await.problem(400);
    assert!(text.contains("not-a-proxy-request"), "{text}");
}

#[tokio::test]
async fn unreachable_and_unknown_origins_are_502() {
    let gone = Origin::script([FRESH]).await.address;
    let (_held, port) = closed_port();
    let proxy = forward().forward();
    let text = ask(&proxy, "GET", &format!("http://127.0.0.1:{port}/"), "").await.problem(502);
    assert!(text.contains("origin-connect"), "{text}");
    let nobody =
        forward().try_forward(crate::support::names(|_| Vec::new())).unwrap_or_else(|e| panic!("{e}"));
    let text = get(&nobody, "no.example", gone, "/", "").await.problem(502);
    assert!(text.contains("origin-connect"), "{text}");
}

/// Purging goes by the URL that clients asked for.
#[tokio::test]
async fn log_shows_whole_urls() {
    let origin = Origin::script([FRESH]).await;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let proxy = forward().set("access_log.file", log.to_str().unwrap().to_owned()).forward();
    for _ in 0..2 {
        get(&proxy, "one.example", origin.address, "/a?token=secret", "").await;
    }
    proxy.stop();
    proxy.stopped().await;
    let text = std::fs::read_to_string(&log).unwrap();
    let url = format!("\"GET http://one.example:{}/a?token=[redacted]\" 200 10 ", origin.address.port());
    assert_eq!(text.matches(&url).count(), 2, "{text}");
    assert!(text.contains(" hit ") && !text.contains("secret"), "{text}");
}
