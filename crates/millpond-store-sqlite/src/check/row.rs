//! What can be wrong with a row of table `entry`: its sums, its columns, its labels, its body, its places in the indexes.

use super::{Broken, Depth, Step, Until, Wrong};
use crate::bodies::{Bodies, BodyFault};
use crate::rows::{self, Place};
use millpond_exchange::{Key, Record};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, ToSql, named_params};
use std::collections::BTreeSet;
use std::io;

/// The columns of [`rows::COLUMNS`] come before these.
const MORE: &str = "url, key, key_hash, variant, queue, status, stored_at, fresh_until, sweep_at, part_first, stored_len, \
                    hits, used_at, file";
/// Those that hold a number, or nothing where that may be.
#[rustfmt::skip]
const NUMBERS: [&str; 17] = [
    "id", "key_hash", "variant", "born", "queue", "status", "stored_at", "fresh_until", "sweep_at",
    "stale_from", "part_first", "body_len", "stored_len", "coding", "hits", "used_at", "body_sum",
];

/// The places of a row in the indexes, each by what is asked for it.
const PLACES: [(&str, &str, &[&str]); 4] = [
    (
        "entry_url",
        "SELECT 1 FROM entry INDEXED BY entry_url WHERE url = ? AND key_hash = ? AND seq = ?",
        &["url", "key_hash", "seq"],
    ),
    (
        "entry_queue",
        "SELECT 1 FROM entry INDEXED BY entry_queue WHERE queue = ? AND seq = ?",
        &["queue", "seq"],
    ),
    (
        "entry_sweep",
        "SELECT 1 FROM entry INDEXED BY entry_sweep WHERE sweep_at = ? AND seq = ?",
        &["sweep_at", "seq"],
    ),
    ("entry_file", "SELECT 1 FROM entry INDEXED BY entry_file WHERE file = ? AND seq = ?", &["file", "seq"]),
];

/// The rows, at one moment.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) bodies: &'a Bodies,
    pub(super) depth: Depth,
}

