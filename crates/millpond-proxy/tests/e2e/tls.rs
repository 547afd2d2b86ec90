//! https origins: who is trusted, and what is said when one is not.

use crate::support::tls::{Authority, Seen, TlsOrigin};
use crate::support::{Proxy, Setup};

fn proxy(origin: &TlsOrigin, trusted: &Authority) -> Proxy {
    let file = trusted.file().to_str().unwrap().to_owned();
    Setup::new().set("origin", origin.url()).set("upstream_ca", file).start()
}

#[tokio::test]
async fn origin_of_a_known_authority_is_trusted() {
    let authority = Authority::new("known");
    let origin = authority.origin("localhost", false, &["http/1.1"]).await;
    let proxy = proxy(&origin, &authority);
    let first = proxy.get("/").await;
    assert_eq!((first.status, first.text().as_str()), (200, "over tls"), "{first:?}");
    assert_eq!(proxy.get("/").await.x_cache(), "HIT");
    let authority = format!("localhost:{}", origin.port);
    let expected = Seen { server_name: Some("localhost".into()), version: "HTTP/1.1".into(), authority };
    assert_eq!(origin.seen(), [expected]);
}

#[tokio::test]
async fn http2_is_used_where_the_origin_agrees() {
    let authority = Authority::new("known");
    let origin = authority.origin("localhost", false, &["h2", "http/1.1"]).await;
    let proxy = proxy(&origin, &authority);
    let reply = proxy.get("/").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "over tls"), "{reply:?}");
    assert!(reply.get("via").unwrap().starts_with("2.0 "), "{reply:?}");
    let mut client = proxy.client().await;
    client
        .send("POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 200);
    client
        .send("GET /get HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 200);
    assert!(origin.seen().iter().all(|seen| seen.version == "HTTP/2.0"), "{:?}", origin.seen());
}

/// The name that is verified is the origin's, whatever Host is sent.
#[tokio::test]
async fn preserved_host_is_not_the_name_that_is_verified() {
    let authority = Authority::new("known");
    let origin = authority.origin("localhost", false, &["h2", "http/1.1"]).await;
    let file = authority.file().to_str().unwrap().to_owned();
    let proxy =
        Setup::new().set("origin", origin.url()).set("upstream_ca", file).set("preserve_host", true).start();
    assert_eq!(proxy.get("/").await.text(), "over tls");
    let expected = Seen {
        server_name: Some("localhost".into()),
        version: "HTTP/1.1".into(),
        authority: "a.example".into(),
    };
    assert_eq!(origin.seen(), [expected]);
}

#[tokio::test]
async fn untrusted_origins_are_502_with_a_way_out() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let rows = [
        ("unknown authority", unknown.origin("localhost", false, &[]).await),
        ("another name", known.origin("other.example", false, &[]).await),
        ("expired", known.origin("localhost", true, &[]).await),
    ];
    for (what, origin) in rows {
        let text = proxy(&origin, &known).get("/").await.problem(502);
        assert!(text.contains("origin-tls") && text.contains("certificate"), "{what}: {text}");
        assert_eq!(text.contains("--upstream-ca"), what == "unknown authority", "{what}: {text}");
        assert!(!text.contains("localhost") && !text.contains("other.example"), "{what}: {text}");
        assert_eq!(origin.seen(), [], "{what}");
    }
}

/// What `openssl req -x509` makes with its defaults, given as `--upstream-ca`.
#[tokio::test]
async fn certificate_of_an_authority_as_a_servers_is_explained() {
    let authority = Authority::new("localhost");
    let origin = authority.origin_itself().await;
    let text = proxy(&origin, &authority).get("/").await.problem(502);
    assert!(text.contains("origin-tls") && text.contains("basicConstraints=CA:FALSE"), "{text}");
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_a_502() {
    let plain = crate::support::Origin::start(|mut conn| async move {
        conn.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        conn.head().await;
    })
    .await;
    let authority = Authority::new("known");
    let url = format!("https://localhost:{}", plain.address.port());
    let file = authority.file().to_str().unwrap().to_owned();
    let proxy = Setup::new().set("origin", url).set("upstream_ca", file).start();
    let text = proxy.get("/").await.problem(502);
    assert!(text.contains("origin-tls"), "{text}");
}

#[tokio::test]
async fn authority_file_that_is_none_is_refused_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.pem");
    std::fs::write(&file, "not a certificate").unwrap();
    let setup = Setup::new()
        .set("origin", "https://localhost:1")
        .set("upstream_ca", file.to_str().unwrap().to_owned());
    let message = setup.try_start().err().expect("refused").to_string();
    assert!(message.contains("empty.pem") && message.contains("PEM"), "{message}");
}
