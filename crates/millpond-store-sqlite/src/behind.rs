//! The full check of the file behind what goes on: a thread of its own with a connection of its own, which looks at a
//! little and then rests.
//!
//! What must not live here: what can be wrong (`crate::check`).

use crate::check::{self, Bounds, Check, Depth, Wrong};
use crate::error::{Fault, unavailable};
use crate::inspect::{Finding, Verified, sums};
use crate::open;
use crate::pending::Task;
use crate::rows::Broken;
use crate::shared::Shared;
use crate::stats::{add, count};
use millpond_store::StoreError;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long after the start the first check begins: a start has enough to do.
const BEGINNING: Duration = Duration::from_secs(10);
/// After how long a check that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// What is looked at in one step: a few milliseconds, in which nobody can shorten the log.
const STEP: Bounds = Bounds { rows: 256, bytes: 4 << 20, time: Duration::from_millis(4) };
/// After each step it rests this many times as long as that took: then it takes a twentieth of one core and of the disk.
const REST: u32 = 19;
/// And this long at least and at most.
const RESTS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
/// How often a step is tried again while another process holds the file.
const BUSY: u32 = 50;
/// How often a check begins anew because there is another file.
const FILES: u32 = 4;
/// Findings that are kept to be told; more are only counted.
const TOLD: usize = 1_000;

/// Is told how long a step took, and rests; false where the check is to end.
type Pause<'a> = &'a mut dyn FnMut(Duration) -> bool;

/// Begins the thread that checks the file now and then, where the options ask for it.
pub(crate) fn spawn(shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let every = shared.options.check_every.filter(|_| shared.options.upkeep)?;
    let of = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("millpond-check".to_owned());
    thread
        .spawn(move || run(&of, every))
        .inspect_err(|error| tracing::warn!(%error, "the store's file is not checked in the background"))
        .ok()
}

fn run(shared: &Shared, every: Duration) {
    let mut rest = every.min(BEGINNING);
    let mut told = false;
    while shared.rest(rest) {
        // It is being opened, or down, which is told elsewhere.
        if shared.check_up().is_err() {
            rest = every.min(AGAIN);
            continue;
        }
        let checked =
            shared.check(&mut |worked| shared.rest(worked.saturating_mul(REST).clamp(RESTS.0, RESTS.1)));
        rest = match checked {
            Ok(_) => {
                told = false;
                every
            }
            // The store was closed meanwhile, which is no failure.
            Err(_) if !shared.rest(Duration::ZERO) => return,
            Err(error) => {
                if shared.check_up().is_ok() && !std::mem::replace(&mut told, true) {
                    let path = shared.options.path.display();
                    tracing::warn!(%path, %error, "the store's file could not be checked; trying again");
                } else {
                    tracing::debug!(%error, "the store's file could not be checked");
                }
                every.min(AGAIN)
            }
        };
    }
}

/// Why a check came to nothing.
enum Ended {
    /// There is another file.
    Exchanged,
    Failed(StoreError),
}

/// A check of one file.
struct Checking<'a> {
    shared: &'a Shared,
    /// Which file: see [`crate::read::ReadPool::generation`].
    generation: u64,
    verified: Verified,
    found: u64,
}

impl Shared {
    /// Checks the whole file, and has what is wrong put right by the thread that writes.
    pub(crate) fn check(&self, pause: Pause<'_>) -> Result<Verified, StoreError> {
        for _ in 0..FILES {
            self.check_up()?;
            let generation = self.pool.generation();
            let verified = Verified { repaired: true, ..Verified::default() };
            let mut checking = Checking { shared: self, generation, verified, found: 0 };
            match checking.whole_file(pause) {
                Ok(()) => return Ok(checking.told()),
                Err(Ended::Failed(error)) => return Err(error),
                Err(Ended::Exchanged) => {}
            }
        }
        Err(unavailable("the store's file is replaced again and again while it is checked"))
    }
}

