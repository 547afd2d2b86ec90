//! The two tiers as one [`Store`].

use super::unsettled::{Purging, Unsettled};
use super::writer::TieredWriter;
use super::{Tiered, read};
use crate::{Above, Capabilities, Entry, Epoch, NewEntry, Store, StoreError, Variants, Writer};
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, Key, PurgeMode, Record, ResponseHead, Selector, Timestamp};
use std::ops::Range;
use std::sync::{Arc, Weak};

impl Tiered {
    /// The largest body one of the tiers takes, bytes.
    pub(super) fn largest_object(&self) -> u64 {
        let below = self.below.as_ref().map_or(0, |below| below.store.capabilities().largest_object);
        below.max(self.memory.max_object())
    }

    /// `result` of the tier below, counted if it is a failure.
    pub(super) fn counted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &self.below {
            Some(below) => below.counted(result),
            None => result,
        }
    }

    /// A refresh of what the tier below has refreshed already, giving `fresh`.
    fn follow(
        &self,
        stamp: &crate::memory::Stamp,
        old: &Entry,
        fresh: &Arc<Entry>,
        epoch: u64,
    ) -> Result<Arc<Entry>, StoreError> {
        let kept = match stamp.body(fresh.id) {
            Some(body) => Arc::new(Entry { body: Some(body.clone()), ..Entry::clone(fresh) }),
            None => self.for_memory(fresh),
        };
        self.memory.adopt(stamp, Arc::clone(&kept), Epoch::own(epoch), Some(&old.record))?;
        Ok(if kept.body.is_some() { kept } else { Arc::clone(fresh) })
    }
}

impl Store for Tiered {
    fn capabilities(&self) -> Capabilities {
        match &self.below {
            Some(below) => Capabilities {
                name: "tiered",
                largest_object: self.largest_object(),
                ..below.store.capabilities()
            },
            None => self.memory.capabilities(),
        }
    }

    fn lookup(&self, key: &[u8]) -> Option<Variants> {
        self.memory.lookup(key)
    }

    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        let Some(below) = &self.below else { return self.memory.variants(key) };
        Box::pin(async move {
            match self.memory.lookup(key.as_bytes()) {
                Some(held) if held.complete => Ok(held),
                _ => read::variants(&self.memory, below, key).await,
            }
        })
    }

    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        match &self.below {
            Some(below) if entry.body.is_none() => Box::pin(read::body(&self.memory, below, entry, range)),
            _ => self.memory.read(entry, range),
        }
    }

    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        Box::pin(async {
            let writer = TieredWriter::open(self, new).await?;
            Ok(Box::new(writer) as Box<dyn Writer>)
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
        let Some(below) = &self.below else {
            return self.memory.refresh(entry, record, head, fresh_until, epoch);
        };
        Box::pin(async move {
            let stamp = self.memory.stamp(&entry.key);
            let unsettled = Unsettled::new(&self.memory, &entry.key);
            let parts = (Epoch::own(epoch.own), Epoch::own(epoch.below));
            let refreshed =
                below.store.refresh(entry, record.clone(), head.clone(), fresh_until, parts.1).await;
            match below.counted(refreshed) {
                Ok(fresh) => {
                    let fresh = self.follow(&stamp, entry, &fresh, epoch.own)?;
                    unsettled.settle();
                    Ok(fresh)
                }
                Err(StoreError::Superseded) => {
                    unsettled.settle();
                    Err(StoreError::Superseded)
                }
                // Memory may have what the tier below never got, has evicted or cannot reach.
                Err(error) => {
                    unsettled.settle();
                    let alone = self.memory.refresh(entry, record, head, fresh_until, parts.0).await;
                    alone.map_err(|own| if own == StoreError::Gone { error } else { own })
                }
            }
        })
    }

    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let Some(below) = &self.below else { return self.memory.remove(selector, mode, now) };
        Box::pin(async move {
            let held = self.memory.anticipate(selector, mode, now);
            let purging = Purging::new(&self.memory, selector, mode, now);
            let removed = below.counted(below.store.remove(selector, mode, now).await);
            drop(purging);
            // The tier below has everything, but for what memory keeps alone.
            Ok(removed?.max(held))
        })
    }

    /// Of the tier below, which has everything but for what memory keeps alone.
    fn heads_of_path(
        &self,
        path: &str,
        most: usize,
        look: &mut dyn FnMut(&ResponseHead),
    ) -> Result<bool, StoreError> {
        self.below
            .as_ref()
            .map_or(Ok(false), |below| below.counted(below.store.heads_of_path(path, most, look)))
    }

    fn epoch(&self) -> Epoch {
        let below = self.below.as_ref().map_or(0, |below| below.store.epoch().own);
        Epoch { own: self.memory.epoch().own, below }
    }

    fn attach(&self, above: Weak<dyn Above>) {
        if let Some(below) = &self.below {
            below.set_outer(above);
        }
    }
}
