//! A row of table `entry` as an [`Entry`], and back; the sums that tell whether it is what was written.
//!
//! What must not live here: which rows are read or removed.

use crate::compress;
use crate::error::Fault;
use bytes::Bytes;
use millpond_exchange::{Audience, Key, Record, ResponseHead, Scheme, Segments, Timestamp};
use millpond_store::{Entry, StoreError, codec};
use rusqlite::{Connection, Row};
use std::hash::Hasher;
use twox_hash::XxHash3_64;

/// Where the rows of a key are found.
pub(crate) struct Place<'a> {
    pub(crate) url: String,
    pub(crate) hash: i64,
    /// The column `key`: nothing where the URL says it all.
    pub(crate) key: Option<&'a [u8]>,
}

impl<'a> Place<'a> {
    pub(crate) fn of(key: &'a Key) -> Self {
        Self::hashed(key, hash_of(key))
    }

    /// The same, `hash` being that of the key.
    pub(crate) fn hashed(key: &'a Key, hash: i64) -> Self {
        Self { url: key.url(), hash, key: (!is_plain(key)).then(|| key.as_bytes()) }
    }
}

/// The column `key_hash` of `key`.
pub(crate) fn hash_of(key: &Key) -> i64 {
    let digest = key.digest();
    i64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// True for the key of a GET without further parts: one whose encoding is no longer than that of its URL. Every part is
/// a kind byte, a length and its bytes.
fn is_plain(key: &Key) -> bool {
    let part = |length: usize| {
        let bits = (usize::BITS - length.leading_zeros()).max(1) as usize;
        1 + bits.div_ceil(7) + length
    };
    let parts = [key.scheme().as_str(), key.authority(), key.path_and_query()];
    key.as_bytes().len() == parts.iter().map(|text| part(text.len())).sum::<usize>()
}

/// The key of a row.
pub(crate) fn key_of(url: &str, key: Option<&[u8]>) -> Option<Key> {
    match key {
        Some(bytes) => Key::decode(bytes),
        None => Key::get(url).ok(),
    }
}

/// The sum over `facts` of the entry `id` of the key encoded as `key`.
pub(crate) fn facts_sum(key: &[u8], id: u64, facts: &[u8]) -> i64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot_with_seed(id, key), facts) as i64
}

/// The sum over the column `body` of the entry `id`.
pub(crate) fn body_sum(id: u64, body: &[u8]) -> i64 {
    XxHash3_64::oneshot_with_seed(id, body) as i64
}

/// The column `variant`: equal for records with the same selecting fields and audience.
pub(crate) fn variant(record: &Record) -> i64 {
    let mut hasher = XxHash3_64::with_seed(0);
    // Lengths before contents, so that no two lists read the same. What is hashed is written down here, and not left to
    // `Hash`, because the result is kept in files.
    let mut put = |bytes: &[u8]| {
        hasher.write(&(bytes.len() as u64).to_le_bytes());
        hasher.write(bytes);
    };
    for selector in &record.vary {
        put(selector.name.as_bytes());
        match &selector.value {
            Some(value) => put(value),
            None => put(b"\0absent"),
        }
    }
    if let Audience::Private(partition) = &record.audience {
        put(b"\0private");
        put(partition.as_bytes());
    }
    hasher.finish() as i64
}

/// The longest body kept in a row, whatever the options say, bytes: a row that claims more is not what was written, and
/// must not take the memory it asks for.
pub(crate) const INLINE_MOST: usize = 16 << 20;

/// Labels an entry may have. Each is a row of its own, in two places.
pub(crate) const MOST_LABELS: usize = 1_000;

/// How a body is kept: the column `coding`.
pub(crate) mod coding {
    pub(crate) const NONE: u8 = 0;
    pub(crate) const ZSTD: u8 = 1;
}

macro_rules! columns {
    () => {
        "seq, id, born, stale_from, body_len, coding, facts, facts_sum, body_sum, file IS NULL, body"
    };
}

/// What [`found`] reads, in its order.
pub(crate) const COLUMNS: &str = columns!();

/// Reads the rows of a key.
pub(crate) const SELECT: &str =
    concat!("SELECT ", columns!(), " FROM entry WHERE url = ? AND key_hash = ? AND key IS ?");

/// Shows `look` the heads in the rows of `path`, and of `path` with a query, in the order of the URLs: `most` at most. True
/// when these are all. A row that is not what was written counts as none.
pub(crate) fn heads_of_path(
    connection: &Connection,
    path: &str,
    most: usize,
    look: &mut dyn FnMut(&ResponseHead),
) -> rusqlite::Result<bool> {
    let mut left = most;
    // Text is compared byte by byte, and no URL has the last of all characters.
    let (first, last) = (format!("{path}?"), format!("{path}?\u{10ffff}"));
    for (from, to) in [(path, path), (first.as_str(), last.as_str())] {
        let mut statement =
            connection.prepare_cached("SELECT facts FROM entry WHERE url >= ? AND url <= ? ORDER BY url")?;
        let mut rows = statement.query((from, to))?;
        while let Some(row) = rows.next()? {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            if let Some(facts) = row.get_ref(0)?.as_blob().ok().and_then(|facts| codec::decode(facts).ok()) {
                look(&facts.head);
            }
        }
    }
    Ok(true)
}

