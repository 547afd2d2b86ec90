//! Malformed requests through the whole proxy: the origin gets nothing, or exactly the requests that were meant.

use crate::rows::{Expect, Row};
use crate::support::{Client, Origin, apart, proxy};

const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends a row's bytes with another request behind them, and looks at what arrives at the origin.
pub fn check(row: &'static Row) {
    apart(async move {
        let origin = Origin::script([""; 0]).await;
        let proxy = proxy(&origin).start();
        let client = proxy.client().await;
        match row.expect {
            Expect::Accepted => accepted(row, client, &origin).await,
            Expect::Refused(_) | Expect::BodyError => refused(row, client, &origin).await,
        }
        let sane = proxy.get("/afterwards").await;
        assert_eq!((sane.status, sane.text().as_str()), (200, "sane"));
    });
}

async fn accepted(row: &Row, mut client: Client, origin: &Origin) {
    client.send([row.bytes, BEHIND.as_bytes()].concat()).await;
    for _ in 0..2 {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "sane"), "{}", row.name);
    }
    let lines = origin.lines();
    assert_eq!(lines.len(), 2, "{}: {lines:?}", row.name);
    assert!(lines[1].starts_with("GET /smuggled HTTP/1.1"), "{lines:?}");
    for request in origin.asked() {
        assert!(request.get("content-length").is_none() || request.get("transfer-encoding").is_none());
    }
}

async fn refused(row: &Row, client: Client, origin: &Origin) {
    let bytes = [row.bytes, BEHIND.as_bytes()].concat();
    let Client { stream, .. } = client;
    let (mut read, mut write) = stream.into_split();
    // The proxy may close before it has read everything; and it must close because it wants to.
    let writing = tokio::spawn(async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &bytes).await;
        std::future::pending::<()>().await;
    });
    let mut out = Vec::new();
    let _ = crate::support::soon(tokio::io::AsyncReadExt::read_to_end(&mut read, &mut out)).await;
    writing.abort();
    let text = String::from_utf8_lossy(&out);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{}: {text}", row.name);
    let status = match row.expect {
        Expect::Refused(status) => status,
        _ => 400,
    };
    assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{}: {text}", row.name);
    assert!(text.contains("Connection: close\r\n"), "{}: {text}", row.name);
    assert_eq!(origin.lines(), [""; 0], "{}: no whole request arrives", row.name);
    for raw in origin.raw() {
        let raw = String::from_utf8_lossy(&raw).into_owned();
        assert!(!raw.contains("smuggled"), "{}: {raw}", row.name);
        assert!(raw.matches(" HTTP/1.1\r\n").count() <= 1, "{}: {raw}", row.name);
    }
}

/// A client that leaves in the middle of its body leaves the origin with half a request, never with a whole one.
#[tokio::test]
async fn half_a_request_stays_half() {
    for framing in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let origin = Origin::start(|mut conn| async move {
            let Some(mut request) = conn.head().await else { return };
            conn.note(&request);
            conn.body(&mut request).await;
            assert!(!request.whole, "{request:?}");
            conn.head().await;
        })
        .await;
        let proxy = proxy(&origin).start();
        let mut client = proxy.client().await;
        client.send(format!("POST /half HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        origin.until_asked(1).await;
        drop(client);
        origin.until_closed(1).await;
        let raw = String::from_utf8(origin.raw().remove(0)).unwrap();
        assert!(!raw.ends_with("0\r\n\r\n"), "{raw}");
    }
}

/// Upgrading to HTTP/2 on a plain connection would let a client send requests past everything this proxy checks.
#[tokio::test]
async fn upgrade_to_cleartext_http2_is_not_forwarded() {
    let origin =
        Origin::script(["HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"])
            .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    let fields =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    client.ask("GET", "/", fields).await.problem(502);
    let got = origin.only();
    for name in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(got.get(name), None, "{got:?}");
    }
}
