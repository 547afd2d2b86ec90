//! What waits, seen by lookups: only what can cover their key, all of that, and never more than may wait.

use super::{MOST, MOST_BYTES, includes};
use crate::pending::{Overlay, Purge, Task};
use millpond_exchange::{Fields, Key, PurgeMode, Record, ResponseHead, Selector, StatusCode, Timestamp};
use millpond_store::laws::{key, record};
use millpond_store::{Entry, covers};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn purge(overlay: &mut Overlay, selector: Selector, mode: PurgeMode) {
    overlay.push(Task::Purge(Arc::new(Purge { selector, mode, now: NOW }), Vec::new()));
}

fn url(at: usize) -> Selector {
    Selector::Url(format!("http://store.test/{at}"))
}

fn entry(key: &Key, record: Record) -> Arc<Entry> {
    let head = ResponseHead { fields: Fields::new(), ..ResponseHead::new(StatusCode::OK) };
    Arc::new(Entry {
        key: key.clone(),
        record,
        head,
        body: None,
        body_len: 0,
        trailers: Fields::new(),
        id: 1,
    })
}

fn labelled(tag: &str, group: &str) -> Record {
    let mut record = record(NOW);
    record.set_rare(|rare| {
        rare.tags = [tag.into()].into();
        rare.groups = [group.into()].into();
    });
    record
}

/// What a lookup finds of an entry of `key` in the file.
fn survives(overlay: &Overlay, key: &Key, record: &Record) -> bool {
    let list = vec![entry(key, record.clone())];
    overlay.changes(key).is_none_or(|changes| !changes.apply(list).is_empty())
}

#[test]
fn a_lookup_asks_only_what_can_cover_its_key() {
    let mut overlay = Overlay::default();
    for at in 0..MOST / 4 {
        purge(&mut overlay, url(at), PurgeMode::Hard);
        purge(&mut overlay, Selector::Key(key("store.test", &format!("/{at}"))), PurgeMode::Hard);
        purge(&mut overlay, Selector::Host(format!("{at}.test")), PurgeMode::Hard);
        let group = Selector::Group { origin: "http://other.test".to_owned(), group: at.to_string() };
        purge(&mut overlay, group, PurgeMode::Hard);
    }
    assert_eq!(overlay.purges(), MOST as u64);
    assert!(overlay.changes(&key("store.test", "/elsewhere")).is_none(), "nothing to ask");
    let one = overlay.purges.candidates(&key("store.test", "/7"));
    assert_eq!((one.certain.len(), one.labels.len()), (2, 0));
    let other = overlay.purges.candidates(&key("other.test", "/7"));
    assert_eq!((other.certain.len(), other.labels.len()), (0, 1));
}

#[test]
fn whatever_a_purge_covers_is_hidden_and_nothing_else_is() {
    let origin = || "http://a.test".to_owned();
    let selectors = [
        Selector::Key(key("a.test", "/1")),
        Selector::Url("http://a.test/1".to_owned()),
        Selector::Prefix("http://a.test/1".to_owned()),
        Selector::Prefix("http://a".to_owned()),
        Selector::Host("a.test".to_owned()),
        Selector::Tag { origin: None, tag: "t".to_owned() },
        Selector::Tag { origin: Some(origin()), tag: "t".to_owned() },
        Selector::Group { origin: origin(), group: "g".to_owned() },
        Selector::All,
    ];
    for selector in selectors {
        let mut overlay = Overlay::default();
        purge(&mut overlay, selector.clone(), PurgeMode::Hard);
        for key in [key("a.test", "/1"), key("a.test", "/10"), key("a.test", "/2"), key("b.test", "/1")] {
            for record in [labelled("t", "g"), labelled("g", "t")] {
                let hidden = !survives(&overlay, &key, &record);
                assert_eq!(hidden, covers(&selector, &key, &record), "{selector:?} of {key:?}");
            }
        }
        let taken = overlay.take(usize::MAX, u64::MAX);
        overlay.done(&taken);
        assert!(overlay.is_empty() && overlay.purges.named.is_empty() && overlay.purges.labels.is_empty());
    }
}

