//! The engine over two tiers: bodies that lie further down, and a tier below that fails.

use crate::support::{Reply, World, gate, in_time, read, request, settle};
use futures_util::future::BoxFuture;
use millpond_engine::{Context, RangeFill};
use millpond_exchange::{
    Body, BodyErrorKind, Key, Method, PurgeMode, Record, ResponseHead, Selector, Timestamp,
};
use millpond_policy::Profile;
use millpond_store::{
    Above, Capabilities, Entry, Epoch, MemoryOptions, MemoryStore, NewEntry, Store, StoreError, Tiered,
    Variants, Writer,
};
use std::future::pending;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A tier whose bodies must be asked for, and which can be made to fail.
#[derive(Default)]
struct Cellar {
    inner: MemoryStore,
    /// Every operation fails.
    down: AtomicBool,
    /// Bodies are gone when they are asked for.
    flooded: AtomicBool,
    /// Purges are done at once and never answered.
    silent: AtomicBool,
    /// Held by everybody who waits for such an answer.
    waits: Arc<()>,
    above: Mutex<Option<Weak<dyn Above>>>,
}

impl Cellar {
    fn check(&self) -> Result<(), StoreError> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(StoreError::Unavailable("the cellar is locked".into())) } else { Ok(()) }
    }

    /// What another process would do.
    async fn purge_from_outside(&self, selector: &Selector, now: Timestamp) {
        self.inner.remove(selector, PurgeMode::Hard, now).await.expect("memory purges by anything");
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner).clone();
        above.and_then(|above| above.upgrade()).expect("it is attached").purged(
            selector,
            PurgeMode::Hard,
            now,
        );
    }
}

fn without_body(entry: &Arc<Entry>) -> Arc<Entry> {
    Arc::new(Entry { body: None, ..Entry::clone(entry) })
}

impl Store for Cellar {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        Box::pin(async {
            self.check()?;
            let Variants { entries, complete } = self.inner.variants(key).await?;
            Ok(Variants { entries: entries.iter().map(without_body).collect(), complete })
        })
    }

    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(async {
            self.check()?;
            if self.flooded.load(Ordering::SeqCst) {
                return Err(StoreError::Gone);
            }
            let kept = self.inner.variants(&entry.key).await?;
            let kept = kept.entries.iter().find(|kept| kept.id == entry.id).ok_or(StoreError::Gone)?;
            self.inner.read(kept, range).await
        })
    }

    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        Box::pin(async {
            self.check()?;
            self.inner.writer(new).await
        })
    }

    fn refresh<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        record: Record,
        head: ResponseHead,
        fresh_until: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.inner
                .refresh(entry, record, head, fresh_until, epoch)
                .await
                .map(|entry| without_body(&entry))
        })
    }

    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            self.check()?;
            let removed = self.inner.remove(selector, mode, now).await;
            if self.silent.load(Ordering::SeqCst) {
                let _waits = Arc::clone(&self.waits);
                pending::<()>().await;
            }
            removed
        })
    }

    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    fn attach(&self, above: Weak<dyn Above>) {
        *self.above.lock().unwrap_or_else(PoisonError::into_inner) = Some(above);
    }
}

/// A world over a cellar; memory forgets when it is told to.
struct House {
    world: World,
    cellar: Arc<Cellar>,
}

impl House {
    fn new() -> Self {
        let cellar = Arc::new(Cellar::default());
        let memory = MemoryStore::new(MemoryOptions::default());
        let store = Tiered::new(memory, Arc::clone(&cellar) as Arc<dyn Store>);
        Self { world: World::over(Profile::default(), store), cellar }
    }

    async fn forget(&self) {
        let memory = self.world.engine.shared().store.memory().clone();
        memory.remove(&Selector::All, PurgeMode::Hard, Timestamp::default()).await.expect("memory can");
    }

    fn set(switch: &AtomicBool) {
        switch.store(true, Ordering::SeqCst);
    }
}

const FRESH: &[(&str, &str)] = &[("Cache-Control", "max-age=60, stale-if-error=600"), ("ETag", "\"v1\"")];

