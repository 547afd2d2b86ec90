//! Any bytes to the HTTP/1.1 front. It must not panic, must come to an end, must answer in HTTP, must see no more
//! requests than there are heads, and must see the same ones however the bytes are cut into reads.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_exchange::{Body, StatusCode, Timestamp};
use millpond_front::{
    ConnInfo, Drain, FrontLimits, Interim, Reply, Request, Service, WireHead, serve_connection,
};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Echoes bodies, ignores those of `/i...`, answers `/r...` on the fast path.
#[derive(Default)]
struct Echo {
    seen: Mutex<Vec<String>>,
}

impl Echo {
    fn note(&self, request: &Request) {
        let head = &request.head;
        let line =
            format!("{} {} {} {}", head.method, head.authority, head.path_and_query, head.fields.len());
        self.seen.lock().unwrap().push(line);
    }
}

impl Service for Echo {
    type Log = ();

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(0)
    }

    fn ready(&self, request: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        request.head.path_and_query.starts_with("/r").then(|| {
            self.note(request);
            Reply::new(WireHead::new(StatusCode::OK), Body::from_bytes("ready"), ())
        })
    }

    async fn call(&self, request: Request, body: Body, _: Interim, _: &ConnInfo) -> Reply<()> {
        self.note(&request);
        let head = WireHead::new(StatusCode::OK);
        if request.head.path_and_query.starts_with("/i") {
            return Reply::new(head, Body::Empty, ());
        }
        Reply::new(head, Body::Stream { stream: body.into_stream(), length: request.body_length }, ())
    }
}

/// The lines of the requests served, and what came back.
fn run(bytes: &[u8], piece: usize) -> (Vec<String>, Vec<u8>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (mut read, mut write) = tokio::io::split(ours);
        let service = Arc::new(Echo::default());
        let limits =
            FrontLimits { head_bytes: 4096, target_bytes: 1024, drain_bytes: 512, ..FrontLimits::default() };
        let serve = serve_connection(
            theirs,
            ConnInfo::new(1),
            Arc::clone(&service),
            Arc::new(limits),
            Drain::new().signal(),
        );
        let send = async {
            for piece in bytes.chunks(piece) {
                if write.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = write.shutdown().await;
        };
        let receive = async {
            let mut out = Vec::new();
            let _ = read.read_to_end(&mut out).await;
            out
        };
        let bounded = tokio::time::timeout(std::time::Duration::from_secs(3600), async {
            tokio::join!(serve, send, receive)
        });
        let (_, (), out) = bounded.await.expect("the connection comes to an end");
        let seen = service.seen.lock().unwrap().clone();
        (seen, out)
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else { return };
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        return; // The target `http2` is for these.
    }
    let (whole, out) = run(bytes, usize::MAX);
    let (cut, _) = run(bytes, usize::from(*first % 64) + 1);
    assert_eq!(whole, cut, "the requests depend on how the bytes were cut");
    let heads = bytes.windows(4).filter(|four| four == b"\r\n\r\n").count();
    assert!(whole.len() <= heads, "more requests than heads");
    assert!(out.is_empty() || out.starts_with(b"HTTP/1.1 "), "not an HTTP reply");
});
