//! Which origin a request goes to, and which requests go nowhere.

use crate::support::{Origin, Proxy, Reply, Setup, proxy, url_of};

/// An origin that answers with its name and the target it was asked for.
async fn named(name: &'static str) -> Origin {
    Origin::answering(move |request| {
        let target = request.line.split(' ').nth(1).unwrap();
        let body = format!("{name} {target}");
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    })
    .await
}

async fn ask(proxy: &Proxy, method: &str, target: &str, host: &str, more: &str) -> Reply {
    let mut client = proxy.client().await;
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")).await;
    client.reply_to(method).await
}

#[tokio::test]
async fn most_particular_route_wins() {
    let origins = [named("exact").await, named("wild").await, named("deep").await, named("prefix").await];
    let [exact, wild, deep, prefix] = origins.each_ref().map(url_of);
    let proxy = Setup::new()
        .file(&format!(
            "[[route]]\nhost = '*.example.com'\norigin = '{wild}'\n\
             [[route]]\nhost = '*.deep.example.com'\norigin = '{deep}'\n\
             [[route]]\nhost = 'www.example.com'\norigin = '{exact}'\n\
             [[route]]\nhost = 'www.example.com'\npath_prefix = '/api'\norigin = '{prefix}/base/'\nstrip_prefix = true\n"
        ))
        .start();
    let rows = [
        ("www.example.com", "/", "exact /"),
        ("WWW.EXAMPLE.COM:3000", "/x?y", "exact /x?y"),
        ("www.example.com", "/api", "prefix /base/"),
        ("www.example.com", "/api/v1?q=1", "prefix /base/v1?q=1"),
        ("www.example.com", "/apiary", "exact /apiary"),
        ("a.example.com", "/", "wild /"),
        ("a.deep.example.com", "/", "deep /"),
    ];
    for (host, target, expected) in rows {
        assert_eq!(ask(&proxy, "GET", target, host, "").await.text(), expected, "{host}{target}");
    }
    for host in ["example.com", "other.example", "www.example.com.evil.example"] {
        ask(&proxy, "GET", "/", host, "").await.problem(421);
    }
}

#[tokio::test]
async fn path_without_a_route_is_404() {
    let origin = named("api").await;
    let text = format!("[[route]]\npath_prefix = '/api'\norigin = '{}'\n", url_of(&origin));
    let proxy = Setup::new().file(&text).start();
    assert_eq!(ask(&proxy, "GET", "/api/x", "any", "").await.text(), "api /api/x");
    ask(&proxy, "GET", "/other", "any", "").await.problem(404);
    for target in ["/api/../other", "/api/%2e%2e/other"] {
        ask(&proxy, "GET", target, "any", "").await.problem(404);
    }
}

/// Routes, pass rules, the key and the origin see one and the same path: what a spelling made the origin say must not be
/// stored under the name of another.
#[tokio::test]
async fn every_station_sees_the_same_path() {
    let origin = Origin::answering(|request| {
        let target = request.line.split(' ').nth(1).unwrap();
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{target}",
            target.len()
        )
    })
    .await;
    let proxy = proxy(&origin).file("pass.paths = ['/private']").start();
    let rows = [("/a/../b", "MISS", "/b"), ("/b", "HIT", "/b"), ("/%62", "HIT", "/b"), ("/./b", "HIT", "/b")];
    for (target, x_cache, upstream) in rows {
        let reply = ask(&proxy, "GET", target, "a", "").await;
        assert_eq!((reply.x_cache().as_str(), reply.text().as_str()), (x_cache, upstream), "{target}");
    }
    for target in ["/private/x", "/b/../private/x", "/%70rivate/x", "/b/%2e%2e/private/x"] {
        let reply = ask(&proxy, "GET", target, "a", "").await;
        assert!(reply.cache_status().contains("detail=pass-path"), "{target}: {reply:?}");
        assert_eq!(reply.text(), "/private/x", "{target}");
    }
    // An encoded slash is another path.
    assert_eq!(ask(&proxy, "GET", "/b%2fc", "a", "").await.text(), "/b%2Fc");
}

