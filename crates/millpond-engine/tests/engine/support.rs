//! A world for the engine to live in: a clock that stands still, and an origin that does as it is told.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use millpond_engine::Exchange;
use millpond_engine::{
    Answer, ContentKeys, Context, Engine, EngineError, FetchLimits, ManualClock, Origin, OriginError,
    OriginFault, OriginRequest, OriginResponse, Outcome, RangeFill, Shared, Upstream,
};
use millpond_exchange::{
    Body, BodyError, BodyErrorKind, Fields, Frame, Method, QueryRules, RequestHead, ResponseHead, Scheme,
    StatusCode, Timestamp,
};
use millpond_policy::dates::format_date;
use millpond_policy::{Profile, Reason};
use millpond_store::{MemoryOptions, MemoryStore, Tiered};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// Field lines. A value `@N` stands for the date N seconds after [`START`].
pub type Lines<'a> = &'a [(&'a str, &'a str)];

/// When every world begins, seconds.
pub const START: i64 = 1_800_000_000;
pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * 1024;

pub fn fields(lines: Lines<'_>) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        match value.strip_prefix('@').and_then(|secs| secs.parse::<i64>().ok()) {
            Some(secs) => fields.append(name, format_date(Timestamp::from_secs(START + secs))),
            None => fields.append(name, value),
        }
        .expect("a test names valid fields");
    }
    fields
}

pub fn request(method: &str, path: &str, lines: Lines<'_>) -> RequestHead {
    RequestHead {
        method: Method::from_bytes(method.as_bytes()).expect("a method"),
        fields: fields(lines),
        ..RequestHead::get("example.com", path)
    }
}

/// What the origin does with one request.
pub struct Reply {
    result: Result<(ResponseHead, Body), OriginError>,
    /// A permit of this is taken before the head goes out.
    gate: Option<Arc<Semaphore>>,
}

impl Reply {
    pub fn new(status: u16, lines: Lines<'_>, body: Body) -> Self {
        let head = ResponseHead {
            fields: fields(lines),
            ..ResponseHead::new(StatusCode::from_u16(status).expect("a status"))
        };
        Self { result: Ok((head, body)), gate: None }
    }

    pub fn ok(lines: Lines<'_>, body: &str) -> Self {
        Self::new(200, lines, Body::from_bytes(body.to_owned()))
    }

    pub fn status(status: u16, lines: Lines<'_>) -> Self {
        Self::new(status, lines, Body::Empty)
    }

    /// Nobody is there.
    pub fn gone() -> Self {
        Self::fails(OriginFault::Connect)
    }

    /// It ends the exchange without an answer.
    pub fn hangs_up() -> Self {
        Self::fails(OriginFault::Closed)
    }

    fn fails(fault: OriginFault) -> Self {
        let error =
            OriginError { fault, upstream: "http://o".into(), message: "as the test wants it".into() };
        Self { result: Err(error), gate: None }
    }

    pub fn behind(self, gate: &Arc<Semaphore>) -> Self {
        Self { gate: Some(Arc::clone(gate)), ..self }
    }
}

/// A gate that lets nobody through until it is given permits.
pub fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

type Behaviour = dyn Fn(&RequestHead) -> Reply + Send + Sync;

/// An origin that does as it is told and remembers what it was asked.
pub struct TestOrigin {
    behaviour: Mutex<Arc<Behaviour>>,
    asked: Mutex<Vec<RequestHead>>,
    contents: Arc<Mutex<Vec<String>>>,
}

impl TestOrigin {
    pub fn says(&self, behaviour: impl Fn(&RequestHead) -> Reply + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(behaviour);
    }

    /// Answers the first request with `reply`; there must not be a second one.
    pub fn says_once(&self, reply: Reply) {
        let reply = Mutex::new(Some(reply));
        self.says(move |_| {
            let reply = reply.lock().unwrap_or_else(PoisonError::into_inner).take();
            reply.expect("the origin is asked once")
        });
    }

