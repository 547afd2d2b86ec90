//! Origins over HTTP/2: what takes more than one answer to see.

use crate::support::frames::{CANCEL, NO_ERROR, REFUSED_STREAM, SETTINGS, frame};
use crate::support::origin2::{Conn2, Origin2, data, fresh, goaway, head, reset, sane};
use crate::support::{Client, soon};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Long enough for a handshake on a loaded machine.
const SHORT: &str = "500ms";

/// Answers over `conn` as the `h2` crate's server does, windows and all.
async fn serve<F, Fut>(conn: Conn2, streams: u32, answer: F)
where
    F: Fn(String, SendResponse<Bytes>) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut builder = h2::server::Builder::new();
    let mut server = builder.max_concurrent_streams(streams).handshake(conn.stream).await.unwrap();
    while let Some(Ok((request, respond))) = server.accept().await {
        let request: Request<RecvStream> = request;
        tokio::spawn(answer(request.uri().path().to_owned(), respond));
    }
}

/// Sends `length` bytes as the windows allow.
async fn send(mut respond: SendResponse<Bytes>, control: &str, mut length: usize) {
    let head = Response::builder().header("cache-control", control).body(()).unwrap();
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    while length > 0 {
        stream.reserve_capacity(length);
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        let piece = room.min(length);
        length -= piece;
        if stream.send_data(Bytes::from(vec![b'x'; piece]), length == 0).is_err() {
            return;
        }
    }
}

async fn ask(client: &mut Client, path: &str) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await;
}

/// RFC 9113 section 8.7: safe for any method, where the content is still there to be sent again.
#[tokio::test]
async fn refused_requests_are_sent_again_where_they_can_be() {
    for (fields, status, asked) in
        [("Content-Length: 0\r\n\r\n", 200, 2), ("Content-Length: 2\r\n\r\nhi", 502, 1)]
    {
        let origin = Origin2::start(|mut conn| async move {
            conn.greet(&[]).await;
            let Some(stream) = conn.request().await else { return };
            conn.send(reset(stream, REFUSED_STREAM)).await;
            conn.go_on().await;
        })
        .await;
        let proxy = origin.proxy();
        let mut client = proxy.client().await;
        client.send(format!("POST /form HTTP/1.1\r\nHost: a.example\r\n{fields}")).await;
        assert_eq!((client.reply().await.status, origin.asked()), (status, asked), "{fields:?}");
    }
}

#[tokio::test]
async fn an_origin_that_refuses_everything_is_asked_a_few_times() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        while let Some(stream) = conn.request().await {
            conn.send(reset(stream, REFUSED_STREAM)).await;
        }
    })
    .await;
    origin.proxy().get("/").await.problem(502);
    assert_eq!(origin.asked(), 4);
}

/// A reset says something about one exchange, nothing about its connection: what failed is not asked for twice.
#[tokio::test]
async fn a_reset_on_a_used_connection_is_not_a_closed_connection() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        let Some(stream) = conn.request().await else { return };
        conn.send(sane(stream)).await;
        while let Some(stream) = conn.request().await {
            conn.send(reset(stream, CANCEL)).await;
        }
    })
    .await;
    let proxy = origin.proxy();
    assert_eq!(proxy.get("/one").await.text(), "sane");
    proxy.get("/two").await.problem(502);
    assert_eq!((origin.connections(), origin.asked()), (1, 2));
}

#[tokio::test]
async fn a_goaway_is_followed_by_another_connection() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        let Some(stream) = conn.request().await else { return };
        conn.send([sane(stream), goaway(stream, NO_ERROR)].concat()).await;
        conn.go_on().await;
    })
    .await;
    let proxy = origin.proxy();
    for count in 1..=5 {
        assert_eq!(proxy.get(&format!("/{count}")).await.text(), "sane");
        assert_eq!((origin.connections(), origin.asked()), (count, count));
    }
}

