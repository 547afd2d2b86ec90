//! What a client writes into a request and the key has nothing of: it must not colour what others get.

use crate::support::{Message, Origin, Proxy, Setup, proxy};

/// Fields by which one origin or another is told that a request is not what it looks like.
const STEERING: [&str; 31] = [
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Forwarded-Anything",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Host",
    "X-HTTP-Host-Override",
    "X-Real-IP",
    "Front-End-Https",
    "X-Url-Scheme",
    "X-Scheme",
    "X-Forwarded",
    "Forwarded-For",
    "Forwarded-Host",
    "Proxy",
    "X_Forwarded_Host",
    "X-Forwarded_Host",
    "x_original.url",
    "X_Forwarded_Proto",
    "X_Forwarded_For",
    "Accept_Language",
    "X_Request_Id",
];

/// An origin whose answers show every field that has the word `evil` in it.
async fn echo() -> Origin {
    Origin::answering(|request| {
        let shown = request.fields.iter().filter(|(name, value)| value.contains("evil") || name == "evil");
        let body = shown.fold(String::new(), |body, (name, value)| body + name + "=" + value + ";");
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    })
    .await
}

fn each(names: &[&str]) -> String {
    names.iter().fold(String::new(), |lines, name| lines + name + ": evil\r\n")
}

async fn sent(setup: Setup, origin: &Origin, request: &str) -> Message {
    let proxy: Proxy = setup.start();
    let mut client = proxy.client().await;
    client.send(request).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 200, "{request:?}: {reply:?}");
    origin.asked().pop().unwrap()
}

#[tokio::test]
async fn fields_that_steer_origins_colour_no_shared_answer() {
    for trusted in ["10.0.0.1", "127.0.0.1"] {
        for method in ["GET", "HEAD"] {
            let origin = echo().await;
            let proxy = proxy(&origin).set("trusted_proxies", vec![trusted]).start();
            let first = proxy.client().await.ask(method, "/", &each(&STEERING)).await;
            assert_eq!((first.status, first.text().as_str()), (200, ""), "{method} {trusted}");
            assert_eq!(proxy.get("/").await.text(), "", "{method} {trusted}");
            for asked in origin.asked() {
                assert!(!asked.fields.iter().any(|(_, value)| value.contains("evil")), "{asked:?}");
            }
        }
    }
}

/// A request whose answer is for its sender alone says what its sender says, but for what would pass for ours.
#[tokio::test]
async fn fields_that_steer_origins_travel_on_unsafe_and_passed_requests() {
    let origin = echo().await;
    let own = ["X-HTTP-Method-Override", "X-Original-URL"];
    let more = format!("{}{}", each(&own), each(&["X_Forwarded_For", "Proxy", "X-Api_Key", "Api_Key"]));
    let rules = "pass.fields = ['X-HTTP-Method-Override']\nrequest_fields.set = { X-Api-Key = 'ours' }";
    let proxy = proxy(&origin).file(rules).start();
    for method in ["POST", "GET"] {
        let reply = proxy.client().await.ask(method, "/", &format!("Content-Length: 0\r\n{more}")).await;
        assert_eq!(reply.status, 200);
        let got = origin.asked().pop().unwrap();
        assert!(own.iter().all(|name| got.get(name).as_deref() == Some("evil")), "{got:?}");
        // A name that nobody here has a rule for is the origin's own affair.
        assert_eq!(got.get("api_key").as_deref(), Some("evil"), "{got:?}");
        for name in ["x_forwarded_for", "proxy", "x-api_key"] {
            assert_eq!(got.get(name), None, "{got:?}");
        }
        assert_eq!(got.get("x-api-key").as_deref(), Some("ours"));
    }
}

/// An origin behind CGI or WSGI reads these as the fields that frame a message.
#[tokio::test]
async fn second_spellings_of_framing_fields_do_not_travel() {
    let origin = Origin::script([""; 0]).await;
    let more = "Content_Length: 50\r\nTransfer_Encoding: chunked\r\nContent_Type: a/b\r\nX_Forwarded_Proto: https\r\n";
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{more}\r\nhi");
    let got = sent(proxy(&origin), &origin, &request).await;
    assert_eq!((got.get("content-length").as_deref(), got.text().as_str()), (Some("2"), "hi"));
    assert!(!got.fields.iter().any(|(name, _)| name.contains('_')), "{got:?}");
}

