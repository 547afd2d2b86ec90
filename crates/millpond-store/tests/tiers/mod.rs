//! What the tests of the two tiers are written with: a store to lie below that can be stopped, can fail, gives large
//! bodies only when they are read, and stands for other processes too.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millpond_exchange::{
    Body, Fields, Key, PurgeMode, Record, ResponseHead, Selector, Timestamp, VarySelector,
};
use millpond_store::laws::{body_of, entry, put, record};
use millpond_store::{
    Above, Capabilities, Entry, Epoch, MemoryOptions, MemoryStore, NewEntry, PartialReader, Store,
    StoreError, Tiered, Variants, Writer,
};
use std::future::poll_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

/// When everything is purged.
pub const NOW: Timestamp = Timestamp::from_secs(1_500_000);

/// The store below.
#[derive(Default)]
pub struct Lower {
    pub inner: MemoryStore,
    switches: Arc<Switches>,
    above: Mutex<Option<Weak<dyn Above>>>,
}

#[derive(Default)]
struct Switches {
    /// Every operation waits once before it is done and once after.
    stops: AtomicBool,
    /// Every operation fails.
    fails: AtomicBool,
    /// Bodies of more bytes than this are not in the entry. Zero for no limit.
    inline: AtomicU64,
}

impl Switches {
    async fn stop(&self) {
        let mut stopped = !self.stops.load(Ordering::Relaxed);
        poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    fn failing(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("switched off".to_owned()));
        }
        Ok(())
    }

    /// What is between an operation and its caller.
    async fn pass<T>(&self, operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.stop().await;
        self.failing()?;
        let result = operation.await;
        self.stop().await;
        result
    }

    fn given(&self, entry: &Arc<Entry>) -> Arc<Entry> {
        let inline = self.inline.load(Ordering::Relaxed);
        if inline == 0 || entry.body_len <= inline {
            return Arc::clone(entry);
        }
        Arc::new(Entry { body: None, ..Entry::clone(entry) })
    }
}

impl Lower {
    pub fn set_stops(&self, stops: bool) {
        self.switches.stops.store(stops, Ordering::Relaxed);
    }

    pub fn set_fails(&self, fails: bool) {
        self.switches.fails.store(fails, Ordering::Relaxed);
    }

    pub fn set_inline(&self, bytes: u64) {
        self.switches.inline.store(bytes, Ordering::Relaxed);
    }

    pub fn above(&self) -> Arc<dyn Above> {
        self.above.lock().unwrap().as_ref().and_then(Weak::upgrade).expect("somebody listens")
    }

    /// A purge by another process.
    pub async fn purge_from_elsewhere(&self, selector: &Selector, mode: PurgeMode) {
        self.switches.stop().await;
        self.inner.remove(selector, mode, NOW).await.unwrap();
        self.switches.stop().await;
        self.above().purged(selector, mode, NOW);
    }

    /// The identities under `key`.
    pub fn ids(&self, key: &Key) -> Vec<u64> {
        ids(self.inner.lookup(key.as_bytes()))
    }
}

impl Store for Lower {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        Box::pin(self.switches.pass(async {
            let found = self.inner.variants(key).await?;
            let entries = found.entries.iter().map(|entry| self.switches.given(entry)).collect();
            Ok(Variants { entries, ..found })
        }))
    }

    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(self.switches.pass(async move {
            let found = self.inner.variants(&entry.key).await?;
            let found = found.entries.iter().find(|other| other.id == entry.id).ok_or(StoreError::Gone)?;
            self.inner.read(found, range).await
        }))
    }

    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        Box::pin(async {
            self.switches.failing()?;
            let inner = self.inner.writer(new).await?;
            Ok(Box::new(LowerWriter { inner, switches: Arc::clone(&self.switches) }) as Box<dyn Writer>)
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
        Box::pin(self.switches.pass(async move {
            Ok(self.switches.given(&self.inner.refresh(entry, record, head, fresh_until, epoch).await?))
        }))
    }

    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.switches.pass(self.inner.remove(selector, mode, now)))
    }

    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    fn attach(&self, above: Weak<dyn Above>) {
        *self.above.lock().unwrap() = Some(above);
    }
}

struct LowerWriter {
    inner: Box<dyn Writer>,
    switches: Arc<Switches>,
}

impl Writer for LowerWriter {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            self.switches.failing()?;
            self.inner.write(chunk).await
        })
    }

    fn reader(&self) -> Arc<dyn PartialReader> {
        self.inner.reader()
    }

    fn commit(self: Box<Self>, trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>> {
        let Self { inner, switches } = *self;
        Box::pin(async move {
            let switched = Arc::clone(&switches);
            switches.pass(async move { Ok(switched.given(&inner.commit(trailers).await?)) }).await
        })
    }
}