    /// How often it was asked so far.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The content of the requests that had some.
    pub fn contents(&self) -> Vec<String> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was asked last.
    pub fn last(&self) -> RequestHead {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).last().expect("it was asked").clone()
    }
}

impl Origin for TestOrigin {
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.head.clone());
        let behaviour = Arc::clone(&*self.behaviour.lock().unwrap_or_else(PoisonError::into_inner));
        let contents = Arc::clone(&self.contents);
        Box::pin(async move {
            let OriginRequest { mut head, body, .. } = request;
            if body.length() != Some(0) {
                // Behaviours find it as a field.
                let content = String::from_utf8_lossy(&read(body).await.0).into_owned();
                head.fields.set("X-Content", &content).expect("content that fits into a field");
                contents.lock().unwrap_or_else(PoisonError::into_inner).push(content);
            }
            let Reply { result, gate } = behaviour(&head);
            if let Some(gate) = gate {
                gate.acquire().await.expect("a gate is never closed").forget();
            }
            result.map(|(head, body)| OriginResponse { head, body, upgrade: None })
        })
    }
}

/// An engine with everything around it.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<ManualClock>,
    pub origin: Arc<TestOrigin>,
    pub engine: Arc<Engine<Arc<TestOrigin>>>,
    pub context: Arc<Context>,
}

impl World {
    pub fn new() -> Self {
        Self::with(Profile::default(), MemoryOptions::default())
    }

    pub fn with(profile: Profile, memory: MemoryOptions) -> Self {
        Self::over(profile, Tiered::alone(MemoryStore::new(memory)))
    }

    pub fn over(profile: Profile, store: Tiered) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(START)));
        let origin = Arc::new(TestOrigin {
            behaviour: Mutex::new(Arc::new(|_| Reply::gone())),
            asked: Mutex::default(),
            contents: Arc::default(),
        });
        let shared = Shared::new(store, Arc::clone(&clock) as Arc<dyn millpond_engine::Clock>);
        let engine = Engine::new(shared, Arc::clone(&origin));
        Self { clock, origin, engine, context: Arc::new(context(profile)) }
    }

    /// The same world seen by a route with another profile.
    pub fn under(&self, profile: Profile) -> Self {
        Self { context: Arc::new(context(profile)), ..self.clone() }
    }

    pub fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    pub fn in_flight(&self) -> u64 {
        self.engine.shared().store.memory().stats().in_flight_bytes
    }

    pub fn entries(&self) -> u64 {
        self.engine.shared().store.memory().stats().entries
    }

    pub fn exchange(&self, head: RequestHead) -> Exchange {
        let context = Arc::clone(&self.context);
        Exchange {
            head,
            body: Body::Empty,
            context,
            pass: None,
            upgrade: false,
            client_scheme: None,
            client_host: None,
            interim: None,
        }
    }

    pub async fn ask(&self, head: RequestHead) -> Result<Answer, EngineError> {
        self.engine.handle(self.exchange(head)).await
    }

    /// Asks and reads to the end.
    pub async fn read(&self, head: RequestHead) -> Got {
        Got::of(self.ask(head).await).await
    }

    /// Asks, reads to the end, and says in one line what came.
    pub async fn line(&self, method: &str, path: &str, lines: Lines<'_>) -> String {
        in_time(Box::pin(self.read(request(method, path, lines)))).await.line()
    }

    /// The same with content.
    pub async fn send(&self, method: &str, path: &str, lines: Lines<'_>, content: &str) -> String {
        let body = Body::from_bytes(content.to_owned());
        let exchange = Exchange { body, ..self.exchange(request(method, path, lines)) };
        let answered = async { Got::of(self.engine.handle(exchange).await).await };
        in_time(Box::pin(answered)).await.line()
    }

    pub async fn get(&self, path: &str) -> String {
        self.line("GET", path, &[]).await
    }

    pub async fn pass(&self, path: &str, reason: Reason) -> String {
        let exchange = Exchange { pass: Some(reason), ..self.exchange(request("GET", path, &[])) };
        Got::of(self.engine.handle(exchange).await).await.line()
    }
}

