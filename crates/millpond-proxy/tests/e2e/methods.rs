//! Requests that are answered by more, or less, than method and URL: QUERY, POST where a route opts in, answers to POST that
//! are good for GET, and No-Vary-Search.

use crate::support::{Message, Origin, Proxy, Reply, Setup, proxy, url_of};
use millpond_config::Config;
use millpond_exchange::{Body, Method, RequestHead};
use millpond_policy::Reason;
use millpond_proxy::explain::{Door, routed};

const JSON: &str = "Content-Type: application/json\r\n";

/// An origin whose answers say what they were asked, with these fields.
async fn echo(fields: &'static str) -> Origin {
    Origin::answering(move |request| told(request, fields)).await
}

fn told(request: &Message, fields: &str) -> String {
    let target = request.line.trim_end_matches(" HTTP/1.1").to_owned();
    let body = format!("{target} {}", request.text());
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn ask(proxy: &Proxy, method: &str, target: &str, more: &str, content: &str) -> Reply {
    let mut client = proxy.client().await;
    let length = content.len();
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n{more}Content-Length: {length}\r\n\r\n");
    client.send(format!("{head}{content}")).await;
    client.reply_to(method).await
}

#[tokio::test]
async fn a_query_is_cached_by_its_content() {
    let origin = echo("Cache-Control: max-age=60\r\nAccept-Query: \"application/json\"\r\n").await;
    let proxy = proxy(&origin).start();
    let first = ask(&proxy, "QUERY", "/q", JSON, r#"{"a": 1, "b": 2}"#).await;
    assert_eq!((first.x_cache().as_str(), first.text().as_str()), ("MISS", r#"QUERY /q {"a": 1, "b": 2}"#));
    let second = ask(&proxy, "QUERY", "/q", JSON, r#"{"b":2,"a":1}"#).await;
    assert_eq!((second.x_cache().as_str(), second.text()), ("HIT", first.text()));
    assert_eq!(second.get("accept-query").as_deref(), Some("\"application/json\""));
    let chunked = "QUERY /q HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
                   7\r\n{\"a\":1,\r\n6\r\n\"b\":2}\r\n0\r\n\r\n";
    let mut client = proxy.client().await;
    client.send(chunked).await;
    assert_eq!(client.reply_to("QUERY").await.x_cache(), "HIT", "however it is framed");
    let other = ask(&proxy, "QUERY", "/q", JSON, "{}").await;
    assert_eq!((other.x_cache().as_str(), other.text().as_str()), ("MISS", "QUERY /q {}"));
    // Whether content without a type is acceptable is for the origin to say.
    assert_eq!(ask(&proxy, "QUERY", "/q", "", "{}").await.x_cache(), "MISS");
    assert_eq!(origin.asked().len(), 3);
    assert_eq!(origin.asked()[0].get("content-length").as_deref(), Some("16"));
}

#[tokio::test]
async fn a_query_is_refreshed_with_its_content() {
    let origin = echo("Cache-Control: max-age=10, stale-while-revalidate=60\r\n").await;
    let proxy = proxy(&origin).start();
    ask(&proxy, "QUERY", "/q", JSON, "[1]").await;
    proxy.later(20);
    assert_eq!(ask(&proxy, "QUERY", "/q", JSON, "[1]").await.x_cache(), "HIT");
    origin.until_asked(2).await;
    let again = &origin.asked()[1];
    assert_eq!((again.line.as_str(), again.text().as_str()), ("QUERY /q HTTP/1.1", "[1]"));
}

#[tokio::test]
async fn content_over_the_limit_passes_and_an_expectation_is_met_here() {
    let origin = echo("Cache-Control: max-age=60\r\n").await;
    let proxy = proxy(&origin).set("limits.key_body", "8B").start();
    for _ in 0..2 {
        let long = ask(&proxy, "QUERY", "/q", "", "123456789").await;
        assert!(long.cache_status().contains("fwd=bypass; fwd-status=200; detail=key-body"), "{long:?}");
        assert_eq!(long.text(), "QUERY /q 123456789");
    }
    for outcome in ["MISS", "HIT"] {
        let mut client = proxy.client().await;
        client
            .send("QUERY /q HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            .await;
        assert_eq!(client.next_head().await.line.trim_end(), "HTTP/1.1 100 Continue");
        client.send("abc").await;
        assert_eq!(client.reply_to("QUERY").await.x_cache(), outcome);
    }
    assert_eq!(origin.asked().last().unwrap().get("expect"), None);
}

#[tokio::test]
async fn nothing_unkeyed_goes_with_a_query() {
    let origin = echo("Cache-Control: max-age=60\r\n").await;
    let proxy = proxy(&origin).start();
    ask(&proxy, "QUERY", "/q", "X-Forwarded-Host: evil\r\nX-Original-URL: /evil\r\n", "x").await;
    let got = origin.only();
    assert!(!got.fields.iter().any(|(_, value)| value.contains("evil")), "{got:?}");
}

#[tokio::test]
async fn graphql_queries_are_cached_and_mutations_are_not() {
    let origin = echo("Cache-Control: max-age=60\r\n").await;
    let proxy = proxy(&origin).preset("graphql").start();
    let query = r#"{"query": "query Q($id: ID) { user(id: $id) { name } }", "variables": {"id": 1}}"#;
    for outcome in ["MISS", "HIT"] {
        assert_eq!(ask(&proxy, "POST", "/graphql", JSON, query).await.x_cache(), outcome);
    }
    let mutation = r#"{"query": "mutation { rename(id: 1) { name } }"}"#;
    for _ in 0..2 {
        let reply = ask(&proxy, "POST", "/graphql", JSON, mutation).await;
        assert!(reply.cache_status().contains("detail=not-a-graphql-query"), "{reply:?}");
    }
    // RFC 9111 section 4.4: what is stored of the URL is no longer valid.
    assert_eq!(ask(&proxy, "POST", "/graphql", JSON, query).await.x_cache(), "MISS");
    assert_eq!(origin.asked().len(), 4);
}

#[tokio::test]
async fn without_opting_in_no_post_is_answered_from_the_cache() {
    let origin = echo("Cache-Control: max-age=60\r\n").await;
    let proxy = proxy(&origin).start();
    for _ in 0..2 {
        let reply = ask(&proxy, "POST", "/graphql", JSON, r#"{"query":"{a}"}"#).await;
        assert!(reply.cache_status().contains("fwd=method"), "{reply:?}");
    }
    assert_eq!(origin.asked().len(), 2);
}

/// RFC 9110 section 9.3.3, without any setting: but nothing that one client could have coloured is kept for the others.
#[tokio::test]
async fn an_answer_to_post_may_answer_get() {
    const PLAIN: &str = "";
    const HOST: &str = "preserve_host = true";
    const STEERED: &str = "X-Forwarded-Host: evil.example\r\n";
    for (setting, more, then) in
        [(PLAIN, "", "HIT"), (HOST, "", "HIT"), (PLAIN, STEERED, "MISS"), (HOST, STEERED, "MISS")]
    {
        let origin = echo("Cache-Control: max-age=60\r\nContent-Location: /a\r\n").await;
        let proxy = proxy(&origin).file(setting).start();
        let posted = ask(&proxy, "POST", "/a", more, "x").await;
        assert_eq!(posted.text(), "POST /a x");
        assert_eq!(posted.cache_status().contains("stored"), then == "HIT", "{posted:?}");
        let got = ask(&proxy, "GET", "/a", "", "").await;
        assert_eq!(got.x_cache(), then, "{setting} {more}");
        assert_eq!(got.text(), if then == "HIT" { "POST /a x" } else { "GET /a " });
    }
}

/// What makes an answer to POST reusable is asked for again by name: fresh, said to be so, and of the target itself.
#[tokio::test]
async fn which_answers_to_post_answer_get() {
    for (fields, then) in [
        ("Cache-Control: max-age=60\r\nContent-Location: /a?b=1\r\n", "HIT"),
        ("Cache-Control: s-maxage=60\r\nContent-Location: ?b=1\r\n", "HIT"),
        ("Cache-Control: max-age=60\r\nContent-Location: /a\r\n", "MISS"),
        ("Cache-Control: max-age=60\r\n", "MISS"),
        ("Content-Location: /a?b=1\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "MISS"),
        ("Cache-Control: max-age=0\r\nETag: \"a\"\r\nContent-Location: /a?b=1\r\n", "MISS"),
        ("Cache-Control: max-age=60, private\r\nContent-Location: /a?b=1\r\n", "MISS"),
    ] {
        let origin = echo(fields).await;
        let proxy = proxy(&origin).start();
        ask(&proxy, "POST", "/a?b=1", "", "x").await;
        assert_eq!(ask(&proxy, "GET", "/a?b=1", "", "").await.x_cache(), then, "{fields}");
    }
}

/// An origin that is told of a host writes it into its links: what it has made of one host is for those who name it, and is
/// gone for all of them when the URL is purged or written to.
#[tokio::test]
async fn an_answer_to_post_is_for_those_who_name_the_same_host() {
    const SAYS_ITS_HOST: &str = "Cache-Control: max-age=60\r\nContent-Location: /a\r\n";
    for (setting, host, also) in [
        ("host", "a.example", "A.example:80"),
        ("host", "A.EXAMPLE:80", "a.example"),
        ("host", "a.example:6666", "A.example:6666"),
        ("host", "a.example.", "a.example."),
        ("any", "evil.example", "EVIL.example:80"),
    ] {
        let origin = Origin::answering(|request| {
            let host = request.get("x-forwarded-host").unwrap_or_default();
            let length = host.len();
            format!("HTTP/1.1 200 OK\r\n{SAYS_ITS_HOST}Content-Length: {length}\r\n\r\n{host}")
        })
        .await;
        let only = if setting == "host" { "host = \"a.example\"\n" } else { "" };
        let route = format!("[[route]]\n{only}origin = \"{}\"\n", url_of(&origin));
        let proxy = Setup::new().file(&route).start();
        let send = async |method: &str, host: &str| {
            let mut client = proxy.client().await;
            let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            client.send(format!("{method} /a HTTP/1.1\r\nHost: {host}\r\n{length}\r\n")).await;
            let reply = client.reply_to(method).await;
            (reply.x_cache(), reply.text())
        };
        let told = host.to_ascii_lowercase();
        let told = told.strip_suffix(":80").unwrap_or(&told);
        let hit = |text: &str| ("HIT".to_owned(), text.to_owned());
        assert_eq!(send("POST", host).await.1, told);
        assert_eq!(send("GET", also).await, hit(told), "{host}");
        if told != "a.example" {
            assert_eq!(send("GET", "a.example").await, ("MISS".to_owned(), String::new()), "{host}");
        }
        send("DELETE", "a.example").await;
        assert_eq!(send("GET", also).await.0, "MISS", "{host}: it was written to");
    }
}

#[test]
fn explaining_a_post_tells_what_would_steer_its_answer() {
    let route = "[[route]]\nhost = \"a.example\"\norigin = \"http://127.0.0.1:1\"\n";
    let config = Config::builder().file_text("test.toml", route).build().unwrap().config;
    for (method, more, pass) in [
        (Method::POST, None, None),
        (Method::POST, Some("x-original-url"), Some(Reason::Steered)),
        (Method::GET, Some("x-original-url"), None),
    ] {
        let mut head = RequestHead { method, ..RequestHead::get("a.example:6666", "/a") };
        if let Some(name) = more {
            head.fields.append(name, "/b").unwrap();
        }
        let routed = routed(&config, Door::Serve, &head, Body::Empty).unwrap();
        assert_eq!(routed.exchange.pass, pass, "{head:?}");
    }
}

#[tokio::test]
async fn equivalent_urls_share_an_answer() {
    let origin = echo("Cache-Control: max-age=60\r\nNo-Vary-Search: key-order, params=(\"utm\")\r\n").await;
    let proxy = proxy(&origin).start();
    assert_eq!(proxy.get("/p?a=1&b=2&utm=x").await.x_cache(), "MISS");
    for target in ["/p?b=2&a=1", "/p?utm=y&a=1&b=2", "/p?a=1&b=2&utm=x", "/p?a=1&b=2"] {
        let reply = proxy.get(target).await;
        assert_eq!(
            (reply.x_cache().as_str(), reply.text().as_str()),
            ("HIT", "GET /p?a=1&b=2&utm=x "),
            "{target}"
        );
    }
    assert_eq!(proxy.get("/p?a=2&b=2").await.x_cache(), "MISS");
    assert_eq!(
        proxy.client().await.ask("POST", "/p?b=2&a=1&utm=z", "Content-Length: 0\r\n").await.status,
        200
    );
    assert_eq!(proxy.get("/p?a=1&b=2").await.x_cache(), "MISS", "the POST has invalidated it");
    assert_eq!(origin.asked().len(), 4);
}

/// The rule of a path is known again from the first stored response of it that is read.
#[tokio::test]
async fn what_is_kept_on_disk_is_found_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = |origin| proxy(origin).set("cache_dir", dir.path().to_str().unwrap());
    let origin = echo("Cache-Control: max-age=60\r\nNo-Vary-Search: params=(\"u\")\r\n").await;
    let before = on_disk(&origin).start();
    ask(&before, "QUERY", "/q?u=1", JSON, "[1]").await;
    for target in ["/p?a=1&u=1", "/p?a=2&u=1"] {
        before.get(target).await;
    }
    before.stop();
    before.stopped().await;
    let after = on_disk(&origin).start();
    assert_eq!(ask(&after, "QUERY", "/q", JSON, "[ 1 ]").await.x_cache(), "HIT");
    assert_eq!(ask(&after, "QUERY", "/q?u=2", JSON, "[ 1 ]").await.x_cache(), "HIT");
    for target in ["/p?a=1", "/p?a=1&u=2", "/p?u=3&a=2"] {
        assert_eq!(after.get(target).await.x_cache(), "HIT", "{target}");
    }
    assert_eq!(after.client().await.ask("DELETE", "/q?u=7", "").await.status, 200);
    assert_eq!(ask(&after, "QUERY", "/q", JSON, "[1]").await.x_cache(), "MISS", "the DELETE has reached it");
    assert_eq!(origin.asked().len(), 5);
}

/// RFC 9111 section 4.4, by the rules of what is stored: what an unsafe request is about goes, and nothing else of the path,
/// also right after a start.
#[tokio::test]
async fn after_a_restart_an_unsafe_request_invalidates_what_its_url_stands_for() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = |origin| proxy(origin).set("cache_dir", dir.path().to_str().unwrap());
    let origin = Origin::answering(|request| {
        let rule = if request.line.contains("/p") { "No-Vary-Search: params=(\"u\")\r\n" } else { "" };
        told(request, &format!("Cache-Control: max-age=60\r\n{rule}"))
    })
    .await;
    // As what is stored is called: that other URLs are equivalent is known once one of these was read.
    let kept = ["/p?a=1", "/p?a=2", "/p", "/q?a=1", "/q?a=2"];
    for (written, gone) in [("/p?u=5&a=1", &kept[..1]), ("/p?u=5", &kept[2..3]), ("/q?a=2", &kept[4..])] {
        let before = on_disk(&origin).start();
        for target in ["/p?a=1&u=1", "/p?u=1&a=2", "/p?u=1", "/q?a=1", "/q?a=2"] {
            before.get(target).await;
        }
        before.stop();
        before.stopped().await;
        let after = on_disk(&origin).start();
        after.client().await.ask("DELETE", written, "").await;
        for target in kept {
            let expected = if gone.contains(&target) { "MISS" } else { "HIT" };
            assert_eq!(after.get(target).await.x_cache(), expected, "{target} after a DELETE of {written}");
        }
        after.stop();
        after.stopped().await;
    }
}
