//! Laws about purges: what each selector covers, hard and soft, and what a purge does to writes begun before it.

use super::Verdict;
use super::kit::{BEGINNING, UNTIL, check, entry, equal, head, key, only, plain, put, refused, seen, stored};
use crate::{NewEntry, Store, StoreError};
use bytes::Bytes;
use millpond_exchange::{Fields, Key, KeyParts, PurgeMode, Record, Scheme, Selector, Timestamp};
use std::borrow::Cow;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_secs(1_500_000);

fn tagged(tags: &[&str], groups: &[&str]) -> Record {
    let boxed = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    plain().with_rare(|rare| (rare.tags, rare.groups) = (boxed(tags), boxed(groups)))
}

/// A world of keys with their records, in which `selector` covers exactly those marked.
struct World(Vec<(Key, Record, bool)>);

/// Holds `selector` against `world`, hard and soft.
async fn purge(store: &dyn Store, selector: Selector, world: World) -> Verdict {
    for mode in [PurgeMode::Soft, PurgeMode::Hard] {
        for (key, record, _) in &world.0 {
            seen(put(store, key, record.clone(), b"content").await)?;
        }
        let removed = store.remove(&selector, mode, NOW).await;
        if !store.capabilities().lists && !matches!(selector, Selector::Key(_)) {
            return refused("a purge that needs a list", removed, |error| {
                matches!(error, StoreError::Unsupported(_))
            });
        }
        let covered = world.0.iter().filter(|(.., covered)| *covered).count() as u64;
        equal("number of entries purged", &seen(removed)?, &covered)?;
        for (key, record, covered) in &world.0 {
            let entries = stored(store, key).await?;
            let wanted = match (covered, mode) {
                (true, PurgeMode::Hard) => None,
                (true, PurgeMode::Soft) => Some(Record { stale_from: Some(NOW), ..record.clone() }),
                (false, _) => Some(record.clone()),
            };
            let found = entries.first().map(|entry| entry.record.clone());
            check(
                found == wanted,
                &format!("{mode:?} purge by {selector:?} leaves {found:?} under {key:?}"),
            )?;
        }
    }
    Ok(())
}

/// By key: all its variants, no other key.
pub(super) async fn by_key(store: Arc<dyn Store>) -> Verdict {
    let parts = KeyParts::new(Scheme::Http, "law.test", "/a");
    let other = parts.clone().with_field("accept", Some(Cow::Borrowed(b"x"))).to_key();
    let world = World(vec![
        (key("law.test", "/a"), plain(), true),
        (other, plain(), false),
        (key("law.test", "/b"), plain(), false),
    ]);
    purge(&*store, Selector::Key(key("law.test", "/a")), world).await
}

/// By URL: every key with that URL.
pub(super) async fn by_url(store: Arc<dyn Store>) -> Verdict {
    let parts = KeyParts::new(Scheme::Http, "law.test", "/a");
    let other = parts.clone().with_field("accept", Some(Cow::Borrowed(b"x"))).to_key();
    let world = World(vec![
        (key("law.test", "/a"), plain(), true),
        (other, plain(), true),
        (parts.clone().with_partition("p").to_key(), plain(), true),
        (key("law.test", "/a?"), plain(), false),
        (key("law.test", "/a/b"), plain(), false),
        (KeyParts::new(Scheme::Https, "law.test", "/a").to_key(), plain(), false),
        (key("law.test:81", "/a"), plain(), false),
    ]);
    purge(&*store, Selector::Url("http://law.test/a".to_owned()), world).await
}

/// By prefix of the URL.
pub(super) async fn by_prefix(store: Arc<dyn Store>) -> Verdict {
    let world = World(vec![
        (key("law.test", "/a"), plain(), true),
        (key("law.test", "/ab?c"), plain(), true),
        (key("law.test", "/a/b/c"), plain(), true),
        (key("law.test", "/"), plain(), false),
        (key("law.test", "/b/a"), plain(), false),
        (key("law.tesu", "/a"), plain(), false),
    ]);
    purge(&*store, Selector::Prefix("http://law.test/a".to_owned()), world).await
}