fn context(profile: Profile) -> Context {
    let upstream = Upstream { scheme: Scheme::Http, authority: "o".into(), limits: FetchLimits::default() };
    Context {
        profile,
        query: QueryRules::default(),
        upstream: Arc::new(upstream),
        rewritten: Vec::new(),
        object_limit: None,
        range_fill: RangeFill::default(),
        content_keys: ContentKeys::default(),
    }
}

/// What a client got.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub cut: Option<BodyErrorKind>,
    pub outcome: &'static str,
    pub age: Option<u32>,
    pub announce: Option<u64>,
    pub detail: Option<&'static str>,
}

impl Got {
    pub async fn of(answer: Result<Answer, EngineError>) -> Self {
        let nothing = |outcome, detail| Self {
            status: 0,
            fields: Fields::new(),
            body: Vec::new(),
            cut: None,
            outcome,
            age: None,
            announce: None,
            detail: Some(detail),
        };
        match answer {
            Err(EngineError::Origin { error, .. }) => nothing("failed", error.fault.as_str()),
            Err(EngineError::Request(_)) => nothing("failed", "request"),
            Err(EngineError::NotCached { reason, .. }) => nothing("not-cached", reason.as_str()),
            Ok(answer) => Self::of_answer(answer).await,
        }
    }

    async fn of_answer(answer: Answer) -> Self {
        let Answer { head, body, announce, age, outcome, status, .. } = answer;
        let announced = body.length();
        let (body, cut) = read(body).await;
        if let (Some(announced), None) = (announced, cut) {
            assert_eq!(body.len() as u64, announced, "a body that ends well has its announced length");
        }
        Self {
            status: head.head().status.as_u16(),
            fields: head.head().fields.clone(),
            body,
            cut,
            outcome: outcome.as_str(),
            age,
            announce,
            detail: status.detail,
        }
    }

    /// `outcome status body`, or `failed fault`, or `not-cached reason`.
    pub fn line(&self) -> String {
        match self.status {
            0 => format!("{} {}", self.outcome, self.detail.unwrap_or_default()),
            status => {
                let cut = if self.cut.is_some() { " cut" } else { "" };
                format!("{} {status} {}{cut}", self.outcome, String::from_utf8_lossy(&self.body))
                    .trim_end()
                    .to_owned()
            }
        }
    }
}

/// The content of `body`, and how it broke off if it did.
pub async fn read(body: Body) -> (Vec<u8>, Option<BodyErrorKind>) {
    let mut stream = body.into_stream();
    let mut all = Vec::new();
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(Frame::Data(piece)) => all.extend_from_slice(&piece),
            Ok(Frame::Trailers(_)) => {}
            Err(error) => return (all, Some(error.kind)),
        }
    }
    (all, None)
}

/// Fails instead of hanging. Under paused time that takes no time at all: the clock jumps as soon as nothing can go on.
pub async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), future).await.expect("it comes to an end")
}

/// Lets every task that can go on do so, on a single thread.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// The test's end of a body: what it sends is what the origin sends.
pub struct Tap {
    frames: mpsc::UnboundedSender<Result<Frame, BodyError>>,
    dropped: watch::Receiver<bool>,
}

impl Tap {
    pub fn send(&self, piece: impl Into<Bytes>) {
        // Nobody may be there any more.
        let _ = self.frames.send(Ok(Frame::Data(piece.into())));
    }

    /// The connection breaks.
    pub fn cut(&self) {
        let _ = self.frames.send(Err(BodyError::new(BodyErrorKind::Cut, "the origin hung up")));
    }

    /// The body is complete.
    pub fn end(self) -> Gone {
        Gone(self.dropped)
    }

