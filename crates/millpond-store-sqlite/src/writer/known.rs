//! Keeping the filter of keys in step with the file: filled from the index, some rows at a time, and with the rows that
//! other processes write.
//!
//! What must not live here: what the filter is asked (`crate::filter`).

use super::Writer;
use crate::filter::At;
use rusqlite::Connection;

/// Rows of the index read in one go: some milliseconds.
const FROM_INDEX: usize = 20_000;
/// Rows of other processes read in one go. They are read from the table, where they take more room.
const FROM_OTHERS: usize = 2_000;

impl Writer {
    /// Reads some of what the filter lacks.
    pub(super) fn know_more(&self) -> rusqlite::Result<()> {
        let Some(db) = &self.db else { return Ok(()) };
        let filters = &self.shared.filters;
        // Others may have written them all.
        let (next, entries) = numbers(&db.connection)?;
        if filters.is_due(entries, self.shared.options.filter_from) {
            filters.begin(entries, next);
        }
        if let Some(from) = filters.missing() {
            let (next, all) = self.read_others(&db.connection, from)?;
            filters.saw(next, all);
        }
        if let Some(at) = filters.wants() {
            let (hashes, last) = read_index(&db.connection, &at)?;
            filters.fill(&hashes, last);
        }
        Ok(())
    }

    /// Adds rows from number `from` on. Gives the number up to which all are known, and whether these were all.
    fn read_others(&self, connection: &Connection, from: i64) -> rusqlite::Result<(i64, bool)> {
        // Before the rows: those that come in between are known twice, and not never.
        let next = numbers(connection)?.0;
        let mut statement = connection
            .prepare_cached("SELECT seq, key_hash FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?")?;
        let mut rows = statement.query((from, FROM_OTHERS as i64))?;
        let (mut count, mut last) = (0, from);
        while let Some(row) = rows.next()? {
            self.shared.filters.add(row.get(1)?);
            last = row.get::<_, i64>(0)?.saturating_add(1);
            count += 1;
        }
        Ok(if count < FROM_OTHERS { (last.max(next), true) } else { (last, false) })
    }
}

/// The number the next row will get, and how many rows there are.
fn numbers(connection: &Connection) -> rusqlite::Result<(i64, u64)> {
    let mut statement = connection.prepare_cached("SELECT next_seq, max(entries, 0) FROM totals")?;
    statement.query_row([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))
}

/// The next hashes in the index, and the last row of them; none where the index ends.
fn read_index(connection: &Connection, at: &At) -> rusqlite::Result<(Vec<i64>, Option<At>)> {
    // Rows with the same URL and hash count as one.
    let mut statement = connection.prepare_cached(
        "SELECT url, key_hash FROM entry WHERE (url, key_hash) > (?, ?) ORDER BY url, key_hash LIMIT ?",
    )?;
    let mut rows = statement.query((&at.0, at.1, FROM_INDEX as i64))?;
    let mut hashes = Vec::with_capacity(FROM_INDEX);
    let mut last = None;
    while let Some(row) = rows.next()? {
        hashes.push(row.get(1)?);
        if hashes.len() == FROM_INDEX {
            last = Some((row.get(0)?, row.get(1)?));
        }
    }
    Ok((hashes, last))
}
