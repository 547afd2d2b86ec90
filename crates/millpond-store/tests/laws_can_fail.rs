//! The law suite notices: stores that are wrong in one way each break the law made for it.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, Fields, Key, PurgeMode, Record, ResponseHead, Selector, Timestamp};
use millpond_store::laws::broken;
use millpond_store::{
    Capabilities, Entry, Epoch, MemoryStore, NewEntry, PartialReader, Store, StoreError, Variants, Writer,
};
use std::ops::Range;
use std::sync::Arc;

/// One way to be wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Writes and refreshes take the epoch of now for that of their beginning.
    ForgetsTheTicket,
    /// A soft purge removes.
    PurgesHard,
    /// A range is the whole body.
    IgnoresRanges,
    /// Purging by tag looks at every origin.
    MixesOrigins,
    /// A dropped writer commits.
    CommitsOnDrop,
    /// Trailers are lost.
    LosesTrailers,
    /// The first byte of a body is lost.
    LosesAByte,
    /// Any size is accepted, whatever the capabilities say.
    NamesAWrongLimit,
    /// A refresh stores a second entry.
    RefreshAppends,
    /// Listing is not offered, but purges go through.
    DeniesListing,
    /// A part is taken for the whole.
    ForgetsParts,
    /// A list without its entries is called complete.
    HidesEntries,
}

struct Faulty {
    inner: MemoryStore,
    fault: Fault,
}

impl Faulty {
    fn epoch_for(&self, epoch: Epoch) -> Epoch {
        if self.fault == Fault::ForgetsTheTicket { Epoch::own(u64::MAX) } else { epoch }
    }
}

impl Store for Faulty {
    fn capabilities(&self) -> Capabilities {
        let capabilities = self.inner.capabilities();
        match self.fault {
            Fault::NamesAWrongLimit => Capabilities { largest_object: 1_000_000, ..capabilities },
            Fault::DeniesListing => Capabilities { lists: false, ..capabilities },
            _ => capabilities,
        }
    }

    fn lookup(&self, key: &[u8]) -> Option<Variants> {
        let found = self.inner.lookup(key)?;
        Some(if self.fault == Fault::HidesEntries {
            Variants { entries: millpond_store::Entries::default(), ..found }
        } else {
            found
        })
    }

    fn variants<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Variants, StoreError>> {
        self.inner.variants(key)
    }

    fn read<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Body, StoreError>> {
        self.inner.read(entry, range.filter(|_| self.fault != Fault::IgnoresRanges))
    }

    fn writer(&self, new: NewEntry) -> BoxFuture<'_, Result<Box<dyn Writer>, StoreError>> {
        let mut new = NewEntry { epoch: self.epoch_for(new.epoch), ..new };
        if self.fault == Fault::ForgetsParts {
            new.record.set_rare(|rare| rare.part = None);
        }
        let fault = self.fault;
        Box::pin(self.inner.writer(new).map(move |opened| {
            let inner = Some(opened?);
            Ok(Box::new(FaultyWriter { inner, fault, begun: false }) as Box<dyn Writer>)
        }))
    }

    fn refresh<'a>(
        &'a self,
        entry: &'a Arc<Entry>,
        record: Record,
        head: ResponseHead,
        fresh_until: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Arc<Entry>, StoreError>> {
        if self.fault != Fault::RefreshAppends {
            return self.inner.refresh(entry, record, head, fresh_until, self.epoch_for(epoch));
        }
        let new = NewEntry {
            key: entry.key.clone(),
            fresh_until: record.response_time,
            record,
            head,
            announced_len: None,
            epoch,
        };
        Box::pin(async move { self.inner.writer(new).await?.commit(Fields::new()).await })
    }

    fn remove<'a>(
        &'a self,
        selector: &'a Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let mode = if self.fault == Fault::PurgesHard { PurgeMode::Hard } else { mode };
        let wider = match selector {
            Selector::Tag { tag, .. } if self.fault == Fault::MixesOrigins => {
                Selector::Tag { origin: None, tag: tag.clone() }
            }
            _ => selector.clone(),
        };
        Box::pin(async move { self.inner.remove(&wider, mode, now).await })
    }

    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }
}

struct FaultyWriter {
    inner: Option<Box<dyn Writer>>,
    fault: Fault,
    begun: bool,
}

impl Writer for FaultyWriter {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        let loses = self.fault == Fault::LosesAByte && !self.begun && !chunk.is_empty();
        self.begun = true;
        self.inner.as_mut().unwrap().write(if loses { chunk.slice(1..) } else { chunk })
    }

    fn reader(&self) -> Arc<dyn PartialReader> {
        self.inner.as_ref().unwrap().reader()
    }

    fn commit(mut self: Box<Self>, trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>> {
        let trailers = if self.fault == Fault::LosesTrailers { Fields::new() } else { trailers };
        self.inner.take().unwrap().commit(trailers)
    }
}

impl Drop for FaultyWriter {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && self.fault == Fault::CommitsOnDrop
        {
            let _ = inner.commit(Fields::new()).now_or_never();
        }
    }
}

#[tokio::test]
async fn each_fault_breaks_the_law_made_for_it() {
    let rows = [
        (Fault::ForgetsTheTicket, "a_purge_overtakes_a_write"),
        (Fault::ForgetsTheTicket, "a_purge_overtakes_a_refresh"),
        (Fault::PurgesHard, "by_key"),
        (Fault::PurgesHard, "a_soft_purge_keeps_the_earlier_time"),
        (Fault::IgnoresRanges, "ranges_are_exact_and_clamped"),
        (Fault::MixesOrigins, "by_tag"),
        (Fault::CommitsOnDrop, "a_dropped_writer_leaves_nothing"),
        (Fault::LosesTrailers, "trailers_are_kept"),
        (Fault::LosesAByte, "a_commit_is_visible"),
        (Fault::NamesAWrongLimit, "what_is_too_large_is_refused_when_announced"),
        (Fault::NamesAWrongLimit, "what_is_too_large_is_refused_when_written"),
        (Fault::RefreshAppends, "a_refresh_keeps_body_and_identity"),
        (Fault::RefreshAppends, "a_refresh_of_what_left_is_refused"),
        (Fault::DeniesListing, "by_prefix"),
        (Fault::ForgetsParts, "parts_stand_side_by_side"),
        (Fault::ForgetsParts, "a_whole_replaces_parts"),
        (Fault::HidesEntries, "lookup_and_variants_agree"),
    ];
    for (fault, law) in rows {
        let make = async || Arc::new(Faulty { inner: MemoryStore::default(), fault }) as Arc<dyn Store>;
        let violations = broken(make).await;
        assert!(
            violations.iter().any(|violation| violation.law == law),
            "{law} does not notice: {violations:?}"
        );
    }
}
