//! Names of files that SQLite could take for something else. A test of its own, since it changes the directory.

mod common;

use common::{Place, numbered, plain, put, stored};
use millpond_store_sqlite::{Inspector, SqliteOptions, SqliteStore};
use std::path::Path;

#[tokio::test]
async fn a_name_that_begins_like_a_uri_is_a_name() {
    let place = Place::new();
    std::env::set_current_dir(place.directory()).unwrap();
    let victim = Path::new("victim.db");
    for name in ["file:victim.db", "file:victim.db?mode=memory", "file::memory:", ":memory:"] {
        let options = || SqliteOptions { path: name.into(), ..place.options() };
        let store = SqliteStore::open(options()).unwrap();
        put(&*store, &numbered(1), plain(), b"content").await.unwrap();
        store.close();
        assert!(Path::new(name).exists() && !victim.exists(), "{name}");
        assert_eq!(
            Inspector::open(name).unwrap().totals(place.options().now.as_ref()()).unwrap().by_status.len(),
            1
        );
        let again = SqliteStore::open(options()).unwrap();
        assert_eq!(stored(&*again, &numbered(1)).await.len(), 1, "{name}");
    }
}