/// Before its SETTINGS are known an origin gets more than it takes at one time, and refuses it.
#[tokio::test]
async fn a_crowd_that_is_refused_is_served_one_by_one() {
    const CROWD: usize = 10;
    let origin = Origin2::start(|mut conn| async move {
        conn.preface().await;
        let mut streams = Vec::new();
        while streams.len() < CROWD {
            let Some(stream) = conn.request().await else { return };
            streams.push(stream);
        }
        // SETTINGS_MAX_CONCURRENT_STREAMS 1.
        conn.send(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1])).await;
        let refused: Vec<u8> =
            streams[1..].iter().flat_map(|stream| reset(*stream, REFUSED_STREAM)).collect();
        conn.send([refused, sane(streams[0])].concat()).await;
        conn.go_on().await;
    })
    .await;
    let proxy = origin.proxy();
    let mut clients = Vec::new();
    for number in 0..CROWD {
        let mut client = proxy.client().await;
        ask(&mut client, &format!("/{number}")).await;
        clients.push(client);
    }
    for mut client in clients {
        assert_eq!(client.reply().await.text(), "sane");
    }
    assert_eq!(origin.asked(), 2 * CROWD - 1);
}

#[tokio::test]
async fn a_crowd_before_an_origin_that_takes_one_at_a_time() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&most);
    let origin = Origin2::start(move |conn| {
        let (open, most) = (Arc::clone(&open), Arc::clone(&counted));
        async move {
            let answer = |_, respond| {
                let (open, most) = (Arc::clone(&open), Arc::clone(&most));
                async move {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                    send(respond, "no-store", 1000).await;
                }
            };
            serve(conn, 1, answer).await;
        }
    })
    .await;
    let proxy = origin.proxy();
    let mut clients = Vec::new();
    for number in 0..50 {
        let mut client = proxy.client().await;
        ask(&mut client, &format!("/{number}")).await;
        clients.push(client);
    }
    for mut client in clients {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.body.len(), reply.whole), (200, 1000, true), "{reply:?}");
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

/// Who does not read what cannot be stored holds up its own response alone, though the connection is shared.
#[tokio::test]
async fn slow_readers_hold_up_nobody_else() {
    let origin = Origin2::start(|conn| {
        serve(conn, 1000, |path, respond| async move {
            send(respond, "no-store", if path == "/large" { 64 << 20 } else { 300_000 }).await;
        })
    })
    .await;
    let proxy = origin.proxy();
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut client = proxy.client().await;
        ask(&mut client, "/large").await;
        assert_eq!(client.head().await.status, 200);
        slow.push(client);
    }
    for _ in 0..3 {
        let reply = soon(proxy.get("/small")).await;
        assert_eq!((reply.status, reply.body.len(), reply.whole), (200, 300_000, true));
    }
    assert_eq!(origin.connections(), 1);
}

/// As many exchanges as a connection may well carry, and another one.
#[tokio::test]
async fn where_one_connection_is_too_few_there_is_another() {
    let origin = Origin2::start(|conn| {
        // No more than these: a request beyond them would wait for one of them to end.
        serve(conn, 64, |path, respond| async move {
            if path == "/held" {
                std::future::pending::<()>().await;
            }
            send(respond, "no-store", 4).await;
        })
    })
    .await;
    let proxy = origin.proxy();
    assert_eq!(proxy.get("/first").await.text(), "xxxx");
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let mut client = proxy.client().await;
        client.send("POST /held HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
        waiting.push(client);
    }
    // They may still be on their way: with all of them there, this one finds no place beside them.
    soon(async {
        while origin.connections() < 2 {
            assert_eq!(proxy.get("/another").await.text(), "xxxx");
        }
    })
    .await;
    assert_eq!(proxy.get("/another").await.text(), "xxxx");
    assert_eq!(origin.connections(), 2);
}

/// Nothing on it says that a connection is dead; requests that wait for it would wait in vain, one after the other.
#[tokio::test]
async fn a_connection_that_is_dead_is_found_out() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        let Some(stream) = conn.request().await else { return };
        conn.send(sane(stream)).await;
        if conn.number > 0 {
            return conn.go_on().await;
        }
        // Holds the connection, and says nothing: PING is not answered either.
        conn.told().await;
    })
    .await;
    let setup = origin.setup().set("limits.first_byte_timeout", "1500ms");
    let proxy = setup.set("limits.connect_timeout", "3s").start();
    assert_eq!(proxy.get("/one").await.text(), "sane");
    let start = Instant::now();
    proxy.get("/two").await.problem(504);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!((proxy.get("/three").await.text().as_str(), origin.connections()), ("sane", 2));
    origin.tell();
}

