//! Files with values in them that no program of ours writes: the store mends what it can, and never stops for good.

mod common;

use common::{BEGINNING, Place, noise, numbered, plain, put, stored};
use millpond_exchange::{Record, Timestamp};
use millpond_store::laws::UNTIL;
use millpond_store::{Store as _, StoreError};
use millpond_store_sqlite::{Health, SqliteStore};
use rusqlite::params;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file with some entries, and `sql` done to it.
async fn doctored(sql: &str) -> Place {
    let place = Place::new();
    let store = place.open();
    for at in 0..20 {
        put(&*store, &numbered(at), plain(), b"content").await.expect("it is taken");
    }
    store.close();
    place.sql().execute_batch(sql).expect("it can be done");
    place
}

#[tokio::test]
async fn wrong_sums_and_numbers_are_mended() {
    let wrong = [
        "UPDATE totals SET next_seq = 5",
        "UPDATE totals SET next_seq = -1",
        "UPDATE totals SET next_seq = 9223372036854775807",
        "UPDATE totals SET next_seq = 9223372036854775807, entries = 0",
        "UPDATE totals SET row_bytes = 9223372036854775807, file_bytes = 1, entries = 9223372036854775807",
        "UPDATE totals SET entries = -1000000, probation = -1000000",
        "UPDATE totals SET entries = 0, probation = 0, row_bytes = 0, probation_bytes = 0",
        "UPDATE totals SET probation = entries + 1",
    ];
    for sql in wrong {
        let place = doctored(sql).await;
        let store = place.open();
        for at in 100..110 {
            put(&*store, &numbered(at), plain(), b"content").await.unwrap();
            store.flush().await;
        }
        assert_eq!((store.health(), store.stats().lost), (Health::Up, 0), "{sql}");
        for at in (0..20).chain(100..110) {
            assert_eq!(stored(&*store, &numbered(at)).await.len(), 1, "{at} after {sql}");
        }
        store.close();
        let sums = "SELECT (SELECT entries = 30 AND row_bytes = 210 AND file_bytes = 0 FROM totals)
            AND (SELECT next_seq FROM totals) BETWEEN (SELECT max(seq, born) + 1 FROM entry ORDER BY seq DESC) AND 1000
            AND (SELECT probation = (SELECT count(*) FROM entry WHERE queue = 0) FROM totals)";
        assert_eq!(place.value(sums), 1, "{sql}");
    }
}

#[tokio::test]
async fn a_row_with_the_last_of_all_numbers_does_not_stop_the_store() {
    let place = doctored("UPDATE entry SET seq = 9223372036854775807 WHERE seq = 3").await;
    let store = SqliteStore::start(place.options());
    assert_eq!(store.health(), Health::Up);
    put(&*store, &numbered(100), plain(), b"content").await.unwrap();
    store.flush().await;
    assert_eq!(stored(&*store, &numbered(100)).await.len(), 1);
}

#[tokio::test]
async fn sums_below_nothing_do_not_lift_the_bound_of_the_disk() {
    const MOST: u64 = 8 << 20;
    let place = doctored("UPDATE totals SET entries = -1000000, probation = -1000000").await;
    let mut options = place.options();
    options.max_bytes = MOST;
    let store = SqliteStore::open(options).unwrap();
    for at in 0..300 {
        put(&*store, &numbered(at), plain(), &noise(at as u64, 60_000)).await.unwrap();
        if at % 10 == 0 {
            store.flush().await;
        }
    }
    store.flush().await;
    assert!(store.stats().evicted > 0 && store.stats().disk_bytes <= MOST, "{:?}", store.stats());
}

#[tokio::test]
async fn a_row_that_claims_to_hold_a_gigabyte_is_dropped() {
    let place = doctored("DELETE FROM entry WHERE seq > 1").await;
    let length = 64_usize << 20;
    let bomb = zstd::bulk::compress(&vec![0; length], 3).unwrap();
    let sql = place.sql();
    let id: i64 = sql.query_row("SELECT id FROM entry", [], |row| row.get(0)).unwrap();
    let sum = twox_hash::XxHash3_64::oneshot_with_seed(id as u64, &bomb) as i64;
    let update = "UPDATE entry SET body = ?, body_sum = ?, body_len = ?, coding = 1, stored_len = ?";
    sql.execute(update, params![bomb, sum, length as i64, bomb.len() as i64]).unwrap();
    let store = place.open();
    assert!(stored(&*store, &numbered(0)).await.is_empty());
    store.flush().await;
    assert_eq!(place.value("SELECT count(*) FROM entry"), 0);
}

