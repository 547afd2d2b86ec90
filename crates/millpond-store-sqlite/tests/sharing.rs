//! Several stores on one file, as several processes have it.

mod common;

use common::{BEGINNING, Place, numbered, plain, put, stored};
use millpond_exchange::{Key, PurgeMode, Record, Selector, Timestamp};
use millpond_store::laws::UNTIL;
use millpond_store::{Above, MemoryOptions, MemoryStore, Store, StoreError, Tiered};
use millpond_store_sqlite::Health;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);

/// Tells the test what the store tells it.
struct Listener(Mutex<Sender<(Selector, PurgeMode)>>);

impl Above for Listener {
    fn purged(&self, selector: &Selector, mode: PurgeMode, _: Timestamp) {
        self.0.lock().expect("no panic").send((selector.clone(), mode)).expect("somebody listens");
    }

    fn uses(&self, _: &Key) -> bool {
        false
    }
}

fn listen(store: &dyn Store) -> (Arc<Listener>, Receiver<(Selector, PurgeMode)>) {
    let (tell, told) = channel();
    let listener = Arc::new(Listener(Mutex::new(tell)));
    store.attach(Arc::downgrade(&listener) as Weak<dyn Above>);
    (listener, told)
}

#[tokio::test]
async fn what_one_writes_the_other_reads() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    let written = put(&*one, &numbered(1), plain(), b"content").await.unwrap();
    one.flush().await;
    let found = stored(&*other, &numbered(1)).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, found[0].body.as_ref().unwrap().to_vec()), (written.id, b"content".to_vec()));
    // And the newest of both is the one that stays.
    let newer = put(&*other, &numbered(1), plain(), b"newer").await.unwrap();
    other.flush().await;
    let found = stored(&*one, &numbered(1)).await;
    assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), [newer.id]);
}

#[tokio::test]
async fn a_purge_is_told_to_what_lies_above_every_other_store_and_advances_its_epoch() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    let (_own, own) = listen(&*one);
    let (_listener, told) = listen(&*other);
    let tag = || Selector::Tag { origin: Some("http://store.test".to_owned()), tag: "t".to_owned() };
    let selectors = [
        Selector::Key(numbered(1)),
        Selector::Url("http://store.test/1".to_owned()),
        Selector::Prefix("http://store.test/".to_owned()),
        tag(),
        Selector::Tag { origin: None, tag: "t".to_owned() },
        Selector::Group { origin: "http://store.test".to_owned(), group: "g".to_owned() },
        Selector::Host("store.test".to_owned()),
        Selector::All,
    ];
    for selector in selectors {
        for mode in [PurgeMode::Soft, PurgeMode::Hard] {
            let begun = other.epoch();
            one.remove(&selector, mode, NOW).await.unwrap();
            let purge = told.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!(purge, (selector.clone(), mode));
            assert!(other.epoch() > begun);
        }
    }
    assert!(own.try_recv().is_err(), "a store was told of its own purge");
}

#[tokio::test]
async fn a_purge_elsewhere_covers_what_waits_here() {
    let place = Place::new();
    let mut options = place.options();
    // Neither the interval nor the poll comes to it before the flush does.
    options.commit_interval = Duration::from_secs(3600);
    options.poll_interval = Duration::from_secs(3600);
    let waiting = millpond_store_sqlite::SqliteStore::open(options).unwrap();
    let purging = place.open();
    for mode in [PurgeMode::Hard, PurgeMode::Soft] {
        let begun = waiting.epoch();
        put(&*waiting, &numbered(1), plain(), b"content").await.unwrap();
        put(&*waiting, &numbered(2), plain(), b"content").await.unwrap();
        purging.remove(&Selector::Key(numbered(1)), mode, NOW).await.unwrap();
        waiting.flush().await;
        for store in [&waiting, &purging] {
            let found = stored(&**store, &numbered(1)).await;
            match mode {
                PurgeMode::Hard => assert!(found.is_empty()),
                PurgeMode::Soft => assert_eq!(found[0].record.stale_from, Some(NOW)),
            }
            assert_eq!(stored(&**store, &numbered(2)).await.len(), 1);
        }
        // What was begun before the purge comes too late, now that it is known here.
        let late = millpond_store::NewEntry {
            epoch: begun,
            ..millpond_store::laws::entry(&*waiting, &numbered(1), plain())
        };
        let writer = waiting.writer(late).await.unwrap();
        let committed = writer.commit(millpond_exchange::Fields::new()).await;
        assert_eq!(committed.err(), Some(StoreError::Superseded));
    }
}

