//! The file behind the writer: opened, found gone, set aside, looked into for purges of other processes.
//!
//! What must not live here: what is written.

use super::totals::Totals;
use super::transaction::{Failure, Outcome};
use super::{RETRY, Writer, log};
use crate::error::{Fault, OpenError};
use crate::file::{self, OrphanSweep};
use crate::heal;
use crate::open::{self, Db, FileId};
use crate::purge;
use crate::schema::SCHEMA_VERSION;
use crate::stats::{count, set};
use millpond_exchange::{PurgeMode, Selector};
use std::time::Instant;

impl Writer {
    /// Opens the file, for the first time or again; `damaged` is a file known to be so.
    pub(super) fn open(&mut self, mut damaged: Option<FileId>) -> Result<(), OpenError> {
        let mut again = true;
        loop {
            match self.open_once(damaged) {
                Err(OpenError::Database { source, .. }) if again && Fault::of(&source) == Fault::Damaged => {
                    damaged = self.db.take().map(|db| db.file);
                    again = false;
                }
                // What was kept aside for this is enough to open the file; the rest is done when something is written.
                Err(_) if again && self.is_disk_full() && self.reserve.give_up() => again = false,
                Err(error) => {
                    self.db = None;
                    return Err(error);
                }
                Ok(()) => break,
            }
        }
        self.shared.pool.renew();
        self.orphans = OrphanSweep::new(self.shared.now());
        self.reserve.make();
        self.retry.1 = RETRY.0;
        self.data_version = -1;
        self.shared.set_up();
        Ok(())
    }

    fn open_once(&mut self, damaged: Option<FileId>) -> Result<(), OpenError> {
        self.db = None;
        self.shared.filters.reset();
        let path = &self.shared.options.path;
        let database = |source| OpenError::database(path, source);
        let db = open::open(&self.shared.options, self.shared.disk.log_limit(), damaged)?;
        if let Some(aside) = &db.healed {
            count(&self.shared.counters.healed);
            tracing::warn!(
                path = %path.display(), aside = %aside.display(),
                "the store's file is damaged; it was set aside and a new one begun"
            );
        }
        self.shared.disk.aside_measured(heal::bytes_aside(path));
        let dir = open::bodies_dir(path);
        file::prepare(path).map_err(|source| OpenError::Directory { path: dir, source })?;
        match self.file.replace(db.file) {
            // What was purged before this process held anything is of no interest to it.
            None => self.last_purge = purge::newest(&db.connection).map_err(database)?,
            Some(before) if before == db.file => {}
            // Another process began this file: every purge in it is news.
            Some(_) => self.last_purge = 0,
        }
        self.db = Some(db);
        match self.measure() {
            // Another process is writing: it will be measured with the first batch.
            Err(Failure::Sqlite(error)) if Fault::of(&error) == Fault::Busy => Ok(()),
            // What is left of it can be read.
            Err(Failure::Sqlite(error))
                if Fault::of(&error) == Fault::Damaged && !self.shared.options.upkeep =>
            {
                Ok(())
            }
            Err(Failure::Sqlite(error)) => Err(OpenError::database(&self.shared.options.path, error)),
            Err(Failure::NewerSchema(found)) => Err(self.newer(found)),
            // The next look at the file begins anew with it.
            Err(Failure::Exchanged | Failure::LogFull) | Ok(()) => Ok(()),
        }
    }

    /// Notes what the file takes and holds.
    fn measure(&mut self) -> Result<(), Failure> {
        let mut outcome = Outcome::default();
        let Some(transaction) = self.begin(&mut outcome, usize::MAX)? else { return Ok(()) };
        let (taken, totals) = (transaction.taken()?, transaction.totals);
        drop(transaction);
        self.measured(taken, &totals);
        Ok(())
    }

    /// Tells everybody what the file takes and holds.
    pub(super) fn measured(&self, taken: u64, totals: &Totals) {
        let counters = &self.shared.counters;
        set(&counters.entries, totals.entries.max(0) as u64);
        set(&counters.file_bytes, totals.file_bytes.max(0) as u64);
        self.shared.disk.measured(taken);
        set(&counters.disk_bytes, taken + log::length(&self.shared));
    }

    /// The error of a file that a newer program migrated.
    pub(super) fn newer(&self, found: i64) -> OpenError {
        OpenError::NewerSchema { path: self.shared.options.path.clone(), found, known: SCHEMA_VERSION }
    }

    /// The store is down for `reason`.
    pub(super) fn down(&mut self, reason: String) {
        let path = &self.shared.options.path;
        tracing::warn!(path = %path.display(), reason, "the store is down; what is asked of it is fetched instead");
        self.db = None;
        self.unheard |= self.file.is_none();
        self.shared.set_down(reason);
        self.shared.pool.renew();
        self.retry = (Instant::now() + self.retry.1, (self.retry.1 * 2).min(RETRY.1));
        let tasks = { self.shared.lock().overlay.take(usize::MAX, u64::MAX) };
        self.refuse(tasks, Vec::new());
    }

