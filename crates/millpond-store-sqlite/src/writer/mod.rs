//! The thread that writes: the only one that changes the file. It gathers tasks, writes them together, looks for what
//! other processes did, and opens, heals and reopens the file.
//!
//! What must not live here: what lookups do.

mod evict;
mod file_state;
mod full;
mod known;
mod log;
mod purges;
mod results;
mod sweep;
mod tasks;
mod totals;
mod transaction;

use crate::error::OpenError;
use crate::evict::Evictor;
use crate::file::OrphanSweep;
use crate::open::{Db, FileId};
use crate::pending::{Numbered, Task};
use crate::shared::{Flush, Room, Shared};
use crate::stats::count;
use full::Reserve;
use log::Log;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use sweep::{Allowance, Tally};
use transaction::{Done, Failure, Outcome, Transaction};

/// How long a store that is down is left alone at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often a batch is put off because another process writes, before those who wait for it are told.
const PATIENCE: u32 = 100;
/// How long it is put off each time.
const AGAIN: Duration = Duration::from_millis(50);

/// The writer's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    db: Option<Db>,
    evictor: Evictor,
    tally: Tally,
    allowance: Allowance,
    orphans: OrphanSweep,
    /// The file of `db`, or the last there was.
    file: Option<FileId>,
    /// The newest purge of any process that this one knows.
    last_purge: i64,
    data_version: i64,
    /// True from when no file could be opened, ever, until one is.
    unheard: bool,
    next_poll: Instant,
    next_sweep: Instant,
    /// When a store that is down is tried again, and how long it is left alone after that.
    retry: (Instant, Duration),
    /// How often the present batch was put off.
    put_off: u32,
    /// When it is tried again.
    next_try: Instant,
    log: Log,
    /// How often the file was set aside for the present batch.
    healed: u32,
    /// True while purges wait that could not be written.
    stuck: bool,
    /// True from the first failure to the next success.
    failing: bool,
    /// When the last write failed of those that belong to one outage, which is logged once.
    outage: Option<Instant>,
    reserve: Reserve,
    /// Whether a damaged file is set aside: not for what is only read, since all else in it is still good.
    replaces: bool,
    /// True when it was told that a damaged file is left as it is.
    told_damage: bool,
    /// How often in a row the disk was full and nothing could be evicted.
    wedged: u32,
    /// What was taken when more than may be could not be brought down.
    least: u64,
}

