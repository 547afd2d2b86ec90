//! Versions of the schema, and how a file gets from one to the next.
//!
//! What must not live here: what the tables are used for.

use crate::error::OpenError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Marks the files of this program: "MPnd".
pub const APPLICATION_ID: i64 = 0x4d50_6e64;

/// How a file of schema N - 1 becomes one of schema N, in order; the first makes an empty file one of schema 1.
/// Committed migrations never change.
pub const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// The schema this program writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings a file to the newest schema of `migrations`, in one transaction. True when something was done.
///
/// # Errors
/// [`OpenError::NewerSchema`], [`OpenError::Foreign`], or what SQLite says.
pub fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<bool, OpenError> {
    let database = |source| OpenError::database(path, source);
    let known = migrations.len() as i64;
    let found = check(connection, path, known)?;
    if found == known {
        return Ok(false);
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
    // Another process may have been faster.
    let found = check(&transaction, path, known)?;
    for step in &migrations[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(step).map_err(database)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(database)?;
    transaction.pragma_update(None, "user_version", known).map_err(database)?;
    transaction.commit().map_err(database)?;
    Ok(found < known)
}

/// The schema of a file this program may use; zero for an empty one.
fn check(connection: &Connection, path: &Path, known: i64) -> Result<i64, OpenError> {
    let database = |source| OpenError::database(path, source);
    let found = user_version(connection).map_err(database)?;
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(database)?;
    let ours = has_our_tables(connection).map_err(database)?;
    let sane = (0..known + FUTURE).contains(&found);
    match (ours, id == APPLICATION_ID) {
        (false, false) if found == 0 && is_empty(connection).map_err(database)? => Ok(0),
        (false, false) => Err(OpenError::Foreign { path: path.to_owned() }),
        (true, true) if sane && found > known => {
            Err(OpenError::NewerSchema { path: path.to_owned(), found, known })
        }
        (true, true) if sane && found > 0 => Ok(found),
        // One half says that the file is ours: the other one is damaged.
        _ => Err(database(damaged("the header does not fit the tables"))),
    }
}

/// How many schemas the future may bring. A larger number is no version but noise.
const FUTURE: i64 = 1_000;

/// The error of a file that `what` shows to be damaged.
pub(crate) fn damaged(what: &str) -> rusqlite::Error {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(failure, Some(what.to_owned()))
}

pub(crate) fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA user_version")?.query_row([], |row| row.get(0))
}

fn has_our_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let tables =
        "SELECT count(*) = 2 FROM sqlite_schema WHERE type = 'table' AND name IN ('entry', 'totals')";
    connection.query_row(tables, [], |row| row.get(0))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}
