//! The rows of a cache on their way into a copy, while servers write.
//!
//! What must not live here: files (`backup`).
//!
//! Rows are read in short steps in the order of the queue, so that no server's log grows for the copy. What is stored or
//! moved meanwhile stands behind what was read, and is read in its turn; what has gone is taken out of the copy again.

use super::{InspectError, Inspector};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, Statement, params, params_from_iter};
use std::collections::HashSet;
use std::path::Path;

/// Rows of one step, and bytes of bodies after which it ends.
const STEP: (usize, usize) = (256, 4 << 20);
/// Rows of which it is asked in one go whether they are still there.
const ASKED: i64 = 4096;
/// How often it is read on from where the reading ended. Each time there is less, unless servers write faster than rows
/// can be copied: then what came last is left out.
const PASSES: usize = 16;

/// A copy that is being made.
pub(super) struct RowCopy<'a> {
    pub from: &'a Inspector,
    pub copy: &'a Connection,
    pub to: &'a Path,
}

impl RowCopy<'_> {
    /// Copies all rows and their labels. `progress` is told how many are done, of how many.
    pub(super) fn run(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), InspectError> {
        let all = self.number("SELECT entries FROM totals")?.cast_unsigned();
        let mut done = 0;
        let mut after = i64::MIN;
        for _ in 0..PASSES {
            let until = self.last()?;
            if until <= after {
                break;
            }
            self.copy_between(after, until, &mut |rows| {
                done += rows;
                progress(done, all.max(done));
            })?;
            after = until;
        }
        self.leave_out_gone()?;
        // What was moved while it was asked which are gone.
        self.copy_between(after, self.last()?, &mut |_| {})?;
        let next = self.number("SELECT next_seq FROM totals")?;
        self.copy
            .execute("UPDATE totals SET next_seq = ?1", params![next])
            .map(drop)
            .map_err(|error| self.write_failed(error))
    }

    fn last(&self) -> Result<i64, InspectError> {
        self.number("SELECT coalesce(max(seq), 0) FROM entry")
    }

    fn number(&self, sql: &str) -> Result<i64, InspectError> {
        self.from.connection.query_row(sql, [], |row| row.get(0)).map_err(|error| self.from.failed(error))
    }

    fn write_failed(&self, source: rusqlite::Error) -> InspectError {
        InspectError::Database { path: self.to.to_owned(), source }
    }

    fn copy_between(
        &self,
        mut after: i64,
        until: i64,
        done: &mut dyn FnMut(u64),
    ) -> Result<(), InspectError> {
        while let Some((last, rows)) = self.step(after, until)? {
            after = last;
            done(rows);
        }
        Ok(())
    }

    /// The next rows, as they are at one moment. Gives the last of them and their number; `None` when there are none.
    fn step(&self, after: i64, until: i64) -> Result<Option<(i64, u64)>, InspectError> {
        let read_failed = |error| self.from.failed(error);
        let write_failed = |error| self.write_failed(error);
        let moment = self.from.connection.unchecked_transaction().map_err(read_failed)?;
        let mut entries = moment
            .prepare_cached("SELECT * FROM entry WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3")
            .map_err(read_failed)?;
        let mut labels = moment.prepare_cached("SELECT * FROM label WHERE seq = ?1").map_err(read_failed)?;
        let written = self.copy.unchecked_transaction().map_err(write_failed)?;
        let into_entry = insert("entry", &entries);
        let into_label = insert("label", &labels);
        let body = entries.column_index("body").map_err(read_failed)?;
        let mut rows = entries.query(params![after, until, STEP.0 as i64]).map_err(read_failed)?;
        let (mut last, mut count, mut bytes) = (None, 0, 0);
        while bytes < STEP.1
            && let Some(row) = rows.next().map_err(read_failed)?
        {
            let seq: i64 = row.get("seq").map_err(read_failed)?;
            self.leave_out_older(row, seq)?;
            put(&written, &into_entry, row).map_err(write_failed)?;
            let mut of_row = labels.query(params![seq]).map_err(read_failed)?;
            while let Some(label) = of_row.next().map_err(read_failed)? {
                put(&written, &into_label, label).map_err(write_failed)?;
            }
            bytes += row.get_ref(body).map_err(read_failed)?.as_bytes().map_or(0, <[u8]>::len);
            (last, count) = (Some(seq), count + 1);
        }
        written.commit().map_err(write_failed)?;
        Ok(last.map(|last| (last, count)))
    }

    /// Takes out the same entry where it stood before it was moved.
    fn leave_out_older(&self, row: &Row<'_>, seq: i64) -> Result<(), InspectError> {
        let value =
            |column| row.get_ref(column).map(ToSqlOutput::Borrowed).map_err(|error| self.from.failed(error));
        let same = params![value("url")?, value("key_hash")?, value("id")?, seq];
        let sql = "SELECT seq FROM entry WHERE url IS ?1 AND key_hash IS ?2 AND id IS ?3 AND seq <> ?4";
        let older = |copy: &Connection| -> rusqlite::Result<Vec<i64>> {
            copy.prepare_cached(sql)?.query_map(same, |row| row.get(0))?.collect()
        };
        older(self.copy)
            .and_then(|older| leave_out(self.copy, &older))
            .map_err(|error| self.write_failed(error))
    }

    /// Takes out what is not in the cache any more: evicted, purged or replaced while the copy was made.
    fn leave_out_gone(&self) -> Result<(), InspectError> {
        let mut after = i64::MIN;
        loop {
            let ours = sequence(
                self.copy,
                "SELECT seq FROM entry WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                after,
                ASKED,
            )
            .map_err(|error| self.write_failed(error))?;
            let Some(&until) = ours.last() else { return Ok(()) };
            // The index on the queue is small, and has the number of each row.
            let sql = "SELECT seq FROM entry INDEXED BY entry_queue WHERE queue IN (0, 1) AND seq > ?1 AND seq <= ?2";
            let there = sequence(&self.from.connection, sql, after, until)
                .map_err(|error| self.from.failed(error))?;
            let there: HashSet<i64> = there.into_iter().collect();
            let gone: Vec<i64> = ours.into_iter().filter(|seq| !there.contains(seq)).collect();
            leave_out(self.copy, &gone).map_err(|error| self.write_failed(error))?;
            after = until;
        }
    }
}

