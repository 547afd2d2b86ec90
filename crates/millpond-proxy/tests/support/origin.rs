//! Origins that do exactly what a test says, and remember what they were asked.

use super::wire::{Message, Reader};
use super::{soon, until};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What a sound origin says once its script is over.
pub const SANE: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nsane";

/// What happens to the connection after a scripted answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It waits for the next request.
    Keep,
    /// It is closed in good order.
    Close,
    /// It is closed with a reset.
    Reset,
    /// It is closed with a reset, but only when the test says so.
    ResetWhenTold,
    /// The bytes are sent again and again.
    Repeat,
}

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct Step {
    pub bytes: Vec<u8>,
    pub then: Then,
}

/// An answer, and what follows it.
pub fn step(bytes: impl Into<Vec<u8>>, then: Then) -> Step {
    Step { bytes: bytes.into(), then }
}

impl<T: Into<Vec<u8>>> From<T> for Step {
    fn from(bytes: T) -> Self {
        step(bytes, Then::Keep)
    }
}

/// A listening origin.
pub struct Origin {
    pub address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    asked: Mutex<Vec<Message>>,
    connections: AtomicUsize,
    /// Bytes received, for each connection.
    raw: Mutex<Vec<Vec<u8>>>,
    closed: AtomicUsize,
    changed: Notify,
    told: Notify,
}

/// One connection of the proxy to an origin.
pub struct Conn {
    pub stream: TcpStream,
    pub number: usize,
    reader: Reader,
    log: Arc<Log>,
}

impl Origin {
    /// An origin whose connections are served by `serve`.
    pub async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::listen("127.0.0.1:0", serve).await
    }

    /// The same on another address.
    pub async fn listen<F, Fut>(on: &str, serve: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(on).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.raw.lock().unwrap().push(Vec::new());
                tokio::spawn(serve(Conn { stream, number, reader: Reader::new(), log: Arc::clone(&shared) }));
            }
        });
        Self { address, log }
    }

    /// An origin that answers request after request with these, then with [`SANE`].
    pub async fn script<S: Into<Step>>(steps: impl IntoIterator<Item = S>) -> Self {
        let steps: Arc<Vec<Step>> = Arc::new(steps.into_iter().map(Into::into).collect());
        let next = Arc::new(AtomicUsize::new(0));
        Self::start(move |mut conn| {
            let (steps, next) = (Arc::clone(&steps), Arc::clone(&next));
            async move {
                while conn.request().await.is_some() {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let step = steps.get(at).cloned().unwrap_or_else(|| SANE.into());
                    if !conn.play(&step).await {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// An origin whose answer is made from the request.
    pub async fn answering(answer: impl Fn(&Message) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start(move |mut conn| {
            let answer = Arc::clone(&answer);
            async move {
                while let Some(request) = conn.request().await {
                    let reply = answer(&request);
                    conn.send(reply).await;
                }
            }
        })
        .await
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Message> {
        self.log.asked.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|message| message.line).collect()
    }

    /// The only request so far.
    pub fn only(&self) -> Message {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    /// The bytes each connection received.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.log.raw.lock().unwrap().clone()
    }

    /// Lets an answer go on that waits to be told.
    pub fn tell(&self) {
        self.log.told.notify_one();
    }

    /// Waits until `holds` is true of this origin; looked at whenever something happens here.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        until(&self.log.changed, || holds(self)).await;
    }

    /// Waits until `count` requests have come.
    pub async fn until_asked(&self, count: usize) {
        self.until(|origin| origin.asked().len() >= count).await;
    }

    /// Waits until `count` connections were closed by the proxy.
    pub async fn until_closed(&self, count: usize) {
        self.until(|origin| origin.log.closed.load(Ordering::SeqCst) >= count).await;
    }
}

impl Conn {
    /// The next request with its content, noted; `None` when the proxy closed.
    pub async fn request(&mut self) -> Option<Message> {
        let mut message = self.head().await?;
        self.body(&mut message).await;
        if !message.whole {
            return None;
        }
        self.note(&message);
        Some(message)
    }

    /// The head of the next request alone, not noted.
    pub async fn head(&mut self) -> Option<Message> {
        let head = self.reader.head(&mut self.stream).await;
        self.keep_raw();
        if head.is_none() {
            self.log.closed.fetch_add(1, Ordering::SeqCst);
            self.log.changed.notify_waiters();
        }
        head
    }

    /// Reads the content that goes with a head.
    pub async fn body(&mut self, message: &mut Message) {
        self.reader.body(&mut self.stream, message, false).await;
        self.keep_raw();
    }

    /// Remembers a request.
    pub fn note(&self, message: &Message) {
        self.log.asked.lock().unwrap().push(message.clone());
        self.log.changed.notify_waiters();
    }

    fn keep_raw(&self) {
        self.log.raw.lock().unwrap()[self.number].clone_from(&self.reader.raw);
    }

    /// Sends; answers false when the proxy is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads exactly as many bytes as `expected` has.
    pub async fn expect(&mut self, expected: &[u8]) {
        while self.reader.buf.len() < expected.len() {
            assert!(soon(self.reader.more(&mut self.stream)).await, "closed before what was expected");
        }
        let got: Vec<u8> = self.reader.buf.drain(..expected.len()).collect();
        assert_eq!(got, expected);
    }

    /// Waits until the test tells.
    pub async fn told(&self) {
        self.log.told.notified().await;
    }

    /// Answers as `step` says; false when the connection is over.
    pub async fn play(&mut self, step: &Step) -> bool {
        while self.send(&step.bytes).await && step.then == Then::Repeat {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        match step.then {
            Then::Keep => true,
            Then::Reset => {
                self.stream.set_zero_linger().unwrap();
                false
            }
            Then::ResetWhenTold => {
                self.log.told.notified().await;
                self.stream.set_zero_linger().unwrap();
                false
            }
            Then::Close | Then::Repeat => false,
        }
    }
}
