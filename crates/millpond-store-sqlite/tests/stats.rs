//! What is counted is what is in the file.

mod common;

use common::{BEGINNING, Place, numbered, plain, put, stored};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use millpond_store::Store as _;
use millpond_store_sqlite::SqliteStore;
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);

#[tokio::test]
async fn what_was_rolled_back_is_not_counted() {
    let place = Place::new();
    let mut options = place.options();
    // One batch, which the purge ends.
    options.commit_interval = Duration::from_secs(3600);
    let store = SqliteStore::open(options).unwrap();
    put(&*store, &numbered(1), plain(), b"content").await.unwrap();
    store.flush().await;
    let before = store.stats();
    assert_eq!((before.written, before.purged), (1, 0));
    let sql = place.sql();
    sql.execute_batch("CREATE TRIGGER refused BEFORE INSERT ON purge BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    for at in 2..5 {
        put(&*store, &numbered(at), plain(), b"content").await.unwrap();
    }
    let purged = store.remove(&Selector::Key(numbered(1)), PurgeMode::Hard, NOW).await;
    assert!(purged.is_err(), "{purged:?}");
    let after = store.stats();
    assert_eq!((after.written, after.lost, after.purged), (1, 3, 0), "nothing of it is in the file");
    assert_eq!(place.value("SELECT count(*) FROM entry"), 1);
    sql.execute_batch("DROP TRIGGER refused").unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while store.stats().waiting_purges > 0 {
        assert!(Instant::now() < until, "the purge is never written");
        tokio::task::yield_now().await;
    }
    assert_eq!((store.stats().written, store.stats().purged), (1, 1));
    assert!(stored(&*store, &numbered(1)).await.is_empty());
}
