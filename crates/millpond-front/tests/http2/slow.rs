//! Clients that take what they asked for, but slowly. Time is tokio's paused clock.

use crate::client::{h2_with, request};
use crate::raw::{self, DATA, END_STREAM, RST_STREAM, Raw, WINDOW_UPDATE, frame};
use crate::support::{connect_sized, settle};
use bytes::Bytes;
use http::Method;
use millpond_front::{ConnectionEnd, FrontLimits};
use std::future::poll_fn;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

const SECOND: Duration = Duration::from_secs(1);

/// SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 section 6.5.2) of 6 MB.
const WIDE_STREAMS: &[u8] = &[0, 4, 0, 0x5b, 0x8d, 0x80];

/// What came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    ended: usize,
    reset: usize,
}

impl Came {
    fn note(&mut self, kind: u8, flags: u8) {
        self.ended += usize::from(kind == DATA && flags & END_STREAM != 0);
        self.reset += usize::from(kind == RST_STREAM);
    }
}

/// A connection whose windows are open for everything, behind a transport that holds 64 KiB.
async fn wide() -> Raw {
    let mut raw = Raw::over(connect_sized(FrontLimits::default(), 64 * 1024));
    raw.greet(WIDE_STREAMS).await;
    raw.send(frame(WINDOW_UPDATE, 0, 0, &15_000_000_u32.to_be_bytes())).await;
    raw
}

/// Reads so many bytes a second until the connection ends.
async fn read_slowly(raw: &mut Raw, rate: usize) -> Came {
    let (mut all, mut buffer) = (Vec::new(), vec![0; rate]);
    loop {
        tokio::time::sleep(SECOND).await;
        match raw.read.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
        }
    }
    let (mut came, mut rest) = (Came::default(), &all[..]);
    while let [a, b, c, kind, flags, _, _, _, _, after @ ..] = rest {
        came.note(*kind, *flags);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        rest = after.get(length..).unwrap_or_default();
    }
    came
}

/// What is queued is not sent yet: the time for the next request begins when it is.
#[tokio::test(start_paused = true)]
async fn replies_in_the_queue_are_no_idle_connection() {
    let mut raw = wide().await;
    for number in 0..40 {
        raw.send(raw::get(1 + 2 * number, "/60-kib")).await;
    }
    assert_eq!(read_slowly(&mut raw, 20_000).await, Came { ended: 40, reset: 0 });
    assert_eq!(raw.server.await.unwrap(), ConnectionEnd::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_replies_in_the_queue() {
    let mut raw = wide().await;
    for number in 0..10 {
        raw.send(raw::get(1 + 2 * number, "/60-kib")).await;
    }
    settle().await;
    raw.drain.start();
    assert_eq!(read_slowly(&mut raw, 40_000).await, Came { ended: 10, reset: 0 });
    assert_eq!(raw.server.await.unwrap(), ConnectionEnd::Drained);
}

/// A client that reads on, but for whom every reply has to wait long for its turn.
#[tokio::test(start_paused = true)]
async fn a_reply_that_waits_for_its_turn_is_not_given_up() {
    let mut raw = raw::connected(FrontLimits::default(), WIDE_STREAMS).await;
    for number in 0..100 {
        raw.send(raw::get(1 + 2 * number, "/256-kib")).await;
    }
    let (mut came, mut taken) = (Came::default(), 0);
    while came.ended + came.reset < 100 {
        let next = raw.next().await.unwrap();
        came.note(next.kind, next.flags);
        if next.kind != DATA {
            continue;
        }
        // 50 KB a second.
        tokio::time::sleep(Duration::from_micros(20 * next.payload.len() as u64)).await;
        taken += u32::try_from(next.payload.len()).unwrap();
        if taken >= 32 * 1024 {
            raw.send(frame(WINDOW_UPDATE, 0, 0, &taken.to_be_bytes())).await;
            taken = 0;
        }
    }
    assert_eq!(came, Came { ended: 100, reset: 0 });
}

/// What a request brought is given back to the connection's window also where nobody looks for its end.
#[tokio::test(start_paused = true)]
async fn uploads_that_are_read_leave_room_for_others() {
    const LENGTH: usize = 16 * 1024;
    let mut client = h2_with(FrontLimits::default(), &h2::client::Builder::new()).await;
    let mut open = Vec::new();
    for _ in 0..40 {
        let mut upload = request(Method::POST, "/take-and-hold");
        upload.headers_mut().insert("content-length", LENGTH.into());
        let (response, mut body) = client.start(upload, false).await;
        body.reserve_capacity(LENGTH);
        let mut sent = 0;
        while sent < LENGTH {
            let room = tokio::time::timeout(20 * SECOND, poll_fn(|cx| body.poll_capacity(cx))).await;
            let room = room.expect("there is room").unwrap().unwrap().min(LENGTH - sent);
            sent += room;
            body.send_data(Bytes::from(vec![1; room]), sent == LENGTH).unwrap();
        }
        open.push((response.await.unwrap(), body));
    }
    assert_eq!(open.len(), 40);
}