#[tokio::test]
async fn whoever_missed_purges_takes_them_for_a_purge_of_everything() {
    let place = Place::new();
    let store = place.open();
    let (_listener, told) = listen(&*store);
    let sql = place.sql();
    sql.execute_batch(
        "BEGIN IMMEDIATE;
         INSERT INTO purge (number, at, soft, kind, value) VALUES (5, 1, 1, 'url', CAST('http://a/' AS BLOB));
         COMMIT",
    )
    .unwrap();
    let first = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(first, (Selector::All, PurgeMode::Hard));
    // Which covers the one that is left; the next one is told as what it is.
    sql.execute_batch(
        "BEGIN IMMEDIATE;
         INSERT INTO purge (number, at, soft, kind, value) VALUES (6, 1, 1, 'url', CAST('http://b/' AS BLOB));
         COMMIT",
    )
    .unwrap();
    let second = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(second, (Selector::Url("http://b/".to_owned()), PurgeMode::Soft));
}

/// What lies above has filled itself meanwhile, and what others purged in that time was told to nobody.
#[tokio::test]
async fn a_file_that_could_not_be_opened_at_first_may_have_been_purged_of_everything() {
    let place = Place::new();
    place.open().close();
    let aside = place.directory().join("aside");
    std::fs::rename(place.path(), &aside).unwrap();
    std::fs::create_dir(place.path()).unwrap();
    let late = millpond_store_sqlite::SqliteStore::start(place.options());
    let (_listener, told) = listen(&*late);
    let begun = late.epoch();
    assert!(matches!(late.health(), Health::Down { .. }));
    std::fs::remove_dir(place.path()).unwrap();
    std::fs::rename(&aside, place.path()).unwrap();
    let other = place.open();
    other.remove(&Selector::Host("store.test".to_owned()), PurgeMode::Hard, NOW).await.unwrap();
    let first = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(first, (Selector::All, PurgeMode::Hard));
    assert!(late.epoch() > begun);
}

#[tokio::test]
async fn a_refresh_elsewhere_is_seen() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    let entry = put(&*one, &numbered(1), plain(), b"content").await.unwrap();
    one.flush().await;
    let record = Record { date: Timestamp::from_secs(BEGINNING + 9), ..plain() };
    other.refresh(&entry, record.clone(), entry.head.clone(), UNTIL, other.epoch()).await.unwrap();
    other.flush().await;
    let found = stored(&*one, &numbered(1)).await;
    assert_eq!((found[0].id, &found[0].record), (entry.id, &record));
}

/// The refresh is not stored, for what it says of the entry is purged; the entry as it was is not covered, and stays.
#[tokio::test]
async fn a_refresh_with_a_tag_that_is_purged_elsewhere_leaves_the_entry_as_it_was() {
    let place = Place::new();
    let mut options = place.options();
    // Neither the interval nor the poll comes to it before the flush does.
    options.commit_interval = Duration::from_secs(3600);
    options.poll_interval = Duration::from_secs(3600);
    let waiting = millpond_store_sqlite::SqliteStore::open(options).unwrap();
    let purging = place.open();
    let tag = Selector::Tag { origin: None, tag: "new".to_owned() };
    for mode in [PurgeMode::Hard, PurgeMode::Soft] {
        let entry = put(&*waiting, &numbered(1), plain(), b"content").await.unwrap();
        waiting.flush().await;
        let tagged = plain().with_rare(|rare| rare.tags = ["new".into()].into());
        let begun = waiting.epoch();
        waiting.refresh(&entry, tagged.clone(), entry.head.clone(), UNTIL, begun).await.unwrap();
        assert_eq!(stored(&*waiting, &numbered(1)).await[0].record, tagged);
        purging.remove(&tag, mode, NOW).await.unwrap();
        waiting.flush().await;
        for store in [&waiting, &purging] {
            let found = stored(&**store, &numbered(1)).await;
            assert_eq!(found.len(), 1, "{mode:?}");
            assert_eq!((found[0].id, &found[0].record), (entry.id, &plain()), "{mode:?}");
        }
        // Nor is one that was begun before.
        let late = waiting.refresh(&entry, tagged, entry.head.clone(), UNTIL, begun).await;
        assert_eq!(late.err(), Some(StoreError::Superseded), "{mode:?}");
    }
}

