//! What stands in the file: after a restart, for people who look, and when it is not what was written.

mod common;

use common::{BEGINNING, Place, noise, numbered, plain, put, stored};
use millpond_exchange::{Part, PurgeMode, Record, Selector, Timestamp};
use millpond_store::Store;
use millpond_store::laws::{body_of, key};

#[tokio::test]
async fn entries_outlive_the_store_that_wrote_them() {
    let place = Place::new();
    let bodies = [Vec::new(), b"small".to_vec(), noise(1, 60_000), noise(2, 700_000), vec![b'a'; 700_000]];
    let mut ids = Vec::new();
    let store = place.open();
    for (at, body) in bodies.iter().enumerate() {
        ids.push(put(&*store, &numbered(at), plain(), body).await.unwrap().id);
    }
    drop(store);
    let store = place.open();
    for (at, body) in bodies.iter().enumerate() {
        let found = stored(&*store, &numbered(at)).await;
        assert_eq!(found.len(), 1, "number {at}");
        assert_eq!((found[0].id, &found[0].record), (ids[at], &plain()));
        assert!(body_of(&*store, &found[0], None).await.unwrap() == *body, "number {at}");
    }
    assert_eq!(store.stats().entries, bodies.len() as u64);
}

#[tokio::test]
async fn text_is_kept_compressed_where_that_saves_something() {
    let place = Place::new();
    let store = place.open();
    let text = b"to be or not to be, ".repeat(200);
    put(&*store, &numbered(1), plain(), &text).await.unwrap();
    put(&*store, &numbered(2), plain(), &noise(1, 4_000)).await.unwrap();
    put(&*store, &numbered(3), plain(), b"to be or not to be, to be or not to be").await.unwrap();
    store.flush().await;
    assert_eq!(place.value("SELECT coding FROM entry WHERE url LIKE '%/1'"), 1);
    assert!(place.value("SELECT stored_len FROM entry WHERE url LIKE '%/1'") < 400);
    assert_eq!(place.value("SELECT count(*) FROM entry WHERE coding = 0"), 2);
    let found = stored(&*store, &numbered(1)).await;
    assert_eq!(body_of(&*store, &found[0], Some(3..10)).await.unwrap(), text[3..10]);
}

#[tokio::test]
async fn the_heads_of_a_path_are_those_under_it_with_and_without_a_query() {
    let place = Place::new();
    let store = place.open();
    for path in ["/o", "/p", "/p?a=1", "/p?~", "/p/q", "/pq?a=1"] {
        put(&*store, &key("store.test", path), plain(), b"x").await.unwrap();
    }
    store.flush().await;
    for (path, most, shown, all) in [
        ("http://store.test/p", usize::MAX, 3, true),
        ("http://store.test/p", 3, 3, true),
        ("http://store.test/p", 2, 2, false),
        ("http://store.test/none", 0, 0, true),
    ] {
        let mut heads = 0;
        let told = store.heads_of_path(path, most, &mut |_| heads += 1);
        assert_eq!((heads, told), (shown, Ok(all)), "{path}, {most} at most");
    }
    store.close();
    assert!(store.heads_of_path("http://store.test/p", 9, &mut |_| {}).is_err());
}

#[tokio::test]
async fn people_see_what_is_stored() {
    let place = Place::new();
    let store = place.open();
    put(&*store, &numbered(1), plain(), b"content").await.unwrap();
    store.flush().await;
    for _ in 0..3 {
        assert_eq!(stored(&*store, &numbered(1)).await.len(), 1);
    }
    store.close();
    let row = place.sql().query_row("SELECT url, status, size, stored, hits FROM cache", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?, row.get(4)?))
    });
    let (url, status, size, at, hits): (_, i64, i64, _, i64) = row.unwrap();
    assert_eq!((url.as_str(), status, size, hits), ("http://store.test/1", 200, 7, 3));
    assert_eq!(at, "1970-01-12 13:46:40");
}

