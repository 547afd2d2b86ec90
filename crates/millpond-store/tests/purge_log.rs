//! Purges overtake the writes they cover, and no others, however many there are.

use millpond_exchange::{Fields, Key, KeyParts, PurgeMode, Record, Scheme, Selector, Timestamp};
use millpond_store::laws::{UNTIL, entry, head, key, put, record};
use millpond_store::{Epoch, MemoryStore, PURGES_REMEMBERED, PurgeLog, Store, StoreError};

const NOW: Timestamp = Timestamp::from_secs(1);
const MANY: u32 = 10_000;

fn tagged() -> Record {
    record(NOW).with_rare(|rare| {
        rare.tags = ["t".into()].into();
        rare.groups = ["g".into()].into();
    })
}

/// A name that is not the write's own, of each kind in turn.
fn other(at: u32) -> Selector {
    let origin = || "http://h".to_owned();
    match at % 5 {
        0 => Selector::Key(key("h", &format!("/other/{at}"))),
        1 => Selector::Url(format!("http://h/other/{at}")),
        2 => Selector::Host(format!("h{at}")),
        3 => Selector::Tag { origin: at.is_multiple_of(2).then(origin), tag: format!("t{at}") },
        _ => Selector::Group { origin: origin(), group: format!("g{at}") },
    }
}

/// All that cover `http://h/own` with the record of [`tagged`].
fn own() -> Vec<Selector> {
    let origin = || "http://h".to_owned();
    vec![
        Selector::Key(key("h", "/own")),
        Selector::Url("http://h/own".to_owned()),
        Selector::Host("h".to_owned()),
        Selector::Tag { origin: None, tag: "t".to_owned() },
        Selector::Tag { origin: Some(origin()), tag: "t".to_owned() },
        Selector::Group { origin: origin(), group: "g".to_owned() },
        Selector::Prefix("http://h/o".to_owned()),
        Selector::All,
    ]
}

#[tokio::test]
async fn purges_of_other_urls_do_not_supersede_a_write_or_a_refresh() {
    let store = MemoryStore::default();
    let old = put(&store, &key("h", "/old"), tagged(), b"old").await.unwrap();
    let (ticket, writer) =
        (store.epoch(), store.writer(entry(&store, &key("h", "/own"), tagged())).await.unwrap());
    for at in 0..MANY {
        let selector = Selector::Url(format!("http://h/other/{at}"));
        store.remove(&selector, PurgeMode::Hard, NOW).await.unwrap();
    }
    writer.commit(Fields::new()).await.unwrap();
    store.refresh(&old, tagged(), head("fresh"), UNTIL, ticket).await.unwrap();
}

#[test]
fn a_purge_of_its_own_supersedes_among_many_others() {
    for selector in own() {
        let mut log = PurgeLog::default();
        let checked = |log: &PurgeLog, begun| log.check(begun, &key("h", "/own"), &[&tagged()]);
        let begun = log.epoch();
        for at in 0..MANY {
            log.advance(&other(at));
        }
        assert_eq!(checked(&log, begun), Ok(()));
        let purged = log.advance(&selector);
        assert_eq!(checked(&log, begun), Err(StoreError::Superseded), "{selector:?}");
        for at in MANY..2 * MANY {
            log.advance(&other(at));
        }
        assert_eq!(checked(&log, begun), Err(StoreError::Superseded), "{selector:?}, later");
        assert_eq!(checked(&log, purged), Ok(()), "a write begun after {selector:?}");
    }
}

#[test]
fn what_is_forgotten_is_refused() {
    let mut log = PurgeLog::default();
    let own = || Selector::Url("http://h/own".to_owned());
    log.advance(&own());
    // More names than there is room for: whichever gave way, the write that it covers is refused.
    for at in 0..400_000 {
        log.advance(&Selector::Url(format!("http://h/other/{at}")));
    }
    let check = |log: &PurgeLog, begun, path: &str| log.check(begun, &key("h", path), &[&tagged()]);
    assert_eq!(check(&log, Epoch::own(0), "/own"), Err(StoreError::Superseded));
    assert!((0..400_000).step_by(997).all(|at| check(&log, Epoch::own(0), &format!("/other/{at}")).is_err()));
    assert_eq!(check(&log, log.epoch(), "/own"), Ok(()));
    // Broad ones likewise.
    let mut log = PurgeLog::default();
    log.advance(&Selector::Prefix("http://h/own".to_owned()));
    let elsewhere = Selector::Prefix("http://elsewhere/".to_owned());
    for _ in 0..=PURGES_REMEMBERED {
        log.advance(&elsewhere);
    }
    assert_eq!(check(&log, Epoch::own(0), "/own"), Err(StoreError::Superseded));
    assert_eq!(check(&log, Epoch::own(1), "/own"), Err(StoreError::Superseded), "one of those forgotten");
    assert_eq!(check(&log, Epoch::own(2), "/own"), Ok(()));
}

#[test]
fn names_of_one_kind_are_not_those_of_another() {
    let text = || "http://h/own".to_owned();
    let kinds = [
        Selector::Host(text()),
        Selector::Tag { origin: None, tag: text() },
        Selector::Group { origin: "http://h".to_owned(), group: text() },
        Selector::Tag { origin: Some("http://other".to_owned()), tag: "t".to_owned() },
        Selector::Group { origin: "http://other".to_owned(), group: "g".to_owned() },
    ];
    let mut log = PurgeLog::default();
    for selector in &kinds {
        log.advance(selector);
    }
    assert_eq!(log.check(Epoch::own(0), &key("h", "/own"), &[&tagged()]), Ok(()));
    // A key is purged alone, its URL with all keys.
    let partition: Key = KeyParts::new(Scheme::Http, "h", "/own").with_partition("p").to_key();
    log.advance(&Selector::Key(key("h", "/own")));
    assert_eq!(log.check(Epoch::own(0), &partition, &[&tagged()]), Ok(()));
    log.advance(&Selector::Url(text()));
    assert_eq!(log.check(Epoch::own(0), &partition, &[&tagged()]), Err(StoreError::Superseded));
}
