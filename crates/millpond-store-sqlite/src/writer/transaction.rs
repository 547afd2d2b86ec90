//! One transaction of the writer, and the changes to rows everything else is made of.
//!
//! What must not live here: why a row comes or goes.

use super::log::Log;
use super::totals::Totals;
use crate::disk;
use crate::evict::{Evictor, Queue};
use crate::file;
use crate::open::PAGE;
use crate::purge;
use crate::schema::{SCHEMA_VERSION, user_version};
use crate::shared::Shared;
use rusqlite::{Connection, Row};

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    /// The file was migrated by a newer program meanwhile.
    NewerSchema(i64),
    /// Another file has come into its place meanwhile: what was committed is in one that nobody looks at.
    Exchanged,
    /// Somebody who reads keeps the log from being brought back, and what is set apart for it is used up.
    LogFull,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What a transaction, or several in a row, did.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Entries covered by each purge, by the number of its task.
    pub(crate) purged: Vec<(u64, u64)>,
    /// What was done so far, committed or not.
    pub(crate) done: Done,
    /// What of that is committed.
    pub(crate) committed: Done,
    /// The tasks up to this number are committed, also where the rest came to nothing.
    pub(crate) through: u64,
}

/// Counts of what was done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) written: u64,
    pub(crate) refreshed: u64,
    pub(crate) evicted: u64,
    pub(crate) moved: u64,
    pub(crate) swept: u64,
    /// Entries removed or marked by purges.
    pub(crate) covered: u64,
    /// Rows that were not what was written.
    pub(crate) broken: u64,
    /// Entries there was no room for, where none may be made.
    pub(crate) full: u64,
}

/// An open transaction. What it did is undone unless [`Transaction::commit`] was called.
pub(crate) struct Transaction<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) shared: &'a Shared,
    pub(crate) evictor: &'a mut Evictor,
    /// The newest purge of any process that this one knows.
    pub(crate) last_purge: &'a mut i64,
    log: &'a mut Log,
    pub(crate) totals: Totals,
    pub(crate) outcome: &'a mut Outcome,
    /// How many transactions were begun so far, each where the one before ended.
    pub(crate) begun: u64,
    /// Rows changed since it began.
    changed: usize,
    /// How many may be changed before it is committed and another one begun.
    most: usize,
    /// What files hold as bodies in progress that are counted in `totals` by now.
    pub(crate) landed: u64,
    /// Files to remove once it is committed.
    files: Vec<String>,
    /// The newest purge written in it.
    announced: i64,
    open: bool,
    /// True when the filter of keys knows all rows there are.
    all_known: bool,
    /// The number of the last task that is done, and will be committed with what was done last.
    finished: u64,
}

/// What is known of a row that goes.
pub(crate) struct Leaving {
    pub(crate) seq: i64,
    pub(crate) id: u64,
    pub(crate) queue: Queue,
    pub(crate) stored_len: i64,
    pub(crate) file: Option<String>,
}

impl Leaving {
    /// The columns [`Leaving::of`] reads.
    pub(crate) const COLUMNS: &'static str = "seq, id, queue, stored_len, file";

    pub(crate) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get::<_, i64>(1)? as u64,
            queue: queue(row.get(2)?),
            stored_len: row.get(3)?,
            file: row.get(4)?,
        })
    }
}

/// The queue a row with this number in column `queue` is in.
pub(crate) fn queue(number: i64) -> Queue {
    if number == 0 { Queue::Probation } else { Queue::Main }
}

/// The number of a queue in column `queue`.
pub(crate) fn queue_number(queue: Queue) -> i64 {
    match queue {
        Queue::Probation => 0,
        Queue::Main => 1,
    }
}

