//! Walks through the engine, over a memory tier and an origin that is a function: one thread, a clock that stands still.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use millpond_engine::{
    Answer, ContentKeys, Context, Engine, Exchange, FetchLimits, ManualClock, Origin, OriginError,
    OriginRequest, OriginResponse, Outcome, RangeFill, Shared, Target, Upstream,
};
use millpond_exchange::{Body, Frame, QueryRules, RequestHead, Scheme, StatusCode};
use millpond_policy::Profile;
use millpond_store::{MemoryOptions, MemoryStore, Tiered};
use tokio::runtime::Runtime;

use crate::heads::{CONTENT, HOST, PATH, START, request, response};

/// Answers at once, always with the same; a condition with a 304.
struct Straight {
    cache_control: &'static str,
    /// Answer the first request only, and let all others wait for ever.
    once: bool,
    asked: std::sync::atomic::AtomicU64,
}

impl Origin for Straight {
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>> {
        let asked = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.once && asked > 0 {
            return Box::pin(std::future::pending());
        }
        let conditional = request.head.fields.contains("if-none-match");
        let (status, body) = if conditional {
            (StatusCode::NOT_MODIFIED, Body::Empty)
        } else {
            (StatusCode::OK, Body::from_bytes(Bytes::from_static(CONTENT)))
        };
        let head = response(status, self.cache_control);
        Box::pin(std::future::ready(Ok(OriginResponse { head, body, upgrade: None })))
    }
}

/// An engine with everything around it.
struct World {
    runtime: Runtime,
    clock: Arc<ManualClock>,
    engine: Arc<Engine<Straight>>,
    context: Arc<Context>,
}

impl World {
    fn new(cache_control: &'static str, once: bool) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let clock = Arc::new(ManualClock::new(START));
        let store = Tiered::alone(MemoryStore::new(MemoryOptions::default()));
        let shared = Shared::new(store, Arc::clone(&clock) as Arc<dyn millpond_engine::Clock>);
        let origin = Straight { cache_control, once, asked: 0.into() };
        let upstream =
            Upstream { scheme: Scheme::Http, authority: HOST.to_owned(), limits: FetchLimits::default() };
        let context = Context {
            profile: Profile::default(),
            query: QueryRules::default(),
            upstream: Arc::new(upstream),
            rewritten: Vec::new(),
            object_limit: None,
            range_fill: RangeFill::default(),
            content_keys: ContentKeys::default(),
        };
        Ok(Self {
            runtime: runtime.context("starting the runtime")?,
            clock,
            engine: Engine::new(shared, origin),
            context: Arc::new(context),
        })
    }

    /// Asks, reads to the end, and expects it to have come this way.
    async fn ask(&self, head: RequestHead, outcome: Outcome) -> Result<()> {
        let exchange = Exchange {
            head,
            body: Body::Empty,
            context: Arc::clone(&self.context),
            pass: None,
            upgrade: false,
            client_scheme: None,
            client_host: None,
            interim: None,
        };
        let answer = self.engine.handle(exchange).await.context("asking the engine")?;
        check(&answer, outcome)?;
        read(answer.body).await
    }
}

fn check(answer: &Answer, outcome: Outcome) -> Result<()> {
    ensure!(answer.outcome == outcome, "the answer is a {}", answer.outcome.as_str());
    Ok(())
}

async fn read(body: Body) -> Result<()> {
    let mut stream = body.into_stream();
    let mut length = 0;
    while let Some(frame) = stream.next().await {
        if let Frame::Data(piece) = frame.context("reading the body")? {
            length += black_box(piece).len();
        }
    }
    ensure!(length == CONTENT.len(), "the body has {length} bytes");
    Ok(())
}

/// A fresh entry in memory: [`Engine::hit`], which never waits.
pub fn hit(times: u64) -> Result<()> {
    let world = World::new("public, max-age=600", false)?;
    world.runtime.block_on(world.ask(request(PATH), Outcome::Miss))?;
    let head = request(PATH);
    let target = Target { scheme: Scheme::Http, authority: HOST, path_and_query: PATH, client_scheme: None };
    for _ in 0..times {
        let answer = world.engine.hit(black_box(&head), black_box(target), &world.context);
        check(&black_box(answer.context("nothing fresh is in memory")?), Outcome::Hit)?;
    }
    Ok(())
}

/// A stale entry that may be used while it is fetched again, which does not come to an end.
pub fn stale(times: u64) -> Result<()> {
    let world = World::new("public, max-age=60, stale-while-revalidate=6000", true)?;
    world.runtime.block_on(async {
        world.ask(request(PATH), Outcome::Miss).await?;
        world.clock.advance(Duration::from_secs(100));
        for _ in 0..times {
            world.ask(request(PATH), Outcome::StaleHit).await?;
        }
        Ok(())
    })
}

/// An entry that must be validated each time: a conditional fetch, a 304, a refreshed entry.
pub fn validate(times: u64) -> Result<()> {
    let world = World::new("public, no-cache", false)?;
    world.runtime.block_on(async {
        world.ask(request(PATH), Outcome::Miss).await?;
        for _ in 0..times {
            world.ask(request(PATH), Outcome::Validated).await?;
        }
        Ok(())
    })
}

/// Something new each time: a fetch, a fill, an entry stored.
pub fn miss(times: u64) -> Result<()> {
    let world = World::new("public, max-age=600", false)?;
    world.runtime.block_on(async {
        for number in 0..times {
            let path = format!("/catalogue/products/{number:08}?page=2&sort=price");
            world.ask(request(&path), Outcome::Miss).await?;
        }
        Ok(())
    })
}