/// Whoever waits for a response that is given up is cut as well.
#[tokio::test]
async fn waiters_of_a_response_that_is_given_up_are_cut() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        let Some(stream) = conn.request().await else { return };
        conn.send([fresh(stream, &[]), data(stream, 0, "short")].concat()).await;
        conn.told().await;
        conn.send(reset(stream, NO_ERROR)).await;
        conn.go_on().await;
    })
    .await;
    let proxy = origin.proxy();
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    ask(&mut one, "/page").await;
    let first = one.head().await;
    ask(&mut two, "/page").await;
    let second = two.head().await;
    origin.tell();
    let (first, second) = (one.finish(first, "GET").await, two.finish(second, "GET").await);
    assert!(!first.whole && !second.whole, "{first:?} {second:?}");
    assert_eq!((first.text().as_str(), second.text().as_str(), origin.asked()), ("short", "short", 1));
    assert_eq!(proxy.running.as_ref().unwrap().counters().stored, 0);
    assert_eq!(proxy.get("/page").await.text(), "sane");
}

/// A window that is never opened is a silent origin.
#[tokio::test]
async fn an_origin_that_takes_no_content_is_a_504() {
    let origin = Origin2::start(|mut conn| async move {
        // SETTINGS_INITIAL_WINDOW_SIZE 0.
        conn.greet(&[0, 4, 0, 0, 0, 0]).await;
        conn.go_on().await;
    })
    .await;
    let setup = origin.setup().set("limits.first_byte_timeout", SHORT).set("limits.connect_timeout", SHORT);
    let proxy = setup.start();
    // By then its SETTINGS are known.
    assert_eq!(proxy.get("/").await.text(), "sane");
    let mut client = proxy.client().await;
    client.send("POST /form HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi").await;
    client.reply().await.problem(504);
    origin.until(|origin| origin.codes().contains(&CANCEL)).await;
}

/// Empty frames bring no response forward, however long they come.
#[tokio::test]
async fn empty_frames_are_silence() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        let Some(stream) = conn.request().await else { return };
        conn.send([fresh(stream, &[]), data(stream, 0, "short")].concat()).await;
        while conn.send(data(stream, 0, "")).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if conn.number > 0 {
                return;
            }
        }
    })
    .await;
    let proxy = origin.setup().set("limits.between_reads_timeout", SHORT).start();
    let start = Instant::now();
    let reply = soon(proxy.get("/")).await;
    assert_eq!((reply.text().as_str(), reply.whole), ("short", false));
    // The `h2` crate would bear a hundred of them.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

/// A client that leaves takes its request back, and nothing else.
#[tokio::test]
async fn a_client_that_leaves_resets_its_stream() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        conn.request().await;
        conn.go_on().await;
    })
    .await;
    let proxy = origin.proxy();
    let mut client = proxy.client().await;
    client.send("POST /form HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
    origin.until(|origin| origin.asked() == 1).await;
    client.stream.set_zero_linger().unwrap();
    drop(client);
    origin.until(|origin| origin.codes() == [CANCEL]).await;
    assert_eq!((proxy.get("/").await.text().as_str(), origin.connections()), ("sane", 1));
}

/// hyper's client keeps them to itself over HTTP/2 (docs/hostile.md): whoever asks gets the response alone.
#[tokio::test]
async fn interim_responses_are_not_passed_on() {
    let origin = Origin2::start(|mut conn| async move {
        conn.greet(&[]).await;
        while let Some(stream) = conn.request().await {
            let hint = head(stream, 0, &[(":status", "103"), ("link", "</a.css>")]);
            conn.send([hint, sane(stream)].concat()).await;
        }
    })
    .await;
    let reply = origin.proxy().get("/").await;
    assert_eq!((reply.interim.len(), reply.status, reply.get("link")), (0, 200, None));
}
