//! Requests that are answered by more, or less, than method and URL: QUERY, POST where a route opts in, answers to POST that
//! are good for GET, and No-Vary-Search.

use crate::support::{Message, Origin, Proxy, Reply, Setup, proxy, url_of};
use millpond_config::Config;
use millpond_exchange::{Method, RequestHead};
use millpond_policy::Reason;
use millpond_proxy::explain::routed;

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

/// RFC 9110 section 9.3.3: but nothing that one client could have coloured is kept for the others.
#[tokio::test]
async fn an_answer_to_post_may_answer_get() {
    const HOST: &str = "preserve_host = true";
    const STEERED: &str = "X-Forwarded-Host: evil.example\r\n";
    for (setting, more, then) in [(HOST, "", "HIT"), (HOST, STEERED, "MISS"), ("", "", "MISS")] {
        let origin = echo("Cache-Control: max-age=60\r\nContent-Location: /a\r\n").await;
        let proxy = proxy(&origin).file(setting).start();
        let posted = ask(&proxy, "POST", "/a", more, "x").await;
        assert_eq!(posted.text(), "POST /a x");
        assert_eq!(posted.cache_status().contains("stored"), then == "HIT", "{posted:?}");
        let got = proxy.get("/a").await;
        assert_eq!(got.x_cache(), then, "{setting} {more}");
        assert_eq!(got.text(), if then == "HIT" { "POST /a x" } else { "GET /a " });
    }
}

/// Nor what it was told of the host, where the route takes more spellings of that than a GET would bring to the origin.
#[tokio::test]
async fn an_answer_to_post_for_another_spelling_of_the_host_is_not_kept() {
    const SAYS_ITS_HOST: &str = "Cache-Control: max-age=60\r\nContent-Location: /a\r\n";
    for (host, kept) in [
        ("a.example", true),
        ("A.EXAMPLE:80", true),
        ("a.example:6666", false),
        ("a.example.", false),
        ("a.example.:80", false),
    ] {
        let origin = Origin::answering(|request| {
            let host = request.get("x-forwarded-host").unwrap_or_default();
            let length = host.len();
            format!("HTTP/1.1 200 OK\r\n{SAYS_ITS_HOST}Content-Length: {length}\r\n\r\n{host}")
        })
        .await;
        let route = format!("[[route]]\nhost = \"a.example\"\norigin = \"{}\"\n", url_of(&origin));
        let proxy = Setup::new().file(&route).start();
        let mut client = proxy.client().await;
        client.send(format!("POST /a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx")).await;
        let posted = client.reply_to("POST").await;
        assert_eq!(posted.cache_status().contains("stored"), kept, "{host}: {posted:?}");
        let mut client = proxy.client().await;
        client.send("GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let got = client.reply_to("GET").await;
        let expected = if kept { ("HIT", "a.example") } else { ("MISS", "") };
        assert_eq!((got.x_cache().as_str(), got.text().as_str()), expected, "{host}");
    }
}

#[test]
fn explaining_a_post_tells_what_would_steer_its_answer() {
    let route = "[[route]]\nhost = \"a.example\"\norigin = \"http://127.0.0.1:1\"\n";
    let config = Config::builder().file_text("test.toml", route).build().unwrap().config;
    for (method, host, pass) in [
        (Method::POST, "a.example", None),
        (Method::POST, "a.example:6666", Some(Reason::Steered)),
        (Method::GET, "a.example:6666", None),
    ] {
        let head = RequestHead { method, ..RequestHead::get(host, "/a") };
        assert_eq!(routed(&config, &head).unwrap().exchange.pass, pass, "{head:?}");
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