    /// Tries to open a store that is down, when it is time to.
    pub(super) fn try_again(&mut self, closing: bool) {
        if closing || Instant::now() < self.retry.0 {
            return;
        }
        let before = self.file;
        match self.open(None) {
            Ok(()) => {
                // Others may have purged, in the old one or before this one could be opened at all, while what lies above
                // filled itself, and nobody listened. Of the same file none is missed: the purges are numbered.
                if std::mem::take(&mut self.unheard) || self.file != before {
                    self.purged_unheard();
                }
                tracing::info!(path = %self.shared.options.path.display(), "the store is up again");
            }
            Err(error) => {
                tracing::debug!(%error, "the store is still down");
                self.shared.set_down(error.to_string());
                self.retry = (Instant::now() + self.retry.1, (self.retry.1 * 2).min(RETRY.1));
            }
        }
    }

    /// The file is damaged: heals it, or leaves it as it is where nobody keeps the store up or writes to it. What can be
    /// read of it then is served, and the rest is not found.
    pub(super) fn heal_or_leave(&mut self, what: &str) {
        if self.shared.options.upkeep || self.replaces {
            return self.heal(what);
        }
        if !std::mem::replace(&mut self.told_damage, true) {
            tracing::warn!(
                path = %self.shared.options.path.display(), what,
                "the store's file is damaged; what can be read of it is served, and nothing is changed"
            );
        }
    }

    /// Sets the file aside and begins a new one; what waits goes into that.
    pub(super) fn heal(&mut self, what: &str) {
        let damaged = self.db.as_ref().map(|db| db.file);
        tracing::warn!(path = %self.shared.options.path.display(), what, "the store's file is damaged");
        self.reopen(damaged);
    }

    /// Another file, or none, is in the place of the one that is open: begins with that.
    pub(super) fn exchanged(&mut self) {
        count(&self.shared.counters.reopened);
        tracing::warn!(
            path = %self.shared.options.path.display(),
            "the store's file is gone or another one; beginning with what is there"
        );
        self.reopen(None);
    }

    /// Opens the file anew. What others purged in the old one until then is listened to through the old connection:
    /// before, since opening may take a while, and after. Whoever commits a purge later than that sees that the file is
    /// another one, and purges in that. The connection that stays open keeps the inode from being given to a new file.
    fn reopen(&mut self, damaged: Option<FileId>) {
        self.shared.pool.renew();
        let old = self.db.take();
        let heard = old.as_ref().and_then(|db| self.remaining_purges(db, self.last_purge));
        let opened = self.open(damaged);
        if let (Some(old), Some(heard)) = (&old, heard) {
            self.remaining_purges(old, heard);
        }
        drop(old);
        if let Err(error) = opened {
            self.down(error.to_string());
        }
    }

    /// Tells what was purged after number `last` in a file that is left. Gives the last number, or none where it cannot
    /// be read: then everything may have been purged.
    pub(super) fn remaining_purges(&self, old: &Db, last: i64) -> Option<i64> {
        match purge::since(&old.connection, last) {
            Ok(purges) => Some(purges.into_iter().fold(last, |_, foreign| {
                self.shared.purged_elsewhere(&foreign.selector, foreign.mode, foreign.now);
                foreign.number
            })),
            Err(error) => {
                tracing::debug!(%error, "what others purged last cannot be read; taking it for everything");
                self.purged_unheard();
                None
            }
        }
    }

    /// Others may have purged anything.
    fn purged_unheard(&self) {
        self.shared.purged_elsewhere(&Selector::All, PurgeMode::Hard, self.shared.now());
    }

    /// Looks for what other processes did, and for the file itself; takes in uses.
    pub(super) fn poll(&mut self) {
        let now = Instant::now();
        self.next_poll = now + self.shared.options.poll_interval;
        self.take_uses();
        let Some(db) = &self.db else { return };
        if !db.file.is_at(&self.shared.options.path) {
            return self.exchanged();
        }
        if self.shared.disk.is_over() && self.shared.options.upkeep {
            self.shared.forget_aside();
        }
        match self.foreign_purges().and_then(|()| self.know_more()).and_then(|()| self.shorten_log()) {
            Ok(()) => {}
            Err(error) => self.failed(&Failure::Sqlite(error)),
        }
    }

    /// Takes in what lookups noted.
    pub(super) fn take_uses(&mut self) {
        let used_at = self.shared.now().as_millis();
        let (evictor, tally) = (&mut self.evictor, &mut self.tally);
        self.shared.uses.take(|id, noted| {
            for _ in 0..noted.count.min(4) {
                evictor.used(id);
            }
            tally.add(id, noted, used_at);
        });
    }

    /// Applies what other processes purged, if anything was changed by one.
    fn foreign_purges(&mut self) -> rusqlite::Result<()> {
        let Some(db) = &self.db else { return Ok(()) };
        let mut statement = db.connection.prepare_cached("PRAGMA data_version")?;
        let version: i64 = statement.query_row([], |row| row.get(0))?;
        if version == self.data_version {
            return Ok(());
        }
        for foreign in purge::since(&db.connection, self.last_purge)? {
            self.shared.purged_elsewhere(&foreign.selector, foreign.mode, foreign.now);
            self.last_purge = foreign.number;
        }
        self.shared.filters.changed_elsewhere();
        self.data_version = version;
        // What others have written takes room too.
        let totals = Totals::read(&db.connection)?;
        let pages: i64 =
            db.connection.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
        let taken = (pages.max(0) as u64).saturating_mul(open::PAGE);
        self.measured(taken.saturating_add(totals.file_bytes.max(0) as u64), &totals);
        Ok(())
    }
}
