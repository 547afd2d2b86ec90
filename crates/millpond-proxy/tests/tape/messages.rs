//! What of messages passes, is recorded, and comes back.

use crate::setup::*;
use crate::support::{Client, Origin, Then, soon, step};
use millpond_recorder::Mode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn the_origin_gets_what_the_client_wrote_and_the_tape_too() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::script([
        "HTTP/1.1 200 Fine\r\nX-Two: 2\r\nX-Request-Id: theirs\r\nContent-Length: 2\r\n\r\nok",
    ])
    .await;
    let taping = taping(dir.path(), Mode::WriteOnly);
    let mut client = taping.client().await;
    let fields =
        "X-One: 1\r\nUser-Agent: test\r\nProxy-Connection: keep-alive\r\nConnection: X-Hop\r\nX-Hop: 1\r\n";
    let reply = client.ask("GET", &at(&origin, "/a%20b?c=d"), fields).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(reply.get("x-two").as_deref(), Some("2"));
    assert_eq!(reply.get("x-request-id").as_deref(), Some("theirs"));
    let asked = origin.only();
    assert_eq!(asked.line, "GET /a%20b?c=d HTTP/1.1");
    assert_eq!(asked.get("host"), Some(origin.address.to_string()));
    for absent in [
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
        "forwarded",
        "x-request-id",
        "x-hop",
        "proxy-connection",
    ] {
        assert_eq!(asked.get(absent), None, "{absent}");
    }
    let exchange = on_tape(dir.path()).remove(0);
    let names: Vec<_> =
        exchange.request.fields.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(names, ["Host", "X-One", "User-Agent"]);
    assert_eq!((exchange.request.host.as_str(), exchange.request.port), ("127.0.0.1", origin.address.port()));
    assert_eq!(exchange.request.path, b"/a%20b?c=d");
    assert_eq!(exchange.response.as_ref().unwrap().reason, b"Fine");
    assert!(exchange.client.peer.is_some());
}

#[tokio::test]
async fn responses_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let answers = [
        "HTTP/1.1 404 Nope\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=b\r\nX-Cache: theirs\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 4\r\n\r\nnope",
        "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/9\r\nContent-Length: 2\r\n\r\nbc",
        "HTTP/1.1 204 No Content\r\nX-Empty: yes\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw",
    ];
    let origin = Origin::script(answers).await;
    let recording = taping(dir.path(), Mode::ReadWrite);
    let mut first = Vec::new();
    for at_path in 0..answers.len() {
        first.push(recording.get(&at(&origin, &format!("/{at_path}"))).await);
    }
    recording.ended().await;
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    for (number, before) in first.iter().enumerate() {
        let reply = player.get(&at(&origin, &format!("/{number}"))).await;
        assert_eq!((&reply.line, reply.text()), (&before.line, before.text()));
        for name in [
            "x-a",
            "set-cookie",
            "date",
            "etag",
            "content-range",
            "content-length",
            "x-empty",
            "content-encoding",
        ] {
            assert_eq!(reply.get(name), before.get(name), "{name} of {number}");
        }
        assert_eq!(reply.x_cache(), "HIT");
        assert_eq!(reply.cache_status(), "millpond; hit; detail=tape");
    }
    assert_eq!(origin.asked().len(), answers.len());
}

#[tokio::test]
async fn head_keeps_the_length_it_announces() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"]).await;
    let recording = taping(dir.path(), Mode::ReadWrite);
    for expected in ["MISS", "HIT"] {
        let reply = recording.client().await.ask("HEAD", &at(&origin, "/"), "").await;
        assert_eq!(
            (reply.x_cache().as_str(), reply.get("content-length").as_deref()),
            (expected, Some("12345"))
        );
    }
    assert_eq!(recording.tapes.totals().recorded, 1);
}

#[tokio::test]
async fn content_is_part_of_the_request_and_a_client_that_waits_is_told_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::answering(|request| {
        let text = request.text();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    })
    .await;
    let taping = taping(dir.path(), Mode::ReadWrite);
    let post = async |content: &str| {
        let mut client = taping.client().await;
        let length = content.len();
        let url = at(&origin, "/");
        client
            .send(format!(
                "POST {url} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
            ))
            .await;
        assert!(client.next_head().await.line.contains("100"));
        client.send(content).await;
        client.reply_to("POST").await
    };
    assert_eq!((post("one").await.x_cache(), post("two").await.x_cache()), ("MISS".into(), "MISS".into()));
    let again = post("one").await;
    assert_eq!((again.x_cache().as_str(), again.text().as_str()), ("HIT", "one"));
    let all = on_tape(dir.path());
    assert_eq!(
        all.iter().map(|exchange| text(exchange.request.content.as_ref())).collect::<Vec<_>>(),
        [Some("one".into()), Some("two".into())]
    );
}

#[tokio::test]
async fn a_large_request_is_not_held_while_it_is_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::answering(|request| {
        let length = request.body.len().to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{length}", length.len())
    })
    .await;
    let taping = taping(dir.path(), Mode::ReadWrite);
    let content = "x".repeat(3 * 1024 * 1024);
    for expected in ["MISS", "HIT"] {
        let mut client = taping.client().await;
        client
            .send(format!(
                "POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                at(&origin, "/")
            ))
            .await;
        client.send(format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len())).await;
        let reply = client.reply_to("POST").await;
        assert_eq!((reply.x_cache().as_str(), reply.text()), (expected, content.len().to_string()));
    }
}

