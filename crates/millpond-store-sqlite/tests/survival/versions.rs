//! Other versions of the program on the same file, and clocks that jump.

use crate::support::{
    Clock, DATED, content, database, integrity, numbered, open, options, runtime, scratch, store, until,
    versioned,
};
use millpond_exchange::{Record, Timestamp};
use millpond_store::laws::body_of;
use millpond_store::{Store, StoreError};
use millpond_store_sqlite::{Health, OpenError, SqliteStore};
use std::path::Path;

fn schema(directory: &Path, change: i64) {
    let connection = rusqlite::Connection::open(database(directory)).unwrap();
    connection.busy_timeout(crate::support::PATIENCE).unwrap();
    let known: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", known + change).unwrap();
}

fn rows(directory: &Path) -> i64 {
    let connection = rusqlite::Connection::open(database(directory)).unwrap();
    connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
}

async fn put(kept: &SqliteStore, number: u64) -> Result<(), StoreError> {
    put_at(kept, number, DATED).await
}

async fn put_at(kept: &SqliteStore, number: u64, now: Timestamp) -> Result<(), StoreError> {
    let body = content(number, 1, 2_000, false);
    let record = Record { request_time: now, response_time: now, date: now, ..versioned(1, &[]) };
    store(kept, &numbered(number), record, &body).await.map(drop)
}

async fn has(kept: &SqliteStore, number: u64) -> bool {
    let Ok(found) = kept.variants(&numbered(number)).await else { return false };
    let Some(found) = found.entries.first() else { return false };
    body_of(kept, found, None).await.unwrap() == content(number, 1, 2_000, false)
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    runtime().block_on(async {
        let (directory, clock) = (scratch(), Clock::new());
        let kept = open(directory.path(), &clock);
        put(&kept, 1).await.unwrap();
        kept.close();
        schema(directory.path(), 1);
        let before = std::fs::read(database(directory.path())).unwrap();
        let refused = SqliteStore::open(options(directory.path(), &clock)).err().unwrap();
        assert!(matches!(refused, OpenError::NewerSchema { .. }), "{refused}");
        let kept = SqliteStore::start(options(directory.path(), &clock));
        assert!(matches!(kept.health(), Health::Down { .. }));
        assert!(matches!(put(&kept, 2).await, Err(StoreError::Unavailable(_))));
        kept.flush().await;
        kept.close();
        let after = std::fs::read(database(directory.path())).unwrap();
        let changed: Vec<usize> = (0..before.len()).filter(|at| after.get(*at) != before.get(*at)).collect();
        assert!(changed.is_empty() && after.len() == before.len(), "changed at {changed:?}");
    });
}

#[test]
fn a_file_that_a_newer_program_takes_over_while_this_one_runs() {
    runtime().block_on(async {
        let (directory, clock) = (scratch(), Clock::new());
        let kept = open(directory.path(), &clock);
        put(&kept, 1).await.unwrap();
        kept.flush().await;
        schema(directory.path(), 1);
        until("the store steps back", async || {
            let _ = put(&kept, 2).await;
            kept.flush().await;
            (kept.health() != Health::Up).then_some(())
        })
        .await;
        assert_eq!(rows(directory.path()), 1, "nothing is written into a file of another schema");
        schema(directory.path(), -1);
        until("the store is up again", async || (kept.health() == Health::Up).then_some(())).await;
        until("it keeps what it is given", async || {
            let _ = put(&kept, 3).await;
            kept.flush().await;
            has(&kept, 3).await.then_some(())
        })
        .await;
        assert!(has(&kept, 1).await, "what was there is still there");
        kept.close();
        integrity(directory.path());
    });
}

#[test]
fn a_clock_that_jumps() {
    const YEAR: i64 = 365 * 24 * 3_600 * 1_000;
    runtime().block_on(async {
        let (directory, clock) = (scratch(), Clock::new());
        let mut kept = open(directory.path(), &clock);
        for (number, jump) in [(1, 0), (2, 20 * YEAR), (3, -40 * YEAR), (4, -100 * YEAR), (5, 200 * YEAR)] {
            clock.advance(jump);
            // By the new clock everything there may be old; what is stored now is not.
            put_at(&kept, number, clock.now()).await.unwrap();
            assert!(has(&kept, number).await, "stored after a jump of {jump} ms");
            kept.flush().await;
            assert!(has(&kept, number).await, "written after a jump of {jump} ms");
            let all = millpond_exchange::Selector::Key(numbered(100));
            kept.remove(&all, millpond_exchange::PurgeMode::Soft, clock.now()).await.unwrap();
            kept.close();
            integrity(directory.path());
            kept = open(directory.path(), &clock);
            assert!(has(&kept, number).await, "stored after a jump of {jump} ms, and a restart");
            assert_eq!(kept.health(), Health::Up);
        }
    });
}
