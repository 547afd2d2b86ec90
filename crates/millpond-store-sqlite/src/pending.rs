//! What was accepted and is not yet written: every lookup of this process sees it at once.
//!
//! What must not live here: SQL, locks. The order of changes is the order in which they were accepted; applied to what
//! the database gives they must lead to the same list whether or not the database has them already, because a lookup
//! may come upon either state.

use crate::file::Kept;
use crate::rows::{self, Broken};
use crate::waiting::{self, Candidates, Waiting};
use foldhash::fast::RandomState;
use millpond_exchange::{Key, PurgeMode, Record, Selector, Timestamp};
use millpond_store::{Entry, MAX_VARIANTS, StoreError, covers};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::sync::oneshot;

/// Stands for "no soft purge came".
const NEVER: i64 = i64::MAX;

/// What may happen to a change while it waits: a purge of another process that covers it.
#[derive(Debug)]
pub(crate) struct Fate {
    cancelled: AtomicBool,
    stale_from: AtomicI64,
}

impl Default for Fate {
    fn default() -> Self {
        Self { cancelled: AtomicBool::new(false), stale_from: AtomicI64::new(NEVER) }
    }
}

impl Fate {
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn soften(&self, from: Timestamp) {
        self.stale_from.fetch_min(from.as_millis(), Ordering::AcqRel);
    }

    /// `entry` as it is after this fate.
    fn upon(&self, entry: &Arc<Entry>) -> Arc<Entry> {
        match self.stale_from.load(Ordering::Acquire) {
            NEVER => Arc::clone(entry),
            from => stale_from(entry, Timestamp::from_millis(from)),
        }
    }

    /// From when on a purge made it stale.
    pub(crate) fn stale_from(&self) -> Option<Timestamp> {
        let from = self.stale_from.load(Ordering::Acquire);
        (from != NEVER).then(|| Timestamp::from_millis(from))
    }
}

/// A new entry.
pub(crate) struct Put {
    pub(crate) entry: Arc<Entry>,
    pub(crate) fresh_until: Timestamp,
    /// The file with the body, where it is not in the entry. Removed with this when it was not written.
    pub(crate) file: Option<Kept>,
    pub(crate) fate: Fate,
}

/// A new record and head for an entry.
pub(crate) struct Refresh {
    pub(crate) entry: Arc<Entry>,
    pub(crate) fresh_until: Timestamp,
    /// The record it had, where that has other tags or groups than the new one.
    was: Option<Box<Record>>,
    pub(crate) fate: Fate,
}

impl Refresh {
    /// `entry` as it becomes, fresh until then; `was` is the record it had.
    pub(crate) fn new(entry: Arc<Entry>, fresh_until: Timestamp, was: &Record) -> Self {
        let same = was.tags == entry.record.tags && was.groups == entry.record.groups;
        Self { was: (!same).then(|| Box::new(was.clone())), entry, fresh_until, fate: Fate::default() }
    }

    /// True when `selector` covers the entry as it was, or as it becomes.
    fn is_covered(&self, selector: &Selector) -> bool {
        let covered = |record: &Record| covers(selector, &self.entry.key, record);
        covered(&self.entry.record) || self.was.as_deref().is_some_and(covered)
    }
}

/// A purge.
#[derive(Clone)]
pub(crate) struct Purge {
    pub(crate) selector: Selector,
    pub(crate) mode: PurgeMode,
    pub(crate) now: Timestamp,
}

/// What waits for a purge to be committed.
pub(crate) type PurgeReply = oneshot::Sender<Result<u64, StoreError>>;

/// One thing for the writer to do.
pub(crate) enum Task {
    Put(Arc<Put>),
    Refresh(Arc<Refresh>),
    /// With whoever waits for it.
    Purge(Arc<Purge>, Vec<PurgeReply>),
    /// A row that is not what was written.
    Drop(Broken),
    /// The sums have to be counted anew.
    Recount,
}

/// A task with its place in the order.
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) task: Task,
    /// The number of the oldest task that it does as well: purges are merged.
    since: u64,
    weight: u64,
}

impl Numbered {
    /// Bytes of memory it holds, about.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// Who waits for it.
    pub(crate) fn take_replies(&mut self) -> Vec<PurgeReply> {
        match &mut self.task {
            Task::Purge(_, replies) => std::mem::take(replies),
            _ => Vec::new(),
        }
    }

    fn purge(&self) -> Option<&Purge> {
        match &self.task {
            Task::Purge(purge, _) => Some(purge),
            _ => None,
        }
    }

    /// Bytes it brings into a transaction, about.
    fn size(&self) -> u64 {
        match &self.task {
            Task::Purge(purge, _) => waiting::weight(purge),
            _ => self.weight,
        }
    }
}

