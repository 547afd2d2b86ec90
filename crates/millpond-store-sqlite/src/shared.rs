//! What the store's handle, its writers and readers and the thread that writes have in common.
//!
//! What must not live here: SQL.

use crate::bodies::Bodies;
use crate::chunks::Chunks;
use crate::disk::Disk;
use crate::error::unavailable;
use crate::filter::Filters;
use crate::health::Health;
use crate::open::bodies_dir;
use crate::options::SqliteOptions;
use crate::pending::{Numbered, Overlay, Purge, PurgeReply, Put, Refresh, Task};
use crate::read::ReadPool;
use crate::stats::{Counters, count, set};
use crate::uses::Uses;
use millpond_exchange::{Key, PurgeMode, Record, Selector, Timestamp};
use millpond_store::{Above, Entry, Epoch, PurgeLog, StoreError};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The common state of one store.
pub(crate) struct Shared {
    pub(crate) options: SqliteOptions,
    pub(crate) pool: ReadPool,
    pub(crate) bodies: Bodies,
    pub(crate) chunks: Arc<Chunks>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) counters: Counters,
    pub(crate) uses: Uses,
    pub(crate) filters: Filters,
    state: Mutex<State>,
    wake: Condvar,
    /// Held while the check looks at the file, or the log is shortened: each is in the way of the other.
    looking: Mutex<()>,
    /// Ends the rest of the check.
    closing: Condvar,
    /// A copy of the purge log's epoch, for reading without the mutex.
    epoch: AtomicU64,
    /// True while nothing waits, so that a lookup need not ask.
    idle: AtomicBool,
    up: AtomicBool,
    health: Mutex<Health>,
    above: RwLock<Option<Weak<dyn Above>>>,
    ids: RandomState,
    last_id: AtomicU64,
}

/// What the mutex guards.
pub(crate) struct State {
    pub(crate) purges: PurgeLog,
    pub(crate) overlay: Overlay,
    pub(crate) asked: Asked,
}

/// What is called when a flush has nothing to wait for any more.
pub(crate) type Flush = Box<dyn FnOnce() + Send>;

/// What the writer is asked for beside its tasks.
#[derive(Default)]
pub(crate) struct Asked {
    /// Tasks up to this number are to be written at once.
    pub(crate) at_once: u64,
    /// When the oldest task not yet taken came.
    pub(crate) oldest: Option<Instant>,
    /// Bodies in progress that need room on the disk.
    pub(crate) room: Vec<Room>,
    /// Who waits until the tasks up to a number are written.
    flushes: Vec<(u64, Flush)>,
    /// The file is damaged: that of this generation of the pool, and what shows it.
    pub(crate) damaged: Option<(u64, String)>,
    /// Who waits until that was looked after.
    pub(crate) healing: Vec<Flush>,
    pub(crate) closing: bool,
    /// The thread that writes has ended.
    ended: bool,
}

/// A request for room on the disk.
pub(crate) struct Room {
    pub(crate) bytes: u64,
    pub(crate) reply: oneshot::Sender<bool>,
}

impl State {
    /// Puts tasks back that could not be written yet.
    pub(crate) fn put_back(&mut self, tasks: Vec<Numbered>) {
        let at_once = tasks.iter().any(|task| matches!(task.task, Task::Purge(..)));
        if !tasks.is_empty() {
            self.asked.oldest.get_or_insert_with(Instant::now);
        }
        self.overlay.put_back(tasks);
        if at_once {
            self.asked.at_once = self.asked.at_once.max(1);
        }
    }

    /// The flushes that have nothing to wait for any more.
    fn finished_flushes(&mut self) -> Vec<Flush> {
        let (waiting, finished): (Vec<_>, Vec<_>) = std::mem::take(&mut self.asked.flushes)
            .into_iter()
            .partition(|(number, _)| self.overlay.awaits(*number));
        self.asked.flushes = waiting;
        finished.into_iter().map(|(_, done)| done).collect()
    }
}

/// A purge is in force here and nowhere else, for this reason.
fn not_written(reason: &StoreError) -> StoreError {
    let reason = match reason {
        StoreError::Unavailable(reason) => reason.clone(),
        other => other.to_string(),
    };
    unavailable(format!(
        "the purge is not written yet: {reason}; it takes effect in this process and will be written when possible"
    ))
}

