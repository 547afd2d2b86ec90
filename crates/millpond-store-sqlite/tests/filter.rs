//! The filter of keys: what is stored is found, whoever stored it, and what is not costs no read.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{BEGINNING, Place, numbered, plain, put, stored};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use millpond_store::laws::{broken, key};
use millpond_store::{Store, Variants};
use millpond_store_sqlite::{SqliteOptions, SqliteStore};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);

/// A store that keeps a filter however little it holds.
fn open(place: &Place) -> Arc<SqliteStore> {
    SqliteStore::open(filtered(place.options())).unwrap()
}

fn filtered(mut options: SqliteOptions) -> SqliteOptions {
    options.filter_from = 1;
    options.poll_interval = Duration::from_millis(1);
    options
}

/// Asks again until it is so: the filter is filled, and other processes are heard of, from poll to poll.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(Instant::now() < end, "{what} does not come");
        tokio::task::yield_now().await;
    }
}

/// Waits until the filter answers.
async fn until_filtered(store: &SqliteStore) {
    let mut number = 0;
    until("the filter", async || {
        let before = store.stats().excluded;
        number += 1;
        assert!(stored(store, &key("nowhere.test", &format!("/{number}"))).await.is_empty());
        store.stats().excluded > before
    })
    .await;
}

async fn fill(store: &SqliteStore, numbers: std::ops::Range<usize>) {
    for number in numbers {
        put(store, &numbered(number), plain(), b"content").await.unwrap();
    }
    store.flush().await;
}

async fn count(store: &SqliteStore, numbers: std::ops::Range<usize>) -> usize {
    let mut found = 0;
    for number in numbers {
        found += stored(store, &numbered(number)).await.len();
    }
    found
}

#[tokio::test]
async fn what_is_stored_is_found_through_commits_purges_and_restarts() {
    let place = Place::new();
    let store = open(&place);
    fill(&store, 0..50).await;
    until_filtered(&store).await;
    // Many times what there was when the filter was made: others are filled behind it meanwhile.
    for at in 0..10 {
        let numbers = 50 + at * 100..150 + at * 100;
        for number in numbers.clone() {
            put(&*store, &numbered(number), plain(), b"content").await.unwrap();
            assert_eq!(count(&store, number..number + 1).await, 1, "while it waits");
        }
        store.flush().await;
        assert_eq!(count(&store, 0..numbers.end).await, numbers.end);
    }
    store.remove(&Selector::Prefix("http://store.test/1".to_owned()), PurgeMode::Hard, NOW).await.unwrap();
    let left = count(&store, 0..1050).await;
    assert_eq!(left as i64, place.value("SELECT count(*) FROM entry"));
    fill(&store, 0..1050).await;
    assert_eq!(count(&store, 0..1050).await, 1050);
    assert_eq!(place.value("SELECT count(*) FROM entry"), 1050, "what was there was replaced");
    drop(store);
    let store = open(&place);
    assert_eq!(count(&store, 0..1050).await, 1050);
    until_filtered(&store).await;
    assert_eq!(count(&store, 0..1050).await, 1050);
    store.remove(&Selector::All, PurgeMode::Hard, NOW).await.unwrap();
    assert_eq!(count(&store, 0..1050).await, 0);
}

#[tokio::test]
async fn what_another_process_stores_is_found_and_replaced() {
    let place = Place::new();
    let (one, other) = (open(&place), open(&place));
    fill(&one, 0..10).await;
    until_filtered(&other).await;
    for number in 10..60 {
        fill(&one, number..number + 1).await;
        if number % 2 == 0 {
            until("the entry of another process", async || count(&other, number..number + 1).await == 1)
                .await;
        }
        // At once too, when the filter may know nothing of it yet.
        fill(&other, number..number + 1).await;
        assert_eq!(place.value("SELECT count(*) FROM entry"), number as i64 + 1);
    }
    until("what the other one stored", async || count(&one, 0..60).await == 60).await;
}

#[tokio::test]
async fn another_file_is_another_filter() {
    let place = Place::new();
    let store = open(&place);
    fill(&store, 0..20).await;
    until_filtered(&store).await;
    // The file last: as soon as it is gone another one is begun, and has a log of its own.
    for end in ["-wal", "-shm", ""] {
        std::fs::remove_file(place.directory().join(format!("cache.sqlite{end}"))).unwrap();
    }
    until("the other file", async || store.stats().reopened == 1).await;
    fill(&open(&place), 20..40).await;
    until("what is in the other file", async || count(&store, 20..40).await == 20).await;
    until_filtered(&store).await;
    assert_eq!((count(&store, 20..40).await, count(&store, 0..20).await), (20, 0));
}

#[tokio::test]
async fn a_lookup_without_waiting_says_the_same() {
    let place = Place::new();
    let store = open(&place);
    fill(&store, 0..20).await;
    until_filtered(&store).await;
    store.remove(&Selector::Key(numbered(3)), PurgeMode::Soft, NOW).await.unwrap();
    store.remove(&Selector::Key(numbered(4)), PurgeMode::Hard, NOW).await.unwrap();
    // This one waits.
    put(&*store, &numbered(20), plain(), b"content").await.unwrap();
    let told = |found: &Variants| {
        let each = |entry: &Arc<millpond_store::Entry>| {
            (entry.id, entry.record.clone(), entry.body.as_ref().map(millpond_exchange::Segments::to_vec))
        };
        (found.complete, found.entries.iter().map(each).collect::<Vec<_>>())
    };
    for number in (0..21).filter(|number| *number != 4) {
        let key = numbered(number);
        let at_once = store.lookup(key.as_bytes()).unwrap();
        assert_eq!(told(&at_once), told(&store.variants(&key).await.unwrap()), "number {number}");
    }
    for absent in [4, 21] {
        assert!(store.lookup(numbered(absent).as_bytes()).is_none(), "no list, as of any store");
    }
    assert!(store.lookup(b"no key").is_none());
    store.close();
    assert!(store.lookup(numbered(1).as_bytes()).is_none(), "a store that is down tells nothing");
}

#[tokio::test]
async fn a_store_with_a_filter_keeps_the_laws() {
    let directories = tempfile::tempdir().unwrap();
    let mut number = 0;
    let make = || {
        number += 1;
        let path = directories.path().join(format!("{number}/cache.sqlite"));
        let options = filtered(SqliteOptions::new(path, Arc::new(|| Timestamp::from_secs(1_000_000))));
        async { SqliteStore::open(options).unwrap() as Arc<dyn Store> }
    };
    let violations = broken(make).await;
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