/// By tag, of one origin or of all.
pub(super) async fn by_tag(store: Arc<dyn Store>) -> Verdict {
    let world = |other_origin| {
        World(vec![
            (key("law.test", "/a"), tagged(&["x", "t"], &[]), true),
            (key("law.test", "/b"), tagged(&["t"], &["g"]), true),
            (key("other.test", "/a"), tagged(&["t"], &[]), other_origin),
            (key("law.test", "/c"), tagged(&["T", "tt"], &[]), false),
            (key("law.test", "/d"), tagged(&[], &["t"]), false),
            (key("law.test", "/e"), plain(), false),
        ])
    };
    let tag = |origin: Option<&str>| Selector::Tag { origin: origin.map(str::to_owned), tag: "t".to_owned() };
    purge(&*store, tag(Some("http://law.test")), world(false)).await?;
    purge(&*store, tag(None), world(true)).await
}

/// By cache group, within its origin, case-sensitive, apart from tags (RFC 9875).
pub(super) async fn by_group(store: Arc<dyn Store>) -> Verdict {
    let world = World(vec![
        (key("law.test", "/a"), tagged(&[], &["g", "h"]), true),
        (key("law.test", "/b"), tagged(&["g"], &[]), false),
        (key("law.test", "/c"), tagged(&[], &["G"]), false),
        (key("law.test:81", "/a"), tagged(&[], &["g"]), false),
    ]);
    let selector = Selector::Group { origin: "http://law.test".to_owned(), group: "g".to_owned() };
    purge(&*store, selector, world).await
}

/// By host: one authority, both schemes.
pub(super) async fn by_host(store: Arc<dyn Store>) -> Verdict {
    let world = World(vec![
        (key("law.test", "/a"), plain(), true),
        (KeyParts::new(Scheme::Https, "law.test", "/b").to_key(), plain(), true),
        (key("law.test", "*"), plain(), true),
        (key("law.test:81", "/a"), plain(), false),
        (key("law.tests", "/a"), plain(), false),
        (key("a.law.test", "/a"), plain(), false),
    ]);
    purge(&*store, Selector::Host("law.test".to_owned()), world).await
}

/// Everything.
pub(super) async fn all(store: Arc<dyn Store>) -> Verdict {
    let world = World(vec![
        (key("law.test", "/a"), plain(), true),
        (key("other.test", "/"), tagged(&["t"], &["g"]), true),
    ]);
    purge(&*store, Selector::All, world).await
}

/// A second soft purge does not make an entry younger.
pub(super) async fn a_soft_purge_keeps_the_earlier_time(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/soft");
    let old = seen(put(&*store, &key, plain(), b"content").await)?;
    let selector = Selector::Key(key.clone());
    for later in [0, 1000] {
        let now = Timestamp::from_secs(NOW.as_secs() + later);
        equal("number of entries purged", &seen(store.remove(&selector, PurgeMode::Soft, now).await)?, &1)?;
        let found = only(&*store, &key).await?;
        equal("stale from", &found.record.stale_from, &Some(NOW))?;
        equal("identity", &found.id, &old.id)?;
    }
    Ok(())
}

/// Selectors that cover a GET of `http://law.test/a` with tag `t` and group `g`, as far as the store can purge by them.
fn covering(store: &dyn Store) -> Vec<Selector> {
    let origin = || "http://law.test".to_owned();
    let all = [
        Selector::Key(key("law.test", "/a")),
        Selector::Url("http://law.test/a".to_owned()),
        Selector::Prefix("http://law.te".to_owned()),
        Selector::Tag { origin: Some(origin()), tag: "t".to_owned() },
        Selector::Tag { origin: None, tag: "t".to_owned() },
        Selector::Group { origin: origin(), group: "g".to_owned() },
        Selector::Host("law.test".to_owned()),
        Selector::All,
    ];
    let lists = store.capabilities().lists;
    all.into_iter().filter(|selector| lists || matches!(selector, Selector::Key(_))).collect()
}

