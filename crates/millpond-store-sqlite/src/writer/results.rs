//! What becomes of a batch: it is in the file, is put off, or given up.
//!
//! What must not live here: what is written.

use super::transaction::{Failure, Outcome};
use super::{AGAIN, PATIENCE, Writer};
use crate::error::Fault;
use crate::pending::{Numbered, Task};
use crate::shared::Room;
use crate::stats::{add, count};
use millpond_exchange::{PurgeMode, Selector};
use std::time::{Duration, Instant};

/// How long nothing must have failed until an outage counts as over: a full disk takes some and refuses others.
const QUIET: Duration = Duration::from_secs(10);
/// How long purges that could not be written are left alone.
const PURGES_AGAIN: Duration = Duration::from_millis(200);

impl Writer {
    /// Counts what is in the file; what was rolled back is done again, or never.
    pub(super) fn count(&self, outcome: &Outcome) {
        let (counters, done) = (&self.shared.counters, &outcome.committed);
        add(&counters.written, done.written);
        add(&counters.refreshed, done.refreshed);
        add(&counters.evicted, done.evicted);
        add(&counters.moved, done.moved);
        add(&counters.swept, done.swept);
        add(&counters.corrupt_entries, done.broken);
        add(&counters.lost, done.full);
        add(&counters.purged, done.covered);
    }

    /// The tasks are in the file.
    pub(super) fn succeeded(&mut self, tasks: &mut [Numbered], outcome: &Outcome) {
        self.failing = false;
        if self.outage.is_some_and(|last| last.elapsed() >= QUIET) {
            self.outage = None;
            tracing::info!(path = %self.shared.options.path.display(), "the store takes entries again");
        }
        (self.put_off, self.healed, self.stuck, self.wedged) = (0, 0, false, 0);
        if tasks.iter().any(|task| is_of_all(&task.task)) {
            self.give_all_back();
        }
        self.reserve.make();
        self.shared.disk.relax(&self.shared.options.path);
        self.settle(tasks, outcome);
    }

    /// Nothing is left to do for these.
    fn settle(&self, tasks: &mut [Numbered], outcome: &Outcome) {
        for numbered in tasks.iter() {
            if let Task::Put(put) = &numbered.task
                && let Some(file) = &put.file
            {
                file.land();
            }
        }
        self.shared.done(tasks);
        for numbered in tasks {
            let replies = numbered.take_replies();
            if replies.is_empty() {
                continue;
            }
            // In the order in which they were done.
            let purged = &outcome.purged;
            let covered = purged.binary_search_by_key(&numbered.number, |(number, _)| *number);
            let covered = covered.map_or(0, |at| purged[at].1);
            for reply in replies {
                // Who asked may have gone.
                let _ = reply.send(Ok(covered));
            }
        }
    }

    /// Some of the tasks are in the file although what came after them is not: gives the others.
    pub(super) fn partly(&self, mut tasks: Vec<Numbered>, outcome: &Outcome) -> Vec<Numbered> {
        let done = tasks.partition_point(|task| task.number <= outcome.through);
        let rest = tasks.split_off(done);
        if !tasks.is_empty() {
            self.settle(&mut tasks, outcome);
        }
        rest
    }

