//! The file under a store becomes another one: no purge is lost, no healthy file set aside; how soon purges are heard, and
//! who may read the files.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::{BEGINNING, Place, noise, numbered, plain, put, stored};
use millpond_exchange::{Key, PurgeMode, Selector, Timestamp};
use millpond_store::{Above, Store};
use millpond_store_sqlite::SqliteStore;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Listener(Mutex<Sender<Selector>>);

impl Above for Listener {
    fn purged(&self, selector: &Selector, _: PurgeMode, _: Timestamp) {
        // The test may have heard enough.
        let _ = self.0.lock().unwrap().send(selector.clone());
    }

    fn uses(&self, _: &Key) -> bool {
        false
    }
}

fn listen(store: &dyn Store) -> (Arc<Listener>, Receiver<Selector>) {
    let (tell, told) = channel();
    let listener = Arc::new(Listener(Mutex::new(tell)));
    store.attach(Arc::downgrade(&listener) as Weak<dyn Above>);
    (listener, told)
}

/// Waits until a purge is told that covers `key`.
fn hears(told: &Receiver<Selector>, key: &Key) -> Result<(), RecvTimeoutError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let selector = told.recv_timeout(until.saturating_duration_since(Instant::now()))?;
        if selector == Selector::All || selector == Selector::Key(key.clone()) {
            return Ok(());
        }
    }
}

/// Removes database, log and index, as somebody might who wants an empty cache.
fn wipe(place: &Place) {
    for file in fs::read_dir(place.directory()).unwrap().flatten() {
        if file.file_type().unwrap().is_file() {
            fs::remove_file(file.path()).unwrap();
        }
    }
}

