//! What is stored, in order of URL.

use super::{InspectError, Inspector};
use crate::rows::host_prefixes;
use millpond_exchange::Timestamp;
use rusqlite::{Row, named_params};

/// Which entries are listed; each condition that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The URL begins with this text.
    pub prefix: Option<String>,
    /// The URL has this authority.
    pub host: Option<String>,
    /// The entry carries this tag.
    pub tag: Option<String>,
    /// The response has this status.
    pub status: Option<u16>,
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    url: String,
    key_hash: i64,
    seq: i64,
}

/// A stored response, as far as the columns of its row tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The URL in normal form.
    pub url: String,
    /// The status code.
    pub status: u16,
    /// Bytes of body.
    pub body_len: u64,
    /// Bytes of body as kept.
    pub stored_len: u64,
    /// Kept compressed.
    pub compressed: bool,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// Until when it is fresh.
    pub fresh_until: Timestamp,
    /// From when on a soft purge made it stale.
    pub stale_from: Option<Timestamp>,
    /// When it was last used, as far as that has been written.
    pub used_at: Timestamp,
    /// How often it was used, as far as that has been written.
    pub hits: u64,
    /// The first byte of a part (206); `None` when the body is whole.
    pub part_first: Option<u64>,
    /// The file with the body; `None` when that is in the database.
    pub file: Option<String>,
    pub(super) seq: i64,
    key_hash: i64,
}

impl Listed {
    /// The list after this entry.
    pub fn cursor(&self) -> Cursor {
        Cursor { url: self.url.clone(), key_hash: self.key_hash, seq: self.seq }
    }

    /// Whether it is fresh at `now`.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh_until > now && self.stale_from.is_none_or(|from| from > now)
    }
}

/// The columns of a [`Listed`], in the order [`listed`] reads them.
pub(super) const COLUMNS: &str = "url, status, body_len, stored_len, coding, stored_at, fresh_until, stale_from, used_at, \
                                  hits, part_first, file, seq, key_hash";

pub(super) fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let size = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let time = |at| row.get(at).map(Timestamp::from_millis);
    Ok(Listed {
        url: row.get(0)?,
        status: row.get(1)?,
        body_len: size(2)?,
        stored_len: size(3)?,
        compressed: row.get::<_, i64>(4)? != 0,
        stored_at: time(5)?,
        fresh_until: time(6)?,
        stale_from: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
        used_at: time(8)?,
        hits: size(9)?,
        part_first: row.get::<_, Option<i64>>(10)?.map(i64::cast_unsigned),
        file: row.get(11)?,
        seq: row.get(12)?,
        key_hash: row.get(13)?,
    })
}

/// The index on URL ends with the row's number, so that these three are the order of the index itself.
const AFTER: &str = " FROM entry WHERE (url, key_hash, seq) > (:url, :hash, :seq) AND url < :end \
    AND (:status IS NULL OR status = :status) \
    AND (:tag IS NULL OR EXISTS \
        (SELECT 1 FROM label WHERE label.seq = entry.seq AND label.kind = 0 AND label.name = :tag)) \
    ORDER BY url, key_hash, seq LIMIT :limit";

impl Inspector {
    /// The next entries, `limit` at most, after `after`. Fewer than `limit` mean that there are no more.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn list(
        &self,
        filter: &Filter,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Vec<Listed>, InspectError> {
        let mut found = Vec::new();
        for prefix in prefixes(filter) {
            let left = limit - found.len();
            if left > 0 {
                self.list_prefix(filter, &prefix, left, after, &mut found)
                    .map_err(|error| self.failed(error))?;
            }
        }
        Ok(found)
    }

    fn list_prefix(
        &self,
        filter: &Filter,
        prefix: &str,
        limit: usize,
        after: Option<&Cursor>,
        found: &mut Vec<Listed>,
    ) -> rusqlite::Result<()> {
        let start = match after {
            Some(cursor) if cursor.url.as_str() >= prefix => cursor.clone(),
            _ => Cursor { url: prefix.to_owned(), key_hash: i64::MIN, seq: i64::MIN },
        };
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS}{AFTER}"))?;
        let rows = statement.query_map(
            named_params! {
                ":url": start.url, ":hash": start.key_hash, ":seq": start.seq, ":end": end_of(prefix),
                ":status": filter.status, ":tag": filter.tag, ":limit": limit as i64,
            },
            listed,
        )?;
        for row in rows {
            found.push(row?);
        }
        Ok(())
    }
}

/// The beginnings of the URLs that can match, in order. The schemes of a host lie apart.
fn prefixes(filter: &Filter) -> Vec<String> {
    let wanted = filter.prefix.clone().unwrap_or_default();
    let Some(host) = &filter.host else { return vec![wanted] };
    let mut of_host: Vec<String> = host_prefixes(host).collect();
    of_host.sort_unstable();
    of_host
        .into_iter()
        .filter_map(|begin| match () {
            () if wanted.starts_with(&begin) => Some(wanted.clone()),
            () if begin.starts_with(&wanted) => Some(begin),
            () => None,
        })
        .collect()
}

/// A text after every URL that begins with `prefix`: URLs are ASCII in practice, and no character is greater than this
/// one.
fn end_of(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}