impl<'a> Transaction<'a> {
    /// Begins one, and applies what other processes purged. Where more than `most` rows are changed it becomes several, one behind the
    /// other, and the log is kept short between them.
    pub(crate) fn begin(
        connection: &'a Connection,
        shared: &'a Shared,
        evictor: &'a mut Evictor,
        last_purge: &'a mut i64,
        log: &'a mut Log,
        outcome: &'a mut Outcome,
        most: usize,
    ) -> Result<Self, Failure> {
        let mut this = Self {
            connection,
            shared,
            evictor,
            last_purge,
            log,
            totals: Totals::default(),
            outcome,
            begun: 0,
            changed: 0,
            most,
            landed: 0,
            files: Vec::new(),
            announced: 0,
            open: false,
            all_known: false,
            finished: 0,
        };
        this.start()?;
        Ok(this)
    }

    fn start(&mut self) -> Result<(), Failure> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.open = true;
        self.begun += 1;
        let version = user_version(self.connection)?;
        if version > SCHEMA_VERSION {
            return Err(Failure::NewerSchema(version));
        }
        self.totals = Totals::read_or_mend(self.connection, &self.shared.options.path)?;
        self.all_known = self.shared.filters.speaks_for(self.totals.next_seq);
        for foreign in purge::since(self.connection, *self.last_purge)? {
            self.shared.purged_elsewhere(&foreign.selector, foreign.mode, foreign.now);
            *self.last_purge = foreign.number;
        }
        Ok(())
    }

    /// Makes what was done last.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        self.totals.write(self.connection)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.open = false;
        if self.all_known {
            self.shared.filters.saw(self.totals.next_seq, true);
        }
        self.changed = 0;
        self.outcome.through = self.outcome.through.max(self.finished);
        self.outcome.committed = self.outcome.done;
        *self.last_purge = (*self.last_purge).max(self.announced);
        for name in self.files.drain(..) {
            file::remove(&self.shared.bodies, &name);
        }
        Ok(())
    }

    /// The task with this number has nothing left to do: from the next commit on it must not be performed again, since
    /// others may have changed what it left.
    pub(crate) fn finished(&mut self, task: u64) {
        self.finished = task;
    }

    /// One more row was changed. When there are many, what was done so far is committed and another transaction begun,
    /// so that neither the log nor the time others wait grows with what there is to do.
    ///
    /// `bytes` are what the row holds, where they were written too.
    pub(crate) fn changed(&mut self, bytes: u64) -> Result<(), Failure> {
        self.changed += 1 + (bytes / disk::PER_ROW) as usize;
        if self.changed >= self.most {
            let taken = self.taken()?;
            self.commit()?;
            self.log.shorten(self.shared, self.connection)?;
            self.shared.disk.measured(taken);
            self.start()?;
        }
        Ok(())
    }

    /// Removes a row.
    pub(crate) fn delete(&mut self, leaving: Leaving) -> rusqlite::Result<bool> {
        let deleted = self
            .connection
            .prepare_cached("DELETE FROM entry WHERE seq = ? AND id = ?")?
            .execute((leaving.seq, leaving.id as i64))?;
        if deleted == 0 {
            return Ok(false);
        }
        let labels =
            self.connection.prepare_cached("DELETE FROM label WHERE seq = ?")?.execute([leaving.seq])?;
        // Each may lie in a page of its own.
        self.changed += labels / (disk::PER_ROW / PAGE) as usize;
        let probation = leaving.queue == Queue::Probation;
        self.totals.count(-1, probation, leaving.stored_len, leaving.file.is_some());
        self.evictor.gone(leaving.id);
        self.files.extend(leaving.file);
        Ok(true)
    }

    /// A row with the key hash `hash` is about to be written. False when none has it now.
    pub(crate) fn comes(&mut self, hash: i64) -> bool {
        let filters = &self.shared.filters;
        let may_exist = !self.all_known || !filters.excludes(hash);
        filters.add(hash);
        may_exist
    }

    /// A purge was announced under this number.
    pub(crate) fn announced(&mut self, number: i64) {
        self.announced = number;
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            // SQLite rolls back by itself upon some errors; then there is nothing left to do.
            tracing::debug!(%error, "nothing to roll back");
        }
    }
}
