//! A batch that takes several transactions, and meets another process's lock between two of them.

mod common;

use common::{Place, noise, numbered, plain, put, stored};
use millpond_store::Store as _;
use millpond_store_sqlite::SqliteStore;
use std::fmt::{Debug, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Another process, which takes the lock when told to.
static OTHER: Mutex<Option<rusqlite::Connection>> = Mutex::new(None);

/// Takes the lock as soon as the store says that it cannot remove a file. It says so when a transaction is committed,
/// and in the thread that is about to begin the next one.
struct LocksBetween;

/// The text of an event.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{value:?} ");
    }
}

impl Subscriber for LocksBetween {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains("stays until the next sweep")
            && let Some(other) = &*OTHER.lock().unwrap_or_else(PoisonError::into_inner)
            && other.is_autocommit()
        {
            other.execute_batch("BEGIN IMMEDIATE").expect("nobody has the lock");
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn file_of(place: &Place, url: &str) -> PathBuf {
    let sql = place.sql();
    let name: String = sql
        .query_row("SELECT file FROM entry WHERE url = ?", [url], |row| row.get(0))
        .expect("its body is in a file");
    let mut bodies = place.path().into_os_string();
    bodies.push("-bodies");
    PathBuf::from(bodies).join(&name[..2]).join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_cut_by_a_lock_loses_no_files() {
    const MANY: usize = 40;
    let place = Place::new();
    let mut options = place.options();
    // A transaction of some eight rows.
    options.max_bytes = 16 << 20;
    options.commit_interval = Duration::from_secs(3600);
    options.inline_limit = 1_000;
    let store = SqliteStore::open(options).unwrap();
    put(&*store, &numbered(0), plain(), &noise(1, 2_000)).await.unwrap();
    store.flush().await;
    // The file of the first entry cannot be removed when the entry is replaced.
    let first = file_of(&place, "http://store.test/0");
    std::fs::remove_file(&first).unwrap();
    std::fs::create_dir(&first).unwrap();
    std::fs::write(first.join("something"), b"x").unwrap();
    *OTHER.lock().unwrap() = Some(place.sql());
    tracing::subscriber::set_global_default(LocksBetween).expect("the only test of this file");
    for at in 0..MANY {
        put(&*store, &numbered(at), plain(), &noise(at as u64 + 2, 2_000)).await.unwrap();
    }
    // The second transaction of the batch waits in vain for the lock, and the batch is put back.
    let flushed = tokio::spawn({
        let store = store.clone();
        async move { store.flush().await }
    });
    while store.stats().busy_writes == 0 {
        tokio::task::yield_now().await;
    }
    let committed = place.value("SELECT count(*) FROM entry");
    assert!((2..MANY as i64).contains(&committed), "{committed} of {MANY} were committed before the lock");
    let other = OTHER.lock().unwrap().take().expect("it has the lock");
    other.execute_batch("ROLLBACK").unwrap();
    flushed.await.unwrap();
    assert_eq!(place.value("SELECT count(*) FROM entry"), MANY as i64);
    assert_eq!(place.value("SELECT entries FROM totals"), MANY as i64);
    for at in 0..MANY {
        let entry = stored(&*store, &numbered(at)).await.remove(0);
        assert!(file_of(&place, &format!("http://store.test/{at}")).is_file(), "the file of {at} is gone");
        let body = store.read(&entry, None).await.expect("its body can be read");
        assert_eq!(body.length(), Some(2_000));
    }
    assert_eq!(store.stats().lost, 0);
}
