//! A bare responder: `/1k`, `/16k`, `/128k` and `/1m` from memory, nothing else. The benchmark's floor.
//!
//! `cargo run --release -p millpond-front --example bare -- 127.0.0.1:8080`

use millpond_exchange::{Body, Fields, Method, ResponseHead, Segments, StatusCode, Timestamp};
use millpond_front::{
    ConnInfo, Drain, FrontLimits, Interim, Reply, Request, Service, WireHead, serve_connection,
};
use std::sync::Arc;
use tokio::net::TcpListener;

/// What is served: a path, its head, its body.
struct Object {
    path: &'static str,
    head: ResponseHead,
    body: Segments,
}

struct Bare {
    objects: Vec<Object>,
}

impl Bare {
    fn new() -> Self {
        let sizes = [("/1k", 1usize), ("/16k", 16), ("/128k", 128), ("/1m", 1024)];
        let objects = sizes.map(|(path, kib)| {
            let mut head = ResponseHead::new(StatusCode::OK);
            head.fields = Fields::from_iter([
                ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
                ("Content-Type", "application/octet-stream"),
                ("Cache-Control", "max-age=3600"),
                ("ETag", "\"0123456789abcdef\""),
                ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ]);
            let pieces: Vec<_> =
                vec![b'x'; kib * 1024].chunks(256 * 1024).map(|c| c.to_vec().into()).collect();
            Object { path, head, body: Segments::new(pieces) }
        });
        Self { objects: objects.into() }
    }
}

impl Service for Bare {
    type Log = ();

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_767_225_600)
    }

    fn ready(&self, request: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        let object = self.objects.iter().find(|object| object.path == request.head.path_and_query)?;
        let mut head = WireHead::of(&object.head);
        head.push_number("Age", 7).ok()?;
        head.push("X-Cache", "HIT").ok()?;
        (request.head.method == Method::GET).then(|| Reply::new(head, Body::Memory(object.body.clone()), ()))
    }

    async fn call(&self, _: Request, _: Body, _: Interim, _: &ConnInfo) -> Reply<()> {
        Reply::new(
            WireHead::new(StatusCode::NOT_FOUND),
            Body::from_bytes("try /1k, /16k, /128k or /1m\n"),
            (),
        )
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (service, limits, drain) = (Arc::new(Bare::new()), Arc::new(FrontLimits::default()), Drain::new());
    for id in 0.. {
        let (socket, peer) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let info = ConnInfo { peer: Some(peer), ..ConnInfo::new(id) };
        tokio::spawn(serve_connection(
            socket,
            info,
            Arc::clone(&service),
            Arc::clone(&limits),
            drain.signal(),
        ));
    }
    Ok(())
}
