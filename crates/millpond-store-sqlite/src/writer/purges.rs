//! Purges in SQL: what they cover is removed or marked.
//!
//! What must not live here: which rows those are (`crate::walk`), how other processes learn of it (`crate::purge`).

use super::totals::Totals;
use super::transaction::{Failure, Leaving, Transaction};
use crate::pending::Purge;
use crate::purge;
use crate::walk::Walk;
use millpond_exchange::{PurgeMode, Selector, Timestamp};
use rusqlite::OptionalExtension;

impl Transaction<'_> {
    /// Removes or marks what a purge covers, and tells the other processes with the last of it: what they have read of
    /// it until then they forget.
    pub(super) fn purge(&mut self, purge: &Purge) -> Result<u64, Failure> {
        let (mut covered, mut since) = (0, i64::MIN);
        loop {
            let (begun, next) = (self.begun, self.totals.next_seq);
            let (met, changed) = self.go_through(purge, since)?;
            // What came in between is not counted twice where it is only marked.
            covered += if since == i64::MIN { met } else { changed };
            // Others wrote between two transactions, and maybe where this one had been already. Rows come at the end
            // of those in order of their number.
            if self.begun == begun || purge.selector == Selector::All {
                break;
            }
            since = next;
        }
        if purge.mode == PurgeMode::Hard && purge.selector == Selector::All {
            self.mend_empty()?;
        }
        let bytes = crate::disk::purges(self.shared.options.max_bytes);
        let number = purge::announce(self.connection, &purge.selector, purge.mode, purge.now, bytes)?;
        self.announced(number);
        Ok(covered)
    }

    /// Does to the rows from number `since` on what a purge does to them. Gives how many there were, and how many were
    /// changed.
    fn go_through(&mut self, purge: &Purge, since: i64) -> Result<(u64, u64), Failure> {
        let mut walk = Walk::of(&purge.selector, since);
        let (mut met, mut changed) = (0, 0);
        loop {
            let rows = walk.next(self.connection)?;
            if rows.is_empty() {
                return Ok((met, changed));
            }
            for seq in rows {
                let was_changed = match purge.mode {
                    PurgeMode::Soft => self.mark_stale(seq, purge.now)?,
                    PurgeMode::Hard => self.remove(seq)?,
                };
                let is_met = was_changed || purge.mode == PurgeMode::Soft;
                met += u64::from(is_met);
                self.outcome.done.covered += u64::from(if since == i64::MIN { is_met } else { was_changed });
                if was_changed {
                    changed += 1;
                    self.changed(0)?;
                }
            }
        }
    }

    /// False where the row is gone by now.
    fn remove(&mut self, seq: i64) -> rusqlite::Result<bool> {
        let leaving = self
            .connection
            .prepare_cached("SELECT seq, id, queue, stored_len, file FROM entry WHERE seq = ?")?
            .query_row([seq], Leaving::of)
            .optional()?;
        leaving.map_or(Ok(false), |leaving| self.delete(leaving))
    }

    /// False where the row was stale by then already, or is gone.
    fn mark_stale(&mut self, seq: i64, now: Timestamp) -> rusqlite::Result<bool> {
        let now = now.as_millis();
        let mut statement = self.connection.prepare_cached(
            "UPDATE entry SET stale_from = ?2 WHERE seq = ?1 AND (stale_from IS NULL OR stale_from > ?2)",
        )?;
        Ok(statement.execute((seq, now))? > 0)
    }

    /// The sums over no rows are known.
    fn mend_empty(&mut self) -> rusqlite::Result<()> {
        if Totals::are_there_rows(self.connection)? {
            return Ok(());
        }
        self.totals = Totals { next_seq: self.totals.next_seq, ..Totals::default() };
        Ok(())
    }
}
