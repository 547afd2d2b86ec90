//! Versions of the file, old and new, ours and others'.

mod common;

use common::{Place, numbered, plain, put, stored};
use millpond_store::{Store, StoreError};
use millpond_store_sqlite::schema::{MIGRATIONS, SCHEMA_VERSION, migrate};
use millpond_store_sqlite::{Health, OpenError, SqliteStore};

#[test]
fn an_older_file_is_migrated_step_by_step_and_keeps_what_it_has() {
    let place = Place::new();
    let mut file = place.sql();
    let path = place.path();
    assert!(migrate(&mut file, &path, MIGRATIONS).unwrap());
    file.execute_batch("INSERT INTO purge (at, soft, kind) VALUES (1, 0, 'all')").unwrap();
    let mut newer = MIGRATIONS.to_vec();
    newer.extend([
        "ALTER TABLE purge ADD COLUMN a INTEGER DEFAULT 7",
        "ALTER TABLE purge RENAME COLUMN a TO b",
    ]);
    assert!(migrate(&mut file, &path, &newer).unwrap());
    assert!(!migrate(&mut file, &path, &newer).unwrap(), "nothing is left to do");
    let kept: i64 = file.query_row("SELECT b FROM purge", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 7);
    assert_eq!(place.value("PRAGMA user_version"), SCHEMA_VERSION + 2);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let place = Place::new();
    let mut file = place.sql();
    let mut newer = MIGRATIONS.to_vec();
    migrate(&mut file, &place.path(), &newer).unwrap();
    newer.extend(["CREATE TABLE half (a)", "nonsense"]);
    assert!(migrate(&mut file, &place.path(), &newer).is_err());
    assert_eq!(place.value("PRAGMA user_version"), SCHEMA_VERSION);
    assert_eq!(place.value("SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    place.sql().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    let error = SqliteStore::open(place.options()).err().unwrap();
    assert!(matches!(error, OpenError::NewerSchema { found, known, .. }
        if (found, known) == (SCHEMA_VERSION + 1, SCHEMA_VERSION)));
    let text = error.to_string();
    let both = [format!("schema {}", SCHEMA_VERSION + 1), format!("up to schema {SCHEMA_VERSION}")];
    assert!(both.iter().all(|version| text.contains(version)), "{text}");
    let Health::Down { reason } = SqliteStore::start(place.options()).health() else {
        panic!("a store with a newer file is up")
    };
    assert_eq!(reason, text);
    assert_eq!(place.value("PRAGMA user_version"), SCHEMA_VERSION + 1);
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let place = Place::new();
    place.sql().execute_batch("CREATE TABLE precious (a); INSERT INTO precious VALUES (1)").unwrap();
    let error = SqliteStore::open(place.options()).err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert_eq!(place.value("SELECT a FROM precious"), 1);
}

#[tokio::test]
async fn a_file_migrated_by_a_newer_program_is_not_written_any_more() {
    let place = Place::new();
    let store = place.open();
    put(&*store, &numbered(1), plain(), b"content").await.unwrap();
    store.flush().await;
    place.sql().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    put(&*store, &numbered(2), plain(), b"content").await.unwrap();
    store.flush().await;
    assert!(
        matches!(store.health(), Health::Down { reason } if reason.contains(&format!("schema {}", SCHEMA_VERSION + 1)))
    );
    assert_eq!(place.value("SELECT count(*) FROM entry"), 1);
    let refused = store.variants(&numbered(1)).await.err();
    assert!(matches!(refused, Some(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_file_that_another_program_of_the_same_version_made_is_read() {
    let place = Place::new();
    let store = place.open();
    put(&*store, &numbered(1), plain(), b"content").await.unwrap();
    store.close();
    assert!(matches!(store.health(), Health::Down { .. }), "closed");
    assert!(put(&*store, &numbered(2), plain(), b"content").await.is_err());
    assert_eq!(stored(&*place.open(), &numbered(1)).await.len(), 1);
}