/// A write begun before a purge that covers it commits nothing, though nothing was stored when the purge came.
pub(super) async fn a_purge_overtakes_a_write(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/a");
    for selector in covering(&*store) {
        for mode in [PurgeMode::Hard, PurgeMode::Soft] {
            let mut writer = seen(store.writer(entry(&*store, &key, tagged(&["t"], &["g"]))).await)?;
            seen(writer.write(Bytes::from_static(b"late")).await)?;
            seen(store.remove(&selector, mode, NOW).await)?;
            let committed = writer.commit(Fields::new()).await;
            refused(&format!("a write overtaken by {selector:?}"), committed, |e| {
                *e == StoreError::Superseded
            })?;
            check(
                stored(&*store, &key).await?.is_empty(),
                &format!("{selector:?} did not stop a late write"),
            )?;
            // A purge between the ticket and the opening of the writer, that is before the head arrived.
            let ticket = store.epoch();
            seen(store.remove(&selector, mode, NOW).await)?;
            let new = NewEntry { epoch: ticket, ..entry(&*store, &key, tagged(&["t"], &["g"])) };
            let committed = match store.writer(new).await {
                Ok(writer) => writer.commit(Fields::new()).await,
                Err(refusal) => Err(refusal),
            };
            refused("a write with an old ticket", committed, |error| *error == StoreError::Superseded)?;
        }
    }
    seen(put(&*store, &key, tagged(&["t"], &["g"]), b"content").await).map(drop)
}

/// A refresh begun before a purge that covers the entry, by its old record or its new one, changes nothing.
pub(super) async fn a_purge_overtakes_a_refresh(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/a");
    let (with, without) = (|| tagged(&["t"], &["g"]), plain);
    for selector in covering(&*store) {
        for (old, new) in [(with(), without()), (without(), with()), (with(), with())] {
            for mode in [PurgeMode::Hard, PurgeMode::Soft] {
                let entry = seen(put(&*store, &key, old.clone(), b"content").await)?;
                let ticket = store.epoch();
                seen(store.remove(&selector, mode, NOW).await)?;
                let refreshed = store.refresh(&entry, new.clone(), head("late"), UNTIL, ticket).await;
                let late = |error: &StoreError| matches!(error, StoreError::Superseded | StoreError::Gone);
                refused(&format!("a refresh overtaken by {selector:?}"), refreshed, late)?;
                let marks = stored(&*store, &key).await?;
                let mut marks = marks.iter().filter_map(|entry| entry.head.fields.get_str("X-Mark"));
                check(marks.all(|mark| mark == "law"), "a refused refresh changed the entry")?;
            }
        }
    }
    Ok(())
}

/// A purge of something else refuses no write and no refresh.
pub(super) async fn a_purge_spares_what_it_does_not_cover(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/b");
    let record = || tagged(&["other"], &["other"]);
    let spared = covering(&*store)
        .into_iter()
        .filter(|selector| !matches!(selector, Selector::All | Selector::Prefix(_) | Selector::Host(_)));
    for selector in spared {
        let ticket = store.epoch();
        let old = seen(put(&*store, &key, record(), b"content").await)?;
        let writer = seen(store.writer(entry(&*store, &key, record())).await)?;
        seen(store.remove(&selector, PurgeMode::Hard, NOW).await)?;
        seen(store.refresh(&old, record(), head("fresh"), UNTIL, ticket).await)?;
        seen(writer.commit(Fields::new()).await)?;
    }
    Ok(())
}

/// The epoch grows with every purge, whether or not anything was there, and never without one.
pub(super) async fn every_purge_advances_the_epoch(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/a");
    check(store.epoch() >= BEGINNING, "an epoch before the beginning")?;
    for selector in covering(&*store) {
        for mode in [PurgeMode::Hard, PurgeMode::Soft] {
            let before = store.epoch();
            seen(put(&*store, &key, plain(), b"content").await)?;
            equal("epoch after a write", &store.epoch(), &before)?;
            seen(store.remove(&selector, mode, NOW).await)?;
            check(
                store.epoch() > before,
                &format!("{mode:?} purge by {selector:?} did not advance the epoch"),
            )?;
        }
    }
    Ok(())
}