/// Takes rows and their labels out of a copy. The sums are to be put in step afterwards.
pub(super) fn leave_out(copy: &Connection, rows: &[i64]) -> rusqlite::Result<()> {
    for seq in rows {
        copy.prepare_cached("DELETE FROM label WHERE seq = ?1")?.execute(params![seq])?;
        copy.prepare_cached("DELETE FROM entry WHERE seq = ?1")?.execute(params![seq])?;
    }
    Ok(())
}

fn sequence(connection: &Connection, sql: &str, after: i64, bound: i64) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached(sql)?.query_map(params![after, bound], |row| row.get(0))?.collect()
}

/// The statement that takes a row of `read` into `table`. By the names of the columns: a file that was migrated may have
/// them in another order than a new one.
fn insert(table: &str, read: &Statement<'_>) -> String {
    let columns = read.column_names().collect::<Vec<_>>().join(", ");
    let places = vec!["?"; read.column_count()].join(", ");
    format!("INSERT INTO {table} ({columns}) VALUES ({places})")
}

fn put(copy: &Connection, insert: &str, row: &Row<'_>) -> rusqlite::Result<()> {
    let columns = row.as_ref().column_count();
    let values = (0..columns).map(|at| row.get_ref(at).map(ToSqlOutput::Borrowed));
    let values: Vec<ToSqlOutput<'_>> = values.collect::<rusqlite::Result<_>>()?;
    copy.prepare_cached(insert)?.execute(params_from_iter(values)).map(drop)
}