/// Nor is one of an entry whose tag the refresh has taken away: what the other process has done to the row stays done, and what
/// lies above is told of the entry by its key, since it knows it without the tag.
#[tokio::test]
async fn a_refresh_without_a_tag_that_is_purged_elsewhere_undoes_nothing() {
    let place = Place::new();
    let mut options = place.options();
    // Neither the interval nor the poll comes to it before the flush does.
    options.commit_interval = Duration::from_secs(3600);
    options.poll_interval = Duration::from_secs(3600);
    let waiting = millpond_store_sqlite::SqliteStore::open(options).unwrap();
    let (_listener, told) = listen(&*waiting);
    let purging = place.open();
    let tag = Selector::Tag { origin: None, tag: "old".to_owned() };
    let tagged = plain().with_rare(|rare| rare.tags = ["old".into()].into());
    for written in [true, false] {
        for mode in [PurgeMode::Soft, PurgeMode::Hard] {
            let entry = put(&*waiting, &numbered(1), tagged.clone(), b"content").await.unwrap();
            if written {
                waiting.flush().await;
            }
            let later = Record { date: Timestamp::from_secs(BEGINNING + 9), ..plain() };
            for record in [plain(), later] {
                waiting
                    .refresh(&entry, record.clone(), entry.head.clone(), UNTIL, waiting.epoch())
                    .await
                    .unwrap();
                assert_eq!(stored(&*waiting, &numbered(1)).await[0].record, record);
            }
            purging.remove(&tag, mode, NOW).await.unwrap();
            waiting.flush().await;
            assert_eq!(told.try_recv().unwrap(), (tag.clone(), mode));
            assert_eq!(told.try_recv().unwrap(), (Selector::Key(numbered(1)), mode));
            assert!(told.try_recv().is_err(), "it is told once");
            for store in [&waiting, &purging] {
                let found = stored(&**store, &numbered(1)).await;
                let stale: Vec<_> = found.iter().map(|entry| entry.record.stale_from).collect();
                let expected = if mode == PurgeMode::Soft { vec![Some(NOW)] } else { Vec::new() };
                assert_eq!(stale, expected, "{mode:?}, written {written}");
            }
        }
    }
}

/// The same in the memory tier before it, which has the entry as it became.
#[tokio::test]
async fn what_is_purged_elsewhere_by_a_tag_it_had_leaves_memory() {
    let place = Place::new();
    let mut options = place.options();
    options.commit_interval = Duration::from_secs(3600);
    options.poll_interval = Duration::from_secs(3600);
    let waiting = millpond_store_sqlite::SqliteStore::open(options).unwrap();
    let memory = MemoryStore::new(MemoryOptions::default());
    let tiered = Tiered::new(memory, Arc::clone(&waiting) as Arc<dyn Store>);
    let purging = place.open();
    let tag = Selector::Tag { origin: None, tag: "old".to_owned() };
    let tagged = plain().with_rare(|rare| rare.tags = ["old".into()].into());
    for mode in [PurgeMode::Soft, PurgeMode::Hard] {
        let entry = put(&tiered, &numbered(1), tagged.clone(), b"content").await.unwrap();
        waiting.flush().await;
        tiered.refresh(&entry, plain(), entry.head.clone(), UNTIL, tiered.epoch()).await.unwrap();
        purging.remove(&tag, mode, NOW).await.unwrap();
        waiting.flush().await;
        let found = stored(&tiered, &numbered(1)).await;
        let stale: Vec<_> = found.iter().map(|entry| entry.record.stale_from).collect();
        let expected = if mode == PurgeMode::Soft { vec![Some(NOW)] } else { Vec::new() };
        assert_eq!(stale, expected, "{mode:?}");
    }
}

/// What others write takes room of the same disk.
#[tokio::test]
async fn what_others_write_is_counted_here() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    put(&*one, &numbered(1), plain(), &vec![7; 300_000]).await.unwrap();
    put(&*one, &numbered(2), plain(), &vec![7; 50_000]).await.unwrap();
    one.flush().await;
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while other.stats().entries < 2 {
        assert!(std::time::Instant::now() < until, "{:?}", other.stats());
        tokio::task::yield_now().await;
    }
    assert_eq!(other.stats().file_bytes, one.stats().file_bytes);
}