fn tagged(tags: usize) -> Record {
    let tags = (0..tags).map(|tag| tag.to_string().into_boxed_str()).collect();
    plain().with_rare(|rare| rare.tags = tags)
}

#[tokio::test]
async fn an_entry_with_too_many_tags_is_refused() {
    let place = Place::new();
    let store = place.open();
    let refused = put(&*store, &numbered(1), tagged(1_001), b"content").await;
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
    let entry = put(&*store, &numbered(1), tagged(1_000), b"content").await.unwrap();
    let (epoch, head) = (store.epoch(), entry.head.clone());
    let refused = store.refresh(&entry, tagged(1_001), head, UNTIL, epoch).await;
    assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
    store.flush().await;
    assert_eq!(place.value("SELECT count(*) FROM label"), 1_000);
}

#[tokio::test]
async fn many_tags_stay_within_the_bound_of_the_disk() {
    const MOST: u64 = 64 << 20;
    let place = Place::new();
    let mut options = place.options();
    options.max_bytes = MOST;
    let store = SqliteStore::open(options).unwrap();
    for at in 0..40 {
        let tags = (0..1_000).map(|tag| format!("{tag}-{at}").into_boxed_str()).collect();
        put(&*store, &numbered(at), plain().with_rare(|rare| rare.tags = tags), b"content").await.unwrap();
        store.flush().await;
        assert!(store.stats().disk_bytes <= MOST, "{:?}", store.stats());
    }
    assert_eq!(place.value("SELECT count(*) FROM label"), 40_000);
}

#[tokio::test]
async fn a_panic_of_the_writer_is_not_the_end_of_the_store() {
    let place = Place::new();
    let panics = Arc::new(AtomicBool::new(false));
    let mut options = place.options();
    let asked = Arc::clone(&panics);
    options.now = Arc::new(move || {
        let writes = std::thread::current().name() == Some("millpond-store");
        assert!(!(writes && asked.swap(false, Ordering::SeqCst)), "as the test wants it");
        Timestamp::from_secs(BEGINNING)
    });
    let store = SqliteStore::open(options).unwrap();
    put(&*store, &numbered(1), plain(), b"content").await.unwrap();
    store.flush().await;
    panics.store(true, Ordering::SeqCst);
    // Whatever the thread does next asks for the time.
    while panics.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    // What waited then is lost, and what comes later is not.
    while stored_or_none(&store).await == 0 {
        let _ = put(&*store, &numbered(2), plain(), b"content").await;
        store.flush().await;
    }
    assert_eq!(store.health(), Health::Up);
    assert_eq!(place.value("SELECT count(*) FROM entry"), 2);
}

/// Entries of the second key; none while the store is down.
async fn stored_or_none(store: &SqliteStore) -> usize {
    store.variants(&numbered(2)).await.map_or(0, |found| found.entries.len())
}

#[tokio::test]
async fn a_header_that_names_another_format_is_damage_and_not_a_want_of_rights() {
    // The versions for writing and for reading: SQLite refuses to write where the first is too large, and to read where
    // the second is.
    for versions in [[3, 2], [255, 2], [2, 3], [0, 0], [7, 7], [1, 1]] {
        let place = doctored("SELECT 1").await;
        let file = std::fs::File::options().write(true).open(place.path()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &versions, 18).unwrap();
        drop(file);
        let store = SqliteStore::start(place.options());
        assert_eq!(store.health(), Health::Up, "{versions:?}");
        put(&*store, &numbered(100), plain(), b"content").await.unwrap();
        store.flush().await;
        assert_eq!(stored(&*store, &numbered(100)).await.len(), 1, "{versions:?}");
        let stats = store.stats();
        assert_eq!((stats.written, stats.lost), (1, 0), "{versions:?}");
        let too_new = versions.iter().any(|version| *version > 2);
        assert_eq!(stats.healed, u64::from(too_new), "{versions:?}");
    }
}
