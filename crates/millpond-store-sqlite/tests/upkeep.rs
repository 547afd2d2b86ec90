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

/// Pages of noise are no reason to lose what can be read: nobody could bring it back.
#[tokio::test]
async fn an_archive_with_damaged_pages_stays_and_the_rest_of_it_is_served() {
    let place = Place::new();
    fill(&place, 200, 20_000).await;
    let file = std::fs::File::options().write(true).open(place.path()).unwrap();
    let pages = file.metadata().unwrap().len() / 8192;
    for part in 1..4 {
        std::os::unix::fs::FileExt::write_all_at(&file, &noise(part, 8192), pages * part / 4 * 8192).unwrap();
    }
    drop(file);
    let archive = SqliteStore::open(SqliteOptions { upkeep: false, ..place.options() }).unwrap();
    let mut served = 0;
    for _ in 0..2 {
        served = 0;
        for at in 0..200 {
            served += archive.variants(&numbered(at)).await.map_or(0, |found| found.entries.len());
            archive.flush().await;
        }
    }
    assert_eq!((archive.stats().healed, archive.health()), (0, millpond_store_sqlite::Health::Up));
    assert!((100..200).contains(&served), "{served} of 200 are served");
    archive.close();
    assert_eq!(place.open().stats().healed, 0, "an owner opens it");
}

#[tokio::test]
async fn a_purge_of_everything_gives_the_room_back() {
    let place = Place::new();
    fill(&place, 300, 40_000).await;
    let before = std::fs::metadata(place.path()).unwrap().len();
    for upkeep in [false, true] {
        let command = SqliteStore::open(SqliteOptions { upkeep, ..place.options() }).unwrap();
        command.remove(&Selector::All, PurgeMode::Hard, NOW).await.unwrap();
        let after = std::fs::metadata(place.path()).unwrap().len();
        assert!(before > 8 << 20 && after < 1 << 20, "{after} of {before} bytes");
        assert_eq!(place.value("PRAGMA auto_vacuum"), 2);
        command.close();
        fill(&place, 300, 40_000).await;
    }
}

/// A limit that was lowered is that of the next server, though nothing is stored.
#[tokio::test]
async fn a_lowered_limit_holds_before_anything_is_stored() {
    const MOST: u64 = 8 << 20;
    let place = Place::new();
    fill(&place, 600, 40_000).await;
    let store = SqliteStore::open(SqliteOptions { max_bytes: MOST, ..place.options() }).unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut most = 0;
    while store.stats().disk_bytes > MOST {
        assert!(std::time::Instant::now() < until, "{:?}", store.stats());
        most = most.max(place.directory().join("cache.sqlite-wal").metadata().map_or(0, |log| log.len()));
        tokio::task::yield_now().await;
    }
    assert!(most < 4 << 20, "the log became {most} bytes large");
    assert!(place.value("SELECT count(*) FROM entry") > 0);
}

/// What a killed process had finished and not yet noted takes room that is not counted.
#[tokio::test]
async fn what_a_killed_process_left_goes_soon_where_no_other_one_writes() {
    for alone in [true, false] {
        let place = Place::new();
        let other = place.open();
        put(&*other, &numbered(1), plain(), &noise(1, 200_000)).await.unwrap();
        other.flush().await;
        // Its process lives for as long as it has its lock.
        let _other = (!alone).then_some(other);
        let (name, shard) = ("ab".repeat(16), place.directory().join("cache.sqlite-bodies/ab"));
        std::fs::create_dir_all(&shard).unwrap();
        let left = std::fs::File::create(shard.join(&name)).unwrap();
        // A moment before the store is opened.
        let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(BEGINNING.cast_unsigned() - 10);
        left.set_times(std::fs::FileTimes::new().set_modified(written)).unwrap();
        let store = place.open();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        // With the first batch after the first look at the latest.
        while alone && store.stats().orphans == 0 {
            assert!(std::time::Instant::now() < until, "{:?}", store.stats());
            tokio::task::yield_now().await;
        }
        put(&*store, &numbered(2), plain(), b"content").await.unwrap();
        store.flush().await;
        assert_eq!((store.stats().orphans, shard.join(&name).exists()), (u64::from(alone), !alone));
    }
}