#[tokio::test(start_paused = true)]
async fn what_memory_forgot_is_a_hit_from_below() {
    let House { world, .. } = &house_with("hello").await;
    assert_eq!(world.get("/a").await, "hit 200 hello");
    assert_eq!(world.line("GET", "/a", &[("Range", "bytes=1-3")]).await, "hit 206 ell");
    assert_eq!(world.line("GET", "/a", &[("If-None-Match", "\"v1\"")]).await, "hit 304");
    let head = world.read(request("HEAD", "/a", &[])).await;
    assert_eq!(head.line(), "hit 200");
    assert_eq!(world.origin.count(), 1);
}

/// A house where `/a` is stored with this body, and memory has forgotten it.
async fn house_with(body: &'static str) -> House {
    let house = House::new();
    house.world.origin.says(move |_| Reply::ok(FRESH, body));
    house.world.get("/a").await;
    settle().await;
    house.forget().await;
    house
}

#[tokio::test(start_paused = true)]
async fn a_stale_entry_below_is_validated_and_given() {
    let house = house_with("hello").await;
    house.world.advance(61);
    house.world.origin.says(|_| Reply::status(304, &[("ETag", "\"v1\""), ("Cache-Control", "max-age=60")]));
    assert_eq!(house.world.get("/a").await, "validated 200 hello");
    assert_eq!(house.world.get("/a").await, "hit 200 hello");
    house.forget().await;
    assert_eq!(house.world.get("/a").await, "hit 200 hello", "the refresh reached the tier below");
}

#[tokio::test(start_paused = true)]
async fn a_stale_entry_below_stands_in_for_an_origin_that_fails() {
    let house = house_with("hello").await;
    house.world.advance(61);
    house.world.origin.says(|_| Reply::gone());
    assert_eq!(house.world.get("/a").await, "stale 200 hello");
}

#[tokio::test(start_paused = true)]
async fn a_body_lost_between_lookup_and_read_is_fetched() {
    let house = house_with("hello").await;
    House::set(&house.cellar.flooded);
    house.world.origin.says(|request| {
        assert!(!request.fields.contains("if-none-match"), "nothing is left that could be confirmed");
        Reply::ok(FRESH, "again")
    });
    assert_eq!(house.world.get("/a").await, "miss 200 again");
}