/// What a key's list of entries goes through.
#[derive(Clone)]
enum Change {
    Put(Arc<Put>),
    Refresh(Arc<Refresh>),
    Purge(Arc<Purge>),
}

/// The changes of one key, in order, and the purges that may be among them.
pub(crate) struct Changes {
    of_key: Vec<(u64, Change)>,
    purges: Candidates,
    origin: String,
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Overlay {
    last: u64,
    queue: VecDeque<Numbered>,
    keys: HashMap<Key, Vec<(u64, Change)>, RandomState>,
    pub(crate) purges: Waiting,
    /// The tasks that a flush has to wait for, each by the oldest it stands for.
    awaited: BTreeSet<u64>,
    /// How many of the purges the writer has taken, and their bytes.
    taken: (usize, u64),
    bytes: u64,
    entries: u64,
}

impl Overlay {
    /// Bytes of memory of the entries that wait.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Entries that wait.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Tasks the writer has not taken yet.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// True when no lookup has to look here.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.purges.is_empty()
    }

    /// The number of the newest task.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Purges that wait.
    pub(crate) fn purges(&self) -> u64 {
        self.purges.len() as u64
    }

    /// Bytes of memory they hold.
    pub(crate) fn purge_bytes(&self) -> u64 {
        self.purges.bytes()
    }

