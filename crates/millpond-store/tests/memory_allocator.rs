//! What the memory tier says it takes is what it takes from the allocator. Alone in its binary: it counts every
//! allocation of the process.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use bytes::Bytes;
use millpond_exchange::{Fields, PurgeMode, Record, ResponseHead, Selector, StatusCode, Timestamp};
use millpond_store::laws::{entry, key, record};
use millpond_store::{Entry, MemoryOptions, MemoryStore, Store};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOW: Timestamp = Timestamp::from_secs(1);

const MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

fn taken(region: &Region<'_, System>) -> i64 {
    let change = region.change();
    change.bytes_allocated as i64 - change.bytes_deallocated as i64
}

/// Stores a body that comes as thin slices of large buffers, as from a socket.
async fn put_sliced(store: &MemoryStore, path: &str, record: Record, length: usize) {
    let mut writer = store.writer(entry(store, &key("alloc.test", path), record)).await.unwrap();
    for at in (0..length).step_by(1_400) {
        let buffer = Bytes::from(vec![1; 64 << 10]);
        writer.write(buffer.slice(..1_400.min(length - at))).await.unwrap();
    }
    writer.commit(Fields::new()).await.unwrap();
}

/// Stores bodies of `size` and keeps hold of all of them, as readers do that never read on.
async fn hold_all(size: usize) {
    const CAPACITY: u64 = 8 << 20;
    const IN_FLIGHT: u64 = 4 << 20;
    let region = Region::new(ALLOCATOR);
    let options =
        MemoryOptions { capacity: CAPACITY, max_in_flight: Some(IN_FLIGHT), ..MemoryOptions::default() };
    let store = MemoryStore::new(options);
    let (mut held, mut refused) = (Vec::new(), 0);
    for at in 0..(4 * CAPACITY as usize / size) {
        let new = entry(&store, &key("alloc.test", &format!("/{at}")), record(NOW));
        let mut writer = store.writer(new).await.unwrap();
        if writer.write(Bytes::from(vec![1; size])).await.is_err() {
            refused += 1;
            continue;
        }
        // The body alone: heads are the reader's own matter.
        held.extend(writer.commit(Fields::new()).await.unwrap().body.clone());
        let taken = taken(&region);
        // The handles of what is held are not content.
        let most = CAPACITY + IN_FLIGHT + 160 * held.len() as u64 + (64 << 10);
        assert!(
            taken <= most as i64,
            "{taken} bytes for {} bodies of {size}: {:?}",
            held.len(),
            store.stats()
        );
    }
    assert!(refused > 0 && store.stats().held_bytes > IN_FLIGHT / 2, "{:?}", store.stats());
    drop(held);
    store.remove(&Selector::All, PurgeMode::Hard, NOW).await.unwrap();
    assert_eq!(store.stats().live_bytes, 0);
    drop(store);
    assert!(taken(&region) < 10_000, "{} bytes are never given back", taken(&region));
}

/// What a usual response of 1 KiB takes beyond its content, as `cargo xtask store million` stores them by the million.
async fn overhead() {
    // Two shards, each with as many as one doubling of its tables holds.
    const ENTRIES: u64 = 15_500;
    const CONTENT: u64 = 1024;
    let region = Region::new(ALLOCATOR);
    let store = MemoryStore::new(MemoryOptions { capacity: 64 << 20, ..MemoryOptions::default() });
    let empty = taken(&region);
    let mut parts = [0; 4];
    for at in 100_000..100_000 + ENTRIES {
        let key = key("127.0.0.1:9", &format!("/o/1024/{at}"));
        let mut new = entry(&store, &key, usual_record(at));
        (new.head, new.announced_len) = (usual_head(at), Some(CONTENT));
        let mut writer = store.writer(new).await.unwrap();
        writer.write(Bytes::from(vec![1; CONTENT as usize])).await.unwrap();
        let entry = writer.commit(Fields::new()).await.unwrap();
        parts = [
            size_of::<[usize; 2]>() + key.as_bytes().len(),
            size_of::<[usize; 2]>() + size_of::<Entry>(),
            entry.head.fields.memory(),
            entry.record.memory(),
        ];
    }
    let each = (taken(&region) - empty) as f64 / ENTRIES as f64 - CONTENT as f64;
    let said = (store.stats().bytes / ENTRIES - CONTENT) as f64;
    let [key, entry, head, record] = parts;
    let rest = each - parts.iter().sum::<usize>() as f64;
    println!("an entry: {each:.0} bytes beyond its content, {said} as weighed");
    println!(
        "  key {key}, entry {entry}, head {head}, validators {record}; lease, slot and index row {rest:.0}"
    );
    assert!(each < 700.0 && each < said, "{each} bytes, {said} as weighed");
}

fn usual_head(at: u64) -> ResponseHead {
    let tag = format!("\"{at}\"");
    let fields = [
        ("Server", "origin"),
        ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", "1024"),
        ("Cache-Control", "max-age=86400"),
        ("ETag", &tag),
        ("Last-Modified", MODIFIED),
    ];
    ResponseHead { fields: fields.into_iter().collect(), ..ResponseHead::new(StatusCode::OK) }
}

fn usual_record(at: u64) -> Record {
    let mut record = Record { max_age: Some(86_400), ..record(NOW) };
    record.etag = Some(format!("\"{at}\"").into_bytes().into());
    record.set_last_modified(Some(MODIFIED.as_bytes()), Some(Timestamp::from_secs(1_767_225_600)));
    record
}

#[tokio::test]
async fn the_bound_holds_for_the_allocator_too() {
    const CAPACITY: u64 = 8 << 20;
    // Bodies from nothing to large, with many tags and with none.
    for (size, named) in [(0, 0), (0, 8), (300, 1), (1_000, 0), (10_000, 2), (300_000, 0), (2_000_000, 1)] {
        let region = Region::new(ALLOCATOR);
        let store = MemoryStore::new(MemoryOptions { capacity: CAPACITY, ..MemoryOptions::default() });
        let mut most = 0;
        for at in 0..(3 * CAPACITY as usize / (size + 1_000)) {
            let tags = (0..named).map(|tag| format!("tag-{at}-{tag}").into()).collect();
            put_sliced(
                &store,
                &format!("/{size}/{at}"),
                record(NOW).with_rare(|rare| rare.tags = tags),
                size,
            )
            .await;
            let taken = taken(&region);
            most = most.max(taken);
            assert!(
                taken <= CAPACITY as i64 + (64 << 10),
                "{taken} bytes for bodies of {size} with {tags}",
                tags = 0
            );
        }
        let stats = store.stats();
        let (said, took) = (stats.bytes as f64, taken(&region) as f64);
        println!("{size} bytes: says {said}, takes {took}, at most {most}, {} entries", stats.entries);
        assert!(stats.evicted + stats.refused > 0, "the tier was never full");
        assert!(took > 0.5 * said, "the tier says {said} bytes and takes only {took}");
        store.remove(&Selector::All, PurgeMode::Hard, NOW).await.unwrap();
        drop(store);
        assert!(taken(&region) < 10_000, "{} bytes are never given back", taken(&region));
    }
    // In the same test, as the allocator is everybody's.
    overhead().await;
    for size in [4_000, 100_000, 1_000_000] {
        hold_all(size).await;
    }
}