#[test]
fn equal_purges_wait_once_and_a_hard_one_does_what_a_soft_one_would() {
    let mut overlay = Overlay::default();
    for _ in 0..1000 {
        purge(&mut overlay, url(1), PurgeMode::Soft);
    }
    assert_eq!((overlay.purges(), overlay.queued()), (1, 1));
    assert!(survives(&overlay, &key("store.test", "/1"), &record(NOW)));
    for _ in 0..1000 {
        purge(&mut overlay, url(1), PurgeMode::Hard);
    }
    assert_eq!((overlay.purges(), overlay.queued()), (1, 1));
    purge(&mut overlay, url(1), PurgeMode::Soft);
    assert!(!survives(&overlay, &key("store.test", "/1"), &record(NOW)), "a soft one undoes nothing");
}

#[test]
fn a_merged_purge_is_waited_for_as_the_oldest_of_them() {
    let mut overlay = Overlay::default();
    purge(&mut overlay, url(1), PurgeMode::Hard);
    purge(&mut overlay, url(2), PurgeMode::Hard);
    purge(&mut overlay, url(1), PurgeMode::Hard);
    let second = overlay.take(1, u64::MAX);
    overlay.done(&second);
    assert!(overlay.awaits(1), "the first is not written yet");
    let rest = overlay.take(1, u64::MAX);
    overlay.stuck(&rest);
    assert!(!overlay.awaits(u64::MAX), "nobody waits for what is stuck");
    overlay.put_back(rest);
    assert!(!survives(&overlay, &key("store.test", "/1"), &record(NOW)), "it is in force all the same");
}

#[test]
fn too_many_purges_become_one_of_their_host_and_no_other() {
    let mut overlay = Overlay::default();
    purge(&mut overlay, Selector::Url("http://b.test/1".to_owned()), PurgeMode::Soft);
    for at in 0..3 * MOST {
        purge(&mut overlay, url(at), PurgeMode::Hard);
        assert!(overlay.purges() <= MOST as u64);
    }
    for at in 0..3 * MOST {
        assert!(!survives(&overlay, &key("store.test", &format!("/{at}")), &record(NOW)));
    }
    assert!(survives(&overlay, &key("b.test", "/1"), &record(NOW)), "a soft purge stays soft");
    assert!(survives(&overlay, &key("c.test", "/1"), &record(NOW)));
    assert_eq!(overlay.queued() as u64, overlay.purges());
}

#[test]
fn too_many_hosts_become_everything_and_long_names_count_by_their_length() {
    let mut overlay = Overlay::default();
    for at in 0..=MOST {
        purge(&mut overlay, Selector::Url(format!("http://{at}.test/")), PurgeMode::Hard);
    }
    assert_eq!(overlay.purges(), 1);
    assert!(!survives(&overlay, &key("store.test", "/1"), &record(NOW)));
    let mut overlay = Overlay::default();
    for at in 0..MOST {
        let long = format!("http://store.test/{at}/{}", "x".repeat(16 << 10));
        purge(&mut overlay, Selector::Url(long), PurgeMode::Hard);
        assert!(overlay.purges.bytes() <= MOST_BYTES);
    }
    assert!(survives(&overlay, &key("b.test", "/1"), &record(NOW)));
}

#[test]
fn what_the_writer_has_taken_is_left_to_it() {
    let mut overlay = Overlay::default();
    for at in 0..MOST {
        purge(&mut overlay, url(at), PurgeMode::Hard);
    }
    let taken = overlay.take(usize::MAX, u64::MAX);
    for at in 0..2 * MOST {
        purge(&mut overlay, url(at), PurgeMode::Hard);
        assert!(overlay.queued() <= MOST, "what came meanwhile is bounded by itself");
    }
    overlay.put_back(taken);
    assert!(!survives(&overlay, &key("store.test", "/1"), &record(NOW)));
    let taken = overlay.take(usize::MAX, u64::MAX);
    assert!(taken.is_sorted_by_key(|task| task.number));
    overlay.done(&taken);
    assert!(overlay.is_empty() && !overlay.awaits(u64::MAX));
    assert_eq!(overlay.purges.bytes(), 0);
}

#[test]
fn a_broader_purge_takes_in_only_what_it_covers_for_certain() {
    let host = Selector::Host("a.test".to_owned());
    let prefix = |prefix: &str| Selector::Prefix(prefix.to_owned());
    assert!(includes(&host, &prefix("http://a.test/x")));
    assert!(!includes(&host, &prefix("http://a.test")), "it covers a.test.example as well");
    assert!(!includes(&host, &Selector::Tag { origin: None, tag: "t".to_owned() }));
    assert!(includes(&Selector::All, &Selector::Tag { origin: None, tag: "t".to_owned() }));
}