    /// True when nobody reads the body any more.
    pub fn is_gone(&self) -> bool {
        *self.dropped.borrow()
    }
}

/// Tells when a body was let go.
pub struct Gone(watch::Receiver<bool>);

impl Gone {
    pub async fn wait(mut self) {
        in_time(self.0.wait_for(|gone| *gone)).await.expect("the body says when it goes");
    }
}

struct DropGuard(watch::Sender<bool>);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// A body of `length`, sent piece by piece through the [`Tap`].
pub fn stepped(length: Option<u64>) -> (Tap, Body) {
    let (frames, receiver) = mpsc::unbounded_channel();
    let (sender, dropped) = watch::channel(false);
    let state = (receiver, DropGuard(sender));
    let stream = futures_util::stream::unfold(state, |(mut receiver, guard)| async move {
        receiver.recv().await.map(|frame| (frame, (receiver, guard)))
    });
    (Tap { frames, dropped }, Body::Stream { stream: Box::pin(stream), length })
}

/// The content of every large body: a pattern whose period is no power of two, so that no piece can stand for another.
const PERIOD: usize = 65_521;
const PIECE: usize = 64 * 1024;

fn pattern() -> &'static Bytes {
    static PATTERN: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    PATTERN.get_or_init(|| {
        (0..PERIOD + PIECE).map(|at| (at % PERIOD % 251) as u8 ^ (at % PERIOD / 251) as u8).collect()
    })
}

/// Up to `len` bytes of the pattern from `offset` on, without copying.
pub fn pattern_at(offset: u64, len: u64) -> Bytes {
    let start = (offset % PERIOD as u64) as usize;
    pattern().slice(start..start + (len as usize).min(PIECE))
}

/// True when `piece` is what the pattern has at `offset`.
pub fn is_pattern(offset: u64, piece: &[u8]) -> bool {
    let mut offset = offset;
    piece.chunks(PIECE).all(|part| {
        let same = pattern_at(offset, part.len() as u64) == part;
        offset += part.len() as u64;
        same
    })
}

/// A body of `total` bytes of the pattern, made as it is asked for; `pulled` counts how far that is.
pub fn generated(total: u64, length: Option<u64>, pulled: &Arc<AtomicU64>) -> Body {
    generated_from(0, total, length, pulled)
}

/// The same, from the byte at `first` of the pattern on.
pub fn generated_from(first: u64, total: u64, length: Option<u64>, pulled: &Arc<AtomicU64>) -> Body {
    let pulled = Arc::clone(pulled);
    let stream = futures_util::stream::unfold(0u64, move |offset| {
        let piece = (offset < total).then(|| pattern_at(first + offset, total - offset));
        pulled.fetch_add(piece.as_ref().map_or(0, |piece| piece.len() as u64), Ordering::SeqCst);
        async move { piece.map(|piece| (Ok(Frame::Data(piece.clone())), offset + piece.len() as u64)) }
    });
    Body::Stream { stream: Box::pin(stream), length }
}

/// What one of a crowd has seen of a large body.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub length: u64,
    pub intact: bool,
    pub cut: bool,
    pub outcome: Option<Outcome>,
}

/// Reads a body of the pattern to its end and reports every piece to `steps`.
pub async fn watch_body(answer: Result<Answer, EngineError>, steps: mpsc::UnboundedSender<u64>) -> Seen {
    let Ok(answer) = answer else { return Seen::default() };
    let mut seen = Seen { intact: true, outcome: Some(answer.outcome), ..Seen::default() };
    let mut stream = answer.body.into_stream();
    while let Some(frame) = stream.next().await {
        match frame {
            Ok(Frame::Data(piece)) => {
                seen.intact &= is_pattern(seen.length, &piece);
                seen.length += piece.len() as u64;
                let _ = steps.send(piece.len() as u64);
            }
            Ok(Frame::Trailers(_)) => {}
            Err(_) => seen.cut = true,
        }
    }
    seen
}
