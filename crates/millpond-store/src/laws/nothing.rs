//! Laws for a store that keeps nothing: it refuses in the agreed words and disturbs nobody.

use super::Verdict;
use super::kit::{check, entry, equal, key, plain, refused, seen};
use crate::{Store, StoreError};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use std::sync::Arc;

/// A lookup finds nothing.
pub(super) async fn every_lookup_misses(store: Arc<dyn Store>) -> Verdict {
    let variants = seen(store.variants(&key("law.test", "/")).await)?;
    check(variants.entries.is_empty(), "something was found in a store that keeps nothing")
}

/// No writer is opened.
pub(super) async fn every_write_is_refused(store: Arc<dyn Store>) -> Verdict {
    let opened = store.writer(entry(&*store, &key("law.test", "/"), plain())).await;
    refused("a writer", opened, |error| matches!(error, StoreError::Unsupported(_)))
}

/// A purge is not an error, and advances the epoch as anywhere.
pub(super) async fn a_purge_finds_nothing(store: Arc<dyn Store>) -> Verdict {
    let before = store.epoch();
    let removed = seen(store.remove(&Selector::All, PurgeMode::Hard, Timestamp::from_secs(1)).await)?;
    equal("number of entries purged", &removed, &0)?;
    check(store.epoch() > before, "a purge did not advance the epoch")
}
