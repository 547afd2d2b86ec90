//! What purges take: of the log while they are done, and of the file once they are.

mod common;

use common::{BEGINNING, Place, noise, numbered, plain, put, stored};
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use millpond_store::Store as _;
use millpond_store_sqlite::{SqliteOptions, SqliteStore};
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);

fn in_16_mib(place: &Place) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteOptions { max_bytes: 16 << 20, ..place.options() }).expect("it opens")
}

#[tokio::test]
async fn a_purge_of_everything_is_done_a_piece_at_a_time() {
    const MANY: usize = 2_000;
    let place = Place::new();
    for mode in [PurgeMode::Soft, PurgeMode::Hard] {
        let store = in_16_mib(&place);
        for at in 0..MANY {
            put(&*store, &numbered(at), plain(), &noise(at as u64, 1_000)).await.unwrap();
            if at % 100 == 0 {
                store.flush().await;
            }
        }
        store.flush().await;
        // Pages of the log in the order they were written; it is begun anew now and then.
        let before = place.value("SELECT count(*) FROM entry");
        assert_eq!(store.remove(&Selector::All, mode, NOW).await, Ok(MANY as u64));
        assert_eq!(before, MANY as i64);
        let log = std::fs::metadata(place.directory().join("cache.sqlite-wal")).map_or(0, |log| log.len());
        assert!(log <= 1 << 20, "the log has {log} bytes after a purge of everything");
        store.close();
    }
    assert_eq!(place.value("SELECT count(*) FROM entry"), 0);
    assert_eq!(place.value("SELECT entries + row_bytes + probation + probation_bytes FROM totals"), 0);
}

#[tokio::test]
async fn the_purges_kept_for_others_leave_room_for_entries() {
    const MOST: i64 = 1 << 20;
    let place = Place::new();
    let store = in_16_mib(&place);
    for at in 0..200 {
        put(&*store, &numbered(at), plain(), &noise(at as u64, 1_000)).await.unwrap();
    }
    store.flush().await;
    for at in 0..300 {
        let url = format!("http://store.test/{at}/{}", "x".repeat(60_000));
        store.remove(&Selector::Url(url), PurgeMode::Hard, NOW).await.unwrap();
    }
    let kept = place.value("SELECT sum(length(value)) FROM purge");
    assert!((60_000..=MOST).contains(&kept), "{kept} bytes of purges are kept");
    assert_eq!((store.stats().entries, store.stats().evicted), (200, 0));
}

#[tokio::test]
async fn old_purges_are_forgotten_and_the_newest_stays() {
    let place = Place::new();
    let store = place.open();
    let purge = |at: i64| {
        let (store, url) = (Arc::clone(&store), format!("http://store.test/{at}"));
        async move { store.remove(&Selector::Url(url), PurgeMode::Hard, Timestamp::from_secs(at)).await.unwrap() }
    };
    for at in 0..70 {
        purge(BEGINNING + at).await;
    }
    for at in 0..70 {
        purge(BEGINNING + 3_600 + at).await;
    }
    let oldest = place.value("SELECT min(at) / 1000 FROM purge");
    assert!(oldest >= BEGINNING + 3_600, "a purge of second {oldest} is kept");
    assert_eq!(place.value("SELECT max(number) FROM purge"), 140);
}

#[tokio::test]
async fn who_missed_more_purges_than_are_kept_forgets_everything() {
    let place = Place::new();
    let (one, other) = (
        place.open(),
        SqliteStore::open(SqliteOptions {
            poll_interval: Duration::from_secs(3600),
            commit_interval: Duration::from_secs(3600),
            ..place.options()
        })
        .unwrap(),
    );
    // Its first look at the file is over before anything is purged.
    put(&*other, &numbered(0), plain(), b"content").await.unwrap();
    other.flush().await;
    // What waits in the other one is older than some purge that it cannot know.
    put(&*other, &numbered(1), plain(), b"content").await.unwrap();
    for at in 0..40 {
        let url = format!("http://store.test/{at}/{}", "x".repeat(60_000));
        one.remove(&Selector::Url(url), PurgeMode::Hard, NOW).await.unwrap();
    }
    other.flush().await;
    assert!(stored(&*other, &numbered(1)).await.is_empty());
    assert_eq!(other.stats().foreign_purges, 1, "one of everything, instead of those that are left");
}
