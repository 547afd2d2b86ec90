//! Connections: how many, how long, and how they end.

use crate::support::http2::Http2;
use crate::support::{Client, Origin, Then, proxy, soon, step};

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    for number in 0..20 {
        assert_eq!(client.get(&format!("/{number}")).await.x_cache(), "MISS");
    }
    assert_eq!((origin.connections(), origin.asked().len()), (1, 20));
}

/// Hosts that clients make up do not decide how many connections there are.
#[tokio::test]
async fn preserved_hosts_share_a_connection() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("preserve_host", true).start();
    let mut client = proxy.client().await;
    for number in 0..5 {
        client.send(format!("GET / HTTP/1.1\r\nHost: host{number}.example\r\n\r\n")).await;
        assert_eq!(client.reply().await.x_cache(), "MISS");
    }
    let hosts: Vec<_> = origin.asked().iter().filter_map(|request| request.get("host")).collect();
    assert_eq!(hosts[4], "host4.example");
    assert_eq!((origin.connections(), hosts.len()), (1, 5));
}

/// An origin may close an idle connection at any time, also in the moment in which a request goes out on it.
#[tokio::test]
async fn request_on_a_connection_just_closed_is_sent_again() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst").await;
        // The next request on it is read and never answered.
        if conn.number == 0 {
            conn.request().await;
        } else {
            conn.head().await;
        }
    })
    .await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    assert_eq!(client.get("/a").await.text(), "first");
    let second = client.get("/b").await;
    assert_eq!((second.status, second.text().as_str()), (200, "first"), "{second:?}");
    assert_eq!(origin.connections(), 2);
}