#[tokio::test]
async fn trailers_and_interim_responses_pass_and_trailers_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
        Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
    let origin = Origin::script([answer]).await;
    let taping = taping(dir.path(), Mode::ReadWrite);
    for expected in ["MISS", "HIT"] {
        let mut client = taping.client().await;
        let reply = client.ask("GET", &at(&origin, "/"), "TE: trailers\r\n").await;
        assert_eq!((reply.x_cache().as_str(), reply.text().as_str()), (expected, "abc"));
        assert_eq!(reply.trailers, [("x-sum".to_owned(), "7".to_owned())], "{reply:?}");
        assert_eq!(reply.interim.len(), usize::from(expected == "MISS"));
    }
}

#[tokio::test]
async fn a_change_of_protocol_is_a_tunnel_and_is_on_the_tape() {
    let dir = tempfile::tempdir().unwrap();
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let origin = Origin::start(move |mut conn| async move {
        conn.request().await;
        conn.send(switch).await;
        let (mut from, mut to) = conn.stream.split();
        // Ends with the connection.
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let recording = taping(dir.path(), Mode::ReadWrite);
    let mut client = recording.client().await;
    let reply = client.ask("GET", &at(&origin, "/"), "Connection: Upgrade\r\nUpgrade: echo\r\n").await;
    assert_eq!(reply.status, 101);
    client.send("hello").await;
    client.expect(b"hello").await;
    let exchange = on_tape(dir.path()).remove(0);
    assert_eq!(exchange.response.unwrap().status, 101);
    drop(client);
    recording.ended().await;
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    let reply =
        player.client().await.ask("GET", &at(&origin, "/"), "Connection: Upgrade\r\nUpgrade: echo\r\n").await;
    assert!(reply.problem(504).contains("change of protocol"), "{reply:?}");
    assert_eq!(player.tapes.totals().upstream_attempts, 0);
}

#[tokio::test]
async fn what_is_said_in_a_tunnel_is_answered_without_an_origin() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ninside"]).await;
    let address = origin.address;
    for mode in [Mode::WriteOnly, Mode::ReadOnlyFailOnMiss] {
        let taping = taping(dir.path(), mode);
        let mut client = taping.client().await;
        client.send(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
        assert_eq!(client.head().await.status, 200);
        client.send(format!("GET /in HTTP/1.1\r\nHost: {address}\r\n\r\n")).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "inside"), "{mode}");
        drop(client);
        taping.ended().await;
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn an_origin_that_cannot_be_reached_is_told_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    let gone = Origin::start(|_| async {}).await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let taping = taping(dir.path(), Mode::WriteOnly);
    assert!(taping.get(&format!("http://{closed}/")).await.problem(502).contains("origin-connect"));
    taping.get(&at(&gone, "/")).await.problem(502);
    taping.proxy.stop();
    let failures: Vec<_> = {
        taping.tapes.close();
        on_tape(dir.path()).into_iter().map(|exchange| exchange.error.unwrap().message).collect()
    };
    assert_eq!(failures, ["origin-connect", "origin-closed"]);
}

#[tokio::test]
async fn secrets_are_not_on_the_tape_and_replay_goes_without_them() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::script([step(
        "HTTP/1.1 200 OK\r\nSet-Cookie: sid=s3cr3t-4; HttpOnly\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n{\"access_token\": \"s3cr3t-5\", \"name\": \"anna\"}"
            .replace("42", "44"),
        Then::Keep,
    )])
    .await;
    let recording = taping(dir.path(), Mode::WriteOnly);
    let url = at(&origin, "/?access_token=s3cr3t-1&page=1");
    let fields = "Authorization: Bearer s3cr3t-2\r\nCookie: sid=s3cr3t-3\r\n";
    let live = recording.client().await.ask("GET", &url, fields).await;
    assert!(live.text().contains("s3cr3t-5") && live.get("set-cookie").unwrap().contains("s3cr3t-4"));
    assert!(origin.only().line.contains("s3cr3t-1"));
    recording.ended().await;
    let mut raw = Vec::new();
    for entry in std::fs::read_dir(dir.path().join("sessions")).unwrap() {
        raw.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let raw = String::from_utf8_lossy(&raw);
    assert!(!raw.contains("s3cr3t"), "{raw}");
    // Another secret is as good.
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    let url = at(&origin, "/?access_token=other&page=1");
    let reply = player.client().await.ask("GET", &url, "Authorization: Bearer other\r\n").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.text().contains("anna") && !reply.text().contains("s3cr3t"));
}

/// A client that speaks through raw bytes where the usual one would not do.
#[tokio::test]
async fn a_request_in_http_1_0_is_answered_too() {
    let dir = tempfile::tempdir().unwrap();
    let origin =
        Origin::script(["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]).await;
    let taping = taping(dir.path(), Mode::ReadWrite);
    for _ in 0..2 {
        let Client { mut stream, .. } = taping.client().await;
        stream.write_all(format!("GET {} HTTP/1.0\r\n\r\n", at(&origin, "/")).as_bytes()).await.unwrap();
        let mut all = String::new();
        soon(stream.read_to_string(&mut all)).await.unwrap();
        assert!(all.ends_with("ok"), "{all}");
    }
    assert_eq!(origin.asked().len(), 1);
}
