//! The law suite, held against the store on a disk.

use millpond_exchange::Timestamp;
use millpond_store::Store;
use millpond_store::laws::{LAWS, broken, laws_for};
use millpond_store_sqlite::{SqliteOptions, SqliteStore};
use std::sync::Arc;

async fn held(change: impl Fn(&mut SqliteOptions)) {
    let directories = tempfile::tempdir().expect("a directory");
    let mut number = 0;
    let make = || {
        number += 1;
        let path = directories.path().join(format!("{number}/cache.sqlite"));
        let mut options = SqliteOptions::new(path, Arc::new(|| Timestamp::from_secs(1_000_000)));
        change(&mut options);
        async { SqliteStore::open(options).expect("the store opens") as Arc<dyn Store> }
    };
    let violations = broken(make).await;
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[tokio::test]
async fn the_store_keeps_the_laws() {
    held(|_| ()).await;
}

#[tokio::test]
async fn the_store_with_every_body_in_a_file_keeps_the_laws() {
    held(|options| options.inline_limit = 0).await;
}

#[tokio::test]
async fn the_store_with_every_body_in_its_row_keeps_the_laws() {
    held(|options| {
        options.inline_limit = 1 << 20;
        options.max_object = 1 << 20;
    })
    .await;
}

#[tokio::test]
async fn the_store_that_writes_at_once_keeps_the_laws() {
    held(|options| options.commit_entries = 1).await;
}

#[tokio::test]
async fn the_laws_are_those_for_a_store_that_keeps_what_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(directory.path().join("cache.sqlite"), Arc::new(Timestamp::default));
    let store = SqliteStore::open(options).unwrap();
    assert_eq!(laws_for(&store.capabilities()).len(), LAWS.len());
}