/// A request that may have had an effect is not sent twice (RFC 9110 section 9.2.2).
#[tokio::test]
async fn post_on_a_connection_just_closed_is_not_sent_again() {
    let steps = [step("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Keep), step("", Then::Close)];
    let origin = Origin::script(steps).await;
    let proxy = proxy(&origin).start();
    let mut client = proxy.client().await;
    assert_eq!(client.get("/").await.status, 200);
    client.send("POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await;
    client.reply().await.problem(502);
    assert_eq!(origin.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn no_idle_connection_is_kept_when_none_is_allowed() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("limits.origin_idle_connections", 0).start();
    let mut client = proxy.client().await;
    for target in ["/a", "/b"] {
        assert_eq!(client.get(target).await.status, 200);
    }
    origin.until_closed(2).await;
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn idle_connection_is_closed_after_its_time() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("limits.origin_idle_timeout", "50ms").start();
    assert_eq!(proxy.get("/").await.status, 200);
    origin.until_closed(1).await;
}

#[tokio::test]
async fn exchanges_beyond_the_origins_limit_wait() {
    let origin = Origin::start(|mut conn| async move {
        while conn.request().await.is_some() {
            conn.told().await;
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let proxy = proxy(&origin).set("limits.origin_connections", 1).set("workers", 2).start();
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    one.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until_asked(1).await;
    two.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Answers to others keep both workers turning: time enough for a request that nothing held back to get through.
    for _ in 0..50 {
        assert_eq!(proxy.client().await.ask("TRACE", "/", "").await.status, 405);
    }
    assert_eq!(origin.asked().len(), 1, "the second waits for the first");
    origin.tell();
    assert_eq!(one.reply().await.text(), "ok");
    origin.until_asked(2).await;
    origin.tell();
    assert_eq!(two.reply().await.text(), "ok");
}

#[tokio::test]
async fn waiting_for_the_origins_limit_ends_with_the_connect_timeout() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.told().await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let limits = proxy(&origin).set("limits.origin_connections", 1).set("limits.connect_timeout", "100ms");
    let proxy = limits.start();
    let mut one = proxy.client().await;
    one.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until_asked(1).await;
    let text = proxy.get("/2").await.problem(504);
    assert!(text.contains("limits.origin_connections"), "{text}");
    origin.tell();
    assert_eq!(one.reply().await.text(), "ok");
}

#[tokio::test]
async fn connection_over_the_limit_is_503() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("limits.connections", 1).start();
    let mut first = proxy.client().await;
    assert_eq!(first.get("/").await.status, 200);
    for _ in 0..50 {
        let mut second = proxy.client().await;
        let refused = second.get("/").await;
        refused.problem(503);
        assert_eq!(refused.get("retry-after").as_deref(), Some("1"));
        assert_eq!(second.rest().await, b"");
    }
    assert_eq!(first.get("/").await.status, 200, "the first is not disturbed");
    drop(first);
    // Whether the place is free again is known to the proxy alone.
    crate::support::soon(async { while proxy.get("/").await.status != 200 {} }).await;
}

/// Who begins with HTTP/2 is told in frames, and that it may ask again.
#[tokio::test]
async fn connection_over_the_limit_is_a_goaway() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).set("limits.connections", 1).start();
    let mut first = proxy.client().await;
    assert_eq!(first.get("/").await.status, 200);
    for _ in 0..10 {
        let second = Http2::to(&proxy).await;
        let error = soon(second.connection).await.unwrap().unwrap_err();
        assert!(error.is_go_away() && error.is_remote(), "{error}");
        assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
    }
    let mut raw = proxy.client().await;
    raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let told = raw.rest().await;
    // SETTINGS, and a GOAWAY in which the last stream that was looked at is none.
    assert_eq!(
        (&told[..9], &told[12..26]),
        (&[0, 0, 0, 4, 0, 0, 0, 0, 0][..], &[7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11][..])
    );
    // A client that says nothing is told in HTTP/1.1.
    proxy.client().await.reply().await.problem(503);
}

#[tokio::test]
async fn stop_lets_requests_in_flight_finish() {
    let origin = Origin::start(|mut conn| async move {
        while conn.request().await.is_some() {
            conn.told().await;
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
            conn.told().await;
            conn.send("late").await;
        }
    })
    .await;
    let proxy = proxy(&origin).set("workers", 2).start();
    let (mut idle, mut waiting, mut reading) =
        (proxy.client().await, proxy.client().await, proxy.client().await);
    // A connection is idle for certain once it has been served.
    assert_eq!(idle.ask("TRACE", "/", "").await.status, 405);
    reading.send("GET /r HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until_asked(1).await;
    origin.tell();
    let head = reading.head().await;
    waiting.send("GET /w HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until_asked(2).await;
    proxy.stop();
    assert_eq!(idle.rest().await, b"", "an idle connection is closed at once");
    let address = proxy.address;
    crate::support::soon(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
    // Three times: the rest of one body, head and body of the other.
    for _ in 0..3 {
        origin.tell();
        tokio::task::yield_now().await;
    }
    let read = reading.finish(head, "GET").await;
    assert_eq!((read.whole, read.text().as_str()), (true, "late"));
    let waited = waiting_reply(&mut waiting, &origin).await;
    assert_eq!(waited, "late");
    proxy.stopped().await;
}

async fn waiting_reply(client: &mut Client, origin: &Origin) -> String {
    let teller = async {
        loop {
            origin.tell();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        reply = client.reply() => {
            assert_eq!(reply.get("connection").as_deref(), Some("close"), "{reply:?}");
            reply.text()
        }
        () = teller => unreachable!("it tells for ever"),
    }
}

/// A fetch that several wait for runs on one worker, which may have no connection of its own left.
#[tokio::test]
async fn stop_lets_waiters_on_every_worker_finish() {
    const PIECES: usize = 30;
    // Which worker a connection falls to is the kernel's choice: one round in two puts leader and waiter apart.
    for round in 0..8 {
        let origin = Origin::start(|mut conn| async move {
            while conn.request().await.is_some() {
                conn.send(format!(
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {PIECES}\r\n\r\n"
                ))
                .await;
                for _ in 0..PIECES {
                    conn.told().await;
                    conn.send("x").await;
                }
            }
        })
        .await;
        let proxy = proxy(&origin).set("workers", 2).start();
        let (mut leader, mut waiter) = (proxy.client().await, proxy.client().await);
        for client in [&mut leader, &mut waiter] {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            client.head().await;
        }
        leader.stream.set_zero_linger().unwrap();
        drop(leader);
        proxy.stop();
        // Piece by piece, so that the workers get round to whatever they would end with.
        for _ in 0..PIECES {
            origin.tell();
            waiter.expect(b"x").await;
        }
        assert_eq!((waiter.rest().await.as_slice(), origin.asked().len()), (&b""[..], 1), "round {round}");
        proxy.stopped().await;
    }
}

/// Content that only the end of the connection delimits must not look whole when it is not (RFC 9112 section 8).
#[tokio::test]
async fn cut_content_of_unknown_length_ends_an_old_clients_connection_with_a_reset() {
    use std::io::ErrorKind;
    use tokio::io::AsyncReadExt as _;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for (rest, then, expected) in [
        ("0\r\n\r\n", Then::Keep, None),
        ("", Then::Close, Some(ErrorKind::ConnectionReset)),
        ("", Then::Keep, Some(ErrorKind::ConnectionReset)),
    ] {
        let origin = Origin::script([step(format!("{head}{rest}"), then)]).await;
        let proxy = proxy(&origin).set("limits.drain_timeout", "100ms").start();
        let mut client = proxy.client().await;
        client.send("GET / HTTP/1.0\r\n\r\n").await;
        if then == Then::Keep {
            assert_eq!(client.head().await.status, 200);
            // In the last row the shutdown cuts the answer.
            proxy.stop();
        }
        let mut rest = Vec::new();
        let read = crate::support::soon(client.stream.read_to_end(&mut rest)).await;
        assert_eq!(read.err().map(|error| error.kind()), expected, "{then:?}");
    }
}

/// Connections that the kernel has accepted when the listener closes are served.
#[tokio::test]
async fn stop_resets_no_pending_connection() {
    let origin = Origin::script([""; 0]).await;
    let proxy = proxy(&origin).start();
    let mut clients = Vec::new();
    for _ in 0..200 {
        // Without giving way, so that the worker does not keep up.
        let mut stream = std::net::TcpStream::connect(proxy.address).unwrap();
        std::io::Write::write_all(&mut stream, b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        clients.push(stream);
    }
    proxy.stop();
    let read = tokio::task::spawn_blocking(move || {
        for mut client in clients {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut client, &mut text).unwrap();
            assert!(text.starts_with("HTTP/1.1 405"), "{text:?}");
        }
    });
    crate::support::soon(read).await.unwrap();
    proxy.stopped().await;
}

#[tokio::test]
async fn drain_ends_with_its_timeout() {
    let origin = Origin::script([step("", Then::Keep)]).await;
    let proxy = proxy(&origin).set("limits.drain_timeout", "100ms").start();
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until_asked(1).await;
    proxy.stop();
    proxy.stopped().await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn two_hundred_requests_at_once_get_their_own_answers() {
    let origin = Origin::answering(|request| {
        let target = request.line.split(' ').nth(1).unwrap();
        let body = format!("answer to {target} ").repeat(50);
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    })
    .await;
    let proxy = proxy(&origin).set("workers", 2).start();
    let address = proxy.address;
    for round in ["MISS", "HIT"] {
        let asking: Vec<_> = (0..200)
            .map(|number| {
                tokio::spawn(async move { Client::to(address).await.get(&format!("/{number}")).await })
            })
            .collect();
        for (number, reply) in asking.into_iter().enumerate() {
            let reply = reply.await.unwrap();
            assert_eq!(reply.text(), format!("answer to /{number} ").repeat(50));
            assert_eq!(reply.x_cache(), round);
        }
    }
    assert_eq!(origin.asked().len(), 200);
}
