//! Making room: rows leave until what is kept is within its bounds.
//!
//! What must not live here: which of two rows is worth more (`crate::evict`).

use super::totals::Totals;
use super::transaction::{Failure, Leaving, Transaction, queue, queue_number};
use crate::disk;
use crate::evict::{Queue, Verdict};
use crate::file::Kept;
use crate::open::PAGE;
use crate::pending::Put;
use crate::rows;
use rusqlite::OptionalExtension;
use std::time::{Duration, Instant};

/// Room made beyond what is asked for, as a part of the limit: so that not every entry has to make its own.
const AHEAD: u64 = 256;

/// How long room is made in one turn beyond what is asked for.
const TURN: Duration = Duration::from_millis(100);
/// Free pages given back before it is seen whether the transaction is large enough.
const STEP: u64 = 8;

/// From how much above its limit on the store comes down in several turns, bytes.
fn far(limit: u64) -> u64 {
    (limit / 16).min(16 << 20)
}

/// The oldest row of a queue.
struct Oldest {
    leaving: Leaving,
    hash: i64,
    used_above: bool,
}

impl Transaction<'_> {
    /// Evicts until there are `entries` fewer than the limit, and `bytes` are free below that of the disk.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Result<(), Failure> {
        if !self.shared.options.upkeep {
            return Ok(());
        }
        let limit = self.shared.disk.limit();
        let in_progress = self.shared.disk.in_progress().saturating_sub(self.landed);
        let disk = &self.shared.disk;
        if self.live()?.saturating_add(bytes).saturating_add(in_progress).saturating_add(disk.useless())
            > limit
        {
            self.shared.forget_aside();
        }
        let wanted = bytes.saturating_add(in_progress).saturating_add(disk.useless());
        let before = self.live()?;
        let since = Instant::now();
        if before.saturating_add(wanted) > limit {
            let ahead = limit / AHEAD;
            // Where the limit was lowered there is much to do: then so much goes at a time that it comes down in the end.
            let enough = before.saturating_sub(wanted.saturating_mul(2)).saturating_sub(ahead);
            let enough = if enough > limit.saturating_add(far(limit)) { enough } else { 0 };
            loop {
                let live = self.live()?;
                let done = live.saturating_add(wanted).saturating_add(ahead) <= limit;
                if self.totals.entries <= 0 || done || (live < enough && since.elapsed() > TURN) {
                    break;
                }
                self.evict_next()?;
            }
        }
        while self.totals.entries.max(0) as u64 > self.shared.options.max_entries {
            self.evict_next()?;
        }
        self.shrink_file(wanted)
    }

    /// Evicts up to `most` rows, or gives up to `most` free pages back where enough left: as much as a log that has next to
    /// no room takes. True when there is more to do.
    pub(crate) fn make_a_little_room(&mut self, most: usize) -> Result<bool, Failure> {
        let limit = self.shared.disk.limit();
        for _ in 0..most {
            if self.totals.entries <= 0 || self.live()? <= limit {
                self.vacuum(most as u64)?;
                return Ok(self.taken()? > limit && self.pages("freelist_count")? > 0);
            }
            self.evict_one()?;
        }
        Ok(true)
    }

    /// False where `put` does not fit, and nothing may leave for it.
    pub(crate) fn has_room(&self, put: &Put) -> Result<bool, Failure> {
        if self.shared.options.upkeep {
            return Ok(true);
        }
        let coming = rows::weight(&put.entry).saturating_add(put.file.as_ref().map_or(0, Kept::stored_len));
        let entries = self.totals.entries.max(0) as u64;
        let coming = coming.saturating_add(self.shared.disk.useless());
        let fits = self.live()?.saturating_add(coming) <= self.shared.disk.limit();
        Ok(fits && entries < self.shared.options.max_entries)
    }

    /// What rows and files take, pages that are free again left out.
    fn live(&self) -> rusqlite::Result<u64> {
        let pages = self.pages("page_count")?.saturating_sub(self.pages("freelist_count")?);
        Ok(pages * PAGE + self.totals.file_bytes.max(0) as u64)
    }

    /// What database and files take on the disk.
    pub(crate) fn taken(&self) -> rusqlite::Result<u64> {
        Ok(self.pages("page_count")? * PAGE + self.totals.file_bytes.max(0) as u64)
    }

    fn pages(&self, of: &str) -> rusqlite::Result<u64> {
        let sql = if of == "page_count" { "PRAGMA page_count" } else { "PRAGMA freelist_count" };
        let pages: i64 = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(pages.max(0) as u64)
    }

    /// Gives free pages back where they are what is in the way: a file never shrinks by itself, and bodies in files may
    /// need the room that rows once had. Where there are many it takes several turns.
    fn shrink_file(&mut self, wanted: u64) -> Result<(), Failure> {
        let (before, since) = (self.taken()?, Instant::now());
        let limit = self.shared.disk.limit();
        loop {
            let taken = self.taken()?;
            let over = taken.saturating_add(wanted).saturating_sub(limit);
            let free = self.pages("freelist_count")?;
            let enough = before.saturating_sub(taken) > wanted.saturating_mul(2) && over > far(limit);
            let log_full = self.shared.disk.is_log_full();
            if over == 0 || free == 0 || log_full || (enough && since.elapsed() > TURN) {
                return Ok(());
            }
            self.vacuum(over.div_ceil(PAGE).min(free).min(STEP))?;
            // A page that moves is written, and so are those that lead to it.
            self.changed(STEP * disk::PER_ROW)?;
            if self.taken()? >= taken {
                return Ok(());
            }
        }
    }

    /// Gives up to `pages` free pages back.
    fn vacuum(&mut self, pages: u64) -> rusqlite::Result<()> {
        // Each step gives one page back.
        let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut steps = vacuum.query([])?;
        while steps.next()?.is_some() {}
        Ok(())
    }

    /// Evicts one row, where the log has room for that.
    fn evict_next(&mut self) -> Result<(), Failure> {
        // What evictions give back is no help against it: they are written to the log themselves.
        if self.shared.disk.is_log_full() { Err(Failure::LogFull) } else { self.evict_one() }
    }

    fn evict_one(&mut self) -> Result<(), Failure> {
        self.evictor.holds(self.totals.entries.max(0) as u64);
        let (probation, main) = self.totals.queues();
        let first = self.evictor.next(probation, main);
        let other = if first == Queue::Probation { Queue::Main } else { Queue::Probation };
        let Some(oldest) = self.oldest(first)?.map_or_else(|| self.oldest(other), |row| Ok(Some(row)))?
        else {
            // The sums say there are rows, and there are none: whatever wrote them, they are mended here.
            tracing::warn!(path = %self.shared.options.path.display(), "the sums of the store did not fit its rows");
            self.totals = Totals { next_seq: self.totals.next_seq, ..Totals::default() };
            return Ok(());
        };
        let (id, from) = (oldest.leaving.id, oldest.leaving.queue);
        match self.evictor.judge(id, oldest.hash as u64, from, oldest.used_above) {
            Verdict::Evict => {
                self.delete(oldest.leaving)?;
                self.outcome.done.evicted += 1;
                self.changed(0)
            }
            Verdict::Move(to) => {
                let row = oldest.leaving;
                self.move_row(&row, to)?;
                self.outcome.done.moved += 1;
                self.changed(if row.file.is_none() { row.stored_len.max(0) as u64 } else { 0 })
            }
        }
    }

    fn oldest(&self, of: Queue) -> rusqlite::Result<Option<Oldest>> {
        let above = self.shared.above();
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, queue, stored_len, file, key_hash, url, key FROM entry WHERE queue = ?
             ORDER BY seq LIMIT 1",
        )?;
        statement
            .query_row([queue_number(of)], |row| {
                let used_above = match above {
                    Some(above) => {
                        let (url, key) = (row.get_ref(6)?.as_str()?, row.get_ref(7)?.as_blob_or_null()?);
                        rows::key_of(url, key).is_some_and(|key| above.uses(&key))
                    }
                    None => false,
                };
                let mut leaving = Leaving::of(row)?;
                leaving.queue = queue(queue_number(of));
                Ok(Oldest { leaving, hash: row.get(5)?, used_above })
            })
            .optional()
    }

    /// Writes a row anew behind all others, so that the pages before them become free as a whole.
    fn move_row(&mut self, row: &Leaving, to: Queue) -> rusqlite::Result<()> {
        let seq = self.totals.next();
        self.connection.prepare_cached("UPDATE entry SET seq = ?, queue = ? WHERE seq = ?")?.execute((
            seq,
            queue_number(to),
            row.seq,
        ))?;
        self.connection.prepare_cached("UPDATE label SET seq = ? WHERE seq = ?")?.execute((seq, row.seq))?;
        self.totals.count(-1, row.queue == Queue::Probation, row.stored_len, row.file.is_some());
        self.totals.count(1, to == Queue::Probation, row.stored_len, row.file.is_some());
        Ok(())
    }
}