/// Waits until `store` has begun anew.
fn reopens(store: &SqliteStore, before: u64) {
    let until = Instant::now() + PATIENCE;
    while store.stats().reopened == before {
        assert!(Instant::now() < until, "the file is gone and nobody noticed");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn purges_of_others_are_heard_in_a_file_begun_anew() {
    let place = Place::new();
    let store = place.open();
    let (_above, told) = listen(&*store);
    // More purges than the new file will have.
    for at in 50..60 {
        store.remove(&Selector::Key(numbered(at)), PurgeMode::Hard, NOW).await.unwrap();
    }
    // A second time the inode of the first file is free.
    for before in 0..2 {
        wipe(&place);
        reopens(&store, before);
        put(&*store, &numbered(1), plain(), b"content").await.unwrap();
        store.flush().await;
        let other = place.open();
        other.remove(&Selector::Key(numbered(1)), PurgeMode::Hard, NOW).await.unwrap();
        assert_eq!(hears(&told, &numbered(1)), Ok(()));
    }
}

#[tokio::test]
async fn a_purge_just_before_the_file_goes_is_heard() {
    let place = Place::new();
    let mut options = place.options();
    options.poll_interval = Duration::from_secs(1);
    let server = SqliteStore::open(options).unwrap();
    let (_above, told) = listen(&*server);
    put(&*server, &numbered(1), plain(), b"content").await.unwrap();
    server.flush().await;
    let command = place.open();
    assert_eq!(command.remove(&Selector::Key(numbered(1)), PurgeMode::Hard, NOW).await, Ok(1));
    wipe(&place);
    assert_eq!(hears(&told, &numbered(1)), Ok(()));
}

#[tokio::test]
async fn a_purge_into_a_file_that_is_gone_goes_into_the_new_one() {
    let place = Place::new();
    let mut options = place.options();
    options.poll_interval = Duration::from_secs(3600);
    let command = SqliteStore::open(options).unwrap();
    let server = place.open();
    let (_above, told) = listen(&*server);
    wipe(&place);
    reopens(&server, 0);
    put(&*server, &numbered(1), plain(), b"content").await.unwrap();
    server.flush().await;
    assert_eq!(command.remove(&Selector::Key(numbered(1)), PurgeMode::Hard, NOW).await, Ok(1));
    assert_eq!(hears(&told, &numbered(1)), Ok(()));
    assert!(stored(&*server, &numbered(1)).await.is_empty());
}

#[tokio::test]
async fn a_purge_is_heard_while_the_lock_to_write_is_held() {
    let place = Place::new();
    let mut options = place.options();
    options.commit_interval = Duration::from_millis(1);
    let store = SqliteStore::open(options).unwrap();
    let (_above, told) = listen(&*store);
    let sql = place.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    put(&*store, &numbered(2), plain(), b"content").await.unwrap();
    let until = Instant::now() + PATIENCE;
    while store.stats().busy_writes == 0 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    sql.execute_batch(
        "INSERT INTO purge (at, soft, kind, value) VALUES (1, 0, 'all', NULL); COMMIT; BEGIN IMMEDIATE",
    )
    .unwrap();
    // The lock is held until it is heard.
    assert_eq!(hears(&told, &numbered(1)), Ok(()));
    assert!(stored(&*store, &numbered(2)).await.is_empty(), "the purge covers what waits");
    sql.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn lookups_during_healing_do_not_condemn_the_new_file() {
    let place = Place::new();
    let store = place.open();
    for at in 0..200 {
        put(&*store, &numbered(at), plain(), &noise(at as u64, 2_000)).await.unwrap();
    }
    store.flush().await;
    let reading = Arc::clone(&store);
    let readers = (0..4).map(|_| {
        let store = Arc::clone(&reading);
        tokio::spawn(async move {
            while store.stats().healed == 0 || store.stats().written < 400 {
                for at in 0..200 {
                    drop(store.variants(&numbered(at)).await);
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let length = fs::metadata(place.path()).unwrap().len();
    let mut log = place.path().into_os_string();
    log.push("-wal");
    fs::write(place.path(), noise(7, usize::try_from(length).unwrap())).unwrap();
    fs::write(log, noise(8, 64 << 10)).unwrap();
    let until = Instant::now() + PATIENCE;
    while store.stats().written < 400 {
        assert!(Instant::now() < until, "the store does not take entries again: {:?}", store.stats());
        for at in 0..200 {
            // Refused where the store is just being healed.
            drop(put(&*store, &numbered(at), plain(), b"content").await);
        }
        store.flush().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(store.stats().healed, 1);
}

/// What all files in a directory take.
fn taken(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().flatten();
    let metadata = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
    metadata.map(|(path, found)| if found.is_dir() { taken(&path) } else { found.len() }).sum()
}

#[tokio::test]
async fn a_long_read_costs_neither_the_bound_nor_purges() {
    const MOST: u64 = 8 << 20;
    let place = Place::new();
    let mut options = place.options();
    options.max_bytes = MOST;
    let store = SqliteStore::open(options).unwrap();
    put(&*store, &numbered(0), plain(), b"content").await.unwrap();
    store.flush().await;
    let sql = place.sql();
    sql.execute_batch("BEGIN; SELECT count(*) FROM entry").unwrap();
    let mut refused = false;
    for at in 1..1_000 {
        refused |= put(&*store, &numbered(at), plain(), &noise(at as u64, 50_000)).await.is_err();
        if at % 10 == 0 {
            store.flush().await;
        }
        assert!(taken(place.directory()) <= MOST, "after {at}: {:?}", store.stats());
    }
    assert!(refused, "something had to be refused");
    assert_eq!(store.remove(&Selector::Key(numbered(0)), PurgeMode::Hard, NOW).await, Ok(1));
    sql.execute_batch("ROLLBACK").unwrap();
    let until = Instant::now() + PATIENCE;
    while put(&*store, &numbered(0), plain(), b"content").await.is_err() {
        assert!(Instant::now() < until, "the read is over, and still nothing is taken");
        tokio::task::yield_now().await;
    }
}

fn modes(path: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        found.push((entry.path().display().to_string(), metadata.permissions().mode() & 0o777));
        if metadata.is_dir() {
            found.extend(modes(&entry.path()));
        }
    }
    found
}

#[tokio::test]
async fn what_is_cached_is_for_its_user_alone() {
    let place = Place::new();
    let directory = place.directory().join("ours/cache");
    fs::set_permissions(place.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = place.options();
    options.path = directory.join("cache.sqlite");
    let store = SqliteStore::open(options).unwrap();
    put(&*store, &numbered(1), plain(), &noise(1, 200_000)).await.unwrap();
    put(&*store, &numbered(2), plain(), b"content").await.unwrap();
    store.flush().await;
    let mut unfinished =
        store.writer(millpond_store::laws::entry(&*store, &numbered(3), plain())).await.unwrap();
    unfinished.write(noise(2, 400_000).into()).await.unwrap();
    let found = modes(place.directory());
    assert!(found.len() > 8, "{found:?}");
    for (path, mode) in found {
        let wanted = if Path::new(&path).is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{path}");
    }
    let own = fs::metadata(place.directory()).unwrap().permissions().mode() & 0o777;
    assert_eq!(own, 0o755, "a directory that was there keeps its mode");
}
