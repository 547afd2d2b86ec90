//! The memory tier under several threads: whatever is found is whole, and the bounds hold while everybody works.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use bytes::Bytes;
use millpond_exchange::{Fields, PurgeMode, Selector, Timestamp};
use millpond_store::laws::{body_of, entry, key, record};
use millpond_store::{MemoryOptions, MemoryStore, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A body that tells from every byte which write it belongs to.
fn body(seed: u8, size: usize) -> Vec<u8> {
    vec![seed; size]
}

async fn write(store: &MemoryStore, thread: usize, step: usize) {
    let (path, size) = (format!("/{}", (step * 31 + thread) % 97), (step * 7919) % 30_000 + 1);
    let mut writer =
        store.writer(entry(store, &key("threads", &path), record(Timestamp::from_secs(1)))).await.unwrap();
    let content = body((step + thread * 50) as u8, size);
    for chunk in content.chunks(3_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    if step.is_multiple_of(11) {
        return;
    }
    match writer.commit(Fields::new()).await {
        Ok(_) | Err(StoreError::Superseded) => {}
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_found_is_whole() {
    let store = MemoryStore::new(MemoryOptions { capacity: 1 << 20, ..MemoryOptions::default() });
    let (done, hits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..3)
        .map(|thread| {
            let store = store.clone();
            tokio::spawn(async move {
                for step in 0..2_000 {
                    write(&store, thread, step).await;
                    let stats = store.stats();
                    assert!(stats.bytes <= stats.capacity, "{stats:?}");
                    if step % 50 == 0 {
                        let prefix = Selector::Prefix(format!("http://threads/{}", step % 10));
                        store.remove(&prefix, PurgeMode::Hard, Timestamp::from_secs(2)).await.unwrap();
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let reader = {
        let (store, done, hits) = (store.clone(), Arc::clone(&done), Arc::clone(&hits));
        tokio::spawn(async move {
            let mut at = 0;
            while !done.load(Ordering::Acquire) {
                at = (at + 1) % 97;
                let Some(found) = store.lookup(key("threads", &format!("/{at}")).as_bytes()) else {
                    tokio::task::yield_now().await;
                    continue;
                };
                assert_eq!(found.entries.len(), 1);
                let content = body_of(&store, &found.entries[0], None).await.unwrap();
                assert_eq!(content.len() as u64, found.entries[0].body_len);
                assert!(content.iter().all(|byte| *byte == content[0]), "bytes of several writes are mixed");
                hits.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Release);
    reader.await.unwrap();
    assert!(hits.load(Ordering::Relaxed) > 0, "nothing was ever found");
    store.remove(&Selector::All, PurgeMode::Hard, Timestamp::from_secs(3)).await.unwrap();
    let stats = store.stats();
    assert_eq!((stats.entries, stats.bytes, stats.index_rows, stats.in_flight_bytes), (0, 0, 0, 0));
    assert_eq!((stats.live_bytes, stats.held_bytes), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_purge_that_returned_is_never_undone() {
    let store = MemoryStore::default();
    for round in 0..300 {
        let key = key("threads", "/purged");
        let mut writer = store.writer(entry(&store, &key, record(Timestamp::from_secs(1)))).await.unwrap();
        writer.write(Bytes::from_static(b"old")).await.unwrap();
        let (late, purging) = (tokio::spawn(writer.commit(Fields::new())), store.clone());
        let selector = if round % 2 == 0 { Selector::All } else { Selector::Host("threads".to_owned()) };
        let purge = tokio::spawn(async move {
            purging.remove(&selector, PurgeMode::Hard, Timestamp::from_secs(2)).await.unwrap();
        });
        let (committed, purged) = (late.await.unwrap(), purge.await);
        purged.unwrap();
        // Whichever came first, the purge was asked for before the write could be asked for again.
        assert!(
            store.lookup(key.as_bytes()).is_none(),
            "found after the purge; the commit said {committed:?}"
        );
    }
}