impl Shared {
    pub(crate) fn new(options: SqliteOptions) -> Self {
        let state =
            State { purges: PurgeLog::default(), overlay: Overlay::default(), asked: Asked::default() };
        let health = Health::Down { reason: "the store is being opened".to_owned() };
        let bodies = Bodies::at(bodies_dir(&options.path));
        Self {
            pool: ReadPool::new(options.path.clone()),
            chunks: Arc::default(),
            disk: Arc::new(Disk::new(&options.path, options.max_bytes, bodies.held().clone())),
            bodies,
            counters: Counters::default(),
            uses: Uses::default(),
            filters: Filters::default(),
            state: Mutex::new(state),
            wake: Condvar::new(),
            looking: Mutex::default(),
            closing: Condvar::new(),
            epoch: AtomicU64::new(0),
            idle: AtomicBool::new(true),
            up: AtomicBool::new(false),
            health: Mutex::new(health),
            above: RwLock::new(None),
            ids: RandomState::new(),
            last_id: AtomicU64::new(0),
            options,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state usable at each step, so a panic elsewhere is no reason to stop caching.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is asked of the writer, or until `until`.
    pub(crate) fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Instant) -> MutexGuard<'a, State> {
        let patience = until.saturating_duration_since(Instant::now());
        let woken = self.wake.wait_timeout(state, patience);
        woken.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.options.now)()
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch::own(self.epoch.load(Ordering::Acquire))
    }

    /// An identity no other commit has, in any process: a keyed hash of a counter, the key of which is random.
    pub(crate) fn new_id(&self) -> u64 {
        self.ids.hash_one(self.last_id.fetch_add(1, Ordering::Relaxed)) >> 1
    }

    pub(crate) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_up(&self) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Health::Up;
        self.up.store(true, Ordering::Release);
    }

    pub(crate) fn set_down(&self, reason: String) {
        self.up.store(false, Ordering::Release);
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Health::Down { reason };
    }

    /// That the store is up.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason why it is not.
    pub(crate) fn check_up(&self) -> Result<(), StoreError> {
        if self.up.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.health() {
            Health::Down { reason } => Err(unavailable(reason)),
            Health::Up => Ok(()),
        }
    }

    pub(crate) fn attach(&self, above: Weak<dyn Above>) {
        *self.above.write().unwrap_or_else(PoisonError::into_inner) = Some(above);
    }

    pub(crate) fn above(&self) -> Option<Arc<dyn Above>> {
        self.above.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Weak::upgrade)
    }

    /// True when nothing of this process waits to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Acquire)
    }

    /// Keeps the figures and flags that follow from the overlay in step.
    pub(crate) fn overlay_changed(&self, state: &State) {
        self.idle.store(state.overlay.is_empty(), Ordering::Release);
        set(&self.counters.waiting, state.overlay.entries());
        set(&self.counters.waiting_bytes, state.overlay.bytes() + state.overlay.purge_bytes());
        set(&self.counters.waiting_purges, state.overlay.purges());
    }

    fn push(&self, state: &mut State, task: Task) {
        state.overlay.push(task);
        let now = Instant::now();
        state.asked.oldest.get_or_insert(now);
        self.overlay_changed(state);
        // The writer looks when the oldest has waited long enough; it is woken for the first and for a full batch.
        if state.overlay.queued() == 1 || state.overlay.queued() >= self.options.commit_entries {
            self.wake.notify_one();
        }
    }

    /// Takes a finished entry in.
    pub(crate) fn accept(&self, put: Put, epoch: Epoch) -> Result<Arc<Entry>, StoreError> {
        self.check_up()?;
        let mut state = self.lock();
        state.purges.check(epoch, &put.entry.key, &[&put.entry.record])?;
        self.check_room()?;
        if state.overlay.bytes() >= self.options.max_waiting {
            count(&self.counters.refused);
            return Err(unavailable("too much waits to be written to the store; the disk may be slow"));
        }
        let entry = Arc::clone(&put.entry);
        self.push(&mut state, Task::Put(Arc::new(put)));
        Ok(entry)
    }

    /// That the log leaves room to write.
    fn check_room(&self) -> Result<(), StoreError> {
        if self.disk.is_over() {
            count(&self.counters.refused);
            return Err(unavailable(
                "the log of the store has no room left within the limit of the disk; something reads the file for long",
            ));
        }
        Ok(())
    }

    /// Takes a refreshed entry in; `old` is the record it had.
    pub(crate) fn accept_refresh(
        &self,
        refresh: Refresh,
        old: &Record,
        epoch: Epoch,
    ) -> Result<Arc<Entry>, StoreError> {
        crate::rows::check_labels(&refresh.entry.record)?;
        let mut state = self.lock();
        state.purges.check(epoch, &refresh.entry.key, &[old, &refresh.entry.record])?;
        self.check_room()?;
        if state.overlay.bytes() >= self.options.max_waiting {
            count(&self.counters.refused);
            return Err(unavailable("too much waits to be written to the store; the disk may be slow"));
        }
        let entry = Arc::clone(&refresh.entry);
        self.push(&mut state, Task::Refresh(Arc::new(refresh)));
        Ok(entry)
    }

    /// Notes a purge and has it written at once, or when the store is up. From then on it is in force in this process.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store is down.
    pub(crate) fn accept_purge(&self, purge: Purge, reply: PurgeReply) -> Result<(), StoreError> {
        let mut state = self.lock();
        self.advance(&mut state, &purge.selector);
        let up = self.check_up();
        if state.asked.ended {
            return up;
        }
        if let Err(error) = up {
            self.push(&mut state, Task::Purge(Arc::new(purge), Vec::new()));
            state.overlay.newest_is_stuck();
            return Err(not_written(&error));
        }
        self.push(&mut state, Task::Purge(Arc::new(purge), vec![reply]));
        state.asked.at_once = state.overlay.last();
        self.wake.notify_one();
        Ok(())
    }

    /// A row does not match its sums: it has to go.
    pub(crate) fn drop_row(&self, broken: crate::rows::Broken) {
        let mut state = self.lock();
        // Every lookup meets it until it is gone; beyond some it is no news.
        if state.overlay.queued() < self.options.commit_entries {
            self.push(&mut state, Task::Drop(broken));
        }
    }

    /// A check found something that one of these tasks puts right.
    pub(crate) fn put_right(&self, tasks: Vec<Task>) {
        let mut state = self.lock();
        if !state.asked.ended {
            for task in tasks {
                self.push(&mut state, task);
            }
        }
    }

    /// The turn to look at the file for more than a moment, or to shorten its log. Not to be held while waiting for the
    /// thread that writes.
    pub(crate) fn looking(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `rest`, or until the store is closed: true when it is not.
    pub(crate) fn rest(&self, rest: Duration) -> bool {
        let goes_on = |state: &mut State| !state.asked.closing && !state.asked.ended;
        let rested = self.closing.wait_timeout_while(self.lock(), rest, goes_on);
        let (mut state, _) = rested.unwrap_or_else(PoisonError::into_inner);
        goes_on(&mut state)
    }

    /// [`Shared::flush`] for callers that may block. False when the thread that writes has ended meanwhile.
    pub(crate) fn flush_blocking(&self) -> bool {
        let (done, wait) = sync_channel(1);
        self.flush(Box::new(move || {
            // Who waited may have gone.
            let _ = done.send(());
        }));
        wait.recv().is_ok()
    }

    /// A reader met damage: the writer has to look after the file, unless it has begun another one since.
    pub(crate) fn report_damage(&self) {
        if let Some(generation) = self.pool.damaged() {
            self.report_structure(generation, "a lookup met a damaged page".to_owned());
        }
    }

    /// The file of `generation` is damaged, as `what` shows.
    pub(crate) fn report_structure(&self, generation: u64, what: String) {
        self.have_healed(generation, what, None);
    }

    /// The same, and calls `done` when the writer has looked after the file.
    pub(crate) fn have_healed(&self, generation: u64, what: String, done: Option<Flush>) {
        let mut state = self.lock();
        // Nobody would come to it.
        if state.asked.ended {
            return;
        }
        state.asked.damaged = Some((generation, what));
        state.asked.healing.extend(done);
        self.wake.notify_one();
    }

    /// A purge by another process.
    pub(crate) fn purged_elsewhere(&self, selector: &Selector, mode: PurgeMode, now: Timestamp) {
        count(&self.counters.foreign_purges);
        let by_old_record = {
            let mut state = self.lock();
            self.advance(&mut state, selector);
            let keys = state.overlay.purged_elsewhere(selector, mode, now);
            self.overlay_changed(&state);
            keys
        };
        if let Some(above) = self.above() {
            above.purged(selector, mode, now);
            for key in by_old_record {
                above.purged(&Selector::Key(key), mode, now);
            }
        }
    }

    fn advance(&self, state: &mut State, selector: &Selector) {
        let epoch = state.purges.advance(selector);
        self.epoch.store(epoch.own, Ordering::Release);
    }

    /// Has `done` called when all that was accepted so far is written or given up, or is a purge that cannot be written
    /// for now.
    pub(crate) fn flush(&self, done: Flush) {
        let mut state = self.lock();
        let last = state.overlay.last();
        if !state.overlay.awaits(last) {
            drop(state);
            return done();
        }
        state.asked.at_once = last;
        state.asked.flushes.push((last, done));
        self.wake.notify_one();
    }

    /// Removes damaged files that were set aside: they take room that is needed.
    pub(crate) fn forget_aside(&self) {
        let bytes = self.disk.aside();
        if bytes == 0 {
            return;
        }
        let path = &self.options.path;
        tracing::info!(path = %path.display(), bytes, "removing damaged files that were set aside: the disk is full");
        crate::heal::forget_old(path, 0);
        self.disk.aside_measured(crate::heal::bytes_aside(path));
    }

    /// Asks the writer to make room on the disk.
    pub(crate) fn ask_room(&self, bytes: u64) -> oneshot::Receiver<bool> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.lock();
        state.asked.room.push(Room { bytes, reply });
        self.wake.notify_one();
        answer
    }

    /// Asks the writer to write what waits and to end.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.asked.closing = true;
        self.wake.notify_one();
        self.closing.notify_all();
    }

    /// The tasks are written, or given up: nobody need wait for them any longer.
    pub(crate) fn done(&self, tasks: &[Numbered]) {
        let finished = {
            let mut state = self.lock();
            state.overlay.done(tasks);
            self.overlay_changed(&state);
            state.finished_flushes()
        };
        for done in finished {
            done();
        }
    }

    /// These purges cannot be written for now: they stay in force and are tried again, but nobody need wait for them.
    pub(crate) fn keep(&self, mut purges: Vec<Numbered>) {
        let replies: Vec<PurgeReply> = purges.iter_mut().flat_map(Numbered::take_replies).collect();
        let finished = {
            let mut state = self.lock();
            state.overlay.stuck(&purges);
            state.put_back(purges);
            state.finished_flushes()
        };
        for done in finished {
            done();
        }
        let reason = self.check_up().err();
        let reason = reason.unwrap_or_else(|| unavailable("the file cannot be written to; see the log"));
        for reply in replies {
            // Who asked may have gone.
            let _ = reply.send(Err(not_written(&reason)));
        }
    }

    /// The thread that writes has ended, for whatever reason: nothing that waits comes to anything.
    pub(crate) fn ended(&self) {
        self.set_down("the store is closed".to_owned());
        self.lock().asked.ended = true;
        self.closing.notify_all();
        self.forget_waiting();
    }

    /// Nothing that waits comes to anything.
    pub(crate) fn forget_waiting(&self) {
        let (tasks, flushes, room, healing) = {
            let mut state = self.lock();
            let (purges, entries) = (state.overlay.purges(), state.overlay.entries());
            if entries > 0 {
                tracing::warn!(
                    path = %self.options.path.display(), entries,
                    "the store ends before these entries could be written; they will be fetched again"
                );
            }
            if purges > 0 {
                tracing::error!(
                    path = %self.options.path.display(), purges,
                    "the store ends before these purges could be written; what they cover is found again in the file"
                );
            }
            let tasks = state.overlay.clear();
            self.overlay_changed(&state);
            let asked = &mut state.asked;
            let (flushes, room) = (std::mem::take(&mut asked.flushes), std::mem::take(&mut asked.room));
            (tasks, flushes, room, std::mem::take(&mut asked.healing))
        };
        // Whoever waits for one of these learns by its being dropped.
        drop((tasks, flushes, room, healing));
    }

    /// True when `name` is the file of an entry that waits.
    pub(crate) fn awaits_file(&self, name: &str) -> bool {
        self.lock().overlay.has_file(name)
    }

    /// What waits for `key`.
    pub(crate) fn changes(&self, key: &Key) -> Option<crate::pending::Changes> {
        if self.is_idle() { None } else { self.lock().overlay.changes(key) }
    }
}
