//! Laws about lookups and readers.

use super::Verdict;
use super::kit::{body_of, check, entry, equal, key, only, pattern, plain, put, seen, stored};
use crate::{PartialReader, Store};
use bytes::Bytes;
use millpond_exchange::{Fields, PurgeMode, Selector, Timestamp};
use std::sync::Arc;

/// Nothing stored is an empty list.
pub(super) async fn a_miss_is_no_error(store: Arc<dyn Store>) -> Verdict {
    check(stored(&*store, &key("law.test", "/nothing")).await?.is_empty(), "an empty store has an entry")?;
    check(store.lookup(key("law.test", "/nothing").as_bytes()).is_none(), "an empty store has a list")
}

/// A range is exactly the bytes asked for; beyond the end there is nothing.
pub(super) async fn ranges_are_exact_and_clamped(store: Arc<dyn Store>) -> Verdict {
    let (key, body) = (key("law.test", "/range"), pattern(4, 700_000));
    seen(put(&*store, &key, plain(), &body).await)?;
    let found = only(&*store, &key).await?;
    let rows =
        [(0, 1), (0, 700_000), (1, 2), (262_143, 262_145), (262_144, 524_288), (699_999, 700_000), (5, 5)];
    for (from, to) in rows {
        let part = body_of(&*store, &found, Some(from as u64..to as u64)).await?;
        check(part == body[from..to], &format!("range {from}..{to} differs"))?;
    }
    let tail = body_of(&*store, &found, Some(699_990..u64::MAX)).await?;
    check(tail == body[699_990..], "a range over the end is not clamped")?;
    check(
        body_of(&*store, &found, Some(700_000..700_001)).await?.is_empty(),
        "there is content beyond the end",
    )
}

/// What a writer has taken can be read from any offset before the commit.
pub(super) async fn uncommitted_content_can_be_read(store: Arc<dyn Store>) -> Verdict {
    let (key, body) = (key("law.test", "/partial"), pattern(5, 600_000));
    let mut writer = seen(store.writer(entry(&*store, &key, plain())).await)?;
    let reader = writer.reader();
    check(seen(reader.read_at(0).await)?.is_empty(), "there is content before any was written")?;
    let mut written = 0;
    for chunk in body.chunks(100_001) {
        seen(writer.write(Bytes::copy_from_slice(chunk)).await)?;
        written += chunk.len();
        for from in [0, 1, written / 2, written - 1] {
            check(read_on(&*reader, from).await? == body[from..written], "what was written reads otherwise")?;
        }
        check(
            seen(reader.read_at(written as u64).await)?.is_empty(),
            "there is content beyond what was written",
        )?;
        check(seen(reader.read_at(u64::MAX).await)?.is_empty(), "there is content at the end of numbers")?;
    }
    seen(writer.commit(Fields::new()).await)?;
    let found = only(&*store, &key).await?;
    check(body_of(&*store, &found, None).await? == body, "reading early changed the body")
}

/// A partial reader goes on after the commit as after the abort.
pub(super) async fn a_partial_reader_outlives_its_writer(store: Arc<dyn Store>) -> Verdict {
    let body = pattern(6, 300_000);
    for commit in [true, false] {
        let mut writer = seen(store.writer(entry(&*store, &key("law.test", "/outlive"), plain())).await)?;
        seen(writer.write(Bytes::copy_from_slice(&body)).await)?;
        let reader = writer.reader();
        if commit {
            seen(writer.commit(Fields::new()).await)?;
        } else {
            drop(writer);
        }
        check(read_on(&*reader, 0).await? == body, "a partial reader lost content with its writer")?;
    }
    Ok(())
}

/// What was looked up stays as it was, whatever happens under its key.
pub(super) async fn entries_never_change(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/immutable");
    seen(put(&*store, &key, plain(), b"first").await)?;
    let variants = seen(store.variants(&key).await)?;
    let first = only(&*store, &key).await?;
    let now = Timestamp::from_secs(2_000_000);
    seen(store.remove(&Selector::Key(key.clone()), PurgeMode::Soft, now).await)?;
    seen(put(&*store, &key, plain(), b"second").await)?;
    equal("number of entries looked up", &variants.entries.len(), &1)?;
    equal("record", &first.record, &plain())?;
    equal("length", &first.body_len, &5)
}

/// A body being read is read to its end when its entry is purged or replaced meanwhile.
pub(super) async fn a_reader_outlives_a_purge(store: Arc<dyn Store>) -> Verdict {
    let (key, body) = (key("law.test", "/outlive"), pattern(7, 600_000));
    seen(put(&*store, &key, plain(), &body).await)?;
    let found = only(&*store, &key).await?;
    let opened = seen(store.read(&found, None).await)?;
    seen(store.remove(&Selector::Key(key.clone()), PurgeMode::Hard, Timestamp::from_secs(1)).await)?;
    seen(put(&*store, &key, plain(), b"other").await)?;
    let content = super::kit::collect(opened).await?;
    check(content == body, "a purge changed a body that was being read")
}

/// The answer without waiting, where there is one, is the answer with waiting, or says itself that there may be more.
pub(super) async fn lookup_and_variants_agree(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/both");
    seen(put(&*store, &key, plain(), b"content").await)?;
    for _ in 0..2 {
        // The second time a store before another one has had the occasion to learn of everything.
        let at_once = store.lookup(key.as_bytes());
        let waited = seen(store.variants(&key).await)?;
        let Some(at_once) = at_once else { continue };
        let ids =
            |variants: &crate::Variants| variants.entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
        let (some, all) = (ids(&at_once), ids(&waited));
        check(some.iter().all(|id| all.contains(id)), "an entry is found only without waiting")?;
        if at_once.complete {
            equal("entries", &some, &all)?;
            check(waited.complete, "a list is complete only without waiting")?;
        }
    }
    Ok(())
}

/// Everything a partial reader gives from `from` on.
async fn read_on(reader: &dyn PartialReader, from: usize) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    loop {
        let piece = seen(reader.read_at((from + content.len()) as u64).await)?;
        if piece.is_empty() {
            return Ok(content);
        }
        content.extend_from_slice(&piece);
    }
}