/// An entry as read from a row.
pub(crate) struct Found {
    pub(crate) seq: i64,
    pub(crate) born: i64,
    pub(crate) entry: Entry,
}

/// A row that is not what was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken {
    pub(crate) seq: i64,
    pub(crate) id: u64,
}

/// The entry in a row of [`SELECT`], checked.
pub(crate) fn found(row: &Row<'_>, key: &Key) -> rusqlite::Result<Result<Found, Broken>> {
    let (seq, id) = (row.get(0)?, row.get::<_, i64>(1)? as u64);
    let content = match content(row, key, id) {
        // No program of ours writes columns of other types.
        Err(error) if Fault::of(&error) == Fault::Damaged => None,
        content => content?,
    };
    Ok(content.map(|(born, entry)| Found { seq, born, entry }).ok_or(Broken { seq, id }))
}

/// `None` where a sum, a length or an encoding does not fit.
fn content(row: &Row<'_>, key: &Key, id: u64) -> rusqlite::Result<Option<(i64, Entry)>> {
    let (Ok(facts), Ok(sum)) = (row.get_ref(6)?.as_blob(), row.get::<_, i64>(7)) else { return Ok(None) };
    if facts_sum(key.as_bytes(), id, facts) != sum {
        return Ok(None);
    }
    let Ok(mut facts) = codec::decode(facts) else { return Ok(None) };
    facts.record.stale_from = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis);
    let body_len = row.get::<_, i64>(4)? as u64;
    let body = if row.get(9)? {
        let (Ok(kept), Ok(sum)) = (row.get_ref(10)?.as_blob(), row.get::<_, i64>(8)) else { return Ok(None) };
        if body_sum(id, kept) != sum {
            return Ok(None);
        }
        let Some(body) = inline_body(kept, row.get(5)?, body_len) else { return Ok(None) };
        Some(body)
    } else {
        None
    };
    let (record, head, trailers) = (facts.record, facts.head, facts.trailers);
    Ok(Some((row.get(2)?, Entry { key: key.clone(), record, head, body, body_len, trailers, id })))
}

/// The content of a body in a row.
fn inline_body(kept: &[u8], coding: i64, length: u64) -> Option<Segments> {
    let length = usize::try_from(length).ok().filter(|length| *length <= INLINE_MOST)?;
    let content = match u8::try_from(coding).ok()? {
        coding::NONE => Bytes::copy_from_slice(kept),
        coding::ZSTD => compress::decompress(kept, length).ok()?.into(),
        _ => return None,
    };
    if content.len() != length {
        return None;
    }
    Some(if content.is_empty() { Segments::default() } else { content.into() })
}

/// Bytes of memory an entry holds, about, and what it takes in the database: the URL and the labels are there twice.
pub(crate) fn weight(entry: &Entry) -> u64 {
    let key = entry.key.as_bytes().len();
    let label = |(_, name): (i64, &str)| 2 * (name.len() + entry.key.authority().len() + 32);
    let twice = key + labels(&entry.record).map(label).sum::<usize>();
    let fields = entry.head.fields.memory() + entry.trailers.memory() + entry.record.memory();
    let body = entry.body.as_ref().map_or(0, Segments::len);
    (size_of::<Entry>() + 256 + key + fields + twice) as u64 + body
}

/// The labels of a record as rows of table `label`: kind, name.
pub(crate) fn labels(record: &Record) -> impl Iterator<Item = (i64, &str)> {
    let tags = record.tags.iter().map(|name| (kind::TAG, &**name));
    tags.chain(record.groups.iter().map(|name| (kind::GROUP, &**name)))
}

/// The column `kind` of table `label`.
pub(crate) mod kind {
    pub(crate) const TAG: i64 = 0;
    pub(crate) const GROUP: i64 = 1;
}

/// What a URL with this authority begins with: each pair a scheme's and what may follow.
pub(crate) fn host_prefixes(authority: &str) -> impl Iterator<Item = String> {
    let schemes = [Scheme::Http, Scheme::Https];
    schemes.into_iter().flat_map(move |scheme| ["/", "*"].map(|next| format!("{scheme}://{authority}{next}")))
}

/// That an entry with this record has no more labels than are kept.
///
/// # Errors
/// [`StoreError::Unsupported`] where it has.
pub(crate) fn check_labels(record: &Record) -> Result<(), StoreError> {
    if record.tags.len() + record.groups.len() > MOST_LABELS {
        return Err(StoreError::Unsupported("entries with more than 1,000 tags and groups"));
    }
    Ok(())
}
