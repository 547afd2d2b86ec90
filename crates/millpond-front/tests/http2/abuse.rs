//! What a client may cost: floods of frames that carry nothing, resets, windows that stay shut.

use crate::raw::{
    self, ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING,
    PRIORITY, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, connected, frame,
};
use crate::support::{Script, serve};
use millpond_front::{ConnectionEnd, FrontLimits, Refusal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Sends in the background, for a server that stops reading.
fn flood(raw: Raw, bytes: Vec<u8>) -> Raw {
    let Raw { read, mut write, buf, script, server, drain } = raw;
    let (_, spare) = tokio::io::split(tokio::io::duplex(1).0);
    tokio::spawn(async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &bytes).await;
        std::future::pending::<()>().await;
    });
    Raw { read, write: spare, buf, script, server, drain }
}

async fn assert_calmed(raw: Raw, bytes: Vec<u8>) -> Arc<Script> {
    let mut raw = flood(raw, bytes);
    raw.assert_goaway(ENHANCE_YOUR_CALM).await;
    let script = Arc::clone(&raw.script);
    drop(raw.read);
    assert_eq!(raw.server.await.unwrap(), ConnectionEnd::Refused(Refusal::Flood));
    assert_eq!(*script.refused.lock().unwrap(), [Refusal::Flood]);
    script
}

/// CVE-2023-44487: requests that are reset as soon as they are sent.
#[tokio::test(start_paused = true)]
async fn rapid_reset_ends_the_connection() {
    let raw = connected(FrontLimits::default(), &[]).await;
    let mut bytes = Vec::new();
    for stream in (1..10_000).step_by(2) {
        bytes.extend(raw::get(stream, "/wait"));
        bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    let script = assert_calmed(raw, bytes).await;
    assert!(script.lines().len() < 500, "{} of 5000 reached the service", script.lines().len());
}

/// The same with a pause before each reset, so that every request is under way by then.
#[tokio::test(start_paused = true)]
async fn slow_reset_ends_the_connection_too() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    for stream in (1..10_000).step_by(2) {
        raw.send(raw::get(stream, "/wait")).await;
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        raw.send(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())).await;
        if raw.server.is_finished() || !raw.script.refused.lock().unwrap().is_empty() {
            break;
        }
    }
    raw.assert_goaway(ENHANCE_YOUR_CALM).await;
    let (calls, dropped) = (raw.script.lines().len(), raw.script.dropped.load(Ordering::SeqCst));
    assert!((900..1_100).contains(&calls), "{calls} of 5000 reached the service");
    assert_eq!(dropped, calls, "each was cancelled");
}