/// Two tiers, of which the lower can be handled.
pub fn tiers_of(memory: u64) -> (Tiered, Arc<Lower>) {
    let lower = Arc::new(Lower::default());
    let memory = MemoryStore::new(MemoryOptions { capacity: memory, ..MemoryOptions::default() });
    (Tiered::new(memory, Arc::<Lower>::clone(&lower)), lower)
}

/// Two tiers, the upper one roomy.
pub fn tiers() -> (Tiered, Arc<Lower>) {
    tiers_of(8 << 20)
}

/// A record for one value of a request field, received at this second.
pub fn variant(value: &str, at: i64) -> Record {
    let selector = VarySelector { name: "accept".into(), value: Some(value.as_bytes().into()) };
    Record { vary: [selector].into(), ..record(Timestamp::from_secs(at)) }
}

pub fn ids(list: Option<Variants>) -> Vec<u64> {
    list.map(|list| list.entries.iter().map(|entry| entry.id).collect()).unwrap_or_default()
}

/// What memory has of `key`.
pub fn held(tiers: &Tiered, key: &Key) -> Vec<u64> {
    ids(tiers.lookup(key.as_bytes()))
}

/// Lets go of `key` in memory, as if others had pushed it out. (It is a purge of that tier alone, so what is under way
/// there is refused too.)
pub async fn evict(tiers: &Tiered, key: &Key) {
    tiers.memory().remove(&Selector::Key(key.clone()), PurgeMode::Hard, NOW).await.unwrap();
}

/// All bodies of `key`, the newest first.
pub async fn bodies(store: &dyn Store, key: &Key) -> Vec<String> {
    let mut all = Vec::new();
    for entry in store.variants(key).await.unwrap().entries.iter() {
        all.push(String::from_utf8(body_of(store, entry, None).await.unwrap()).unwrap());
    }
    all
}

/// Stores `body`.
pub async fn keep(store: &dyn Store, key: &Key, record: Record, body: &str) -> Arc<Entry> {
    put(store, key, record, body.as_bytes()).await.unwrap()
}

/// Stores `body`, unless a purge overtakes that.
pub fn keep_if_let(store: &dyn Store, key: &Key, record: Record, body: &str) {
    match put(store, key, record, body.as_bytes()).now_or_never() {
        Some(Ok(_) | Err(StoreError::Superseded)) => {}
        other => panic!("{other:?}"),
    }
}

/// A writer with `body` written.
pub async fn written(store: &dyn Store, key: &Key, record: Record, body: &str) -> Box<dyn Writer> {
    let mut writer = store.writer(entry(store, key, record)).await.unwrap();
    writer.write(Bytes::copy_from_slice(body.as_bytes())).await.unwrap();
    writer
}

/// Polls `a` where a bit of `schedule` is 0 and `b` where it is 1, until both are done.
pub fn interleave<A, B>(schedule: u32, a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a.fuse()), Box::pin(b.fuse()));
    let mut context = Context::from_waker(Waker::noop());
    let (mut of_a, mut of_b) = (None, None);
    for step in 0..1_000u32 {
        let turn_of_b = if step < u32::BITS { schedule >> step & 1 == 1 } else { step % 2 == 1 };
        if (turn_of_b || of_a.is_some()) && of_b.is_none() {
            if let Poll::Ready(value) = b.as_mut().poll(&mut context) {
                of_b = Some(value);
            }
        } else if of_a.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(&mut context)
        {
            of_a = Some(value);
        }
        if of_a.is_some() && of_b.is_some() {
            break;
        }
    }
    (of_a.expect("the first ends"), of_b.expect("the second ends"))
}

/// Polls `future` this many times and drops it.
pub fn abandon<T>(polls: usize, future: impl Future<Output = T>) {
    let mut future = Box::pin(future.fuse());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if future.as_mut().poll(&mut context).is_ready() {
            break;
        }
    }
}

/// What holds between operations, when none failed: memory has nothing that the tier below has not; of a complete list
/// nothing is missing; and facts are the same.
pub fn assert_agreement(tiers: &Tiered, lower: &Lower, key: &Key) {
    let Some(above) = tiers.lookup(key.as_bytes()) else { return };
    let below = lower.inner.lookup(key.as_bytes());
    let below = below.as_ref().map_or(&[][..], |list| &list.entries);
    for entry in above.entries.iter() {
        let twin = below.iter().find(|other| other.id == entry.id);
        let twin = twin.unwrap_or_else(|| panic!("{} is in memory alone", entry.id));
        assert_eq!(entry.record, twin.record);
        assert_eq!(entry.head.fields, twin.head.fields);
    }
    if above.complete {
        assert_eq!(above.entries.len(), below.len(), "a list is called complete that is not");
    }
}
