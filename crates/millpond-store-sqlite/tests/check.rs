//! The full check: what it finds, what becomes of that, and that it is in nobody's way.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::{BEGINNING, Place, noise, numbered, plain, put, stored};
use millpond_exchange::{PurgeMode, Record, Selector, Timestamp};
use millpond_store::Store as _;
use millpond_store::laws::UNTIL;
use millpond_store_sqlite::{Finding, Health, SqliteOptions, SqliteStore, Verified, verify};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp::from_secs(BEGINNING + 5);

fn tagged() -> Record {
    plain().with_rare(|rare| {
        rare.tags = ["all".into(), "some".into()].into();
        rare.groups = ["menu".into()].into();
    })
}

fn by_tag() -> Selector {
    Selector::Tag { origin: None, tag: "all".to_owned() }
}

/// A store in use, with `count` entries in rows of `length` bytes and two in files.
async fn filled(count: usize, length: usize) -> (Place, Arc<SqliteStore>) {
    let place = Place::new();
    let store = place.open();
    for at in 0..2 {
        put(&*store, &numbered(at), tagged(), &noise(at as u64, 200_000)).await.unwrap();
    }
    for at in 2..count {
        put(&*store, &numbered(at), tagged(), &noise(at as u64, length)).await.unwrap();
        if at % 100 == 0 {
            store.flush().await;
        }
    }
    store.flush().await;
    (place, store)
}

fn body_files(place: &Place) -> Vec<PathBuf> {
    let shards = fs::read_dir(place.directory().join("cache.sqlite-bodies")).unwrap().flatten();
    let files = shards
        .filter(|shard| shard.file_name() != "tmp")
        .flat_map(|shard| fs::read_dir(shard.path()).unwrap());
    files.flatten().map(|file| file.path()).collect()
}

fn entries(found: &Verified) -> usize {
    found.findings.iter().filter(|finding| matches!(finding, Finding::Entry { .. })).count()
}

#[tokio::test]
async fn nothing_is_wrong_with_what_was_written() {
    // Small enough to be read in one go, and not.
    for (count, length) in [(50, 900), (400, 60_000)] {
        let (place, store) = filled(count, length).await;
        store.remove(&Selector::Key(numbered(7)), PurgeMode::Hard, NOW).await.unwrap();
        let found = store.check().unwrap();
        assert_eq!(
            found,
            Verified { entries: count as u64 - 1, files: 2, findings: Vec::new(), repaired: true }
        );
        assert_eq!((store.stats().checks, store.stats().check_findings), (1, 0));
        assert_eq!(place.value("SELECT count(*) FROM entry"), count as i64 - 1);
    }
}

#[tokio::test]
async fn rows_that_are_not_what_was_written_are_removed_and_the_others_stay() {
    let wrong: [(&str, usize); 8] = [
        ("UPDATE entry SET facts = x'00' WHERE seq = 5", 1),
        ("UPDATE entry SET body = zeroblob(900) WHERE seq IN (6, 7)", 2),
        ("UPDATE entry SET variant = variant + 1 WHERE seq = 5", 1),
        ("UPDATE entry SET url = 'http://store.test/other' WHERE seq = 5", 1),
        ("DELETE FROM label WHERE seq = 5 AND name = 'all'", 1),
        ("UPDATE label SET name = 'other' WHERE seq = 5 AND name = 'all'", 1),
        ("INSERT INTO label VALUES (0, 'more', 'http://store.test', 5)", 1),
        ("UPDATE label SET kind = 1 WHERE seq = 5 AND name = 'all'", 1),
    ];
    for (sql, many) in wrong {
        let (place, store) = filled(30, 900).await;
        place.sql().execute_batch(sql).unwrap();
        let found = store.check().unwrap();
        assert_eq!(
            (entries(&found), found.findings.len(), found.repaired),
            (many, many, true),
            "{sql}: {found:?}"
        );
        assert_eq!(place.value("SELECT count(*) FROM entry"), 30 - many as i64, "{sql}");
        assert_eq!((store.stats().corrupt_entries, store.stats().check_findings), (many as u64, many as u64));
        // A purge leaves nothing, and the store goes on.
        store.remove(&by_tag(), PurgeMode::Hard, NOW).await.unwrap();
        assert_eq!(place.value("SELECT count(*) FROM entry"), 0, "{sql}");
        assert_eq!(place.value("SELECT count(*) FROM label"), 0, "{sql}");
        assert_eq!(store.check().unwrap().findings, [], "{sql}");
    }
}

