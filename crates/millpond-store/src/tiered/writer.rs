//! An entry on its way into both tiers.

use super::Tiered;
use super::unsettled::Unsettled;
use crate::memory::MemoryWriter;
use crate::{Entry, Epoch, NewEntry, PartialReader, StoreError, Writer};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use millpond_exchange::{Fields, Key};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Writes to both tiers, and goes on with one where the other refuses or fails.
pub(super) struct TieredWriter {
    tiers: Tiered,
    key: Key,
    epoch: Epoch,
    memory: Option<MemoryWriter>,
    below: Option<Box<dyn Writer>>,
    sources: Arc<Sources>,
}

impl TieredWriter {
    /// Opens writers in both tiers, or in the one that takes the entry.
    pub(super) async fn open(tiers: &Tiered, new: NewEntry) -> Result<Self, StoreError> {
        let (key, epoch) = (new.key.clone(), new.epoch);
        let memory = tiers.memory.open(NewEntry { epoch: Epoch::own(epoch.own), ..new.clone() });
        let below = match &tiers.below {
            Some(below) => {
                let new = NewEntry { epoch: Epoch::own(epoch.below), ..new };
                below.counted(below.store.writer(new).await).map(Some)
            }
            None => Ok(None),
        };
        let (memory, below) = match (memory, below) {
            (_, Err(StoreError::Superseded)) => return Err(StoreError::Superseded),
            (Err(memory), Err(below)) => return Err(tiers.refusal(memory, below)),
            (Err(memory), Ok(None)) => return Err(memory),
            (memory, below) => (memory.ok(), below.ok().flatten()),
        };
        let sources = Sources(Mutex::new(Pair {
            memory: memory.as_ref().map(Writer::reader),
            below: below.as_ref().map(|below| below.reader()),
        }));
        Ok(Self { tiers: tiers.clone(), key, epoch, memory, below, sources: Arc::new(sources) })
    }

    /// Appends `chunk` in both tiers; lets go of the writer that does not take it, while there is the other.
    async fn append(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let below = match &mut self.below {
            Some(writer) => Some(self.tiers.counted(writer.write(chunk.clone()).await)),
            None => None,
        };
        let memory = self.memory.as_ref().map(|writer| writer.append(&chunk));
        match (memory, below) {
            (None | Some(Ok(())), None | Some(Ok(()))) => Ok(()),
            (Some(Ok(())), Some(Err(_))) => {
                self.below = None;
                self.sources.lock().below = None;
                Ok(())
            }
            (Some(Err(_)), Some(Ok(()))) => {
                self.memory = None;
                self.sources.lock().memory = None;
                Ok(())
            }
            (Some(Err(error)), None) | (None, Some(Err(error))) => Err(self.tiers.as_own(error)),
            (Some(Err(memory)), Some(Err(below))) => Err(self.tiers.refusal(memory, below)),
        }
    }

    /// The commit; its order is argued for in [`super`].
    async fn land(self, trailers: Fields) -> Result<Arc<Entry>, StoreError> {
        let Self { tiers, key, epoch, memory: in_memory, below, .. } = self;
        let memory = &tiers.memory;
        let stamp = memory.stamp(&key);
        let Some(writer) = below else { return tiers.alone_in_memory(in_memory, trailers).await };
        let unsettled = Unsettled::new(memory, &key);
        let committed = match tiers.counted(writer.commit(trailers.clone()).await) {
            Ok(committed) => committed,
            Err(error) => {
                unsettled.settle();
                if error == StoreError::Superseded || in_memory.is_none() {
                    return Err(tiers.as_own(error));
                }
                return tiers.alone_in_memory(in_memory, trailers).await;
            }
        };
        let entry = match in_memory.filter(|writer| writer.len() == committed.body_len) {
            Some(writer) => memory.commit_as(&stamp, committed.id, writer, trailers)?,
            None => memory.adopt(&stamp, tiers.for_memory(&committed), Epoch::own(epoch.own), None)?,
        };
        unsettled.settle();
        // What memory keeps as a head may have its body with it where it comes from.
        Ok(if entry.body.is_some() { entry } else { committed })
    }
}

impl Writer for TieredWriter {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.append(chunk))
    }

    fn reader(&self) -> Arc<dyn PartialReader> {
        Arc::<Sources>::clone(&self.sources)
    }

    fn commit(self: Box<Self>, trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>> {
        Box::pin(self.land(trailers))
    }
}

impl Tiered {
    /// Commits to memory what the tier below does not take.
    async fn alone_in_memory(
        &self,
        writer: Option<MemoryWriter>,
        trailers: Fields,
    ) -> Result<Arc<Entry>, StoreError> {
        let Some(writer) = writer else {
            return Err(StoreError::Unavailable("both tiers have refused what was written".to_owned()));
        };
        let entry = Box::new(writer).commit(trailers).await?;
        if let Some(below) = &self.below {
            below.alone.add();
        }
        Ok(entry)
    }

    /// `entry` of the tier below as memory can keep it: with a body of its own, or without one.
    pub(super) fn for_memory(&self, entry: &Arc<Entry>) -> Arc<Entry> {
        let Some(body) = &entry.body else { return Arc::clone(entry) };
        Arc::new(Entry { body: self.memory.own(body), ..Entry::clone(entry) })
    }

    /// One error for two. Where one tier only failed, the object may be taken another time.
    fn refusal(&self, memory: StoreError, below: StoreError) -> StoreError {
        self.as_own(if matches!(below, StoreError::TooLarge { .. }) { memory } else { below })
    }

    /// An error of one tier as that of both, when the other had refused before.
    fn as_own(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::TooLarge { size, .. } => StoreError::TooLarge { size, limit: self.largest_object() },
            error => error,
        }
    }
}

/// Where what was written can be read.
struct Sources(Mutex<Pair>);

/// Both have the same bytes, each as many as its tier has taken.
#[derive(Clone)]
struct Pair {
    memory: Option<Arc<dyn PartialReader>>,
    below: Option<Arc<dyn PartialReader>>,
}

impl Sources {
    fn lock(&self) -> MutexGuard<'_, Pair> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialReader for Sources {
    fn read_at(&self, offset: u64) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        Box::pin(async move {
            let Pair { memory, below } = self.lock().clone();
            match memory.or(below) {
                Some(source) => source.read_at(offset).await,
                None => Ok(Bytes::new()),
            }
        })
    }
}