#[tokio::test]
async fn operator_may_set_a_field_that_clients_may_not() {
    let origin = Origin::script([""; 0]).await;
    let setup = proxy(&origin).file("request_fields.set = { X-Forwarded-Prefix = '/shop' }");
    let got = sent(setup, &origin, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: /evil\r\n\r\n").await;
    assert_eq!(got.get("x-forwarded-prefix").as_deref(), Some("/shop"));
}

#[tokio::test]
async fn scheme_of_an_absolute_target_is_the_connections() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let host = origin.address;
    for (scheme, status) in [("https", 421), ("http", 200)] {
        let mut client = proxy.client().await;
        client.send(format!("GET {scheme}://{host}/c HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    assert_eq!(origin.only().get("x-forwarded-proto").as_deref(), Some("http"));
}

/// All spellings of a host share an entry, so the origin must see one of them alone.
#[tokio::test]
async fn preserved_host_is_sent_as_it_is_keyed() {
    for spelling in ["SHOP.Example", "shop.example:80", "Shop.Example:080"] {
        let origin = Origin::script([""; 0]).await;
        let setup = proxy(&origin).set("preserve_host", true);
        let got = sent(setup, &origin, &format!("GET / HTTP/1.1\r\nHost: {spelling}\r\n\r\n")).await;
        assert_eq!(got.get("host").as_deref(), Some("shop.example"), "{spelling}");
        assert_eq!(got.get("x-forwarded-host").as_deref(), Some("shop.example"), "{spelling}");
        let forwarded = "for=127.0.0.1;proto=http;host=\"shop.example\"";
        assert_eq!(got.get("forwarded").as_deref(), Some(forwarded), "{spelling}");
    }
}

/// What a trusted peer says of the scheme reaches the origin as the one word the key has.
#[tokio::test]
async fn scheme_of_a_trusted_peer_is_sent_as_it_is_keyed() {
    let rows = [
        ("X-Forwarded-Proto: HTTPS\r\n", "https"),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: evil\r\n", "https"),
        ("X-Forwarded-Proto: https, evil\r\n", "http"),
        ("X-Forwarded-Proto: evil\r\n", "http"),
        ("", "http"),
    ];
    for method in ["GET", "POST"] {
        for (said, keyed) in rows {
            let origin = Origin::script([""; 0]).await;
            let setup = proxy(&origin).set("trusted_proxies", vec!["127.0.0.1"]);
            let forwarded = "Forwarded: for=1.1.1.1;proto=evil;host=evil\r\n";
            let request =
                format!("{method} / HTTP/1.1\r\nHost: a\r\n{said}{forwarded}Content-Length: 0\r\n\r\n");
            let got = sent(setup, &origin, &request).await;
            assert_eq!(got.all("x-forwarded-proto").collect::<Vec<_>>(), [keyed], "{said:?}");
            if method == "GET" {
                let own = format!("for=127.0.0.1;proto={keyed}");
                assert_eq!(got.get("forwarded"), Some(own), "{said:?}");
            }
        }
    }
}

/// RFC 9110 section 10.1.1: a client must not expect a 100 for content it does not have.
#[tokio::test]
async fn expectation_without_content_is_not_forwarded() {
    for (method, more, told) in [
        ("GET", "", false),
        ("POST", "Content-Length: 0\r\n", false),
        ("POST", "Content-Length: 2\r\n", true),
    ] {
        let origin = Origin::script([""; 0]).await;
        let content = if told { "hi" } else { "" };
        let request =
            format!("{method} / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{more}\r\n{content}");
        let got = sent(proxy(&origin), &origin, &request).await;
        assert_eq!(got.get("expect").is_some(), told, "{got:?}");
    }
}

/// The length of a HEAD's answer is the origin's, also past the cache.
#[tokio::test]
async fn passed_head_keeps_its_length() {
    let origin =
        Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]).await;
    let proxy = proxy(&origin).file("pass.paths = ['/']").start();
    for length in [Some("1234"), None] {
        let reply = proxy.client().await.ask("HEAD", "/", "").await;
        assert!(reply.cache_status().contains("fwd=bypass"), "{reply:?}");
        assert_eq!(reply.get("content-length").as_deref(), length, "{reply:?}");
    }
}