#[tokio::test]
async fn absolute_targets_are_for_known_hosts_only() {
    let (one, two) = (named("one").await, named("two").await);
    let text = format!(
        "origin = '{}'\n[[route]]\nhost = 'known.example'\norigin = '{}'\n",
        url_of(&one),
        url_of(&two)
    );
    let proxy = Setup::new().file(&text).start();
    // RFC 9112 section 3.2.2: the target counts, not Host.
    assert_eq!(ask(&proxy, "GET", "http://known.example/x", "a", "").await.text(), "two /x");
    let own = format!("http://{}/x", one.address);
    assert_eq!(ask(&proxy, "GET", &own, "a", "").await.text(), "one /x");
    for target in ["http://unknown.example/", "http://169.254.169.254/latest", "http://127.0.0.1:1/"] {
        ask(&proxy, "GET", target, "known.example", "").await.problem(421);
    }
}

/// One authority has many spellings.
#[tokio::test]
async fn absolute_target_may_spell_the_origins_authority_its_own_way() {
    let proxy =
        Setup::new().set("origin", "http://localhost:80").set("limits.connect_timeout", "200ms").start();
    for target in ["http://localhost/", "http://LOCALHOST:80/"] {
        let status = ask(&proxy, "GET", target, "a", "").await.status;
        assert_ne!(status, 421, "{target}");
    }
    ask(&proxy, "GET", "http://localhost:81/", "a", "").await.problem(421);
}

#[tokio::test]
async fn no_tunnels_and_no_trace() {
    let origin = named("origin").await;
    let proxy = proxy(&origin).start();
    let target = origin.address.to_string();
    for (method, target) in [("CONNECT", target.as_str()), ("TRACE", "/")] {
        let reply = ask(&proxy, method, target, &target.replace('/', "a"), "").await;
        reply.problem(405);
        assert!(reply.get("allow").is_some_and(|allow| allow.contains("GET")), "{reply:?}");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn options_for_the_server_is_forwarded_as_it_is() {
    let origin = named("origin").await;
    let proxy = proxy(&origin).start();
    assert_eq!(ask(&proxy, "OPTIONS", "*", "a", "").await.text(), "origin *");
    assert_eq!(ask(&proxy, "OPTIONS", "/x", "a", "Max-Forwards: 5\r\n").await.text(), "origin /x");
    assert_eq!(origin.asked()[1].get("max-forwards").as_deref(), Some("4"));
    let last = ask(&proxy, "OPTIONS", "/x", "a", "Max-Forwards: 0\r\n").await;
    assert_eq!(last.status, 200);
    assert!(last.get("allow").unwrap().contains("GET"), "{last:?}");
    assert_eq!(origin.asked().len(), 2, "the request asked to go no further");
}

#[tokio::test]
async fn http_1_0_without_a_host_reaches_the_only_origin() {
    let origin = named("origin").await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    client.send("GET /old HTTP/1.0\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "origin /old"));
    assert_eq!(origin.only().get("via").as_deref(), Some("1.0 millpond"));
}

#[tokio::test]
async fn ipv6_origin_is_reached() {
    let origin = Origin::listen("[::1]:0", |mut conn| async move {
        while conn.request().await.is_some() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nv6").await;
        }
    })
    .await;
    let proxy = proxy(&origin).set("listen", "[::1]:0").start();
    assert_eq!(proxy.get("/").await.text(), "v6");
    let got = origin.only();
    assert_eq!(got.get("host").unwrap(), origin.address.to_string());
    assert_eq!(got.get("forwarded").as_deref(), Some("for=\"[::1]\";proto=http"));
    assert_eq!(got.get("x-forwarded-for").as_deref(), Some("::1"));
}

#[tokio::test]
async fn nothing_to_serve_is_refused_at_start() {
    assert!(Setup::new().try_start().is_err());
}

#[tokio::test]
async fn port_in_use_is_refused_at_start() {
    let origin = named("origin").await;
    let first = proxy(&origin).start();
    let second = proxy(&origin).set("listen", first.address.to_string()).set("workers", 2).try_start();
    let message = second.err().expect("the port is taken").to_string();
    assert!(message.contains("--listen"), "{message}");
}

/// RFC 9110 section 7.6.3: Via shows that a request goes in a circle.
#[tokio::test]
async fn request_that_goes_in_a_circle_is_stopped() {
    let origin = named("origin").await;
    let proxy = proxy(&origin).start();
    let via = |times: usize| format!("Via: {}\r\n", vec!["1.1 millpond"; times].join(", "));
    assert_eq!(ask(&proxy, "GET", "/", "a", &via(3)).await.status, 200);
    ask(&proxy, "GET", "/circle", "a", &via(9)).await.problem(508);
    assert_eq!(origin.asked().len(), 1);
}
