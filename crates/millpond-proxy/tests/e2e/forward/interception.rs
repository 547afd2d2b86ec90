//! Tunnels that are opened: TLS with a certificate of our own, and what is asked inside.

use super::forward;
use crate::support::http2::Http2;
use crate::support::tls::{Authority, TlsOrigin, handshake};
use crate::support::{Client, Origin, Proxy, Setup, soon};
use http::Request;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A proxy that opens tunnels, and what there is behind it.
struct Opened {
    proxy: Proxy,
    origin: TlsOrigin,
    dir: TempDir,
}

impl Opened {
    async fn new(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::with_origin(&["h2", "http/1.1"], change).await
    }

    async fn with_origin(alpn: &[&str], change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = Authority::new("origins");
        Self::trusting(&authority, &authority, alpn, change).await
    }

    /// A proxy that trusts `trusted`, and an origin whose certificate is by `authority`.
    async fn trusting(
        trusted: &Authority,
        authority: &Authority,
        alpn: &[&str],
        change: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let origin = authority.origin("localhost", false, alpn).await;
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup::new()
            .set("upstream_ca", trusted.file().to_str().unwrap().to_owned())
            .set("intercept.ca_dir", dir.path().to_str().unwrap().to_owned());
        let proxy = change(setup).forward();
        Self { proxy, origin, dir }
    }

    fn target(&self) -> String {
        format!("localhost:{}", self.origin.port)
    }

    /// The certificate of the proxy's own authority.
    fn authority(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("millpond-ca-cert.pem")).unwrap()
    }

    async fn tunnel(&self) -> TcpStream {
        Client::to(self.proxy.address).await.tunnel(&self.target()).await
    }

    async fn tls(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        handshake(self.tunnel().await, &self.authority(), "localhost", alpn).await.unwrap()
    }
}

fn all(setup: Setup) -> Setup {
    setup.set("intercept.all", true)
}

fn get(target: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {target}\r\n\r\n")
}

#[tokio::test]
async fn what_is_asked_inside_comes_from_the_cache() {
    let opened = Opened::new(all).await;
    for expected in ["MISS", "HIT"] {
        let mut client = Client::over(opened.tls(&["http/1.1"]).await);
        client.send(get(&opened.target(), "/")).await;
        let reply = client.reply().await;
        assert_eq!((reply.text().as_str(), reply.x_cache().as_str()), ("over tls", expected), "{reply:?}");
        // The connection is as good as one to the origin.
        client.send(get(&opened.target(), "/")).await;
        assert_eq!(client.reply().await.x_cache(), "HIT");
    }
    let seen = opened.origin.seen();
    assert_eq!((seen.len(), seen[0].version.as_str()), (1, "HTTP/2.0"), "{seen:?}");
    assert_eq!((&seen[0].server_name, &seen[0].authority), (&Some("localhost".into()), &opened.target()));
    assert_eq!(opened.proxy.figure("tunnels_intercepted"), 2);
    assert_eq!(opened.proxy.figure("tunnels_opened"), 0);
}