#[tokio::test]
async fn bodies_that_are_gone_or_cut_are_found_before_anybody_reads_them() {
    let mischiefs: [fn(&PathBuf); 2] = [
        |path| fs::remove_file(path).unwrap(),
        |path| {
            fs::File::options().write(true).open(path).unwrap().set_len(100_000).unwrap();
        },
    ];
    for mischief in mischiefs {
        let (place, store) = filled(5, 900).await;
        mischief(&body_files(&place)[0]);
        let found = store.check().unwrap();
        assert_eq!((entries(&found), found.findings.len()), (1, 1), "{found:?}");
        assert_eq!(body_files(&place).len(), 1);
        assert_eq!(stored(&*store, &numbered(0)).await.len() + stored(&*store, &numbered(1)).await.len(), 1);
    }
}

/// Too many open files, rights, a disk that fails: none of them says anything of what was written.
#[tokio::test]
async fn a_body_that_cannot_be_opened_now_is_not_broken() {
    let (place, store) = filled(5, 900).await;
    let file = body_files(&place)[0].clone();
    let aside = place.directory().join("aside");
    fs::rename(&file, &aside).unwrap();
    // Opening it fails for everybody, whatever rights they have.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let told = store.check().unwrap_err().to_string();
    assert!(told.contains("cannot be read"), "{told}");
    for repair in [false, true] {
        let told = verify(&place.path(), repair, NOW, &mut |_, _| {}).unwrap_err().to_string();
        assert!(told.contains("cannot be read"), "{told}");
    }
    assert_eq!((store.stats().corrupt_entries, place.value("SELECT count(*) FROM entry")), (0, 5));
    assert!(fs::symlink_metadata(&file).is_ok());
    fs::rename(&aside, &file).unwrap();
    assert_eq!(store.check().unwrap().findings, []);
}

#[tokio::test]
async fn labels_of_no_row_and_wrong_sums_are_put_right() {
    let (place, store) = filled(20, 900).await;
    place
        .sql()
        .execute_batch(
            "INSERT INTO label VALUES (0, 'a', 'http://x', 900), (0, 'b', 'http://x', 900), (1, 'c', 'http://x', 901);
             UPDATE totals SET file_bytes = file_bytes - 1000",
        )
        .unwrap();
    // The command sees the same.
    let told = verify(&place.path(), false, NOW, &mut |_, _| {}).unwrap().findings;
    assert_eq!(told.len(), 3, "{told:?}");
    let found = store.check().unwrap();
    assert!(found.findings.contains(&Finding::Labels { row: 900 }), "{found:?}");
    assert!(found.findings.contains(&Finding::Labels { row: 901 }), "{found:?}");
    assert!(
        found.findings.iter().any(|finding| matches!(finding, Finding::Sum { column: "file_bytes", .. }))
    );
    assert_eq!((found.findings.len(), found.repaired), (3, true));
    assert_eq!(store.check().unwrap().findings, []);
    assert_eq!(verify(&place.path(), false, NOW, &mut |_, _| {}).unwrap().findings, []);
    assert_eq!(place.value("SELECT entries FROM totals"), 20);
}

#[tokio::test]
async fn lengths_that_no_sum_can_hold_are_a_finding() {
    let (place, store) = filled(5, 900).await;
    store.close();
    place
        .sql()
        .execute_batch("UPDATE entry SET stored_len = 9223372036854775807 WHERE seq IN (4, 5)")
        .unwrap();
    let inspector = millpond_store_sqlite::Inspector::open(place.path()).unwrap();
    assert_eq!(inspector.totals(NOW).unwrap().entries, 5);
    assert_eq!(entries(&verify(&place.path(), true, NOW, &mut |_, _| {}).unwrap()), 2);
    assert_eq!(verify(&place.path(), false, NOW, &mut |_, _| {}).unwrap().findings, []);
}

#[tokio::test]
async fn the_command_removes_labels_of_no_row() {
    let (place, store) = filled(5, 900).await;
    store.close();
    place.sql().execute_batch("INSERT INTO label VALUES (0, 'a', 'http://x', 900)").unwrap();
    assert!(verify(&place.path(), true, NOW, &mut |_, _| {}).unwrap().repaired);
    assert_eq!(verify(&place.path(), false, NOW, &mut |_, _| {}).unwrap().findings, []);
    assert_eq!(place.value("SELECT count(*) FROM label WHERE seq = 900"), 0);
}