    /// True when a task up to `number` is to be waited for.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        self.awaited.first().is_some_and(|oldest| *oldest <= number)
    }

    /// Appends a task.
    pub(crate) fn push(&mut self, task: Task) {
        match task {
            Task::Purge(purge, replies) => self.push_purge(&purge, replies),
            other => {
                let number = self.next_number();
                self.append(number, number, other);
            }
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Appends a purge in place of those that it makes needless. Where too many wait they are merged into a broader
    /// one: it covers more than was asked for, which costs fetches, but never less.
    fn push_purge(&mut self, purge: &Purge, replies: Vec<PurgeReply>) {
        let number = self.next_number();
        let replaced = self.purges.replaced_by(purge);
        let mut merged = Merged { purge: purge.clone(), since: number, replies };
        for old in replaced {
            // What the writer has taken is done besides.
            if let Ok(at) = self.queue.binary_search_by_key(&old, |task| task.number)
                && let Some(old) = self.queue.remove(at)
            {
                self.merge(&mut merged, old);
            }
        }
        self.append_merged(number, merged);
        while self.has_too_many_purges() {
            let broad = waiting::broader(self.queue.iter().filter_map(|task| task.purge()));
            let everything = broad == Selector::All;
            self.broaden(broad, purge.now);
            if everything {
                break;
            }
        }
    }

    /// True when more purges wait than may. Those with the writer do not count: that bounds what it takes.
    fn has_too_many_purges(&self) -> bool {
        let (count, bytes) = self.taken;
        self.purges.len().saturating_sub(count) > waiting::MOST
            || self.purges.bytes().saturating_sub(bytes) > waiting::MOST_BYTES
    }

    /// Merges what waits of purges that `broad` covers into one.
    fn broaden(&mut self, broad: Selector, now: Timestamp) {
        let covered =
            |task: &Numbered| task.purge().is_some_and(|old| waiting::includes(&broad, &old.selector));
        let (same, others): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(covered);
        self.queue = others;
        let number = self.next_number();
        let purge = Purge { selector: broad, mode: PurgeMode::Soft, now };
        let mut merged = Merged { purge, since: number, replies: Vec::new() };
        for old in same {
            self.merge(&mut merged, old);
        }
        self.append_merged(number, merged);
    }

    /// Takes a purge that was in the queue into `merged`.
    fn merge(&mut self, merged: &mut Merged, old: Numbered) {
        // Nobody waits for what is stuck.
        if self.awaited.remove(&old.since) {
            merged.since = merged.since.min(old.since);
        }
        if let Task::Purge(purge, replies) = old.task {
            self.purges.remove(old.number, &purge);
            merged.replies.extend(replies);
            merged.purge.now = merged.purge.now.min(purge.now);
            if purge.mode == PurgeMode::Hard {
                merged.purge.mode = PurgeMode::Hard;
            }
        }
    }

    fn append_merged(&mut self, number: u64, merged: Merged) {
        self.append(number, merged.since, Task::Purge(Arc::new(merged.purge), merged.replies));
    }

    fn append(&mut self, number: u64, since: u64, task: Task) {
        let mut weight = 0;
        match &task {
            Task::Put(put) => {
                weight = rows::weight(&put.entry);
                self.entries += 1;
                self.keys.entry(put.entry.key.clone()).or_default().push((number, Change::Put(put.clone())));
            }
            Task::Refresh(refresh) => {
                let was = refresh.was.as_deref().map_or(0, |was| size_of::<Record>() + was.memory());
                weight = rows::weight(&refresh.entry) + was as u64;
                let changes = self.keys.entry(refresh.entry.key.clone()).or_default();
                changes.push((number, Change::Refresh(refresh.clone())));
            }
            Task::Purge(purge, _) => self.purges.insert(number, purge),
            Task::Drop(_) | Task::Recount => {}
        }
        self.bytes += weight;
        self.awaited.insert(since);
        self.queue.push_back(Numbered { number, task, since, weight });
    }

    /// The next tasks for the writer, up to `entries` of them or about `bytes`.
    pub(crate) fn take(&mut self, entries: usize, bytes: u64) -> Vec<Numbered> {
        let mut sum = 0;
        let fits = |task: &&Numbered| {
            let size = task.size();
            let fits = sum == 0 || size <= bytes.saturating_sub(sum);
            sum += size;
            fits
        };
        let many = self.queue.iter().take(entries).take_while(fits).count();
        let taken: Vec<Numbered> = self.queue.drain(..many).collect();
        for purge in taken.iter().filter_map(Numbered::purge) {
            self.taken = (self.taken.0 + 1, self.taken.1 + waiting::weight(purge));
        }
        taken
    }

    /// Puts tasks back that could not be written yet.
    pub(crate) fn put_back(&mut self, tasks: Vec<Numbered>) {
        for task in tasks.into_iter().rev() {
            self.not_taken(&task);
            self.queue.push_front(task);
        }
    }

    fn not_taken(&mut self, task: &Numbered) {
        if let Some(purge) = task.purge() {
            let (count, bytes) = self.taken;
            self.taken = (count.saturating_sub(1), bytes.saturating_sub(waiting::weight(purge)));
        }
    }

    /// Nobody need wait any longer for these, which are put back as often as it takes.
    pub(crate) fn stuck(&mut self, tasks: &[Numbered]) {
        for task in tasks {
            self.awaited.remove(&task.since);
        }
    }

    /// The newest task is stuck from the beginning.
    pub(crate) fn newest_is_stuck(&mut self) {
        if let Some(newest) = self.queue.back() {
            self.awaited.remove(&newest.since);
        }
    }

    /// Forgets taken tasks: the database has them, or they are given up.
    pub(crate) fn done(&mut self, tasks: &[Numbered]) {
        for task in tasks {
            self.bytes = self.bytes.saturating_sub(task.weight);
            self.awaited.remove(&task.since);
            self.not_taken(task);
            let key = match &task.task {
                Task::Put(put) => {
                    self.entries = self.entries.saturating_sub(1);
                    &put.entry.key
                }
                Task::Refresh(refresh) => &refresh.entry.key,
                Task::Purge(purge, _) => {
                    self.purges.remove(task.number, purge);
                    continue;
                }
                Task::Drop(_) | Task::Recount => continue,
            };
            if let Some(changes) = self.keys.get_mut(key) {
                changes.retain(|(number, _)| *number != task.number);
                if changes.is_empty() {
                    self.keys.remove(key);
                }
            }
        }
    }

    /// Forgets everything; gives the tasks that were not taken.
    pub(crate) fn clear(&mut self) -> VecDeque<Numbered> {
        let last = self.last;
        std::mem::replace(self, Self { last, ..Self::default() }).queue
    }

    /// A purge of another process, which came before or after what waits here: nobody knows, so all that it covers is
    /// taken for older.
    /// A refresh whose old or new record is covered is not stored. The entry stays as it was, if its old record is not
    /// covered: otherwise the other process has removed or marked its row already.
    ///
    /// Gives the keys of refreshes that were covered by what the entry was alone: who has such an entry as it became cannot
    /// tell that the purge is about it.
    pub(crate) fn purged_elsewhere(
        &mut self,
        selector: &Selector,
        mode: PurgeMode,
        now: Timestamp,
    ) -> Vec<Key> {
        let mut by_old_record = Vec::new();
        for (key, changes) in &mut self.keys {
            // What follows upon a refresh that is not stored is not either.
            let mut cancelled = Vec::new();
            changes.retain(|(_, change)| match change {
                Change::Put(put) if covers(selector, key, &put.entry.record) => {
                    match mode {
                        PurgeMode::Hard => put.fate.cancel(),
                        PurgeMode::Soft => put.fate.soften(now),
                    }
                    mode == PurgeMode::Soft
                }
                Change::Refresh(refresh)
                    if refresh.is_covered(selector) || cancelled.contains(&refresh.entry.id) =>
                {
                    refresh.fate.cancel();
                    cancelled.push(refresh.entry.id);
                    if !covers(selector, key, &refresh.entry.record) && by_old_record.last() != Some(key) {
                        by_old_record.push(key.clone());
                    }
                    false
                }
                _ => true,
            });
        }
        self.keys.retain(|_, changes| !changes.is_empty());
        by_old_record
    }

    /// What happened to the list of `key`; `None` when nothing did.
    pub(crate) fn changes(&self, key: &Key) -> Option<Changes> {
        let of_key = self.keys.get(key.as_bytes()).map_or(&[][..], Vec::as_slice);
        let purges = self.purges.candidates(key);
        if of_key.is_empty() && purges.is_empty() {
            return None;
        }
        let origin = if purges.has_labels() { key.origin() } else { String::new() };
        Some(Changes { of_key: of_key.to_vec(), purges, origin })
    }

    /// The file of an entry that waits.
    pub(crate) fn file_of(&self, entry: &Entry) -> Option<Arc<Put>> {
        let changes = self.keys.get(entry.key.as_bytes())?;
        changes.iter().rev().find_map(|(_, change)| match change {
            Change::Put(put) if put.entry.id == entry.id => Some(Arc::clone(put)),
            _ => None,
        })
    }

    /// True when `name` is the file of an entry that waits.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        let changes = self.keys.values().flatten();
        changes.into_iter().any(|(_, change)| match change {
            Change::Put(put) => put.file.as_ref().is_some_and(|file| file.name() == name),
            _ => false,
        })
    }
}

