//! What the store may take: entries, bytes on the disk, and what nobody will miss.

mod common;

use common::{Place, noise, numbered, plain, put, stored};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use millpond_store::{Store, StoreError};
use millpond_store_sqlite::SqliteStore;
use std::path::Path;

/// Bytes of all files below `path`.
fn taken(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).expect("a directory").flatten();
    entries
        .filter_map(|entry| entry.metadata().ok().map(|found| (entry, found)))
        .map(|(entry, found)| if found.is_dir() { taken(&entry.path()) } else { found.len() })
        .sum()
}

#[tokio::test]
async fn there_are_never_more_entries_than_the_limit() {
    let place = Place::new();
    let mut options = place.options();
    options.max_entries = 10;
    let store = SqliteStore::open(options).unwrap();
    for at in 0..50 {
        put(&*store, &numbered(at), plain(), b"content").await.unwrap();
        if at % 7 == 0 {
            store.flush().await;
            assert!(place.value("SELECT count(*) FROM entry") <= 10);
        }
    }
    store.flush().await;
    assert_eq!(place.value("SELECT count(*) FROM entry"), 10);
    assert_eq!(store.stats().evicted, 40);
}

#[tokio::test]
async fn the_disk_holds_no_more_than_it_may() {
    const MOST: u64 = 8 << 20;
    for lengths in [&[900_usize][..], &[30_000], &[300_000], &[500, 1_500_000, 20_000]] {
        let place = Place::new();
        let mut options = place.options();
        options.max_bytes = MOST;
        let store = SqliteStore::open(options).unwrap();
        let (mut written, mut at) = (0, 0);
        while written < 5 * MOST as usize / 2 {
            let length = lengths[at % lengths.len()];
            put(&*store, &numbered(at), plain(), &noise(at as u64, length)).await.unwrap();
            (written, at) = (written + length, at + 1);
            let now = taken(place.directory());
            assert!(now <= MOST, "{now} bytes after {at} entries of {lengths:?}");
        }
        store.flush().await;
        let stats = store.stats();
        assert!(stats.evicted > 0 && stats.disk_bytes <= MOST, "{lengths:?}: {stats:?}");
        assert!(stats.disk_bytes >= MOST / 3, "{lengths:?}: little is kept: {stats:?}");
        let newest = stored(&*store, &numbered(at - 1)).await;
        assert_eq!(newest.len(), 1, "{lengths:?}: the newest is kept: {stats:?}");
    }
}

/// Whoever reads keeps the log from being brought back: it grows to what is set apart for it, and no further.
#[tokio::test]
async fn the_disk_holds_no_more_than_it_may_while_somebody_reads() {
    const MOST: u64 = 8 << 20;
    let place = Place::new();
    let mut options = place.options();
    options.max_bytes = MOST;
    let store = SqliteStore::open(options).unwrap();
    let mut at = 0;
    while store.stats().evicted == 0 {
        put(&*store, &numbered(at), plain(), &noise(at as u64, 900)).await.unwrap();
        at += 1;
        if at % 500 == 0 {
            store.flush().await;
        }
    }
    for _ in 0..3 {
        store.flush().await;
        let reader = place.sql();
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT count(*) FROM entry", [], |_| Ok(())).unwrap();
        for _ in 0..2_000 {
            // Refused where the log is full, or too much waits.
            let _ = put(&*store, &numbered(at), plain(), &noise(at as u64, 900)).await;
            at += 1;
            let now = taken(place.directory());
            assert!(now <= MOST, "{now} bytes after {at} entries");
        }
        drop(reader);
        while stored(&*store, &numbered(at)).await.is_empty() {
            let _ = put(&*store, &numbered(at), plain(), b"content").await;
            store.flush().await;
        }
        assert!(taken(place.directory()) <= MOST);
    }
}

#[tokio::test]
async fn rows_give_way_to_a_body_in_a_file() {
    const MOST: u64 = 8 << 20;
    let place = Place::new();
    let mut options = place.options();
    options.max_bytes = MOST;
    let store = SqliteStore::open(options).unwrap();
    for at in 0..150 {
        put(&*store, &numbered(at), plain(), &noise(at as u64, 60_000)).await.unwrap();
    }
    store.flush().await;
    put(&*store, &numbered(1_000), plain(), &noise(1, 5 << 20)).await.unwrap();
    store.flush().await;
    assert!(taken(place.directory()) <= MOST);
    assert_eq!(stored(&*store, &numbered(1_000)).await.len(), 1);
    let refused = put(&*store, &numbered(1_001), plain(), &noise(1, 9 << 20)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "more than the disk may hold");
    assert!(taken(place.directory()) <= MOST);
}

#[tokio::test]
async fn what_is_used_stays() {
    let place = Place::new();
    let mut options = place.options();
    options.max_entries = 100;
    let store = SqliteStore::open(options).unwrap();
    let favourite = numbered(0);
    put(&*store, &favourite, plain(), b"content").await.unwrap();
    for at in 1..2_000 {
        put(&*store, &numbered(at), plain(), b"content").await.unwrap();
        if at % 10 == 0 {
            store.flush().await;
            for _ in 0..3 {
                assert_eq!(stored(&*store, &favourite).await.len(), 1, "gone after {at}");
            }
        }
    }
}

