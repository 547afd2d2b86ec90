//! Laws about writers.

use super::Verdict;
use super::kit::{body_of, check, entry, equal, key, only, pattern, plain, put, refused, seen, stored};
use crate::{Store, StoreError};
use bytes::Bytes;
use futures_util::future::join_all;
use millpond_exchange::Fields;
use std::sync::Arc;

/// What is committed is found, as it was given.
pub(super) async fn a_commit_is_visible(store: Arc<dyn Store>) -> Verdict {
    let (key, body) = (key("law.test", "/a?b"), pattern(1, 100_000));
    let committed = seen(put(&*store, &key, plain(), &body).await)?;
    let found = only(&*store, &key).await?;
    equal("identity", &found.id, &committed.id)?;
    equal("key", &found.key, &key)?;
    equal("record", &found.record, &plain())?;
    equal("mark", &found.head.fields.get_str("X-Mark"), &Some("law"))?;
    equal("length", &found.body_len, &100_000)?;
    check(body_of(&*store, &found, None).await? == body, "the body differs")
}

/// A lookup sees no entry in the making.
pub(super) async fn nothing_is_visible_before_the_commit(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/");
    let mut writer = seen(store.writer(entry(&*store, &key, plain())).await)?;
    check(stored(&*store, &key).await?.is_empty(), "visible when the writer was opened")?;
    seen(writer.write(Bytes::from_static(b"half")).await)?;
    check(stored(&*store, &key).await?.is_empty(), "visible when half was written")?;
    seen(writer.commit(Fields::new()).await)?;
    check(stored(&*store, &key).await?.len() == 1, "not visible after the commit")
}

/// A writer that is dropped aborts, and what was there before stays.
pub(super) async fn a_dropped_writer_leaves_nothing(store: Arc<dyn Store>) -> Verdict {
    let (fresh, old) = (key("law.test", "/fresh"), key("law.test", "/old"));
    seen(put(&*store, &old, plain(), b"old").await)?;
    for key in [&fresh, &old] {
        let mut writer = seen(store.writer(entry(&*store, key, plain())).await)?;
        seen(writer.write(Bytes::from_static(b"never")).await)?;
        drop(writer);
    }
    check(stored(&*store, &fresh).await?.is_empty(), "an aborted entry is visible")?;
    let kept = only(&*store, &old).await?;
    check(body_of(&*store, &kept, None).await? == b"old", "an aborted write changed what was there")
}

/// No content is content too.
pub(super) async fn an_empty_body_is_kept(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/empty");
    seen(put(&*store, &key, plain(), b"").await)?;
    let found = only(&*store, &key).await?;
    equal("length", &found.body_len, &0)?;
    check(body_of(&*store, &found, None).await?.is_empty(), "an empty body has content")
}

/// The trailer section of the commit is found with the entry.
pub(super) async fn trailers_are_kept(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/trailers");
    let mut writer = seen(store.writer(entry(&*store, &key, plain())).await)?;
    seen(writer.write(Bytes::from_static(b"content")).await)?;
    let trailers: Fields = [("X-Sum", "42")].into_iter().collect();
    seen(writer.commit(trailers.clone()).await)?;
    equal("trailers", &only(&*store, &key).await?.trailers, &trailers)
}

/// How a body was cut into chunks does not matter, nor does a wrong announcement that is no limit.
pub(super) async fn tiny_chunks_make_the_same_body(store: Arc<dyn Store>) -> Verdict {
    let body = pattern(2, 20_000);
    for (path, announced) in
        [("/none", None), ("/right", Some(20_000)), ("/less", Some(10)), ("/more", Some(30_000))]
    {
        let key = key("law.test", path);
        let new = crate::NewEntry { announced_len: announced, ..entry(&*store, &key, plain()) };
        let mut writer = seen(store.writer(new).await)?;
        for chunk in body.chunks(7) {
            seen(writer.write(Bytes::copy_from_slice(chunk)).await)?;
        }
        seen(writer.commit(Fields::new()).await)?;
        let found = only(&*store, &key).await?;
        check(body_of(&*store, &found, None).await? == body, "the body of tiny chunks differs")?;
    }
    Ok(())
}

/// An announced length over the limit is refused at once.
pub(super) async fn what_is_too_large_is_refused_when_announced(store: Arc<dyn Store>) -> Verdict {
    let limit = store.capabilities().largest_object;
    let Some(size) = limit.checked_add(1) else { return Ok(()) };
    let new = crate::NewEntry { announced_len: Some(size), ..entry(&*store, &key("law.test", "/"), plain()) };
    let wanted = StoreError::TooLarge { size, limit };
    refused("an announced length over the limit", store.writer(new).await, |error| *error == wanted)
}

/// A body that grows over the limit is refused as soon as that is known, and leaves nothing.
pub(super) async fn what_is_too_large_is_refused_when_written(store: Arc<dyn Store>) -> Verdict {
    const MOST: u64 = 64 * 1024 * 1024;
    const CHUNK: usize = 64 * 1024;
    let (key, limit) = (key("law.test", "/"), store.capabilities().largest_object);
    if limit > MOST {
        // Writing that much would prove little and take long.
        return Ok(());
    }
    let mut writer = seen(store.writer(entry(&*store, &key, plain())).await)?;
    let chunk = Bytes::from(pattern(3, CHUNK));
    let mut size = 0;
    while size + CHUNK as u64 <= limit {
        seen(writer.write(chunk.clone()).await)?;
        size += CHUNK as u64;
    }
    let too_large =
        |error: &StoreError| matches!(error, StoreError::TooLarge { limit: told, .. } if *told == limit);
    refused("a write over the limit", writer.write(chunk).await, too_large)?;
    drop(writer);
    check(stored(&*store, &key).await?.is_empty(), "an object over the limit is visible")
}

/// Writers of one key do not mix; the one that commits last is found.
pub(super) async fn of_concurrent_writers_the_last_commit_wins(store: Arc<dyn Store>) -> Verdict {
    let key = key("law.test", "/race");
    let bodies: Vec<_> = (0..8).map(|seed| pattern(seed, 50_000)).collect();
    let mut writers = Vec::new();
    for _ in &bodies {
        writers.push(seen(store.writer(entry(&*store, &key, plain())).await)?);
    }
    for at in (0..50_000).step_by(5_000) {
        let chunks = bodies.iter().map(|body| Bytes::copy_from_slice(&body[at..at + 5_000]));
        for written in
            join_all(writers.iter_mut().zip(chunks).map(|(writer, chunk)| writer.write(chunk))).await
        {
            seen(written)?;
        }
    }
    let mut commits = writers.into_iter().map(|writer| writer.commit(Fields::new())).collect::<Vec<_>>();
    let last = commits.pop();
    for committed in join_all(commits).await {
        seen(committed)?;
    }
    let one = only(&*store, &key).await?;
    let content = body_of(&*store, &one, None).await?;
    check(bodies.contains(&content), "bodies of several writers are mixed")?;
    for committed in join_all(last).await {
        seen(committed)?;
    }
    let found = only(&*store, &key).await?;
    check(body_of(&*store, &found, None).await? == bodies[7], "the last commit is not the one that is found")
}
