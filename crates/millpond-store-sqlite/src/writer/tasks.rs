//! The tasks of a batch, each in SQL: a new entry, a refreshed one, a purge, a row that has to go.
//!
//! What must not live here: when a batch is written, and who makes room.

use super::transaction::{Failure, Leaving, Transaction, queue_number};
use crate::compress;
use crate::evict::Queue;
use crate::file::Kept;
use crate::open::PAGE;
use crate::pending::{Numbered, Put, Refresh, Task};
use crate::rows::{self, Broken, Place, coding};
use millpond_exchange::{Key, Record, Segments, Timestamp};
use millpond_store::{MAX_VARIANTS, codec, replaces};
use rusqlite::Row;
use std::borrow::Cow;
use std::time::Duration;

const INSERT: &str = "INSERT INTO entry (seq, url, key_hash, key, variant, id, born, queue, status, stored_at,
    fresh_until, sweep_at, stale_from, part_first, body_len, stored_len, coding, used_at, facts, facts_sum, body_sum,
    file, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// A row of the same key, as far as a newcomer has to know it.
struct Sibling {
    leaving: Leaving,
    born: i64,
    variant: i64,
    body_len: u64,
    /// `None` where the row is not what was written.
    record: Option<Record>,
}

impl Sibling {
    /// True when an entry with this record and body takes its place.
    fn is_replaced_by(&self, record: &Record, body_len: u64) -> bool {
        self.record.as_ref().is_none_or(|own| replaces((record, body_len), (own, self.body_len)))
    }
}

/// The column `sweep_at` of an entry fresh until `fresh_until`: from when on nobody will miss it. Without a validator as
/// well: what is stale still stands in for an origin that fails, and for one that is not to be asked.
fn sweep_at(record: &Record, fresh_until: Timestamp, keep_stale: Duration) -> Timestamp {
    let stale = record.stale_while_revalidate.max(record.stale_if_error).unwrap_or(0);
    fresh_until.saturating_add(Duration::from_secs(stale.into())).saturating_add(keep_stale)
}

