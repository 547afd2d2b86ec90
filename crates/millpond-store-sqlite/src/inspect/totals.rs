//! How much is stored, and what it takes.

use super::{InspectError, Inspector};
use millpond_exchange::Timestamp;
use rusqlite::params;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Rows summed up in one go.
const STEP: i64 = 4096;

/// Sums over all that is stored. Sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries.
    pub entries: u64,
    /// Bodies in the database, as kept.
    pub row_bytes: u64,
    /// Bodies in files, as kept.
    pub file_bytes: u64,
    /// What the database file takes, its free pages included.
    pub database_bytes: u64,
    /// Of that, free pages.
    pub free_bytes: u64,
    /// What the database's log takes.
    pub log_bytes: u64,
    /// By status code, in order.
    pub by_status: Vec<StatusTotals>,
    /// When the oldest entry was stored.
    pub oldest: Option<Timestamp>,
    /// When the newest was.
    pub newest: Option<Timestamp>,
}

/// Sums over the entries of one status code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusTotals {
    /// The status code.
    pub status: u16,
    /// Entries.
    pub entries: u64,
    /// Of them, those that are fresh.
    pub fresh: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// The same as kept.
    pub stored_bytes: u64,
    /// How often they were used, as far as that has been written.
    pub hits: u64,
    /// When the oldest was stored.
    pub oldest: Timestamp,
    /// When the newest was.
    pub newest: Timestamp,
}

impl StatusTotals {
    /// Adds the sums over further entries of the status. What a damaged row says may be any number.
    fn add(&mut self, more: &Self) {
        self.entries = self.entries.saturating_add(more.entries);
        self.fresh = self.fresh.saturating_add(more.fresh);
        self.body_bytes = self.body_bytes.saturating_add(more.body_bytes);
        self.stored_bytes = self.stored_bytes.saturating_add(more.stored_bytes);
        self.hits = self.hits.saturating_add(more.hits);
        self.oldest = self.oldest.min(more.oldest);
        self.newest = self.newest.max(more.newest);
    }
}

impl Totals {
    /// What everything takes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.database_bytes.saturating_add(self.log_bytes).saturating_add(self.file_bytes)
    }

    /// Entries that are fresh.
    pub fn fresh(&self) -> u64 {
        self.by_status.iter().map(|status| status.fresh).sum()
    }
}

impl Inspector {
    /// The sums at `now`. Goes through every row once, in short steps: what servers store, move and evict meanwhile may be
    /// counted by status once more or less than it is there.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn totals(&self, now: Timestamp) -> Result<Totals, InspectError> {
        self.sum(now).map_err(|error| self.failed(error))
    }

    fn sum(&self, now: Timestamp) -> rusqlite::Result<Totals> {
        let number = |sql: &str| {
            self.connection
                .query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
                .map(Option::unwrap_or_default)
        };
        let size = |sql: &str| number(sql).map(i64::cast_unsigned);
        let page = size("PRAGMA page_size")?;
        let by_status = self.sum_by_status(now)?;
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        Ok(Totals {
            entries: size("SELECT entries FROM totals")?,
            row_bytes: size("SELECT row_bytes FROM totals")?,
            file_bytes: size("SELECT file_bytes FROM totals")?,
            database_bytes: size("PRAGMA page_count")? * page,
            free_bytes: size("PRAGMA freelist_count")? * page,
            // No log is an empty one.
            log_bytes: PathBuf::from(log).metadata().map_or(0, |file| file.len()),
            oldest: by_status.iter().map(|status| status.oldest).min(),
            newest: by_status.iter().map(|status| status.newest).max(),
            by_status,
        })
    }

    fn sum_by_status(&self, now: Timestamp) -> rusqlite::Result<Vec<StatusTotals>> {
        let mut sums = BTreeMap::<u16, StatusTotals>::new();
        let mut after = i64::MIN;
        while let Some(last) = self.sum_step(now, after, &mut sums)? {
            after = last;
        }
        Ok(sums.into_values().collect())
    }

    /// Adds the next rows. Gives the last of them; `None` when there are none.
    fn sum_step(
        &self,
        now: Timestamp,
        after: i64,
        sums: &mut BTreeMap<u16, StatusTotals>,
    ) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT status, count(*), \
                sum(fresh_until > ?1 AND (stale_from IS NULL OR stale_from > ?1)), \
                CAST(total(body_len) AS INTEGER), CAST(total(stored_len) AS INTEGER), CAST(total(hits) AS INTEGER), \
                min(stored_at), max(stored_at), max(seq) \
             FROM (SELECT seq, status, fresh_until, stale_from, body_len, stored_len, hits, stored_at \
                FROM entry WHERE seq > ?2 ORDER BY seq LIMIT ?3) \
             GROUP BY status",
        )?;
        let mut rows = statement.query(params![now.as_millis(), after, STEP])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let size = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            let found = StatusTotals {
                status: row.get(0)?,
                entries: size(1)?,
                fresh: size(2)?,
                body_bytes: size(3)?,
                stored_bytes: size(4)?,
                hits: size(5)?,
                oldest: Timestamp::from_millis(row.get(6)?),
                newest: Timestamp::from_millis(row.get(7)?),
            };
            sums.entry(found.status).and_modify(|sum| sum.add(&found)).or_insert(found);
            last = last.max(Some(row.get(8)?));
        }
        Ok(last)
    }
}
