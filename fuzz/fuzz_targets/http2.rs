//! Frames of any kind and content to the HTTP/2 front. It must not panic, must come to an end, must speak HTTP/2, and must see
//! no more requests than there are heads.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_exchange::{Body, StatusCode, Timestamp};
use millpond_front::{
    ConnInfo, Drain, FrontLimits, Interim, Reply, Request, Service, WireHead, serve_connection,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET http://a/`, indexed as far as the static table goes (RFC 7541 appendix A).
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 0x01, b'a'];

/// Echoes bodies, ignores those of long heads, answers heads of one field on the fast path.
#[derive(Default)]
struct Echo {
    seen: AtomicUsize,
}

impl Service for Echo {
    type Log = ();

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(0)
    }

    fn ready(&self, request: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        assert!(!request.head.authority.is_empty() && !request.head.path_and_query.is_empty());
        (request.head.fields.len() == 1).then(|| {
            self.seen.fetch_add(1, Ordering::SeqCst);
            Reply::new(WireHead::new(StatusCode::OK), Body::from_bytes(vec![b'x'; 3000]), ())
        })
    }

    async fn call(&self, request: Request, body: Body, _: Interim, _: &ConnInfo) -> Reply<()> {
        self.seen.fetch_add(1, Ordering::SeqCst);
        let head = WireHead::new(StatusCode::OK);
        if request.head.fields.len() > 3 {
            return Reply::new(head, Body::Empty, ());
        }
        Reply::new(head, Body::Stream { stream: body.into_stream(), length: request.body_length }, ())
    }
}

/// The bytes of a connection, and the number of heads in it. Each frame is made from four bytes (kind, flags, stream, length) and its
/// payload; a HEADERS frame that is complete gets a sound request before it.
fn frames(mut input: &[u8]) -> (Vec<u8>, usize) {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let mut heads = 0;
    while let [kind, flags, stream, length, rest @ ..] = input {
        let (payload, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        input = rest;
        let kind = kind % 11;
        // Neither padded nor with a priority: those bytes would take the place of the fields.
        let (flags, start) = if kind == HEADERS { (flags & !0x28, GET) } else { (*flags, &[][..]) };
        let start = if flags & END_HEADERS == 0 { &[][..] } else { start };
        heads += usize::from(matches!(kind, HEADERS | 9));
        let length = u32::try_from(start.len() + payload.len()).unwrap().to_be_bytes();
        bytes.extend(&length[1..]);
        bytes.extend([kind, flags, 0, 0, 0, *stream]);
        bytes.extend(start);
        bytes.extend(payload);
    }
    (bytes, heads)
}

/// The number of requests served, and what came back.
fn run(bytes: &[u8], piece: usize) -> (usize, Vec<u8>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (mut read, mut write) = tokio::io::split(ours);
        let service = Arc::new(Echo::default());
        let info = ConnInfo::new(1);
        let limits = Arc::new(FrontLimits { head_bytes: 4096, ..FrontLimits::default() });
        let serve = serve_connection(theirs, info, Arc::clone(&service), limits, Drain::new().signal());
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
        (service.seen.load(Ordering::SeqCst), out)
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let (bytes, heads) = frames(rest);
    for piece in [usize::MAX, usize::from(*first % 64) + 1] {
        let (seen, out) = run(&bytes, piece);
        assert!(seen <= heads, "more requests than heads");
        assert!(out.get(3) == Some(&4), "the first frame is SETTINGS");
    }
});