impl Transaction<'_> {
    /// Does one task.
    pub(crate) fn perform(&mut self, numbered: &Numbered) -> Result<(), Failure> {
        let bytes = match &numbered.task {
            Task::Put(put) if put.fate.is_cancelled() => 0,
            Task::Put(put) => self.put(put)?,
            Task::Refresh(refresh) if refresh.fate.is_cancelled() => 0,
            Task::Refresh(refresh) => self.refresh(refresh)?,
            Task::Purge(purge, _) => {
                let covered = self.purge(purge)?;
                self.outcome.purged.push((numbered.number, covered));
                0
            }
            Task::Drop(broken) => self.drop_broken(*broken)?,
            Task::Recount => {
                self.totals.recount(self.connection)?;
                0
            }
        };
        self.finished(numbered.number);
        self.changed(bytes)
    }

    /// Gives the bytes written beside the row itself.
    fn put(&mut self, put: &Put) -> Result<u64, Failure> {
        let entry = &put.entry;
        let place = Place::of(&entry.key);
        let variant = rows::variant(&entry.record);
        let mut queue = None;
        let mut others = Vec::new();
        let siblings = if self.comes(place.hash) { self.siblings(&place)? } else { Vec::new() };
        // A batch whose transaction was committed, and that was told otherwise, is performed once more.
        if siblings.iter().any(|sibling| sibling.leaving.id == entry.id) {
            if let Some(file) = &put.file {
                file.set_written(true);
            }
            return Ok(0);
        }
        if !self.has_room(put)? {
            self.outcome.done.full += 1;
            return Ok(0);
        }
        for sibling in siblings {
            if sibling.variant == variant && sibling.is_replaced_by(&entry.record, entry.body_len) {
                queue = Some(sibling.leaving.queue);
                self.evictor.replaced(sibling.leaving.id, entry.id);
                self.delete(sibling.leaving)?;
            } else {
                others.push((sibling.born, sibling.leaving));
            }
        }
        self.limit_variants(others)?;
        let queue = queue.unwrap_or_else(|| self.evictor.place(place.hash as u64));
        self.insert(put, &place, variant, queue)?;
        self.outcome.done.written += 1;
        let labels = entry.record.tags.len() + entry.record.groups.len();
        Ok(if put.file.is_none() { entry.body_len } else { 0 } + labels as u64 * PAGE)
    }

    /// Makes room for one more among the rows of a key.
    fn limit_variants(&mut self, mut others: Vec<(i64, Leaving)>) -> Result<(), Failure> {
        others.sort_unstable_by_key(|(born, leaving)| std::cmp::Reverse((*born, leaving.seq)));
        while others.len() >= MAX_VARIANTS {
            if let Some((_, oldest)) = others.pop() {
                self.delete(oldest)?;
            }
        }
        Ok(())
    }

    fn siblings(&self, place: &Place<'_>) -> rusqlite::Result<Vec<Sibling>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, queue, stored_len, file, born, variant, facts, body_len FROM entry
             WHERE url = ? AND key_hash = ? AND key IS ?",
        )?;
        let sibling = |row: &Row<'_>| {
            let record = row.get_ref(7)?.as_blob().ok().and_then(|facts| codec::decode(facts).ok());
            Ok(Sibling {
                leaving: Leaving::of(row)?,
                born: row.get(5)?,
                variant: row.get(6)?,
                body_len: row.get::<_, i64>(8)? as u64,
                record: record.map(|facts| facts.record),
            })
        };
        statement.query_map((&place.url, place.hash, place.key), sibling)?.collect()
    }

    fn insert(&mut self, put: &Put, place: &Place<'_>, variant: i64, queue: Queue) -> rusqlite::Result<()> {
        let (entry, record) = (&put.entry, &put.entry.record);
        let options = &self.shared.options;
        let facts = codec::encode(record, &entry.head, &entry.trailers);
        let (coding, kept, stored_len) = if let Some(file) = &put.file {
            (file.coding(), Cow::Borrowed(file.table()), file.stored_len())
        } else {
            let (coding, kept) = inline(put, options.compress_from);
            let length = kept.len() as u64;
            (coding, kept, length)
        };
        let seq = self.totals.next();
        let stale_from = [record.stale_from, put.fate.stale_from()].into_iter().flatten().min();
        let now = self.shared.now().as_millis();
        let mut statement = self.connection.prepare_cached(INSERT)?;
        statement.execute(rusqlite::params![
            seq,
            place.url,
            place.hash,
            place.key,
            variant,
            entry.id as i64,
            seq,
            queue_number(queue),
            record.status,
            record.response_time.as_millis(),
            put.fresh_until.as_millis(),
            sweep_at(record, put.fresh_until, options.keep_stale).as_millis(),
            stale_from.map(Timestamp::as_millis),
            record.part.map(|part| part.first as i64),
            entry.body_len as i64,
            stored_len as i64,
            coding,
            now,
            facts,
            rows::facts_sum(entry.key.as_bytes(), entry.id, &facts),
            rows::body_sum(entry.id, &kept),
            put.file.as_ref().map(Kept::name),
            kept,
        ])?;
        self.totals.count(1, queue == Queue::Probation, stored_len as i64, put.file.is_some());
        self.label(record, &entry.key, seq)?;
        if let Some(file) = &put.file {
            file.set_written(true);
            self.landed += file.leased();
        }
        Ok(())
    }

    fn label(&self, record: &Record, key: &Key, seq: i64) -> rusqlite::Result<()> {
        if rows::labels(record).next().is_none() {
            return Ok(());
        }
        let origin = key.origin();
        let mut statement = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO label (kind, name, origin, seq) VALUES (?, ?, ?, ?)")?;
        for (kind, name) in rows::labels(record) {
            statement.execute((kind, name, &origin, seq))?;
        }
        Ok(())
    }

    fn refresh(&mut self, refresh: &Refresh) -> Result<u64, Failure> {
        let (entry, record) = (&refresh.entry, &refresh.entry.record);
        let place = Place::of(&entry.key);
        let (this, others): (Vec<_>, Vec<_>) =
            self.siblings(&place)?.into_iter().partition(|sibling| sibling.leaving.id == entry.id);
        let Some(this) = this.into_iter().next() else { return Ok(0) };
        for other in others {
            if other.is_replaced_by(record, entry.body_len) {
                self.delete(other.leaving)?;
            }
        }
        let facts = codec::encode(record, &entry.head, &entry.trailers);
        let stored_at = record.response_time.as_millis();
        let sweep_at = sweep_at(record, refresh.fresh_until, self.shared.options.keep_stale);
        let mut statement = self.connection.prepare_cached(
            "UPDATE entry SET stored_at = ?2, variant = ?3, born = ?4, status = ?5, stale_from = ?6, facts = ?7,
             facts_sum = ?8, fresh_until = ?9, sweep_at = ?10 WHERE seq = ?1",
        )?;
        let seq = this.leaving.seq;
        statement.execute(rusqlite::params![
            seq,
            stored_at,
            rows::variant(record),
            self.totals.next(),
            record.status,
            record.stale_from.map(Timestamp::as_millis),
            facts,
            rows::facts_sum(entry.key.as_bytes(), entry.id, &facts),
            refresh.fresh_until.as_millis(),
            sweep_at.as_millis(),
        ])?;
        if this.record.is_none_or(|old| old.tags != record.tags || old.groups != record.groups) {
            self.connection.prepare_cached("DELETE FROM label WHERE seq = ?")?.execute([seq])?;
            self.label(record, &entry.key, seq)?;
        }
        self.outcome.done.refreshed += 1;
        Ok(0)
    }

    fn drop_broken(&mut self, broken: Broken) -> Result<u64, Failure> {
        let leaving = self
            .connection
            .prepare_cached(&format!("SELECT {} FROM entry WHERE seq = ? AND id = ?", Leaving::COLUMNS))?
            .query_row((broken.seq, broken.id as i64), Leaving::of);
        match leaving {
            Ok(leaving) => {
                self.outcome.done.broken += u64::from(self.delete(leaving)?);
                Ok(0)
            }
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                // Or what it has left behind.
                let orphaned =
                    "DELETE FROM label WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM entry WHERE seq = ?1)";
                self.connection.prepare_cached(orphaned)?.execute([broken.seq])?;
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The content of a body; a copy only where it is in several pieces.
fn in_one_piece(body: &Segments) -> Cow<'_, [u8]> {
    let mut pieces = body.slices();
    match (pieces.next(), pieces.next()) {
        (None, _) => Cow::Borrowed(&[]),
        (Some(piece), None) => Cow::Borrowed(piece),
        _ => Cow::Owned(body.to_vec()),
    }
}

/// A body as a row keeps it.
fn inline(put: &Put, compress_from: Option<u64>) -> (u8, Cow<'_, [u8]>) {
    let body = put.entry.body.as_ref().map(in_one_piece).unwrap_or_default();
    let wanted = compress_from.is_some_and(|from| body.len() as u64 >= from);
    let small =
        (wanted && compress::compressible(&put.entry.head)).then(|| compress::compress(&body)).flatten();
    match small {
        Some(small) => (coding::ZSTD, small.into()),
        None => (coding::NONE, body),
    }
}