impl Rows<'_> {
    /// Looks at the rows after the number `after`. True at the end.
    pub(super) fn look(&self, after: &mut i64, until: &Until, step: &mut Step) -> rusqlite::Result<bool> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {}, {MORE} FROM entry NOT INDEXED WHERE seq > :after ORDER BY seq",
            rows::COLUMNS
        ))?;
        let mut rows = statement.query(named_params! { ":after": *after })?;
        let (mut seen, mut bytes) = (0, 0_u64);
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            if seq <= *after {
                step.wrong.push(Wrong::Structure("the rows of the entries are out of order".to_owned()));
                return Ok(true);
            }
            *after = seq;
            seen += 1;
            step.entries += 1;
            bytes =
                row.get("stored_len").map_or(bytes, |more: i64| bytes.saturating_add(more.unsigned_abs()));
            step.wrong.extend(self.row(row, seq, &mut step.files)?);
            if until.is_reached(seen, bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is wrong with a row, if anything is.
    fn row(&self, row: &Row<'_>, seq: i64, files: &mut u64) -> rusqlite::Result<Option<Wrong>> {
        let text = |column| row.get_ref(column).map(|value| value.as_str().ok().map(str::to_owned));
        let (url, file) = (text("url")?, text("file")?);
        let broken = Broken { seq, id: row.get("id")?, file };
        let what = match &url {
            Some(url) if are_types_right(row)? => {
                if let Some(index) = self.missing_in(row)? {
                    let what = format!("row {seq} is missing in the index {index}");
                    return Ok(Some(Wrong::Structure(what)));
                }
                self.fault(row, url, &broken, files)?
            }
            _ => Some("a column holds what no program of ours writes"),
        };
        let url = url.unwrap_or_else(|| format!("row {seq}"));
        Ok(what.map(|what| Wrong::Entry { url, what, row: broken }))
    }

    /// What is wrong with a row whose columns can be read.
    fn fault(
        &self,
        row: &Row<'_>,
        url: &str,
        broken: &Broken,
        files: &mut u64,
    ) -> rusqlite::Result<Option<&'static str>> {
        let key: Option<Vec<u8>> = row.get("key")?;
        let Some(key) = rows::key_of(url, key.as_deref()) else { return Ok(Some("its key cannot be read")) };
        let place = Place::of(&key);
        if place.url != url || place.hash != row.get::<_, i64>("key_hash")? {
            return Ok(Some("it stands under another key than its own"));
        }
        let Ok(found) = rows::found(row, &key)? else {
            return Ok(Some("its facts or its body do not match their checksums"));
        };
        let record = &found.entry.record;
        if i64::from(record.status) != row.get::<_, i64>("status")? {
            return Ok(Some("its columns and its facts name different statuses"));
        }
        if rows::variant(record) != row.get::<_, i64>("variant")? {
            return Ok(Some("its columns and its facts name different variants"));
        }
        if !is_length_possible(row, broken.file.is_some())? {
            return Ok(Some("its columns and its body have different lengths"));
        }
        if !self.are_labels_right(broken.seq, record, &key)? {
            return Ok(Some("its tags and groups are not those it is found by"));
        }
        let Some(file) = &broken.file else { return Ok(None) };
        *files += 1;
        self.file_fault(file, row)
    }

    /// Whether table `label` has the labels of this record for the row `seq`, and no others.
    fn are_labels_right(&self, seq: i64, record: &Record, key: &Key) -> rusqlite::Result<bool> {
        let wanted: Vec<(i64, &str)> = rows::labels(record).collect::<BTreeSet<_>>().into_iter().collect();
        let origin = if wanted.is_empty() { String::new() } else { key.origin() };
        let mut statement = self
            .connection
            .prepare_cached("SELECT kind, name, origin FROM label INDEXED BY label_entry WHERE seq = ?")?;
        let mut labels = statement.query([seq])?;
        let mut found = 0;
        while let Some(label) = labels.next()? {
            let (Ok(kind), Ok(name), Ok(of)) =
                (label.get_ref(0)?.as_i64(), label.get_ref(1)?.as_str(), label.get_ref(2)?.as_str())
            else {
                return Ok(false);
            };
            if of != origin || wanted.binary_search_by(|wanted| wanted.cmp(&(kind, name))).is_err() {
                return Ok(false);
            }
            // None is there twice: that is what the table is ordered by.
            found += 1;
        }
        Ok(found == wanted.len())
    }

    /// The first index that lacks the row.
    fn missing_in(&self, row: &Row<'_>) -> rusqlite::Result<Option<&'static str>> {
        if !self.depth.indexes {
            return Ok(None);
        }
        let in_row = row.get_ref("file")?.data_type() == Type::Null;
        for (index, sql, columns) in PLACES {
            if index == "entry_file" && in_row {
                continue;
            }
            let values = columns.iter().map(|column| row.get_ref(*column));
            let values: Vec<_> = values.collect::<rusqlite::Result<_>>()?;
            let values: Vec<_> = values.into_iter().map(rusqlite::types::ToSqlOutput::Borrowed).collect();
            let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
            if !self.connection.prepare_cached(sql)?.exists(values.as_slice())? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// What is wrong with the body in `file`, if anything is. That the system cannot open or read it now says nothing of
    /// what was written: it ends the look.
    fn file_fault(&self, file: &str, row: &Row<'_>) -> rusqlite::Result<Option<&'static str>> {
        let id = row.get::<_, i64>("id")?.cast_unsigned();
        let length = row.get::<_, i64>("body_len")?.cast_unsigned();
        let table: Vec<u8> = row.get("body")?;
        if rows::body_sum(id, &table) != row.get::<_, i64>("body_sum")? {
            return Ok(Some("the table of its body's chunks does not match its checksum"));
        }
        // Opening it compares the lengths.
        let read = self.bodies.reader(file, &table, length, id).and_then(|reader| {
            let all = if self.depth.content { 0..length } else { 0..0 };
            reader.chunks_for(all).try_for_each(|(number, _)| reader.chunk(number).map(drop))
        });
        Ok(match read {
            Ok(()) => None,
            Err(BodyFault::Missing) => Some("the file with its body is gone"),
            Err(BodyFault::Damaged(_)) => Some("the file with its body does not match its checksums"),
            Err(BodyFault::Io(error)) => return Err(cannot_read(file, &error)),
        })
    }
}

/// Whether column `stored_len` may be the length of the body: that in a file is compared with its table.
fn is_length_possible(row: &Row<'_>, in_file: bool) -> rusqlite::Result<bool> {
    let stored: i64 = row.get("stored_len")?;
    Ok(if in_file {
        (0..i64::MAX / 4).contains(&stored)
    } else {
        usize::try_from(stored) == Ok(row.get_ref("body")?.as_blob()?.len())
    })
}

/// The error of a file of a body that the system does not let anybody read.
fn cannot_read(file: &str, error: &io::Error) -> rusqlite::Error {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
    rusqlite::Error::SqliteFailure(failure, Some(format!("the body {file} cannot be read: {error}")))
}

/// True when every column has the type it was made for.
fn are_types_right(row: &Row<'_>) -> rusqlite::Result<bool> {
    for column in NUMBERS {
        let may_be_nothing = matches!(column, "stale_from" | "part_first");
        match row.get_ref(column)?.data_type() {
            Type::Integer => {}
            Type::Null if may_be_nothing => {}
            _ => return Ok(false),
        }
    }
    let file = row.get_ref("file")?;
    let key = row.get_ref("key")?;
    Ok(file.as_str_or_null().is_ok()
        && key.as_blob_or_null().is_ok()
        && row.get_ref("body")?.as_blob().is_ok())
}