/// One that searches through a film, or drops what it prefetched: five hundred at one time, then a hundred each second.
#[tokio::test(start_paused = true)]
async fn many_aborted_fetches_are_no_attack() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    let cancelled =
        |stream| [raw::get(stream, "/wait"), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat();
    let mut streams = (1..).step_by(2);
    raw.send(streams.by_ref().take(500).flat_map(cancelled).collect::<Vec<_>>()).await;
    for stream in streams.take(60 * 100) {
        raw.send(cancelled(stream)).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    raw.send(raw::get(20_001, "/ready")).await;
    assert_eq!(raw.until(DATA).await.stream, 20_001);
    assert!(raw.script.refused.lock().unwrap().is_empty());
}

/// What was reset before anybody looked at it costs the service nothing.
#[tokio::test(start_paused = true)]
async fn requests_reset_in_the_same_read_reach_nobody() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    let mut bytes = Vec::new();
    for stream in (1..600).step_by(2) {
        bytes.extend(raw::get(stream, "/hello"));
        bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    bytes.extend(raw::get(601, "/ready"));
    raw.send(bytes).await;
    assert_eq!(raw.until(DATA).await.stream, 601);
    assert!(raw.script.lines().len() < 20, "{} of 300 reached the service", raw.script.lines().len());
}

/// A client that gives up now and then is none of that.
#[tokio::test(start_paused = true)]
async fn resets_now_and_then_are_fine() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    for stream in (1..4_000).step_by(4) {
        raw.send([raw::get(stream, "/wait"), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat())
            .await;
        raw.send(raw::get(stream + 2, "/ready")).await;
        assert_eq!(raw.until(DATA).await.stream, stream + 2);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// While one connection floods, another is served; both over sockets.
#[tokio::test]
async fn a_flood_disturbs_nobody_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        pairs.push((ours, listener.accept().await.unwrap().0));
    }
    let (io, theirs) = pairs.pop().unwrap();
    let attacker = serve(io, theirs, FrontLimits::default());
    let (io, theirs) = pairs.pop().unwrap();
    let normal = serve(io, theirs, FrontLimits::default());
    let (mut send, connection) = h2::client::handshake(normal.io).await.unwrap();
    tokio::spawn(connection);
    let mut bytes = [raw::PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for stream in (1..10_000).step_by(2) {
        bytes.extend(raw::get(stream, "/wait"));
        bytes.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    let flooding = tokio::spawn(async move {
        let (mut read, mut write) = attacker.io.into_split();
        let writing = tokio::spawn(async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &bytes).await;
        });
        let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
        writing.await.unwrap();
        attacker.server.await.unwrap()
    });
    for _ in 0..100 {
        std::future::poll_fn(|cx| send.poll_ready(cx)).await.unwrap();
        let (response, _) = send.send_request(crate::client::get("/hello"), true).unwrap();
        assert_eq!(crate::client::read(response.await.unwrap()).await.unwrap().text(), "hello");
    }
    assert_eq!(flooding.await.unwrap(), ConnectionEnd::Refused(Refusal::Flood));
    assert_eq!(*normal.script.refused.lock().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn floods_of_frames_that_carry_nothing() {
    let each: [(&str, Vec<u8>); 6] = [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())),
        ("unknown", frame(0x42, 0, 0, &[])),
        (
            "RST_STREAM",
            [raw::get(1, "/ready"), frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).repeat(1_100)].concat(),
        ),
    ];
    for (name, frames) in each {
        let raw = connected(FrontLimits::default(), &[]).await;
        eprintln!("{name}");
        assert_calmed(raw, frames.repeat(if frames.len() > 100 { 1 } else { 5_000 })).await;
    }
}

/// Nobody asked for them, and each is worth a line in the log to the `h2` crate.
#[tokio::test(start_paused = true)]
async fn answers_to_pings_that_were_never_sent() {
    let raw = connected(FrontLimits::default(), &[]).await;
    assert_calmed(raw, frame(PING, ACK, 0, &[0; 8]).repeat(30)).await;
}

/// CVE-2024-27316 and its like: a head without end, in small pieces.
#[tokio::test(start_paused = true)]
async fn a_flood_of_continuations() {
    for piece in [&b""[..], &raw::block(&[("x-a", b"b")])] {
        let raw = connected(FrontLimits::default(), &[]).await;
        let mut bytes = frame(HEADERS, END_STREAM, 1, &raw::block(&[(":method", b"GET")]));
        bytes.extend(frame(CONTINUATION, 0, 1, piece).repeat(10_000));
        let script = assert_calmed(raw, bytes).await;
        assert_eq!(script.lines(), [""; 0]);
    }
}

/// A head beyond four times the limit ends the connection: it would have to be decoded to its end for nothing.
#[tokio::test(start_paused = true)]
async fn a_head_without_measure() {
    let raw = connected(FrontLimits::default(), &[]).await;
    let value = vec![b'x'; 15_000];
    let mut bytes = frame(HEADERS, END_STREAM, 1, &raw::block(&[(":method", b"GET")]));
    for _ in 0..30 {
        bytes.extend(frame(CONTINUATION, 0, 1, &raw::block(&[("x-a", &value)])));
    }
    let script = assert_calmed(raw, bytes).await;
    assert_eq!(script.lines(), [""; 0]);
}

