//! A store that passes everything on to another and remembers it: whatever comes out must be what went in, and nothing that
//! was purged may come out again. Failures are allowed and counted; lies are findings.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, Fields, Frame, Key, PurgeMode, Record, ResponseHead, Selector, Timestamp};
use millpond_store::{
    Capabilities, Entry, Epoch, NewEntry, PartialReader, Store, StoreError, Variants, Writer, covers,
};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// One committed response.
struct Known {
    id: u64,
    key: Key,
    /// The record it was committed with, and those it was refreshed with.
    records: Vec<Record>,
    body: Bytes,
    trailers: Fields,
    /// When it was purged, on the clock of purges.
    purged: Option<u64>,
    /// From when on it must count as stale.
    stale_by: Option<Timestamp>,
}

impl Known {
    fn is(&self, entry: &Entry) -> bool {
        let same = |record: &Record| Record { stale_from: None, ..record.clone() };
        self.key == entry.key
            && self.body.len() as u64 == entry.body_len
            && self.trailers == entry.trailers
            && self.records.iter().any(|record| same(record) == same(&entry.record))
            && self.stale_by.is_none_or(|by| entry.record.stale_from.is_some_and(|from| from <= by))
            && entry.body.as_ref().is_none_or(|body| body.to_vec() == self.body)
    }
}

/// What has been seen so far; outlives the stores it was seen in.
#[derive(Default)]
struct Seen {
    known: Vec<Known>,
    purges: u64,
    findings: Vec<String>,
    failed: u64,
}

/// What all witnesses of one directory have seen.
#[derive(Clone, Default)]
pub struct Testimony(Arc<Mutex<Seen>>);

impl Testimony {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// What must never be, and was.
    pub fn findings(&self) -> Vec<String> {
        self.lock().findings.clone()
    }

    /// How many operations said that they failed.
    pub fn failed(&self) -> u64 {
        self.lock().failed
    }

    /// The keys of all that was stored.
    pub fn keys(&self) -> std::collections::BTreeSet<Key> {
        self.lock().known.iter().map(|known| known.key.clone()).collect()
    }

    fn find(&self, what: String) {
        self.lock().findings.push(what);
    }

    fn note<T>(&self, result: &Result<T, StoreError>) {
        if let Err(StoreError::Unavailable(_) | StoreError::Corrupt(_)) = result {
            self.lock().failed += 1;
        }
    }

    /// Looks at what a lookup of `key`, begun when there had been `begun` purges, has found.
    fn look(&self, key: &[u8], begun: u64, found: &Variants) {
        let mut seen = self.lock();
        for entry in found.entries.iter() {
            if entry.key.as_bytes() != key {
                seen.findings.push(format!("{:?} is found under another key", entry.key));
            }
            let alive = |known: &Known| known.purged.is_none_or(|at| at > begun);
            let exact = seen.known.iter().any(|known| known.id == entry.id);
            let meant = seen.known.iter().filter(|known| !exact || known.id == entry.id);
            let like: Vec<&Known> = meant.filter(|known| known.is(entry)).collect();
            let what = match (like.is_empty(), like.iter().any(|known| alive(known))) {
                (true, _) => "was never stored so",
                (false, false) => "was purged",
                (false, true) => continue,
            };
            let finding = format!("{:?} (id {}) {what}: {:?}", entry.key, entry.id, entry.record);
            seen.findings.push(finding);
        }
    }

    /// The bodies that `entry` may have.
    fn bodies(&self, entry: &Entry) -> Vec<Bytes> {
        let seen = self.lock();
        let (key, length) = (&entry.key, entry.body_len);
        let like = seen.known.iter().filter(|known| known.key == *key && known.body.len() as u64 == length);
        let exact = like.clone().any(|known| known.id == entry.id);
        like.filter(|known| !exact || known.id == entry.id).map(|known| known.body.clone()).collect()
    }

