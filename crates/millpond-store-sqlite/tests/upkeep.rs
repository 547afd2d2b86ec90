//! What a store does that was opened without upkeep: nothing leaves but what it is told to remove.

mod common;

use common::{BEGINNING, Place, noise, numbered, plain, put, stored};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use millpond_store::Store as _;
use millpond_store_sqlite::{SqliteOptions, SqliteStore};

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);

async fn fill(place: &Place, many: usize, length: usize) {
    let store = place.open();
    for at in 0..many {
        put(&*store, &numbered(at), plain(), &noise(at as u64, length)).await.expect("it is taken");
        if at % 50 == 0 {
            store.flush().await;
        }
    }
    store.close();
}

#[tokio::test]
async fn a_command_with_smaller_limits_removes_only_what_it_purges() {
    let place = Place::new();
    fill(&place, 500, 40_000).await;
    let options = SqliteOptions { max_bytes: 8 << 20, max_entries: 50, upkeep: false, ..place.options() };
    let command = SqliteStore::open(options).unwrap();
    assert_eq!(command.remove(&Selector::Key(numbered(1)), PurgeMode::Hard, NOW).await, Ok(1));
    // Nor does it make things worse: what it has no room for it does not keep.
    let refused = put(&*command, &numbered(1_000), plain(), &noise(1, 1_000)).await.is_err();
    command.flush().await;
    let stats = command.stats();
    command.close();
    assert_eq!(place.value("SELECT count(*) FROM entry"), 499);
    assert_eq!((stats.evicted, stats.moved, stats.lost), (0, 0, u64::from(!refused)));
    assert!(stored(&*place.open(), &numbered(1_000)).await.is_empty());
}

#[tokio::test]
async fn an_archive_is_not_swept_away() {
    let place = Place::new();
    fill(&place, 300, 10).await;
    place.pass(30 * 24 * 3600);
    let archive = SqliteStore::open(SqliteOptions { upkeep: false, ..place.options() }).unwrap();
    // A sweep is done with the first batch at the latest.
    put(&*archive, &numbered(1_000), plain(), b"content").await.unwrap();
    archive.flush().await;
    assert_eq!(archive.stats().swept, 0);
    assert_eq!(place.value("SELECT count(*) FROM entry"), 301);
    archive.close();
    // One that owns the store sweeps with its first batch.
    let owner = place.open();
    put(&*owner, &numbered(1_001), plain(), b"content").await.unwrap();
    owner.flush().await;
    assert!(owner.stats().swept > 0);
}