/// Many small pieces of one field name, repeated out of the compression table: small on the wire, large in memory.
#[tokio::test(start_paused = true)]
async fn a_compressed_head_is_measured_as_it_is_read() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    // One entry of nearly 4 KiB in the dynamic table (RFC 7541 section 6.2.1), then two hundred references to it.
    let mut block =
        raw::block(&[(":method", b"GET"), (":scheme", b"http"), (":authority", b"a"), (":path", b"/hello")]);
    block.extend([0x40, 3]);
    block.extend(b"x-a");
    block.extend(&raw::block(&[("", &[b'x'; 3_900])])[2..]);
    block.extend([0xbe; 30]);
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await;
    // :status 431 as a literal, from the h2 crate.
    let head = raw.until(HEADERS).await;
    assert_eq!(head.flags & END_STREAM, END_STREAM);
    assert_eq!(raw.script.lines(), [""; 0]);
    block.extend([0xbe; 300]);
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, &block)).await;
    raw.assert_goaway(ENHANCE_YOUR_CALM).await;
    assert_eq!(raw.script.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_stays_shut_ends_the_reply() {
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    let mut raw = connected(FrontLimits::default(), &[0, 4, 0, 0, 0, 0]).await;
    let start = Instant::now();
    for (stream, path) in [(1, "/ready"), (3, "/hello"), (5, "/stream"), (7, "/big")] {
        raw.send(raw::get(stream, path)).await;
    }
    let mut reset = Vec::new();
    while reset.len() < 4 {
        let frame = raw.until(RST_STREAM).await;
        assert_eq!(frame.code(), CANCEL);
        reset.push(frame.stream);
    }
    reset.sort_unstable();
    assert_eq!(reset, [1, 3, 5, 7]);
    assert_eq!(start.elapsed().as_secs(), 30, "the time a write may take");
    let outcomes = raw.script.finished.lock().unwrap().clone();
    assert!(outcomes.iter().all(|outcome| !outcome.complete && outcome.body_bytes == 0), "{outcomes:?}");
    // HEAD needs no window, and the connection goes on.
    raw.send(raw::get(9, "/no-content")).await;
    assert_eq!(raw.until(HEADERS).await.stream, 9);
}

/// A window opened byte by byte costs a frame for each byte.
#[tokio::test(start_paused = true)]
async fn a_window_opened_byte_by_byte() {
    let mut raw = connected(FrontLimits::default(), &[0, 4, 0, 0, 0, 0]).await;
    raw.send(raw::get(1, "/big")).await;
    raw.until(HEADERS).await;
    assert_calmed(raw, frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes()).repeat(20_000)).await;
}

/// What waits for a client's window is bounded, whatever the reply's size.
#[tokio::test(start_paused = true)]
async fn a_reply_is_not_read_ahead_of_the_window() {
    let mut raw = connected(FrontLimits::default(), &[0, 4, 0, 0, 0, 10]).await;
    raw.send(raw::get(1, "/stream")).await;
    let mut content = Vec::new();
    while content.len() < 10 {
        content.extend(raw.until(DATA).await.payload);
    }
    assert_eq!(content, b"onetwothre");
    raw.send(frame(WINDOW_UPDATE, 0, 1, &5u32.to_be_bytes())).await;
    let rest = raw.until(DATA).await;
    assert_eq!(rest.payload, b"e");
}

/// Malformed requests and those beyond the number of streams are reset, but not without end.
#[tokio::test(start_paused = true)]
async fn errors_without_end_end_the_connection() {
    let raw = connected(FrontLimits::default(), &[]).await;
    let mut bytes = Vec::new();
    for stream in (1..2_500).step_by(2) {
        // No :path.
        let block = raw::block(&[(":method", b"GET"), (":scheme", b"http"), (":authority", b"a")]);
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
    }
    assert_calmed(raw, bytes).await;
    let raw = connected(FrontLimits::default(), &[]).await;
    let bytes = (1..2_500).step_by(2).flat_map(|stream| raw::get(stream, "/wait")).collect();
    let script = assert_calmed(raw, bytes).await;
    assert!(script.lines().len() <= 100, "as many as may run at one time");
}

#[tokio::test(start_paused = true)]
async fn small_pieces_of_a_body_do_not_pile_up() {
    let raw = connected(FrontLimits::default(), &[]).await;
    let fields: [(&str, &[u8]); 4] =
        [(":method", b"POST"), (":scheme", b"http"), (":authority", b"a"), (":path", b"/wait")];
    let mut bytes = frame(HEADERS, END_HEADERS, 1, &raw::block(&fields));
    bytes.extend(frame(DATA, 0, 1, b"x").repeat(20_000));
    assert_calmed(raw, bytes).await;
}

#[tokio::test(start_paused = true)]
async fn the_limits_are_settings() {
    let limits = FrontLimits { control_credit: 30, control_rate: 1, ..FrontLimits::default() };
    let raw = connected(limits.clone(), &[]).await;
    assert_calmed(raw, frame(PING, 0, 0, &[0; 8]).repeat(30)).await;
    // With a second between them they are no flood.
    let mut raw = connected(limits, &[]).await;
    for _ in 0..60 {
        raw.send(frame(PING, 0, 0, &[0; 8])).await;
        assert_eq!(raw.until(PING).await.flags, ACK);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
