//! Requests that say only behind their head that they have no content: RFC 9113 section 8.1 lets END_STREAM stand on an empty
//! DATA frame. A cache must not take them for requests with content.

use crate::raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, Raw, connected, frame};
use millpond_front::FrontLimits;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The head of a request for `path`, with more to come.
fn open(stream: u32, method: &[u8], path: &str) -> Vec<u8> {
    let fields: [(&str, &[u8]); 4] =
        [(":method", method), (":scheme", b"http"), (":authority", b"a.example"), (":path", path.as_bytes())];
    frame(HEADERS, END_HEADERS, stream, &raw::block(&fields))
}

fn end(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, &[])
}

/// The announced lengths that the service has seen.
fn lengths(raw: &Raw) -> Vec<Option<u64>> {
    raw.script.seen.lock().unwrap().iter().map(|seen| seen.body_length).collect()
}

#[tokio::test(start_paused = true)]
async fn an_empty_frame_that_is_there_is_no_content() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    for (stream, method, path) in [(1, &b"GET"[..], "/ready"), (3, b"GET", "/hello"), (5, b"HEAD", "/hello")]
    {
        raw.send([open(stream, method, path), end(stream)].concat()).await;
        assert_eq!(raw.until(HEADERS).await.stream, stream);
    }
    // Padding is no content either, nor are frames of nothing.
    let nothing =
        [open(7, b"GET", "/hello"), frame(DATA, 0, 7, &[]), frame(DATA, END_STREAM | 8, 7, &[3, 0, 0, 0])];
    raw.send(nothing.concat()).await;
    assert_eq!(raw.until(HEADERS).await.stream, 7);
    assert_eq!(lengths(&raw), [Some(0); 4]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_frame_that_comes_soon_is_no_content() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    for stream in [1, 3] {
        raw.send(open(stream, b"GET", "/hello")).await;
        sleep(Duration::from_millis(40)).await;
        raw.send(end(stream)).await;
        assert_eq!(raw.until(DATA).await.payload, b"hello");
    }
    assert_eq!(lengths(&raw), [Some(0); 2]);
}

/// Who keeps the end to itself is not waited for, and neither is anybody who sends what may well have content.
#[tokio::test(start_paused = true)]
async fn an_end_that_does_not_come_is_not_waited_for() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    let start = Instant::now();
    raw.send(open(1, b"GET", "/hello")).await;
    raw.until(HEADERS).await;
    assert_eq!(start.elapsed().as_millis() / 10, 10);
    let start = Instant::now();
    raw.send(open(3, b"POST", "/hello")).await;
    raw.until(HEADERS).await;
    assert!(start.elapsed().is_zero());
    assert_eq!(lengths(&raw), [None, None]);
}

/// Content stays what it is, whole, and the window is given back.
#[tokio::test(start_paused = true)]
async fn content_of_a_get_is_kept() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    for (number, wait) in (0..40).zip([0, 40].into_iter().cycle()) {
        let stream = 2 * number + 1;
        raw.send(open(stream, b"GET", "/collect")).await;
        sleep(Duration::from_millis(wait)).await;
        raw.send([frame(DATA, 0, stream, &[b'x'; 15_000]), frame(DATA, END_STREAM, stream, b"end")].concat())
            .await;
        let mut content = Vec::new();
        loop {
            let data = raw.until(DATA).await;
            content.extend(data.payload);
            if data.flags & END_STREAM != 0 {
                break;
            }
        }
        assert_eq!((content.len(), &content[15_000..]), (15_003, &b"end"[..]));
        raw.send(frame(raw::WINDOW_UPDATE, 0, 0, &15_003_u32.to_be_bytes())).await;
    }
    assert!(lengths(&raw).iter().all(Option::is_none));
}

/// Where the answer needs no content, what was looked at goes back to the connection's window as well.
#[tokio::test(start_paused = true)]
async fn content_nobody_reads_takes_no_window() {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    for stream in (1..101).step_by(2) {
        let sent = [open(stream, b"GET", "/ready"), frame(DATA, END_STREAM, stream, &[b'x'; 16_000])];
        raw.send(sent.concat()).await;
        assert_eq!(raw.until(DATA).await.stream, stream);
    }
}