    /// `body` with each of its frames compared to what it must be.
    fn watch(&self, entry: &Arc<Entry>, range: Option<Range<u64>>, body: Body) -> Body {
        let end = entry.body_len;
        let range =
            range.map_or(0..end, |range| range.start.min(end)..range.end.clamp(range.start.min(end), end));
        let mut candidates: Vec<Bytes> = self.bodies(entry);
        for body in &mut candidates {
            *body = body.slice(range.start as usize..range.end as usize);
        }
        let (testimony, key) = (self.clone(), entry.key.clone());
        let mut at = 0;
        let watched = body.into_stream().map(Some).chain(futures_util::stream::once(async { None }));
        let watched = watched.filter_map(move |frame| {
            match &frame {
                Some(Ok(Frame::Data(piece))) => {
                    candidates.retain(|body| body.get(at..at + piece.len()) == Some(&piece[..]));
                    at += piece.len();
                    if candidates.is_empty() {
                        testimony.find(format!("wrong bytes of {key:?} before {at} of {range:?}"));
                    }
                }
                Some(Ok(Frame::Trailers(_))) => {}
                Some(Err(_)) => testimony.lock().failed += 1,
                None if at as u64 == range.end - range.start => {}
                None => testimony.find(format!("{at} bytes of {key:?} pass for {range:?}")),
            }
            // After an error nothing follows, and nothing is missed.
            if matches!(frame, Some(Err(_))) {
                at = (range.end - range.start) as usize;
            }
            std::future::ready(frame)
        });
        Body::from_stream(watched)
    }
}

/// The store before another.
pub struct Witness {
    inner: Arc<dyn Store>,
    testimony: Testimony,
}

impl Witness {
    pub fn new(inner: Arc<dyn Store>, testimony: &Testimony) -> Arc<Self> {
        Arc::new(Self { inner, testimony: testimony.clone() })
    }
}

impl Store for Witness {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn lookup(&self, key: &[u8]) -> Option<Variants> {
        let begun = self.testimony.lock().purges;
        let found = self.inner.lookup(key);
        if let Some(found) = &found {
            self.testimony.look(key, begun, found);
        }
        found
    }

    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        Box::pin(async move {
            let begun = self.testimony.lock().purges;
            let found = self.inner.variants(key).await;
            self.testimony.note(&found);
            if let Ok(found) = &found {
                self.testimony.look(key.as_bytes(), begun, found);
            }
            found
        })
    }

    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        Box::pin(async move {
            let body = self.inner.read(entry, range.clone()).await;
            self.testimony.note(&body);
            Ok(self.testimony.watch(entry, range, body?))
        })
    }

    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        Box::pin(async move {
            let (key, record) = (new.key.clone(), new.record.clone());
            let writer = self.inner.writer(new).await;
            self.testimony.note(&writer);
            let body = Arc::new(Mutex::new(Vec::new()));
            let testimony = self.testimony.clone();
            Ok(Box::new(Draft { inner: writer?, key, record, body, testimony }) as Box<dyn Writer>)
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
            for known in self.testimony.lock().known.iter_mut().filter(|known| known.id == entry.id) {
                known.records.push(record.clone());
                known.stale_by = None;
            }
            let refreshed = self.inner.refresh(entry, record, head, fresh_until, epoch).await;
            self.testimony.note(&refreshed);
            if let Ok(fresh) = &refreshed
                && fresh.id != entry.id
            {
                self.testimony.find(format!("a refresh made {} of {}", fresh.id, entry.id));
            }
            refreshed
        })
    }

    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let covered =
                |known: &Known| known.records.iter().all(|record| covers(selector, &known.key, record));
            let before = self.testimony.lock().known.len();
            let removed = self.inner.remove(selector, mode, now).await;
            self.testimony.note(&removed);
            if removed.is_ok() {
                let mut seen = self.testimony.lock();
                seen.purges += 1;
                let purge = seen.purges;
                for known in seen.known[..before].iter_mut().filter(|known| covered(known)) {
                    match mode {
                        PurgeMode::Hard => known.purged = known.purged.or(Some(purge)),
                        PurgeMode::Soft => {
                            known.stale_by = Some(known.stale_by.map_or(now, |by| by.min(now)));
                        }
                    }
                }
            }
            removed
        })
    }

    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    fn attach(&self, above: std::sync::Weak<dyn millpond_store::Above>) {
        self.inner.attach(above);
    }
}

struct Draft {
    inner: Box<dyn Writer>,
    key: Key,
    record: Record,
    body: Arc<Mutex<Vec<u8>>>,
    testimony: Testimony,
}

impl Writer for Draft {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.body.lock().unwrap().extend_from_slice(&chunk);
            let written = self.inner.write(chunk).await;
            self.testimony.note(&written);
            written
        })
    }

    fn reader(&self) -> Arc<dyn PartialReader> {
        let (inner, body, testimony) = (self.inner.reader(), self.body.clone(), self.testimony.clone());
        Arc::new(Reader { inner, body, testimony })
    }

    fn commit(self: Box<Self>, trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>> {
        Box::pin(async move {
            let Self { inner, key, record, body, testimony } = *self;
            let committed = inner.commit(trailers.clone()).await;
            testimony.note(&committed);
            let body = body.lock().unwrap().clone().into();
            // What was refused is known too, and gone: it must not be found.
            let id = committed.as_ref().map_or(0, |entry| entry.id);
            let mut seen = testimony.lock();
            let purged = committed.is_err().then_some(0);
            let known = Known { id, key, records: vec![record], body, trailers, purged, stale_by: None };
            seen.known.push(known);
            drop(seen);
            committed
        })
    }
}