/// What one turn has to do.
struct Turn {
    tasks: Vec<Numbered>,
    room: Vec<Room>,
    damaged: Option<(u64, String)>,
    /// Who waits until that was looked after.
    healing: Vec<Flush>,
    closing: bool,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            reserve: Reserve::of(&shared),
            orphans: OrphanSweep::new(shared.now()),
            shared,
            db: None,
            evictor: Evictor::new(),
            tally: Tally::new(),
            allowance: Allowance::new(),
            file: None,
            last_purge: 0,
            data_version: 0,
            unheard: false,
            next_poll: now,
            next_sweep: now,
            retry: (now, RETRY.0),
            put_off: 0,
            next_try: now,
            log: Log::new(),
            healed: 0,
            stuck: false,
            failing: false,
            outage: None,
            replaces: false,
            told_damage: false,
            wedged: 0,
            least: 0,
        }
    }

    /// Opens the file, tells `opened` how that went, and works until it is asked to end. Where `must_open` is set it
    /// ends at once when the file cannot be opened.
    pub(crate) fn run(mut self, must_open: bool, opened: &SyncSender<Result<(), OpenError>>) {
        let _end = End(Arc::clone(&self.shared));
        let result = self.open(None);
        let failed = result.is_err();
        if let Err(error) = &result
            && !must_open
        {
            self.down(error.to_string());
        }
        // Whoever opened the store waits for this; if it does not any more, the store is closed next.
        let _ = opened.send(result);
        if failed && must_open {
            return;
        }
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => self.panicked(),
            }
        }
    }

    /// A turn panicked: what it was about is lost, and the file is opened again, with nothing left of what it had begun.
    fn panicked(&mut self) {
        let path = &self.shared.options.path;
        tracing::error!(path = %path.display(), "the thread that writes to the store panicked; this is a bug");
        self.db = None;
        self.evictor = Evictor::new();
        self.tally = Tally::new();
        (self.put_off, self.healed) = (0, 0);
        self.shared.forget_waiting();
        self.down("the thread that writes to the store panicked".to_owned());
    }

    /// One turn; false when it was the last one.
    fn turn(&mut self) -> bool {
        let turn = self.wait();
        if let Some((generation, what)) = &turn.damaged
            && *generation == self.shared.pool.generation()
            && self.db.is_some()
        {
            self.heal_or_leave(what);
        }
        for done in turn.healing {
            done();
        }
        if self.db.is_none() {
            self.try_again(turn.closing);
        }
        if Instant::now() >= self.next_poll || turn.closing {
            self.poll();
        }
        if self.db.is_none() {
            self.refuse(turn.tasks, turn.room);
        } else {
            self.write(turn.tasks, turn.room, turn.closing);
        }
        if !turn.closing {
            return true;
        }
        // What came meanwhile is written too.
        let more = self.db.is_some() && !self.stuck && self.shared.lock().overlay.queued() > 0;
        if !more {
            self.shared.set_down("the store is closed".to_owned());
            let late = { self.shared.lock().overlay.take(usize::MAX, u64::MAX) };
            self.refuse(late, Vec::new());
            self.db = None;
            self.shared.pool.renew();
        }
        more
    }

    /// Waits for something to do.
    fn wait(&mut self) -> Turn {
        let options = &self.shared.options;
        let (most, bytes) = self.shared.disk.transaction(options.commit_entries);
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            let queued = state.overlay.queued();
            let old = state.asked.oldest.map(|oldest| oldest + options.commit_interval);
            let pause = if self.put_off > 0 || self.stuck { Some(self.next_try) } else { None };
            let full = queued >= most
                || state.overlay.bytes() >= options.max_waiting / 2
                || (queued > 0 && state.asked.at_once > 0)
                || old.is_some_and(|old| old <= now);
            let write = queued > 0 && full && pause.is_none_or(|until| until <= now);
            let asked = &state.asked;
            if write
                || asked.damaged.is_some()
                || asked.closing
                || !asked.room.is_empty()
                || self.next_poll <= now
            {
                let closing = state.asked.closing;
                let tasks = if write || closing { state.overlay.take(most, bytes) } else { Vec::new() };
                if state.overlay.queued() == 0 {
                    (state.asked.oldest, state.asked.at_once) = (None, 0);
                }
                let room = std::mem::take(&mut state.asked.room);
                let damaged = std::mem::take(&mut state.asked.damaged);
                let healing = std::mem::take(&mut state.asked.healing);
                return Turn { tasks, room, damaged, healing, closing };
            }
            let due = if queued > 0 { pause.filter(|until| *until > now).or(old) } else { None };
            let until = due.map_or(self.next_poll, |due| due.min(self.next_poll));
            state = self.shared.wait(state, until);
        }
    }

    /// Writes a batch, makes room, sweeps, notes uses: whatever there is to do.
    fn write(&mut self, tasks: Vec<Numbered>, room: Vec<Room>, closing: bool) {
        // Before it is decided who leaves.
        self.take_uses();
        let uses = self.tally.due(closing);
        let sweep = self.is_sweep_due();
        let shrink = self.is_shrinking_due();
        if tasks.is_empty() && room.is_empty() && uses.is_empty() && !sweep && !shrink {
            return;
        }
        self.replaces = tasks.iter().any(|task| matches!(task.task, Task::Put(_) | Task::Purge(..)));
        let (mut tasks, too_many) = self.admit(tasks);
        let mut outcome = Outcome::default();
        let wanted = room.iter().map(|room| room.bytes).fold(0, u64::saturating_add);
        let coming = tasks.iter().map(Numbered::weight).fold(0, u64::saturating_add);
        let mut allowance = std::mem::replace(&mut self.allowance, Allowance::new());
        let result = self.transact(&mut outcome, |transaction| {
            // Before they come, so that they take the places of those that leave.
            if coming > 0 {
                transaction.make_room(wanted.saturating_add(coming))?;
            }
            for task in &tasks {
                transaction.perform(task)?;
            }
            if sweep {
                transaction.sweep(&mut allowance)?;
            }
            transaction.note_uses(&uses)?;
            transaction.make_room(wanted)
        });
        self.allowance = allowance;
        self.count(&outcome);
        match result {
            Ok(()) => self.succeeded(&mut tasks, &outcome),
            Err(failure) => {
                let rest = self.partly(tasks, &outcome);
                self.give_up(rest, &failure);
            }
        }
        self.replaces = false;
        if !too_many.is_empty() {
            self.refuse(too_many, Vec::new());
        }
        for room in room {
            // Whoever asked looks again whether there is room.
            let _ = room.reply.send(self.db.is_some() && !self.failing);
        }
    }

    /// One transaction around `work`, or several in a row where there is much to do.
    ///
    /// # Errors
    /// [`Failure::Exchanged`] when the file was not in its place any longer at the end; then nothing counts as done.
    fn transact(
        &mut self,
        outcome: &mut Outcome,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let result = self.transact_here(outcome, work);
        match &self.db {
            Some(db) if !db.file.is_at(&self.shared.options.path) => {
                (outcome.through, outcome.committed) = (0, Done::default());
                Err(Failure::Exchanged)
            }
            _ => result,
        }
    }

    /// A transaction on the open file, if there is one; see [`Transaction::begin`].
    fn begin<'a>(
        &'a mut self,
        outcome: &'a mut Outcome,
        most: usize,
    ) -> Result<Option<Transaction<'a>>, Failure> {
        let Some(db) = &self.db else { return Ok(None) };
        let (evictor, last_purge, log) = (&mut self.evictor, &mut self.last_purge, &mut self.log);
        Transaction::begin(&db.connection, &self.shared, evictor, last_purge, log, outcome, most).map(Some)
    }

    fn transact_here(
        &mut self,
        outcome: &mut Outcome,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // A row evicted, moved or marked costs about as much of the log as one that comes.
        let most = self.shared.disk.transaction(usize::MAX).0;
        let Some(mut transaction) = self.begin(outcome, most)? else { return Ok(()) };
        work(&mut transaction)?;
        let (taken, totals) = (transaction.taken()?, transaction.totals);
        transaction.commit()?;
        drop(transaction);
        count(&self.shared.counters.commits);
        // What was committed stays so, whatever becomes of the log.
        if let Err(error) = self.shorten_log() {
            self.failed(&Failure::Sqlite(error));
        }
        self.measured(taken, &totals);
        Ok(())
    }

    /// True where more is taken than may be, and something can be done about it.
    fn is_shrinking_due(&mut self) -> bool {
        let disk = &self.shared.disk;
        if !self.shared.options.upkeep || self.failing || !disk.is_above() {
            return false;
        }
        // What the last turn could not bring down the next one cannot either.
        std::mem::replace(&mut self.least, disk.used()) != disk.used()
    }

    fn is_sweep_due(&mut self) -> bool {
        let now = Instant::now();
        let Some(db) = &self.db else { return false };
        if now < self.next_sweep || !self.shared.options.upkeep {
            return false;
        }
        self.next_sweep = now + sweep::PAUSE;
        if let Err(error) = self.orphans.step(&self.shared, &db.connection) {
            tracing::debug!(%error, "cannot look for bodies no entry refers to; trying again");
        }
        match sweep::is_due(&db.connection, self.shared.now().as_millis()) {
            Ok(due) => due,
            Err(error) => {
                self.failed(&Failure::Sqlite(error));
                false
            }
        }
    }
}

/// Tells everybody when the thread ends, also where it panicked.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended();
    }
}
