//! The memory tier stays within its bounds, and its indexes within its entries.

use bytes::Bytes;
use millpond_exchange::{Fields, PurgeMode, Record, Selector, Timestamp};
use millpond_store::laws::{body_of, entry, key, put, record};
use millpond_store::{MemoryOptions, MemoryStore, NewEntry, Store, StoreError};

const NOW: Timestamp = Timestamp::from_secs(1);

fn store(capacity: u64) -> MemoryStore {
    MemoryStore::new(MemoryOptions { capacity, ..MemoryOptions::default() })
}

fn tagged(at: u32) -> Record {
    let names = |name: &str| [name.into(), format!("{name}{at}").into()].into();
    record(NOW).with_rare(|rare| (rare.tags, rare.groups) = (names("t"), names("g")))
}

#[tokio::test]
async fn the_largest_object_is_taken_and_one_byte_more_is_not() {
    for capacity in [1 << 16, 1 << 20, 5 << 20, 64 << 20] {
        let store = store(capacity);
        let limit = store.capabilities().largest_object;
        assert!(limit >= capacity / 4 - capacity / 16, "limit {limit} of {capacity}");
        let body = vec![7; limit as usize];
        let stored = put(&store, &key("h", "/"), record(NOW), &body).await.unwrap();
        assert_eq!(body_of(&store, &stored, None).await.unwrap(), body);
        assert!(store.lookup(key("h", "/").as_bytes()).is_some(), "{capacity}: {:?}", store.stats());
        let refused = put(&store, &key("h", "/more"), record(NOW), &vec![7; limit as usize + 1]).await;
        assert_eq!(refused.unwrap_err(), StoreError::TooLarge { size: limit + 1, limit });
    }
}

#[tokio::test]
async fn a_limit_that_cannot_be_met_is_lowered() {
    let options = MemoryOptions { capacity: 1 << 20, max_object: Some(1 << 30), ..MemoryOptions::default() };
    let store = MemoryStore::new(options);
    let limit = store.capabilities().largest_object;
    assert!(limit < 1 << 20);
    put(&store, &key("h", "/"), record(NOW), &vec![7; limit as usize]).await.unwrap();
    assert!(store.lookup(key("h", "/").as_bytes()).is_some());
}

#[tokio::test]
async fn bytes_stay_within_the_capacity_and_indexes_within_the_entries() {
    let store = store(2 << 20);
    for at in 0u32..5_000 {
        let size = (at as usize * 7919) % 40_000;
        put(&store, &key(&format!("h{}", at % 7), &format!("/{}", at % 3_000)), tagged(at), &vec![1; size])
            .await
            .unwrap();
        let stats = store.stats();
        assert!(stats.bytes <= stats.capacity && stats.capacity <= 2 << 20, "{stats:?}");
        assert_eq!(stats.in_flight_bytes, 0);
        // One row for the URL, and one for each of its tags and groups.
        assert_eq!(stats.index_rows, 5 * stats.entries, "{stats:?}");
    }
    assert!(store.stats().evicted > 1_000);
    store.remove(&Selector::All, PurgeMode::Hard, NOW).await.unwrap();
    let stats = store.stats();
    assert_eq!((stats.entries, stats.bytes, stats.index_rows), (0, 0, 0));
}

#[tokio::test]
async fn entries_that_were_evicted_are_not_counted_by_a_purge() {
    let store = store(1 << 20);
    for at in 0u32..1_000 {
        put(&store, &key("h", &format!("/{at}")), tagged(at), &[1; 4_000]).await.unwrap();
    }
    let entries = store.stats().entries;
    assert!(entries < 400, "{entries} entries");
    let tag = Selector::Tag { origin: None, tag: "t".to_owned() };
    assert_eq!(store.remove(&tag, PurgeMode::Soft, NOW).await, Ok(entries));
    assert_eq!(store.remove(&tag, PurgeMode::Hard, NOW).await, Ok(entries));
    assert_eq!(store.stats().entries, 0);
}

#[tokio::test]
async fn variants_of_one_key_stay_within_the_tier() {
    let store = store(8 << 20);
    let varied = |at: u32| Record {
        vary: [millpond_exchange::VarySelector {
            name: "accept".into(),
            value: Some(at.to_string().into_bytes().into()),
        }]
        .into(),
        ..record(NOW)
    };
    for at in 0..40 {
        put(&store, &key("h", "/"), varied(at), &vec![at as u8; 1 << 20]).await.unwrap();
        let stats = store.stats();
        assert!(stats.bytes <= stats.capacity, "{stats:?}");
        let newest = store.lookup(key("h", "/").as_bytes()).unwrap().entries[0].clone();
        assert_eq!(newest.record, varied(at));
    }
}

