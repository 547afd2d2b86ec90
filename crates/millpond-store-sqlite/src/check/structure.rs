//! SQLite's own check. It reads a table and its indexes in one go, and nobody can shorten the log meanwhile: hence not of
//! large tables behind a running server.

use crate::open::PAGE;
use rusqlite::Connection;

/// How many complaints are told.
const MOST_COMPLAINTS: usize = 20;
/// A file up to this size is read in a fraction of a second, bytes.
const SMALL: u64 = 16 << 20;

/// What is wrong with the whole file: tables, indexes, free pages.
pub(crate) fn structure(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    complaints(connection, &MOST_COMPLAINTS.to_string())
}

/// What is wrong with the tables that are small whatever the cache holds.
pub(crate) fn of_small_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut all = Vec::new();
    for table in ["file", "totals", "purge"] {
        all.extend(complaints(connection, table)?);
    }
    Ok(all)
}

/// True where the whole file may be read in one go.
pub(crate) fn is_small(connection: &Connection) -> rusqlite::Result<bool> {
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    Ok(pages.max(0) as u64 * PAGE <= SMALL)
}

fn complaints(connection: &Connection, of: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({of})"))?;
    let complaints: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(complaints.into_iter().filter(|complaint| complaint != "ok").collect())
}
