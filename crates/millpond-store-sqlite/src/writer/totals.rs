//! The sums kept in table `totals`.
//!
//! What must not live here: when rows change.

use rusqlite::Connection;
use std::path::Path;

/// What every entry counts for beside its body when the two queues are compared, bytes: its row and its places in the
/// indexes, about.
const ENTRY: u64 = 1024;
/// No number of a row, and no sum, comes near this.
const LAST: i64 = i64::MAX / 4;

/// The one row of table `totals`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) next_seq: i64,
    pub(crate) entries: i64,
    pub(crate) row_bytes: i64,
    pub(crate) file_bytes: i64,
    pub(crate) probation: i64,
    pub(crate) probation_bytes: i64,
}

impl Totals {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT next_seq, entries, row_bytes, file_bytes, probation, probation_bytes FROM totals",
        )?;
        statement.query_row([], |row| {
            Ok(Self {
                next_seq: row.get(0)?,
                entries: row.get(1)?,
                row_bytes: row.get(2)?,
                file_bytes: row.get(3)?,
                probation: row.get(4)?,
                probation_bytes: row.get(5)?,
            })
        })
    }

    /// The same, counted anew where it cannot be: noise, or another program, may have written anything there.
    ///
    /// # Errors
    /// As [`Totals::read`], and one of a damaged file where the numbers of the rows are used up.
    pub(crate) fn read_or_mend(connection: &Connection, path: &Path) -> rusqlite::Result<Self> {
        let read = Self::read(connection)?;
        if read.is_possible() && read.fits(connection)? {
            return Ok(read);
        }
        tracing::warn!(path = %path.display(), sums = ?read, "the sums of the store did not fit its rows; counting anew");
        Self::of_rows(connection)
    }

    /// Makes them what the rows add up to.
    pub(crate) fn recount(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let counted = Self::of_rows(connection)?;
        *self = Self { next_seq: self.next_seq.max(counted.next_seq), ..counted };
        Ok(())
    }

    /// True for sums of rows that may exist.
    fn is_possible(&self) -> bool {
        let sums = [self.entries, self.row_bytes, self.file_bytes, self.probation, self.probation_bytes];
        (1..=LAST).contains(&self.next_seq)
            && sums.iter().all(|sum| (0..=LAST).contains(sum))
            && self.probation <= self.entries
            && self.probation_bytes <= self.row_bytes + self.file_bytes
    }

    /// False where a look at the ends of the table says that these are not its sums.
    fn fits(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let mut statement = connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM entry")?;
        let last: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(last < self.next_seq && (self.entries > 0) == Self::are_there_rows(connection)?)
    }

    /// Goes through every row.
    fn of_rows(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(
            "SELECT max(coalesce(max(seq), 0), coalesce(max(born), 0)), count(*),
                total(stored_len) FILTER (WHERE file IS NULL), total(stored_len) FILTER (WHERE file IS NOT NULL),
                count(*) FILTER (WHERE queue = 0), total(stored_len) FILTER (WHERE queue = 0)
             FROM entry",
        )?;
        let found = statement.query_row([], |row| {
            // Sums too large for an integer come to the largest one.
            let sum =
                |column| Ok::<_, rusqlite::Error>((row.get::<_, f64>(column)? as i64).clamp(0, LAST / 2));
            Ok(Self {
                next_seq: row.get::<_, i64>(0)?.saturating_add(1),
                entries: row.get(1)?,
                row_bytes: sum(2)?,
                file_bytes: sum(3)?,
                probation: row.get(4)?,
                probation_bytes: sum(5)?,
            })
        })?;
        if !(1..=LAST).contains(&found.next_seq) {
            let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            let what = "the numbers of the rows are used up".to_owned();
            return Err(rusqlite::Error::SqliteFailure(damaged, Some(what)));
        }
        // Lengths no row can have.
        let probation_bytes = found.probation_bytes.min(found.row_bytes + found.file_bytes);
        Ok(Self { probation_bytes, ..found })
    }

    /// Whether there is any row.
    pub(crate) fn are_there_rows(connection: &Connection) -> rusqlite::Result<bool> {
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM entry)")?.query_row([], |row| row.get(0))
    }

    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "UPDATE totals SET next_seq = ?, entries = ?, row_bytes = ?, file_bytes = ?, probation = ?,
             probation_bytes = ?",
        )?;
        let values = (
            self.next_seq,
            self.entries,
            self.row_bytes,
            self.file_bytes,
            self.probation,
            self.probation_bytes,
        );
        statement.execute(values).map(drop)
    }

    /// A number no row has had.
    pub(crate) fn next(&mut self) -> i64 {
        let next = self.next_seq;
        self.next_seq = self.next_seq.saturating_add(1);
        next
    }

    /// A row came (`sign` 1) or left (-1).
    pub(crate) fn count(&mut self, sign: i64, probation: bool, stored_len: i64, in_file: bool) {
        let add = |to: &mut i64, what: i64| *to = to.saturating_add(what);
        let bytes = sign.saturating_mul(stored_len);
        add(&mut self.entries, sign);
        add(if in_file { &mut self.file_bytes } else { &mut self.row_bytes }, bytes);
        if probation {
            add(&mut self.probation, sign);
            add(&mut self.probation_bytes, bytes);
        }
    }

    /// What the queues weigh: probation, main.
    pub(crate) fn queues(&self) -> (u64, u64) {
        let weigh = |entries: i64, bytes: i64| {
            (entries.max(0) as u64).saturating_mul(ENTRY).saturating_add(bytes.max(0) as u64)
        };
        let probation = weigh(self.probation, self.probation_bytes);
        let all = weigh(self.entries, self.row_bytes.saturating_add(self.file_bytes));
        (if self.probation > 0 { probation } else { 0 }, all.saturating_sub(probation))
    }
}