#[tokio::test]
async fn writes_in_progress_are_counted_and_bounded() {
    let options =
        MemoryOptions { capacity: 1 << 20, max_in_flight: Some(400_000), ..MemoryOptions::default() };
    let store = MemoryStore::new(options);
    let mut writers = Vec::new();
    let refusal = loop {
        let mut writer = store.writer(entry(&store, &key("h", "/"), record(NOW))).await.unwrap();
        match writer.write(Bytes::from(vec![1; 50_000])).await {
            Ok(()) => writers.push(writer),
            Err(refusal) => break refusal,
        }
        assert!(writers.len() <= 8, "no bound on writes in progress");
    };
    assert!(matches!(refusal, StoreError::Unavailable(_)), "{refusal}");
    assert_eq!(writers.len(), 8);
    assert!((8 * 50_000..=400_000).contains(&store.stats().in_flight_bytes));
    let reader = writers[0].reader();
    drop(writers);
    assert!(
        (50_000..100_000).contains(&store.stats().in_flight_bytes),
        "an aborted body that is still read counts"
    );
    drop(reader);
    assert_eq!(store.stats().in_flight_bytes, 0);
}

#[tokio::test]
async fn a_writer_holds_little_more_than_it_was_given() {
    for announced in [None, Some(3 << 20), Some(1_000)] {
        let store = MemoryStore::default();
        let new = NewEntry { announced_len: announced, ..entry(&store, &key("h", "/"), record(NOW)) };
        let mut writer = store.writer(new).await.unwrap();
        for written in (100u64..=2 << 20).step_by(100) {
            writer.write(Bytes::from_static(&[1; 100])).await.unwrap();
            let held = store.stats().in_flight_bytes;
            assert!(held >= written && held <= 2 * written + (64 << 10), "{held} bytes held for {written}");
        }
        writer.commit(Fields::new()).await.unwrap();
        assert_eq!(store.stats().in_flight_bytes, 0);
    }
}

#[tokio::test]
async fn small_bodies_are_one_piece_and_large_ones_few() {
    let store = MemoryStore::default();
    for (size, most) in [(1, 1), (1_000, 1), (256 << 10, 1), (4 << 20, 40)] {
        for read_meanwhile in [false, true] {
            let mut writer = store.writer(entry(&store, &key("h", "/"), record(NOW))).await.unwrap();
            let reader = writer.reader();
            for at in (0..size as u64).step_by(1_000) {
                let length = 1_000.min(size as u64 - at);
                writer.write(Bytes::from(vec![1; length as usize])).await.unwrap();
                if read_meanwhile {
                    assert!(!reader.read_at(at).await.unwrap().is_empty());
                }
            }
            let entry = writer.commit(Fields::new()).await.unwrap();
            let pieces = entry.body.as_ref().unwrap().iter().count();
            assert!(pieces <= most, "{pieces} pieces for {size} bytes");
        }
    }
}

#[tokio::test]
async fn many_purges_are_remembered_and_older_writes_refused() {
    let store = MemoryStore::default();
    let other = Selector::Prefix("http://other/".to_owned());
    let begin = |store: &MemoryStore| entry(store, &key("h", "/"), record(NOW));
    let (first, mut purges) = (begin(&store), 0);
    while purges < millpond_store::PURGES_REMEMBERED {
        store.remove(&other, PurgeMode::Hard, NOW).await.unwrap();
        purges += 1;
    }
    let writer = store.writer(first.clone()).await.unwrap();
    assert!(writer.commit(Fields::new()).await.is_ok(), "every purge since is known not to cover it");
    store.remove(&other, PurgeMode::Hard, NOW).await.unwrap();
    let second = begin(&store);
    let writer = store.writer(first).await.unwrap();
    assert_eq!(writer.commit(Fields::new()).await.unwrap_err(), StoreError::Superseded);
    let writer = store.writer(second).await.unwrap();
    assert!(writer.commit(Fields::new()).await.is_ok());
}

#[tokio::test]
async fn only_a_tier_that_stands_alone_knows_that_there_is_no_more() {
    for standalone in [true, false] {
        let store = MemoryStore::new(MemoryOptions { standalone, ..MemoryOptions::default() });
        assert_eq!(store.variants(&key("h", "/")).await.unwrap().complete, standalone);
        put(&store, &key("h", "/"), record(NOW), b"x").await.unwrap();
        assert_eq!(store.variants(&key("h", "/")).await.unwrap().complete, standalone);
        assert_eq!(store.lookup(key("h", "/").as_bytes()).unwrap().complete, standalone);
    }
}
