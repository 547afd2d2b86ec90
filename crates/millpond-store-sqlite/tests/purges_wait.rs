//! Purges that cannot be written for now: they are in force in this process, and reach the file as soon as they can.

mod common;

use common::{BEGINNING, Place, numbered, plain, put, stored};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use millpond_store::laws::key;
use millpond_store::{MemoryOptions, MemoryStore, Store, StoreError, Tiered};
use millpond_store_sqlite::schema::SCHEMA_VERSION;
use millpond_store_sqlite::{Health, SqliteStore};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);
/// How many purges may wait one by one.
const MOST: u64 = 4096;

fn is_put_off(result: &Result<u64, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(reason)) if reason.contains("takes effect in this process"))
}

/// Polls once.
async fn once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Purges what is not there: when that is written, so is all that was accepted earlier.
async fn written(store: &SqliteStore) {
    let until = Instant::now() + Duration::from_secs(60);
    let nothing = Selector::Url("http://nothing.test/".to_owned());
    while let Err(error) = store.remove(&nothing, PurgeMode::Hard, NOW).await {
        assert!(Instant::now() < until, "{error}");
    }
    assert_eq!(store.stats().waiting_purges, 0);
}

#[tokio::test]
async fn a_purge_refused_while_another_process_writes_stays_in_force_and_is_written_after_that() {
    let place = Place::new();
    let disk = place.open();
    let memory = MemoryStore::new(MemoryOptions { capacity: 1 << 20, ..MemoryOptions::default() });
    let tiered = Tiered::new(memory, Arc::clone(&disk) as Arc<dyn Store>);
    for at in 0..3 {
        put(&tiered, &numbered(at), plain(), b"content").await.unwrap();
    }
    disk.flush().await;
    let sql = place.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (hard, soft) = (Selector::Key(numbered(1)), Selector::Key(numbered(2)));
    let mut soft = tiered.remove(&soft, PurgeMode::Soft, NOW);
    assert!(once(&mut soft).await.is_pending());
    let mut purging = tiered.remove(&hard, PurgeMode::Hard, NOW);
    assert!(once(&mut purging).await.is_pending());
    let mut flush = Box::pin(disk.flush());
    assert!(once(&mut flush).await.is_pending(), "a purge accepted earlier is not written");
    assert!(is_put_off(&purging.await));
    assert!(is_put_off(&soft.await));
    // Now it is known that they are stuck.
    flush.await;
    assert_eq!(disk.stats().waiting_purges, 2);
    for store in [&tiered as &dyn Store, &*disk] {
        assert!(stored(store, &numbered(1)).await.is_empty(), "the purged entry is back");
        assert_eq!(stored(store, &numbered(2)).await[0].record.stale_from, Some(NOW));
        assert_eq!(stored(store, &numbered(0)).await.len(), 1);
    }
    sql.execute_batch("ROLLBACK").unwrap();
    written(&disk).await;
    for store in [&tiered as &dyn Store, &*disk, &*place.open()] {
        assert!(stored(store, &numbered(1)).await.is_empty(), "the purged entry is back");
        assert_eq!(stored(store, &numbered(2)).await[0].record.stale_from, Some(NOW));
        assert_eq!(stored(store, &numbered(0)).await.len(), 1);
    }
    assert_eq!(place.value("SELECT count(*) FROM entry"), 2);
    // What is stored after the purge is not covered by it, however late that is written.
    put(&*disk, &numbered(1), plain(), b"newer").await.unwrap();
    disk.flush().await;
    assert_eq!(stored(&*disk, &numbered(1)).await.len(), 1);
}

#[tokio::test]
async fn what_is_purged_while_the_store_is_down_is_not_found_when_it_is_up() {
    let place = Place::new();
    let store = place.open();
    for at in 0..2 {
        put(&*store, &numbered(at), plain(), b"content").await.unwrap();
    }
    store.close();
    let version = |version: i64| place.sql().pragma_update(None, "user_version", version).unwrap();
    version(SCHEMA_VERSION + 1);
    let store = SqliteStore::start(place.options());
    assert!(matches!(store.health(), Health::Down { .. }));
    let purged = store.remove(&Selector::Key(numbered(1)), PurgeMode::Hard, NOW).await;
    assert!(is_put_off(&purged), "{purged:?}");
    // Nobody waits for a store that is down.
    store.flush().await;
    version(SCHEMA_VERSION);
    let until = Instant::now() + Duration::from_secs(60);
    let found = loop {
        match store.variants(&numbered(1)).await {
            Ok(found) => break found,
            Err(_) => assert!(Instant::now() < until, "the store stays down"),
        }
        tokio::task::yield_now().await;
    };
    assert!(found.entries.is_empty(), "the purged entry is back");
    written(&store).await;
    assert!(stored(&*store, &numbered(1)).await.is_empty());
    assert_eq!(stored(&*store, &numbered(0)).await.len(), 1);
    assert_eq!(place.value("SELECT count(*) FROM entry"), 1);
}

#[tokio::test]
async fn a_store_that_is_closed_keeps_no_purges() {
    let place = Place::new();
    let store = place.open();
    store.close();
    let purged = store.remove(&Selector::All, PurgeMode::Hard, NOW).await;
    assert!(
        matches!(&purged, Err(StoreError::Unavailable(reason)) if reason.contains("closed")),
        "{purged:?}"
    );
    assert_eq!(store.stats().waiting_purges, 0);
    store.flush().await;
}

#[tokio::test]
async fn closing_ends_although_a_purge_cannot_be_written() {
    let place = Place::new();
    let store = place.open();
    put(&*store, &numbered(1), plain(), b"content").await.unwrap();
    store.flush().await;
    let sql = place.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let selector = Selector::Key(numbered(1));
    let mut purging = store.remove(&selector, PurgeMode::Hard, NOW);
    assert!(once(&mut purging).await.is_pending());
    let closing = Arc::clone(&store);
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    assert!(matches!(purging.await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn purges_that_wait_are_bounded_and_cover_what_they_were_asked_to() {
    let place = Place::new();
    let store = place.open();
    let other = key("other.test", "/");
    put(&*store, &other, plain(), b"content").await.unwrap();
    put(&*store, &numbered(3), plain(), b"content").await.unwrap();
    store.flush().await;
    let sql = place.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut purging = Vec::new();
    for at in 0..2 * MOST as usize {
        let (of, selector) = (Arc::clone(&store), Selector::Url(numbered(at).url()));
        let mut purge = Box::pin(async move { of.remove(&selector, PurgeMode::Hard, NOW).await });
        assert!(once(&mut purge).await.is_pending());
        purging.push(purge);
        // What the writer tries to write is not merged.
        assert!(store.stats().waiting_purges <= 2 * MOST);
    }
    assert!(stored(&*store, &numbered(3)).await.is_empty());
    assert_eq!(stored(&*store, &other).await.len(), 1, "another host");
    sql.execute_batch("ROLLBACK").unwrap();
    for purge in purging {
        let purged = purge.await;
        assert!(purged.is_ok() || is_put_off(&purged), "{purged:?}");
    }
    written(&store).await;
    assert!(stored(&*store, &numbered(3)).await.is_empty());
    assert_eq!(stored(&*store, &other).await.len(), 1, "another host");
    let announced = place.value("SELECT count(*) FROM purge");
    assert!(announced < 2 * MOST as i64, "{announced} purges written");
}
