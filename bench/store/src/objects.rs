//! The objects that are stored: responses as the origin of the benchmark gives them, with content that does not compress.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::StreamExt;
use millpond_exchange::{
    Admission, Fields, Frame, Key, Rare, Record, RecordFlags, ResponseHead, StatusCode, Timestamp,
};
use millpond_store::{Entry, NewEntry, Store, StoreError};

use crate::random::Random;
use crate::told::LARGEST;

/// How long everything is fresh.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Bytes that contents are cut from.
const BLOCK: usize = 2 * LARGEST as usize;

/// Content is written in pieces of this length.
const PIECE: usize = 64 << 10;

/// The present moment.
#[expect(clippy::disallowed_methods, reason = "what is measured here runs in real time")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Makes objects and knows them again.
pub struct Objects {
    origin: String,
    block: Bytes,
}

/// What an object takes in itself, apart from how a store keeps it.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Bytes of the head as it would be sent.
    pub head: u64,
    /// Bytes of the URL.
    pub url: u64,
}

impl Objects {
    /// The objects of an origin: `http://authority`.
    pub fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), block: Random::new(0x6d69_6c6c).bytes(BLOCK).into() }
    }

    /// The URL of an object.
    pub fn url(&self, number: u64, bytes: u64) -> String {
        format!("{}/o/{bytes}/{number}", self.origin)
    }

    /// The key of an object.
    pub fn key(&self, number: u64, bytes: u64) -> Result<Key> {
        Ok(Key::get(&self.url(number, bytes))?)
    }

    /// The content of an object.
    pub fn content(&self, number: u64, bytes: u64) -> Bytes {
        let most = BLOCK as u64 - bytes.min(LARGEST);
        let from = Random::new(number).below(most) as usize;
        self.block.slice(from..from + bytes as usize)
    }

    /// Stores an object, as if it had just been fetched.
    pub async fn put(&self, store: &dyn Store, number: u64, bytes: u64) -> Result<Parts> {
        let now = now();
        let key = self.key(number, bytes)?;
        let head = head(number, bytes);
        let url = self.url(number, bytes).len() as u64;
        let parts =
            Parts { head: "HTTP/1.1 200 OK\r\n\r\n".len() as u64 + head.fields.wire().len() as u64, url };
        let new = NewEntry {
            key,
            record: record(&head, now),
            head,
            announced_len: Some(bytes),
            epoch: store.epoch(),
            fresh_until: now.saturating_add(LIFETIME),
        };
        let mut writer = store.writer(new).await?;
        let mut rest = self.content(number, bytes);
        while !rest.is_empty() {
            writer.write(rest.split_to(rest.len().min(PIECE))).await?;
        }
        writer.commit(Fields::new()).await?;
        Ok(parts)
    }

    /// Asks for an object and reads it whole; false when it is not there.
    ///
    /// # Errors
    /// When what is there is something else.
    pub async fn get(&self, store: &dyn Store, number: u64, bytes: u64) -> Result<bool> {
        let key = self.key(number, bytes)?;
        let variants = match store.lookup(key.as_bytes()).filter(|found| !found.entries.is_empty()) {
            Some(found) => found,
            None => store.variants(&key).await?,
        };
        let Some(entry) = variants.entries.first() else { return Ok(false) };
        self.check(store, entry, number, bytes).await
    }

    async fn check(&self, store: &dyn Store, entry: &Arc<Entry>, number: u64, bytes: u64) -> Result<bool> {
        let body = match store.read(entry, None).await {
            // It left between the lookup and now.
            Err(StoreError::Gone) => return Ok(false),
            body => body?,
        };
        let wanted = self.content(number, bytes);
        let mut at = 0;
        let mut stream = body.into_stream();
        while let Some(frame) = stream.next().await {
            if let Frame::Data(piece) = frame? {
                let end = at + piece.len();
                ensure!(
                    wanted.get(at..end) == Some(&piece[..]),
                    "object {number} has foreign content at {at}"
                );
                at = end;
            }
        }
        ensure!(at == wanted.len(), "object {number} has {at} bytes instead of {bytes}");
        Ok(true)
    }
}

fn head(number: u64, bytes: u64) -> ResponseHead {
    let (length, tag) = (bytes.to_string(), format!("\"{number}\""));
    let fields: Fields = [
        ("Server", "origin"),
        ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", &length),
        ("Cache-Control", "max-age=86400"),
        ("ETag", &tag),
        ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ]
    .into_iter()
    .collect();
    ResponseHead { fields, ..ResponseHead::new(StatusCode::OK) }
}

fn record(head: &ResponseHead, now: Timestamp) -> Record {
    let mut record = Record {
        status: 200,
        request_time: now,
        response_time: now,
        date: now,
        initial_age: 0,
        max_age: Some(LIFETIME.as_secs() as u32),
        expires: None,
        last_modified: None,
        stale_from: None,
        flags: RecordFlags::HEURISTIC_STATUS | RecordFlags::STRONG_ETAG | RecordFlags::HAS_DATE,
        admission: Admission::Standards,
        etag: head.fields.get("etag").map(Box::from),
        vary: Box::default(),
        rare: Rare::default(),
    };
    let modified = Timestamp::from_secs(1_767_225_600);
    record.set_last_modified(head.fields.get("last-modified"), Some(modified));
    record
}