#[tokio::test]
async fn a_row_that_is_not_what_was_written_is_a_miss_and_goes() {
    for change in [
        "facts = zeroblob(20)",
        "facts_sum = facts_sum + 1",
        "id = id + 1",
        "body = CAST('other' AS BLOB)",
        "body_len = 9",
        "body_len = 9223372036854775807",
        "facts = 'text'",
        "coding = 1",
        "coding = 'x'",
        "key = CAST('nonsense' AS BLOB)",
    ] {
        let place = Place::new();
        let store = place.open();
        put(&*store, &numbered(1), plain(), b"content").await.unwrap();
        put(&*store, &numbered(2), plain(), b"content").await.unwrap();
        store.flush().await;
        let sql = format!("UPDATE entry SET {change} WHERE url LIKE '%/1'");
        assert_eq!(place.sql().execute(&sql, []).unwrap(), 1);
        let found = store.variants(&numbered(1)).await.unwrap();
        assert!(found.entries.is_empty() && found.complete, "{change}");
        assert_eq!(stored(&*store, &numbered(2)).await.len(), 1, "{change}");
        store.flush().await;
        // A key of another kind is nobody's: it is not even looked at.
        let (gone, stats) = (u64::from(!change.starts_with("key")), store.stats());
        assert_eq!((stats.corrupt_entries, stats.healed), (gone, 0), "{change}");
        assert_eq!(place.value("SELECT count(*) FROM entry"), 2 - gone as i64, "{change}");
        assert_eq!(place.value("SELECT entries FROM totals"), 2 - gone as i64, "{change}");
    }
}

#[tokio::test]
async fn a_part_takes_the_place_of_parts_that_begin_alike_and_the_whole_that_of_all() {
    let place = Place::new();
    let store = place.open();
    let part = |first| {
        let part = Part { first, complete_len: Some(100) };
        plain().with_rare(|rare| rare.part = Some(part))
    };
    for first in [0, 10, 0] {
        put(&*store, &numbered(1), part(first), b"part").await.unwrap();
        store.flush().await;
    }
    let found = stored(&*store, &numbered(1)).await;
    let firsts: Vec<_> = found.iter().map(|entry| entry.record.part.unwrap().first).collect();
    assert_eq!(firsts, [0, 10]);
    put(&*store, &numbered(1), plain(), b"whole").await.unwrap();
    store.flush().await;
    assert_eq!(place.value("SELECT count(*) FROM entry"), 1);
    put(&*store, &numbered(1), part(0), b"part").await.unwrap();
    store.flush().await;
    assert_eq!(stored(&*store, &numbered(1)).await.len(), 2, "a part does not replace the whole");
}

#[tokio::test]
async fn a_refresh_gives_another_lifetime() {
    let place = Place::new();
    let store = place.open();
    let entry = put(&*store, &numbered(1), plain(), b"content").await.unwrap();
    store.flush().await;
    let swept_after = |place: &Place| place.value("SELECT sweep_at - fresh_until FROM entry");
    let kept_stale = swept_after(&place);
    let later = Timestamp::from_secs(BEGINNING + 1_000);
    // Far longer than the first one.
    let until = Timestamp::from_secs(BEGINNING + 1_000_000);
    let record = Record { response_time: later, ..plain() };
    let record = record.with_rare(|rare| rare.tags = [Box::from("t")].into());
    store.refresh(&entry, record, entry.head.clone(), until, store.epoch()).await.unwrap();
    store.flush().await;
    assert_eq!(place.value("SELECT fresh_until FROM entry"), until.as_millis());
    assert_eq!(swept_after(&place), kept_stale, "nor is it swept before the new one is over");
    let tag = Selector::Tag { origin: None, tag: "t".to_owned() };
    assert_eq!(store.remove(&tag, PurgeMode::Hard, later).await, Ok(1), "the new tag is known");
}