impl Checking<'_> {
    fn whole_file(&mut self, pause: Pause<'_>) -> Result<(), Ended> {
        match self.go_through(pause)? {
            Ok(()) => Ok(()),
            Err(error) if Fault::of(&error) == Fault::Damaged => self.heal(error.to_string()),
            Err(error) => Err(Ended::Failed(unavailable(format!("cannot check the store's file: {error}")))),
        }
    }

    /// The errors of SQLite are within: some of them are what is looked for.
    fn go_through(&mut self, pause: Pause<'_>) -> Result<rusqlite::Result<()>, Ended> {
        let path = &self.shared.options.path;
        let connection = match self.patiently(pause, || open::reader(path))? {
            Ok(connection) => connection,
            Err(error) => return Ok(Err(error)),
        };
        match self.patiently(pause, || self_contained(&connection))? {
            Ok((complaints, sums)) => {
                if let Some(complaint) = complaints.into_iter().next() {
                    return self.heal(complaint).map(Ok);
                }
                self.recount(sums)?;
            }
            Err(error) => return Ok(Err(error)),
        }
        let bodies = self.shared.bodies.clone();
        let mut check = Check::new(&bodies, Depth { content: false, indexes: true });
        loop {
            let step = match self.patiently(pause, || check.step(&connection, STEP))? {
                Ok(step) => step,
                Err(error) => return Ok(Err(error)),
            };
            self.verified.entries += step.entries;
            self.verified.files += step.files;
            if let Some(damage) = step.wrong.iter().find_map(as_structure) {
                return self.heal(damage).map(Ok);
            }
            if let Err(error) = self.remove(&connection, &step.wrong)? {
                return Ok(Err(error));
            }
            if step.ended {
                return Ok(Ok(()));
            }
        }
    }

    /// Does `work`, again while somebody holds the file, and rests after it.
    fn patiently<T>(
        &self,
        pause: Pause<'_>,
        mut work: impl FnMut() -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, Ended> {
        let mut busy = 0;
        loop {
            let (began, result) = {
                let _turn = self.shared.looking();
                (Instant::now(), work())
            };
            if !pause(began.elapsed()) {
                return Err(Ended::Failed(unavailable("the store is closed")));
            }
            if self.shared.pool.generation() != self.generation {
                return Err(Ended::Exchanged);
            }
            match &result {
                Err(error) if Fault::of(error) == Fault::Busy && busy < BUSY => {
                    busy += 1;
                    if !self.shared.rest(RESTS.0) {
                        return Err(Ended::Failed(unavailable("the store is closed")));
                    }
                }
                _ => return Ok(result),
            }
        }
    }

    /// Has these removed, and sees whether they are.
    fn remove(&mut self, connection: &Connection, wrong: &[Wrong]) -> Result<rusqlite::Result<()>, Ended> {
        let broken: Vec<Broken> = wrong.iter().filter_map(as_broken).collect();
        if broken.is_empty() {
            return Ok(Ok(()));
        }
        for wrong in wrong {
            self.note(Finding::of(wrong));
        }
        self.put_right(broken.iter().copied().map(Task::Drop).collect())?;
        let gone = connection.prepare_cached("SELECT 1 FROM entry WHERE seq = ? AND id = ?").and_then(
            |mut there| {
                for row in &broken {
                    self.verified.repaired &= !there.exists(params![row.seq, row.id.cast_signed()])?;
                }
                Ok(())
            },
        );
        Ok(gone)
    }

    fn recount(&mut self, wrong: Vec<Finding>) -> Result<(), Ended> {
        if wrong.is_empty() {
            return Ok(());
        }
        for finding in wrong {
            self.note(finding);
        }
        self.put_right(vec![Task::Recount])
    }

    fn put_right(&self, tasks: Vec<Task>) -> Result<(), Ended> {
        self.shared.put_right(tasks);
        if self.shared.flush_blocking() { Ok(()) } else { Err(closed()) }
    }

    /// The file as a whole is damaged, as `what` shows: waits until it was set aside.
    fn heal(&mut self, what: String) -> Result<(), Ended> {
        self.note(Finding::Structure(what.clone()));
        let (done, wait) = sync_channel(1);
        let told = Box::new(move || {
            // Who waited may have gone.
            let _ = done.send(());
        });
        self.shared.have_healed(self.generation, what, Some(told));
        wait.recv().map_err(|_| closed())?;
        self.verified.repaired = self.shared.check_up().is_ok();
        Ok(())
    }

    fn note(&mut self, finding: Finding) {
        tracing::debug!(path = %self.shared.options.path.display(), %finding, "found by the check");
        self.found += 1;
        if self.verified.findings.len() < TOLD {
            self.verified.findings.push(finding);
        }
    }

    /// Counts and logs what came of it.
    fn told(self) -> Verified {
        let (counters, path) = (&self.shared.counters, self.shared.options.path.display());
        count(&counters.checks);
        add(&counters.check_findings, self.found);
        let (entries, found) = (self.verified.entries, self.found);
        if let Some(first) = self.verified.findings.first() {
            tracing::warn!(
                %path, entries, found, %first, repaired = self.verified.repaired,
                "the check of the store's file found what is not as it was written"
            );
        } else {
            tracing::debug!(%path, entries, "the store's file was checked");
        }
        self.verified
    }
}

fn closed() -> Ended {
    Ended::Failed(unavailable("the store was closed during the check"))
}

/// What SQLite says of the structure, and the sums that are wrong: of the whole file where that is read in a moment, else
/// of the tables that never grow. The rest is seen row by row.
fn self_contained(connection: &Connection) -> rusqlite::Result<(Vec<String>, Vec<Finding>)> {
    if !check::is_small(connection)? {
        return Ok((check::of_small_tables(connection)?, Vec::new()));
    }
    let complaints = check::structure(connection)?;
    let sums = if complaints.is_empty() { sums(connection)? } else { Vec::new() };
    Ok((complaints, sums))
}

/// What shows that the file is damaged as a whole.
fn as_structure(wrong: &Wrong) -> Option<String> {
    match wrong {
        Wrong::Structure(what) => Some(what.clone()),
        // The thread that writes could not tell it from others.
        Wrong::Entry { row, .. } if !matches!(row.id, Value::Integer(_)) => {
            Some(format!("row {} has no identity", row.seq))
        }
        _ => None,
    }
}

fn as_broken(wrong: &Wrong) -> Option<Broken> {
    match wrong {
        Wrong::Entry { row, .. } => match row.id {
            Value::Integer(id) => Some(Broken { seq: row.seq, id: id.cast_unsigned() }),
            _ => None,
        },
        Wrong::Labels { row } => Some(Broken { seq: *row, id: 0 }),
        Wrong::Structure(_) => None,
    }
}