#[tokio::test(start_paused = true)]
async fn what_a_304_confirms_and_the_store_has_lost_is_fetched() {
    let house = house_with("hello").await;
    house.world.advance(61);
    let cellar = Arc::clone(&house.cellar);
    house.world.origin.says(move |request| {
        if request.fields.contains("if-none-match") {
            House::set(&cellar.flooded);
            return Reply::status(304, &[("ETag", "\"v1\"")]);
        }
        Reply::ok(FRESH, "again")
    });
    assert_eq!(house.world.get("/a").await, "miss 200 again");
    assert_eq!(house.world.origin.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_as_if_there_were_none() {
    let house = house_with("hello").await;
    House::set(&house.cellar.down);
    let got = house.world.read(request("GET", "/a", &[])).await;
    assert_eq!(got.line(), "miss 200 hello");
    assert_eq!(got.detail, Some("store-unavailable"));
    assert_eq!(house.world.get("/a").await, "hit 200 hello", "memory keeps it meanwhile");
    assert!(house.world.engine.shared().counters.snapshot().store_failures > 0);
}

#[tokio::test(start_paused = true)]
async fn a_purge_from_outside_parts_with_the_fills_under_way() {
    let House { world, cellar } = &House::new();
    let open = gate();
    world.origin.says_once(Reply::ok(FRESH, "old").behind(&open));
    let early = tokio::spawn({
        let world = world.clone();
        async move { world.get("/a").await }
    });
    settle().await;
    let now = world.engine.now();
    cellar.purge_from_outside(&Selector::Url("http://example.com/a".into()), now).await;
    world.origin.says(|_| Reply::ok(FRESH, "new"));
    assert_eq!(world.get("/a").await, "miss 200 new", "nobody joins what began before the purge");
    open.add_permits(1);
    assert_eq!(in_time(early).await.expect("it does not fail"), "miss 200 old");
    settle().await;
    assert_eq!(world.get("/a").await, "hit 200 new");
}

#[tokio::test(start_paused = true)]
async fn an_unsafe_request_invalidates_the_groups_its_response_names() {
    let House { world, .. } = &House::new();
    world.origin.says(|request| match request.method {
        Method::POST => Reply::ok(&[("Cache-Group-Invalidation", "\"b\", \"c\"")], "done"),
        _ if request.path_and_query == "/a" => {
            Reply::ok(&[("Cache-Control", "max-age=60"), ("Cache-Groups", "\"a\"")], "one")
        }
        _ => Reply::ok(&[("Cache-Control", "max-age=60"), ("Cache-Groups", "\"b\"")], "two"),
    });
    for path in ["/a", "/b"] {
        world.get(path).await;
    }
    settle().await;
    assert_eq!(world.line("POST", "/elsewhere", &[]).await, "bypass 200 done");
    assert_eq!(world.get("/a").await, "hit 200 one");
    assert_eq!(world.get("/b").await, "miss 200 two");
    world.origin.says(|_| Reply::ok(&[("Cache-Group-Invalidation", "\"a\"")], "safe"));
    world.get("/other").await;
    assert_eq!(world.get("/a").await, "hit 200 one", "a safe request invalidates nothing");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_invalidations_are_waited_for_and_none_is_left_out() {
    let House { world, cellar } = &House::new();
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60")], "content"));
    let paths: Vec<String> = (0..200).map(|at| format!("/{at}")).collect();
    for path in &paths {
        world.get(path).await;
    }
    settle().await;
    cellar.silent.store(true, Ordering::SeqCst);
    for path in &paths {
        assert_eq!(world.line("POST", path, &[]).await, "bypass 200 content");
    }
    settle().await;
    let waits = Arc::strong_count(&cellar.waits) - 1;
    assert!((1..=64).contains(&waits), "{waits} tasks wait for the store");
    for path in &paths {
        assert_eq!(world.get(path).await, "miss 200 content", "{path}");
    }
}

/// RFC 9110 section 14.6: the parts are read one after the other. What the tier loses meanwhile cuts the answer, and nothing
/// that looks like the end of a part follows.
#[tokio::test(start_paused = true)]
async fn several_ranges_from_below() {
    let house = house_with("hello").await;
    let several = request("GET", "/a", &[("Range", "bytes=0-0,2-2,4-4")]);
    let got = house.world.read(several.clone()).await;
    assert_eq!((got.outcome, got.status, got.cut), ("hit", 206, None));
    let text = String::from_utf8_lossy(&got.body).into_owned();
    let has = |range: &str, content| text.contains(&format!("bytes {range}/5\r\n\r\n{content}\r\n--"));
    assert!(has("0-0", "h") && has("2-2", "l") && has("4-4", "o"), "{text}");
    let answer = house.world.ask(several).await.expect("it is stored");
    House::set(&house.cellar.flooded);
    let (body, cut) = read(answer.body).await;
    assert_eq!((body.ends_with(b"bytes 0-0/5\r\n\r\nh"), cut), (true, Some(BodyErrorKind::Store)));
}

/// RFC 9111 section 3.4: a part is joined with one below. One that cannot be read is no reason to fail a request that can do
/// without it.
#[tokio::test(start_paused = true)]
async fn a_part_is_joined_with_one_below() {
    for flooded in [false, true] {
        let mut house = House::new();
        let context = Context { range_fill: RangeFill::Off, ..Context::clone(&house.world.context) };
        house.world.context = Arc::new(context);
        house.world.origin.says(|request| {
            let first = if request.fields.get_str("range") == Some("bytes=0-1") { 0 } else { 2 };
            let range = format!("bytes {first}-{}/5", first + 1);
            let lines = [FRESH, &[("Content-Range", range.as_str())]].concat();
            Reply::new(206, &lines, Body::from_bytes(&"hello"[first..first + 2]))
        });
        let part = async |range| {
            let line = house.world.line("GET", "/a", &[("Range", range)]).await;
            settle().await;
            line
        };
        part("bytes=0-1").await;
        house.forget().await;
        house.cellar.flooded.store(flooded, Ordering::SeqCst);
        assert_eq!(part("bytes=2-3").await, "miss 206 ll");
        house.cellar.flooded.store(false, Ordering::SeqCst);
        assert_eq!(part("bytes=2-3").await, "hit 206 ll", "{flooded}");
        house.forget().await;
        let expected = if flooded { "miss 206 hell" } else { "hit 206 hell" };
        assert_eq!(part("bytes=0-3").await, expected);
    }
}