/// Does `sql` behind the back of `index`.
fn behind_the_back(place: &Place, index: &str, sql: &str) {
    let connection = place.sql();
    let (name, table, root, text): (String, String, i64, String) = connection
        .query_row("SELECT name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = ?", [index], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    connection.execute("DELETE FROM sqlite_schema WHERE name = ?", [index]).unwrap();
    drop(connection);
    place.sql().execute_batch(sql).unwrap();
    let connection = place.sql();
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    connection
        .execute(
            "INSERT INTO sqlite_schema VALUES ('index', ?, ?, ?, ?)",
            rusqlite::params![name, table, root, text],
        )
        .unwrap();
}

#[tokio::test]
async fn an_index_that_differs_from_its_table_ends_the_file() {
    let wrong = [
        ("entry_url", "UPDATE entry SET key_hash = key_hash + 1 WHERE seq = 9"),
        ("entry_queue", "UPDATE entry SET queue = 1 - queue WHERE seq = 9"),
        ("entry_sweep", "UPDATE entry SET sweep_at = sweep_at + 1 WHERE seq = 9"),
        ("entry_file", "UPDATE entry SET file = NULL WHERE file IS NOT NULL"),
        ("label_entry", "DELETE FROM label WHERE seq = 9 AND name = 'all'"),
        ("label_entry", "INSERT INTO label VALUES (0, 'more', 'http://store.test', 9)"),
    ];
    // Also where SQLite's own check would take too long.
    for (count, length) in [(30, 900), (400, 60_000)] {
        let (original, store) = filled(count, length).await;
        store.close();
        for (index, sql) in wrong {
            let place = Place::new();
            fs::copy(original.path(), place.path()).unwrap();
            behind_the_back(&place, index, sql);
            let store = place.open();
            let found = store.check().unwrap();
            let last = found.findings.last();
            assert!(matches!(last, Some(Finding::Structure(_))), "{sql} ({count}): {found:?}");
            assert_eq!(
                (found.repaired, store.stats().healed, store.health()),
                (true, 1, Health::Up),
                "{sql}"
            );
            put(&*store, &numbered(1), plain(), b"content").await.unwrap();
            store.flush().await;
            assert_eq!(stored(&*store, &numbered(1)).await.len(), 1, "{sql}");
            assert_eq!(store.check().unwrap().findings, [], "{sql}");
        }
    }
}

#[tokio::test]
async fn the_check_goes_on_behind_the_server() {
    let (place, store) = filled(20, 900).await;
    store.close();
    place.sql().execute_batch("DELETE FROM label WHERE seq = 9").unwrap();
    let options = SqliteOptions { check_every: Some(Duration::from_millis(1)), ..place.options() };
    let store = SqliteStore::open(options.clone()).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while store.stats().checks < 2 {
        assert!(Instant::now() < until, "no check was made: {:?}", store.stats());
        tokio::task::yield_now().await;
    }
    assert_eq!((store.stats().check_findings, store.stats().corrupt_entries), (1, 1));
    store.close();
    assert_eq!(place.value("SELECT count(*) FROM entry"), 19);
    // A command has no business with it.
    let command = SqliteStore::open(SqliteOptions { upkeep: false, ..options }).unwrap();
    assert_eq!(command.stats().checks, 0);
    command.close();
    assert!(command.check().is_err(), "a store that is closed is not checked");
}

#[tokio::test]
async fn what_servers_change_meanwhile_is_not_taken_for_a_mistake() {
    let (_place, store) = filled(300, 3_000).await;
    let checking = {
        let store = Arc::clone(&store);
        tokio::task::spawn_blocking(move || (0..5).map(|_| store.check().unwrap()).collect::<Vec<_>>())
    };
    let mut round = 0;
    while !checking.is_finished() {
        round += 1;
        for at in 0..30 {
            let length = if at % 3 == 0 { 100_000 } else { 2_000 };
            put(&*store, &numbered(at), tagged(), &noise(at as u64, length)).await.unwrap();
        }
        let found = stored(&*store, &numbered(round % 300)).await;
        if let Some(entry) = found.first() {
            let fresh = plain().with_rare(|rare| rare.tags = [format!("round-{round}").into()].into());
            store.refresh(entry, fresh, entry.head.clone(), UNTIL, store.epoch()).await.unwrap();
        }
        store.remove(&Selector::Key(numbered(round % 30)), PurgeMode::Hard, NOW).await.unwrap();
    }
    for found in checking.await.unwrap() {
        assert_eq!(found.findings, []);
    }
    assert_eq!((store.stats().healed, store.stats().corrupt_entries), (0, 0));
}

/// Tells a thread to stop when dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A log that may not be shortened grows until nothing is taken.
#[tokio::test]
async fn the_check_is_not_in_the_way_of_a_short_log() {
    let place = Place::new();
    // Such that the log has to be shortened every few entries.
    let options = SqliteOptions { max_bytes: 8 << 20, ..place.options() };
    let store = SqliteStore::open(options).unwrap();
    for at in 0..2_000 {
        put(&*store, &numbered(at), tagged(), &noise(at as u64, 2_000)).await.unwrap();
    }
    store.flush().await;
    let stop = Arc::new(AtomicBool::new(false));
    // Also where the test fails: the thread is waited for.
    let stopping = Stop(Arc::clone(&stop));
    let checking = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::task::spawn_blocking(move || {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(store.check().unwrap().findings, []);
            }
        })
    };
    for at in 0..1_000 {
        put(&*store, &numbered(at), tagged(), &noise(at as u64, 2_000)).await.unwrap();
        store.flush().await;
    }
    drop(stopping);
    checking.await.unwrap();
    assert_eq!((store.stats().lost, store.stats().refused), (0, 0), "{:?}", store.stats());
}