impl Changes {
    /// `list`, newest first, after the changes.
    pub(crate) fn apply(&self, list: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
        let changes = self.in_order(&list);
        let mut list = VecDeque::from(list);
        for (_, change) in &changes {
            match change {
                Change::Put(put) => push_newest(&mut list, put.fate.upon(&put.entry)),
                Change::Refresh(refresh) => {
                    if let Some(old) = list.iter().find(|entry| entry.id == refresh.entry.id) {
                        let fresh = with_body_of(&refresh.entry, old);
                        push_newest(&mut list, fresh);
                    }
                }
                Change::Purge(purge) => apply_purge(&mut list, purge),
            }
        }
        list.into()
    }

    /// The changes with the purges that can cover an entry of `list` or one that comes to it.
    fn in_order(&self, list: &[Arc<Entry>]) -> Vec<(u64, Change)> {
        let mut purges: BTreeMap<u64, Arc<Purge>> = self.purges.certain.iter().cloned().collect();
        let coming = self.of_key.iter().filter_map(|(_, change)| match change {
            Change::Put(put) => Some(&put.entry),
            Change::Refresh(refresh) => Some(&refresh.entry),
            Change::Purge(_) => None,
        });
        for entry in list.iter().chain(coming) {
            self.purges.by_labels(&self.origin, &entry.record, &mut purges);
        }
        let purges = purges.into_iter().map(|(number, purge)| (number, Change::Purge(purge)));
        let mut all: Vec<_> = self.of_key.iter().cloned().chain(purges).collect();
        all.sort_by_key(|(number, _)| *number);
        all
    }
}

/// A purge that does what others were to do.
struct Merged {
    purge: Purge,
    since: u64,
    replies: Vec<PurgeReply>,
}

fn apply_purge(list: &mut VecDeque<Arc<Entry>>, purge: &Purge) {
    let covered = |entry: &Entry| covers(&purge.selector, &entry.key, &entry.record);
    match purge.mode {
        PurgeMode::Hard => list.retain(|entry| !covered(entry)),
        PurgeMode::Soft => {
            for entry in list.iter_mut().filter(|entry| covered(entry)) {
                *entry = stale_from(entry, purge.now);
            }
        }
    }
}

/// Puts `entry` before the others, in place of what it replaces.
fn push_newest(list: &mut VecDeque<Arc<Entry>>, entry: Arc<Entry>) {
    list.retain(|other| other.id != entry.id && !entry.replaces(other));
    list.push_front(entry);
    list.truncate(MAX_VARIANTS);
}

/// A refresh taken from an entry looked up without its body must not lose it.
fn with_body_of(fresh: &Arc<Entry>, old: &Entry) -> Arc<Entry> {
    if fresh.body.is_some() == old.body.is_some() {
        return Arc::clone(fresh);
    }
    Arc::new(Entry { body: old.body.clone(), ..Entry::clone(fresh) })
}

/// `entry`, stale from `now` on at the latest.
fn stale_from(entry: &Arc<Entry>, now: Timestamp) -> Arc<Entry> {
    let mut marked = Entry::clone(entry);
    marked.record.stale_from = Some(marked.record.stale_from.map_or(now, |already| already.min(now)));
    Arc::new(marked)
}