#[tokio::test]
async fn what_nobody_will_miss_is_swept_but_not_all_at_once() {
    let place = Place::new();
    let mut options = place.options();
    options.keep_stale = std::time::Duration::from_secs(1_000);
    let store = SqliteStore::open(options).unwrap();
    let lasting = plain().with_rare(|rare| rare.stale_if_error = Some(10_000));
    for at in 0..300 {
        put(&*store, &numbered(at), plain(), b"content").await.unwrap();
    }
    put(&*store, &numbered(1_000), lasting, b"content").await.unwrap();
    store.flush().await;
    // Fresh for a minute, kept for a thousand seconds more; one of them is good for longer.
    place.pass(500);
    assert_eq!(place.value("SELECT count(*) FROM entry WHERE sweep_at < 1000500000"), 0, "they are kept");
    place.pass(1_000);
    let since = std::time::Instant::now();
    while store.stats().swept < 2 {
        tokio::task::yield_now().await;
    }
    // A part of them for each second, however few there are: whoever has set the clock wrong may see it in time.
    let most = 2.0 + 301.0 * (since.elapsed().as_secs_f64() + 10.0) / 1_000.0;
    assert!((store.stats().swept as f64) <= most, "{} swept", store.stats().swept);
    assert_eq!(stored(&*store, &numbered(1_000)).await.len(), 1);
}

#[tokio::test]
async fn a_purge_of_many_is_exact() {
    let place = Place::new();
    let mut options = place.options();
    // So small that one purge takes many transactions.
    options.max_bytes = 8 << 20;
    let store = SqliteStore::open(options).unwrap();
    for at in 0..1_500 {
        put(&*store, &numbered(at), plain(), b"content").await.unwrap();
    }
    let prefix = Selector::Prefix("http://store.test/1".to_owned());
    let now = Timestamp::from_secs(2_000_000);
    // 1, 10 to 19, 100 to 199, 1000 to 1499.
    for mode in [PurgeMode::Soft, PurgeMode::Soft, PurgeMode::Hard] {
        assert_eq!(store.remove(&prefix, mode, now).await, Ok(611), "{mode:?}");
    }
    assert_eq!(store.remove(&prefix, PurgeMode::Hard, now).await, Ok(0));
    assert_eq!(store.remove(&Selector::All, PurgeMode::Hard, now).await, Ok(1_500 - 611));
    assert_eq!(place.value("SELECT entries + row_bytes + probation + probation_bytes FROM totals"), 0);
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let place = Place::new();
    let mut options = place.options();
    options.commit_interval = std::time::Duration::from_secs(3600);
    options.max_waiting = 100_000;
    let store = SqliteStore::open(options).unwrap();
    // The writer takes what waits when half the bound is reached; holding the file's lock keeps it from writing.
    let lock = place.sql();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut refused = 0;
    for at in 0..20 {
        match put(&*store, &numbered(at), plain(), &noise(1, 10_000)).await {
            Ok(_) => assert_eq!(stored(&*store, &numbered(at)).await.len(), 1),
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)));
                refused += 1;
            }
        }
    }
    assert!(refused >= 9 && store.stats().refused == refused, "{refused} refused");
    lock.execute_batch("ROLLBACK").unwrap();
    store.flush().await;
    assert_eq!(place.value("SELECT count(*) FROM entry"), 20 - refused as i64);
}

#[tokio::test]
async fn damaged_files_that_were_set_aside_leave_when_there_is_no_room_for_them() {
    const MOST: u64 = 8 << 20;
    let place = Place::new();
    let aside =
        |end: &str| place.directory().join(format!("cache.sqlite.damaged-2026-01-31T235959.123Z{end}"));
    std::fs::write(aside(""), noise(1, 4 << 20)).unwrap();
    std::fs::write(aside("-wal"), noise(1, 1 << 20)).unwrap();
    let mut options = place.options();
    options.max_bytes = MOST;
    let store = SqliteStore::open(options).unwrap();
    for at in 0..300 {
        let length = if at % 10 == 0 { 300_000 } else { 10_000 };
        put(&*store, &numbered(at), plain(), &noise(at as u64, length)).await.unwrap();
        let now = taken(place.directory());
        assert!(now <= MOST, "{now} bytes after {at} entries");
        if at == 0 {
            store.flush().await;
            assert!(aside("").exists(), "there is room");
            assert!(store.stats().disk_bytes >= 5 << 20, "they count");
        }
    }
    store.flush().await;
    assert!(!aside("").exists() && !aside("-wal").exists());
    let stats = store.stats();
    assert!(stats.disk_bytes > MOST / 3 && stats.disk_bytes <= MOST, "{stats:?}");
}

#[tokio::test]
async fn a_body_that_left_counts_for_as_long_as_it_is_read() {
    const MOST: u64 = 8 << 20;
    const HELD: u64 = 3 << 20;
    let place = Place::new();
    let mut options = place.options();
    options.max_bytes = MOST;
    let store = SqliteStore::open(options).unwrap();
    let entry = put(&*store, &numbered(0), plain(), &noise(7, HELD as usize)).await.unwrap();
    store.flush().await;
    let reading = store.read(&entry, None).await.unwrap();
    let now = Timestamp::from_secs(2_000_000);
    assert_eq!(store.remove(&Selector::Key(numbered(0)), PurgeMode::Hard, now).await, Ok(1));
    assert!(taken(place.directory()) < HELD, "its file is gone");
    assert!(store.stats().disk_bytes >= HELD, "and takes room: {:?}", store.stats());
    for at in 1..100 {
        put(&*store, &numbered(at), plain(), &noise(at as u64, 200_000)).await.unwrap();
        let now = HELD + taken(place.directory());
        assert!(now <= MOST, "{now} bytes after {at} entries");
    }
    store.flush().await;
    let before = store.stats().disk_bytes;
    drop(reading);
    assert_eq!(store.stats().disk_bytes, before - HELD);
}