    /// The tasks could not be written: they are put off where that may help, or given up. Purges are tried once more
    /// alone, since they need little room, and are never given up.
    pub(super) fn give_up(&mut self, tasks: Vec<Numbered>, failure: &Failure) {
        if matches!(failure, Failure::Exchanged) {
            self.put_back(tasks);
            return self.exchanged();
        }
        let log_full = matches!(failure, Failure::LogFull);
        let busy = log_full || matches!(failure, Failure::Sqlite(error) if Fault::of(error) == Fault::Busy);
        if busy && self.put_off < PATIENCE {
            self.put_off += 1;
            self.next_try = Instant::now() + AGAIN;
            count(&self.shared.counters.busy_writes);
            return self.put_back(tasks);
        }
        if busy {
            self.failing = true;
        }
        if busy && self.outage.replace(Instant::now()).is_none() {
            let does = if log_full { "reading" } else { "writing to" };
            tracing::warn!(
                path = %self.shared.options.path.display(),
                "somebody has been {does} the store for seconds; entries are not kept until that ends"
            );
        }
        self.put_off = 0;
        let damaged = matches!(failure, Failure::Sqlite(error) if Fault::of(error) == Fault::Damaged);
        let damaged = damaged || self.is_barred();
        self.failed(failure);
        if damaged && self.db.is_some() && self.healed < 2 {
            self.healed += 1;
            return self.put_back(tasks);
        }
        let (mut purges, others): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| matches!(task.task, Task::Purge(..)));
        self.check_files(&others);
        self.refuse(others, Vec::new());
        if purges.is_empty() {
            return;
        }
        let mut outcome = Outcome::default();
        let mut alone = self.transact(&mut outcome, |transaction| {
            purges.iter().try_for_each(|purge| transaction.perform(purge))
        });
        if alone.is_err() && purges.iter().any(|purge| is_of_all(&purge.task)) && self.is_disk_full() {
            // Nothing of the file is wanted any longer, so that a new one says the same.
            self.begin_anew();
            alone = self.transact(&mut outcome, |transaction| {
                purges.iter().try_for_each(|purge| transaction.perform(purge))
            });
        }
        if alone.is_ok() && self.db.is_some() {
            self.count(&outcome);
            self.succeeded(&mut purges, &outcome);
        } else {
            self.refuse(purges, Vec::new());
        }
    }

    fn put_back(&self, tasks: Vec<Numbered>) {
        self.shared.lock().put_back(tasks);
    }

    /// Some of the entries may have been committed before the failure: the files of the others go.
    fn check_files(&self, tasks: &[Numbered]) {
        let Some(db) = &self.db else { return };
        for task in tasks {
            let Task::Put(put) = &task.task else { continue };
            let Some(file) = &put.file else { continue };
            let known = db
                .connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry WHERE file = ?)")
                .and_then(|mut statement| statement.query_row([file.name()], |row| row.get(0)));
            // What cannot be told is left to the sweep of orphans.
            if known.is_ok_and(|known: bool| !known) {
                file.set_written(false);
            }
        }
    }

    /// Nothing comes of these, except of purges: what is stored must not be found again because they could not be
    /// written, so they stay in force and are tried again.
    pub(super) fn refuse(&mut self, tasks: Vec<Numbered>, room: Vec<Room>) {
        let (purges, tasks): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| matches!(task.task, Task::Purge(..)));
        let lost = tasks.iter().filter(|task| matches!(task.task, Task::Put(_))).count();
        add(&self.shared.counters.lost, lost as u64);
        let closing = lost > 0 && self.shared.lock().asked.closing;
        if closing {
            tracing::warn!(
                path = %self.shared.options.path.display(), entries = lost,
                "the store ends before these entries could be written; they will be fetched again"
            );
        }
        self.shared.done(&tasks);
        if !purges.is_empty() {
            self.stuck = true;
            self.next_try = Instant::now() + PURGES_AGAIN;
            self.shared.keep(purges);
        }
        for room in room {
            let _ = room.reply.send(false);
        }
    }

    /// Logs a failure, once for each outage, and does what it calls for.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let error = match failure {
            Failure::Exchanged => return self.exchanged(),
            Failure::LogFull => return count(&self.shared.counters.busy_writes),
            Failure::NewerSchema(found) => {
                let newer = self.newer(*found);
                return self.down(newer.to_string());
            }
            Failure::Sqlite(error) => error,
        };
        match Fault::of(error) {
            Fault::Damaged => self.heal_or_leave(&error.to_string()),
            Fault::Busy => count(&self.shared.counters.busy_writes),
            // It could be written to when it was opened.
            Fault::Disk if self.is_barred() => self.heal(&error.to_string()),
            Fault::Disk | Fault::Other => {
                self.failing = true;
                if self.outage.replace(Instant::now()).is_none() {
                    tracing::warn!(
                        path = %self.shared.options.path.display(), %error,
                        "cannot write to the store; entries are not kept until it works again"
                    );
                }
                if is_full(error) || self.is_disk_full() {
                    self.squeeze();
                }
            }
        }
    }

    /// True when SQLite takes the open file for one it must not write to: its header has come to name another format.
    fn is_barred(&self) -> bool {
        self.db.as_ref().is_some_and(|db| db.connection.is_readonly(rusqlite::MAIN_DB).unwrap_or(false))
    }
}

/// Whether it removes everything there is.
fn is_of_all(task: &Task) -> bool {
    matches!(task, Task::Purge(purge, _) if purge.selector == Selector::All && purge.mode == PurgeMode::Hard)
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}
