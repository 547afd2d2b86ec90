//! Files that earlier programs wrote stay readable: one of each schema is committed under `data/`.
//!
//! `MILLPOND_BLESS=1` writes the file of the present schema anew; that of an older one is never written again.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Place, noise, numbered, put, stored};
use futures_util::StreamExt as _;
use millpond_exchange::{Body, Frame, PurgeMode, Record, Selector, Timestamp, VarySelector};
use millpond_store::Store;
use millpond_store_sqlite::SqliteStore;
use std::path::{Path, PathBuf};

/// What every file holds: a small body, one that is kept compressed, one in a file of its own.
fn bodies() -> [Vec<u8>; 3] {
    [b"small".to_vec(), b"compressible ".repeat(1_000), noise(1, 300_000)]
}

fn record(at: usize) -> Record {
    let selector = VarySelector { name: "accept-language".into(), value: Some(b"en"[..].into()) };
    let etag = format!("\"v{at}\"").into_bytes();
    let record = Record { etag: Some(etag.into()), vary: [selector].into(), ..common::plain() };
    record.with_rare(|rare| {
        rare.tags = ["tag".into()].into();
        rare.groups = ["group".into()].into();
    })
}

fn data(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/schema-{schema}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for found in std::fs::read_dir(from).unwrap() {
        let (path, name) = found.map(|found| (found.path(), found.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

async fn content(body: Body) -> Vec<u8> {
    let mut stream = body.into_stream();
    let mut all = Vec::new();
    while let Some(frame) = stream.next().await {
        if let Frame::Data(bytes) = frame.unwrap() {
            all.extend_from_slice(&bytes);
        }
    }
    all
}

async fn write(place: &Place) {
    let store = place.open();
    for (at, body) in bodies().iter().enumerate() {
        put(&*store, &numbered(at), record(at), body).await.unwrap();
    }
    store.close();
    let sql = place.sql();
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[tokio::test]
async fn a_file_of_schema_1_is_read_and_written_on() {
    let data = data(1);
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        let place = Place::new();
        write(&place).await;
        if data.exists() {
            std::fs::remove_dir_all(&data).unwrap();
        }
        copy(place.directory(), &data);
    }
    let place = Place::new();
    copy(&data, place.directory());
    let store = SqliteStore::open(place.options()).unwrap();
    for (at, body) in bodies().iter().enumerate() {
        let entries = stored(&*store, &numbered(at)).await;
        let [entry] = &entries[..] else { panic!("{} entries of {at}", entries.len()) };
        assert_eq!(entry.record, record(at));
        assert_eq!(entry.head.fields.get_str("x-mark"), Some("law"));
        assert!(content(store.read(entry, None).await.unwrap()).await == *body, "body {at}");
    }
    put(&*store, &numbered(7), record(7), b"new").await.unwrap();
    store.flush().await;
    let tagged = Selector::Tag { origin: None, tag: "tag".to_owned() };
    let removed = store.remove(&tagged, PurgeMode::Hard, Timestamp::from_secs(2_000_000)).await;
    assert_eq!(removed, Ok(4));
}
