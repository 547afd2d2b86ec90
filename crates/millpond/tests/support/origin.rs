//! An origin of the test's own, on a free port of loopback.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use futures_util::StreamExt as _;
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Body, Frame, RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond::front::{ConnInfo, Drain, FrontLimits, Interim, Reply, Request, Service, serve_connection};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

type Answer = Box<dyn Fn(&RequestHead, &[u8]) -> (ResponseHead, Vec<u8>) + Send + Sync>;

/// A running origin, stopped when dropped.
pub struct Origin {
    pub url: String,
    script: Arc<Script>,
    stop: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Origin {
    /// An origin that answers each request as `answer` says, one after the other.
    pub fn start(
        answer: impl Fn(&RequestHead, &[u8]) -> (ResponseHead, Vec<u8>) + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(Script { answer: Box::new(answer), asked: AtomicUsize::new(0) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let service = Arc::clone(&script);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, service) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { url, script, stop: Some((stop, thread)) }
    }

    /// How many requests arrived.
    pub fn asked(&self) -> usize {
        self.script.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            // The thread may have ended in a panic of the script, which the test has seen.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, service: Arc<Script>) {
    let drain = Drain::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (service, signal) = (Arc::clone(&service), drain.signal());
        let limits = Arc::new(FrontLimits::default());
        tokio::spawn(
            async move { serve_connection(stream, ConnInfo::new(0), service, limits, signal).await },
        );
    }
}

struct Script {
    answer: Answer,
    asked: AtomicUsize,
}

impl Service for Script {
    type Log = ();

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn ready(&self, _: &Request, _: &ConnInfo) -> Option<Reply<()>> {
        None
    }

    async fn call(&self, request: Request, body: Body, _: Interim, _: &ConnInfo) -> Reply<()> {
        let mut content = Vec::new();
        let mut frames = body.into_stream();
        while let Some(frame) = frames.next().await {
            if let Ok(Frame::Data(bytes)) = frame {
                content.extend_from_slice(&bytes);
            }
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (head, body) = (self.answer)(&request.head, &content);
        Reply::new(head, Body::from_bytes(body), ())
    }
}

/// A response head.
pub fn head(status: u16, fields: &[(&str, &str)]) -> ResponseHead {
    let status = StatusCode::from_u16(status).unwrap();
    ResponseHead { fields: fields.iter().copied().collect(), ..ResponseHead::new(status) }
}