struct Reader {
    inner: Arc<dyn PartialReader>,
    body: Arc<Mutex<Vec<u8>>>,
    testimony: Testimony,
}

impl PartialReader for Reader {
    fn read_at(&self, offset: u64) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        Box::pin(async move {
            let piece = self.inner.read_at(offset).await;
            self.testimony.note(&piece);
            if let Ok(piece) = &piece {
                let body = self.body.lock().unwrap();
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
                if !body[from..].starts_with(piece) {
                    self.testimony
                        .find(format!("a reader of uncommitted content gives other bytes at {offset}"));
                }
            }
            piece
        })
    }
}

mod liars {
    //! That a witness notices.

    use super::{Testimony, Witness};
    use crate::support::{content, numbered, runtime, store, versioned};
    use futures_util::future::BoxFuture;
    use millpond_exchange::{Body, Key, PurgeMode, Record, ResponseHead, Selector, Timestamp};
    use millpond_store::laws::body_of;
    use millpond_store::{
        Capabilities, Entry, Epoch, MemoryStore, NewEntry, Store, StoreError, Variants, Writer,
    };
    use std::ops::Range;
    use std::sync::Arc;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Lie {
        None,
        WrongByte,
        ShortBody,
        OtherKey,
        NoPurge,
        OtherRecord,
    }

    /// A memory store that lies in one way.
    struct Liar(MemoryStore, Lie);

    impl Store for Liar {
        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }

        fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
            Box::pin(async move {
                let other = numbered(2);
                let mut found = self.0.variants(if self.1 == Lie::OtherKey { &other } else { key }).await?;
                if self.1 == Lie::OtherRecord {
                    let changed =
                        |entry: &Arc<Entry>| Entry { record: versioned(9, &[]), ..Entry::clone(entry) };
                    found.entries = found.entries.iter().map(|entry| Arc::new(changed(entry))).collect();
                }
                Ok(found)
            })
        }

        fn read<'a>(
            &'a self,
            entry: &'a Arc<Entry>,
            range: Option<Range<u64>>,
        ) -> BoxFuture<'a, Result<Body, StoreError>> {
            Box::pin(async move {
                let mut bytes = body_of(&self.0, entry, range).await.map_err(StoreError::Corrupt)?;
                match self.1 {
                    Lie::WrongByte => bytes[50_000] ^= 1,
                    Lie::ShortBody => drop(bytes.pop()),
                    _ => {}
                }
                Ok(Body::from_bytes(bytes))
            })
        }

        fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
            self.0.writer(new)
        }

        fn refresh<'a>(
            &'a self,
            entry: &'a Arc<Entry>,
            record: Record,
            head: ResponseHead,
            fresh_until: Timestamp,
            epoch: Epoch,
        ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>> {
            self.0.refresh(entry, record, head, fresh_until, epoch)
        }

        fn remove<'a>(
            &'a self,
            selector: &'a Selector,
            mode: PurgeMode,
            now: Timestamp,
        ) -> BoxFuture<'a, Result<u64, StoreError>> {
            if self.1 == Lie::NoPurge {
                return Box::pin(std::future::ready(Ok(1)));
            }
            self.0.remove(selector, mode, now)
        }

        fn epoch(&self) -> Epoch {
            self.0.epoch()
        }
    }

    #[test]
    fn every_lie_is_found() {
        runtime().block_on(async {
            for lie in
                [Lie::None, Lie::WrongByte, Lie::ShortBody, Lie::OtherKey, Lie::NoPurge, Lie::OtherRecord]
            {
                let testimony = Testimony::default();
                let witness = Witness::new(Arc::new(Liar(MemoryStore::default(), lie)), &testimony);
                for number in [1, 2] {
                    let body = content(number, 1, 100_000, false);
                    store(&*witness, &numbered(number), versioned(1, &[]), &body).await.unwrap();
                }
                for mode in [PurgeMode::Soft, PurgeMode::Hard] {
                    for entry in witness.variants(&numbered(1)).await.unwrap().entries.iter() {
                        let _ = body_of(&*witness, entry, Some(10_000..100_000)).await;
                    }
                    witness.remove(&Selector::All, mode, Timestamp::from_secs(5)).await.unwrap();
                }
                let _ = witness.variants(&numbered(1)).await;
                assert_eq!(testimony.findings().is_empty(), lie == Lie::None, "{lie:?}");
            }
        });
    }
}
