//! What is done now and then: rows nobody will miss leave, and uses are written down.
//!
//! What must not live here: what counts as a use.

use super::transaction::{Failure, Leaving, Transaction};
use crate::uses::Use;
use foldhash::fast::RandomState;
use rusqlite::Connection;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The time in which all rows of a store may be swept, at the least: a clock that jumps must not empty it before somebody
/// sees that.
const ALL: Duration = Duration::from_secs(1_000);
/// The longest time for which sweeps that were due are made up.
const BEHIND: Duration = Duration::from_secs(10);
/// How long sweeps lie apart.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// How long the uses of entries are gathered before they are written.
const GATHER: Duration = Duration::from_secs(60);
/// How many rows are changed for them each time: those used most. Where every hit is of another entry, writing all of
/// them down would be a write for each hit.
const EACH_TIME: usize = 2_000;
/// How many are changed when the store is closed.
const AT_LAST: usize = 20_000;
/// How many rows are changed for them in one go.
const ROWS: usize = 500;
/// Entries whose uses are gathered at most.
const MOST: usize = 200_000;

/// Uses and the time of the last, by the id of the entry.
type Gathering = HashMap<u64, (Use, i64), RandomState>;

/// Uses not written down yet.
pub(crate) struct Tally {
    gathering: Gathering,
    /// What is being written, a few rows at a time.
    writing: Vec<(u64, (Use, i64))>,
    since: Instant,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { gathering: HashMap::default(), writing: Vec::new(), since: Instant::now() }
    }

    pub(crate) fn add(&mut self, id: u64, noted: Use, now: i64) {
        if self.gathering.len() >= MOST && !self.gathering.contains_key(&id) {
            return;
        }
        let (sum, at) = self.gathering.entry(id).or_default();
        *sum = Use { seq: noted.seq, count: sum.count.saturating_add(noted.count) };
        *at = now;
    }

    /// What is to be written now. `all` leaves nothing behind.
    pub(crate) fn due(&mut self, all: bool) -> Vec<(u64, (Use, i64))> {
        if all || (self.writing.is_empty() && self.since.elapsed() >= GATHER) {
            let most = if all { AT_LAST } else { EACH_TIME };
            self.writing.extend(used_most(&mut self.gathering, most));
            // Neighbours share a page.
            self.writing.sort_unstable_by_key(|(_, (noted, _))| noted.seq);
            self.since = Instant::now();
        }
        let rest = if all { 0 } else { self.writing.len().saturating_sub(ROWS) };
        self.writing.split_off(rest)
    }
}

/// Takes up to `most` of those with the most uses.
fn used_most(gathering: &mut Gathering, most: usize) -> Vec<(u64, (Use, i64))> {
    let mut all: Vec<_> = gathering.drain().collect();
    if all.len() > most {
        all.select_nth_unstable_by_key(most, |(_, (noted, _))| std::cmp::Reverse(noted.count));
        gathering.extend(all.drain(most..));
    }
    all
}

/// How many rows may be swept now: a part of all there are for the time that has passed.
pub(crate) struct Allowance {
    /// Parts of a row that were left over.
    rows: f64,
    since: Instant,
}

impl Allowance {
    pub(crate) fn new() -> Self {
        Self { rows: 1.0, since: Instant::now() }
    }

    /// Takes what there is, for a store of `entries`.
    pub(crate) fn take(&mut self, entries: i64) -> i64 {
        let passed = self.since.elapsed().min(BEHIND);
        self.since = Instant::now();
        self.rows += entries.max(0) as f64 * passed.as_secs_f64() / ALL.as_secs_f64();
        let whole = self.rows.floor();
        self.rows -= whole;
        whole as i64
    }
}

/// True when there is something to sweep.
pub(crate) fn is_due(connection: &Connection, now: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry WHERE sweep_at < ?)")?
        .query_row([now], |row| row.get(0))
}

impl Transaction<'_> {
    /// Removes some of what nobody will miss.
    pub(crate) fn sweep(&mut self, allowance: &mut Allowance) -> Result<(), Failure> {
        let most = allowance.take(self.totals.entries);
        let sql =
            "SELECT seq, id, queue, stored_len, file FROM entry WHERE sweep_at < ? ORDER BY sweep_at LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((self.shared.now().as_millis(), most), Leaving::of)?;
        let leaving: Vec<Leaving> = rows.collect::<Result<_, _>>()?;
        drop(statement);
        for row in leaving {
            self.outcome.done.swept += u64::from(self.delete(row)?);
            self.changed(0)?;
        }
        Ok(())
    }

    /// Writes uses down. Those of rows that moved since are lost: they are for people to look at.
    pub(crate) fn note_uses(&mut self, uses: &[(u64, (Use, i64))]) -> Result<(), Failure> {
        for (id, (noted, at)) in uses {
            self.connection
                .prepare_cached("UPDATE entry SET hits = hits + ?, used_at = ? WHERE seq = ? AND id = ?")?
                .execute((noted.count, at, noted.seq, *id as i64))?;
            self.changed(0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_used_are_written_down_and_the_others_wait() {
        let mut tally = Tally::new();
        for id in 0..50_000_u64 {
            let count = if id % 10 == 0 { 5 } else { 1 };
            tally.add(id, Use { seq: id as i64, count }, 1);
        }
        let mut written = Vec::new();
        loop {
            let some = tally.due(written.is_empty());
            if some.is_empty() {
                break;
            }
            written.extend(some);
        }
        assert_eq!(written.len(), AT_LAST);
        assert_eq!(written.iter().filter(|(_, (noted, _))| noted.count == 5).count(), 5_000);
        assert_eq!(tally.gathering.len(), 50_000 - AT_LAST);
    }
}