#[tokio::test]
async fn http2_is_spoken_where_the_client_does() {
    let opened = Opened::new(all).await;
    let stream = opened.tls(&["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = Http2::over(stream).await;
    let request = || Request::get(format!("https://{}/two", opened.target())).body(()).unwrap();
    assert_eq!(client.ask(request()).await.brief(), (200, "MISS", "over tls".into()));
    assert_eq!(client.ask(request()).await.brief(), (200, "HIT", "over tls".into()));
    // One cache, whatever protocol.
    let mut other = Client::over(opened.tls(&["http/1.1"]).await);
    other.send(get(&opened.target(), "/two")).await;
    assert_eq!(other.reply().await.x_cache(), "HIT");
    assert_eq!(opened.origin.seen().len(), 1);
}

#[tokio::test]
async fn origins_without_http2_are_reached_too() {
    let opened = Opened::with_origin(&["http/1.1"], all).await;
    let mut client = Http2::over(opened.tls(&["h2"]).await).await;
    let request = Request::get(format!("https://{}/", opened.target())).body(()).unwrap();
    assert_eq!(client.ask(request).await.brief(), (200, "MISS", "over tls".into()));
    assert_eq!(opened.origin.seen()[0].version, "HTTP/1.1");
}

/// A connection that leads to one origin asks for nothing of another.
#[tokio::test]
async fn requests_for_another_origin_are_misdirected() {
    let opened = Opened::new(all).await;
    let foreign = [
        get("other.example", "/"),
        get("localhost", "/"),
        get(&format!("localhost:{}", opened.origin.port + 1), "/"),
        format!("GET https://other.example/ HTTP/1.1\r\nHost: {}\r\n\r\n", opened.target()),
        format!("GET http://{}/ HTTP/1.1\r\nHost: x\r\n\r\n", opened.target()),
    ];
    for request in foreign {
        let mut client = Client::over(opened.tls(&["http/1.1"]).await);
        client.send(&request).await;
        let text = client.reply().await.problem(421);
        assert!(text.contains("wrong-tunnel"), "{request}: {text}");
    }
    let mut client = Http2::over(opened.tls(&["h2"]).await).await;
    let request = Request::get("https://other.example/").body(()).unwrap();
    assert_eq!(client.ask(request).await.status, 421);
    let mut client = Client::over(opened.tls(&["http/1.1"]).await);
    client.connect("other.example:443").await.problem(405);
    assert_eq!(opened.origin.seen(), []);
    // Spelled otherwise it is the same.
    let mut client = Client::over(opened.tls(&["http/1.1"]).await);
    client.send(get(&opened.target().to_uppercase(), "/")).await;
    assert_eq!(client.reply().await.status, 200);
}

/// A dot at the end of a name says that it is whole: the host is the same, and its certificate is made out without.
#[tokio::test]
async fn dot_at_the_end_of_a_host_makes_no_difference() {
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let opened = Opened::with_origin(alpn, all).await;
        let dotted = format!("localhost.:{}", opened.origin.port);
        for authority in [&opened.target(), &dotted] {
            let tunnel = Client::to(opened.proxy.address).await.tunnel(authority).await;
            let stream = handshake(tunnel, &opened.authority(), "localhost", &["http/1.1"]).await.unwrap();
            let mut client = Client::over(stream);
            for host in [&opened.target(), &dotted] {
                client.send(get(host, "/")).await;
                let reply = client.reply().await;
                assert_eq!((reply.status, reply.text().as_str()), (200, "over tls"), "{host}: {reply:?}");
            }
        }
        let names: Vec<_> = opened.origin.seen().into_iter().map(|seen| seen.server_name).collect();
        assert!(names.iter().all(|name| name.as_deref() == Some("localhost")), "{names:?}");
    }
}

/// HTTP/1.0 has requests without Host; through a tunnel they are for where it leads.
#[tokio::test]
async fn requests_without_a_host_are_for_where_the_tunnel_leads() {
    let opened = Opened::with_origin(&["http/1.1"], all).await;
    let mut client = Client::over(opened.tls(&["http/1.1"]).await);
    client.send("GET /old HTTP/1.0\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.text().as_str(), reply.x_cache().as_str()), ("over tls", "MISS"), "{reply:?}");
    assert_eq!(opened.origin.seen()[0].authority, opened.target());
    let mut client = Client::over(opened.tls(&["http/1.1"]).await);
    client.send(get(&opened.target(), "/old")).await;
    assert_eq!(client.reply().await.x_cache(), "HIT", "it is the same resource");
}

#[tokio::test]
async fn hosts_that_are_not_named_stay_closed() {
    for change in [
        |setup: Setup| setup.set("intercept.hosts", vec!["other.example"]),
        |setup: Setup| setup.set("intercept.all", true).set("intercept.tunnel", vec!["localhost"]),
    ] {
        let authority = Authority::new("seen by the client");
        let origin = authority.origin("localhost", false, &["http/1.1"]).await;
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup::new().set("intercept.ca_dir", dir.path().to_str().unwrap().to_owned());
        let proxy = change(setup).forward();
        let target = format!("localhost:{}", origin.port);
        let tunnel = Client::to(proxy.address).await.tunnel(&target).await;
        let pem = std::fs::read_to_string(authority.file()).unwrap();
        let stream = handshake(tunnel, &pem, "localhost", &["http/1.1"]).await.unwrap();
        let mut client = Client::over(stream);
        client.send(get(&target, "/")).await;
        let reply = client.reply().await;
        assert_eq!(
            (reply.text().as_str(), reply.get("x-cache")),
            ("over tls", None),
            "it is the origin's own"
        );
        assert_eq!(proxy.figure("tunnels_intercepted"), 0);
    }
}

#[tokio::test]
async fn plain_http_in_a_tunnel_is_read_too() {
    let origin =
        Origin::script(["HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok"]).await;
    let opened = Opened::new(all).await;
    let target = format!("localhost:{}", origin.address.port());
    for expected in ["MISS", "HIT"] {
        let mut client = Client::over(Client::to(opened.proxy.address).await.tunnel(&target).await);
        client.send(get(&target, "/")).await;
        assert_eq!(client.reply().await.x_cache(), expected);
    }
    // What came by a tunnel and what came without one are the same resource.
    let reply = super::ask(&opened.proxy, "GET", &format!("http://{target}/"), "").await;
    assert_eq!(reply.x_cache(), "HIT");
    origin.only();
}

#[tokio::test]
async fn what_is_neither_goes_unread() {
    let origin = Origin::start(|mut conn| async move {
        conn.expect(b"SSH-2.0-x\r\n").await;
        conn.send("SSH-2.0-y\r\n").await;
    })
    .await;
    let opened = Opened::new(all).await;
    let target = format!("localhost:{}", origin.address.port());
    let mut tunnel = Client::to(opened.proxy.address).await.tunnel(&target).await;
    tunnel.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(tunnel.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"SSH-2.0-y\r\n");
    assert_eq!(opened.proxy.figure("tunnels_opened"), 1);
}

/// The origin's certificate is verified, and a failure is said to be that.
#[tokio::test]
async fn origins_nobody_vouches_for_are_502() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let opened = Opened::trusting(&known, &unknown, &["http/1.1"], all).await;
    let mut client = Client::over(opened.tls(&["http/1.1"]).await);
    client.send(get(&opened.target(), "/")).await;
    let text = client.reply().await.problem(502);
    assert!(text.contains("origin-tls") && text.contains("--upstream-ca"), "{text}");
    assert_eq!(opened.origin.seen(), []);
}

/// A client that never will trust us works all the same, after a few attempts.
#[tokio::test]
async fn hosts_whose_clients_refuse_the_certificate_are_tunnelled() {
    let authority = Authority::new("pinned");
    let origin = authority.origin("localhost", false, &["http/1.1"]).await;
    let dir = tempfile::tempdir().unwrap();
    let proxy = all(Setup::new()).set("intercept.ca_dir", dir.path().to_str().unwrap().to_owned()).forward();
    let target = format!("localhost:{}", origin.port);
    let pinned = std::fs::read_to_string(authority.file()).unwrap();
    let attempt = || async {
        let tunnel = Client::to(proxy.address).await.tunnel(&target).await;
        handshake(tunnel, &pinned, "localhost", &["http/1.1"]).await
    };
    for refusals in 1..=3 {
        assert!(attempt().await.is_err(), "the certificate is not the pinned one");
        soon(async {
            while proxy.figure("tunnels_distrusted") < refusals {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    let mut client = Client::over(attempt().await.unwrap());
    client.send(get(&target, "/")).await;
    assert_eq!(client.reply().await.text(), "over tls");
}

/// Says hello, and leaves when the certificate is there.
async fn leave_at_the_certificate(tunnel: TcpStream) {
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    let hello = async {
        let mut hello = vec![0; 64 * 1024];
        let read = ours.read(&mut hello).await.unwrap();
        hello.truncate(read);
        drop(ours);
        hello
    };
    let (hello, _) = tokio::join!(hello, handshake(theirs, "", "localhost", &["http/1.1"]));
    let mut tunnel = tunnel;
    tunnel.write_all(&hello).await.unwrap();
    soon(tunnel.read_exact(&mut [0; 5])).await.unwrap();
}

/// Connections that clients do not need any more say nothing of trust.
#[tokio::test]
async fn clients_that_leave_without_a_word_do_not_close_a_host() {
    let opened = Opened::new(all).await;
    for _ in 0..5 {
        leave_at_the_certificate(opened.tunnel().await).await;
    }
    let mut client = Client::over(opened.tls(&["http/1.1"]).await);
    client.send(get(&opened.target(), "/")).await;
    assert_eq!(client.reply().await.x_cache(), "MISS");
    assert_eq!((opened.proxy.figure("tunnels_distrusted"), opened.proxy.figure("tunnels_opened")), (0, 0));
}

/// A client that accepts the certificate counts from its first request on, not when it leaves.
#[tokio::test]
async fn client_that_accepts_ends_the_row_at_its_first_request() {
    let opened = Opened::new(all).await;
    let pinned = std::fs::read_to_string(Authority::new("pinned").file()).unwrap();
    let mut accepting = Vec::new();
    for refusals in 1..=4 {
        assert!(handshake(opened.tunnel().await, &pinned, "localhost", &["http/1.1"]).await.is_err());
        soon(async {
            while opened.proxy.figure("tunnels_distrusted") < refusals {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if refusals % 2 == 0 {
            let mut client = Client::over(opened.tls(&["http/1.1"]).await);
            client.send(get(&opened.target(), "/")).await;
            assert_eq!(client.reply().await.text(), "over tls");
            accepting.push(client);
        }
    }
    opened.tls(&["http/1.1"]).await;
    assert_eq!(opened.proxy.figure("tunnels_opened"), 0);
}

#[tokio::test]
async fn authority_needs_a_place() {
    let message =
        all(forward()).try_forward(millpond_proxy::Names::system()).err().expect("refused").to_string();
    assert!(message.contains("intercept.ca_dir"), "{message}");
}
