//! What a fill tells those who wait for it or read from it.

use crate::origin::OriginError;
use bytes::Bytes;
use millpond_exchange::{BodyError, BodyErrorKind, Fields, Key, Record, ResponseHead, StatusCode};
use millpond_store::{Entry, PartialReader};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Bytes kept between the origin and the slowest reader once a body is too large to be stored.
pub(crate) const PIPE_WINDOW: u64 = 256 * 1024;

/// How long the slowest of several readers may hold up the others of a pipe before it is cut off.
const PIPE_PATIENCE: Duration = Duration::from_secs(10);

/// The head of a response that is being stored.
pub(crate) struct FillHead {
    /// The key it will be stored under.
    pub key: Key,
    /// As it will be stored and replayed.
    pub head: ResponseHead,
    pub record: Record,
    /// As the origin sent it, for the leader.
    pub origin_head: ResponseHead,
    /// The status the origin sent: that of a part where `head` is the whole it completes.
    pub status: StatusCode,
    /// The announced length of the body.
    pub announced_len: Option<u64>,
    /// `origin_head` and the body are the answer to the leader's own request as it stands: a part it asked for.
    pub verbatim: bool,
}

/// How far a fill has come.
#[derive(Clone)]
pub(crate) enum Stage {
    /// No response head yet.
    Waiting,
    /// The head is here and the body is coming.
    Streaming(Arc<FillHead>),
    /// A 304 confirmed this entry.
    Refreshed {
        entry: Arc<Entry>,
        /// False when the 304 was meant for the leader alone, and so is what it made of the entry.
        shared: bool,
    },
    /// The response is its leader's alone; everyone else fetches for themselves.
    Released {
        status: u16,
        /// That was so because of who asked: it says nothing of those who ask without naming themselves.
        personal: bool,
    },
    /// No response came.
    Failed(OriginError),
}

/// How a body ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Complete(Arc<Fields>),
    Cut(BodyError),
}

#[derive(Clone)]
pub(crate) struct Progress {
    pub stage: Stage,
    /// Bytes of body received.
    pub received: u64,
    /// Bytes of body that the store's reader has; beyond lies the window.
    pub stored: u64,
    pub end: Option<End>,
}

/// One fill, shared by its task and its readers.
pub(crate) struct Fill {
    progress: watch::Sender<Progress>,
    members: Mutex<Members>,
    member_moved: Notify,
    /// The last reader has left.
    deserted: Notify,
    /// Goes on without readers: a refresh in the background, or a fetch whose readers were given something stale.
    detached: AtomicBool,
    /// When the fetch began.
    began: Instant,
}

/// The readers, and the pieces that only they still need.
#[derive(Default)]
struct Members {
    next: u64,
    /// Where each reader is.
    places: HashMap<u64, Place>,
    /// Reads what has been stored so far.
    spill: Option<Arc<dyn PartialReader>>,
    /// Pieces past what the store took.
    window: VecDeque<Bytes>,
    window_start: u64,
    window_len: u64,
}

/// Where a reader is.
#[derive(Clone, Copy)]
struct Place {
    /// How far it has come, bytes.
    offset: u64,
    /// The request it reads for. One for several ranges has a reader for each, of which the later ones wait for the first.
    request: u64,
}

impl Members {
    /// How far the slowest reader has come; `None` where there is none.
    fn slowest(&self) -> Option<u64> {
        self.places.values().map(|place| place.offset).min()
    }

    /// Cuts off those requests that hold up others; one that is alone holds up nobody but itself.
    fn cut_slowest(&mut self) {
        let Some(slowest) = self.slowest() else { return };
        let slow: HashSet<u64> =
            self.places.values().filter(|place| place.offset == slowest).map(|place| place.request).collect();
        if self.places.values().any(|place| !slow.contains(&place.request)) {
            self.places.retain(|_, place| !slow.contains(&place.request));
        }
    }

    /// Drops what every reader has had: pieces of the window, and with the last byte before it the store's part, whose
    /// memory would otherwise be held for as long as the rest takes.
    fn trim(&mut self, stored: u64) {
        let slowest = self.slowest().unwrap_or(u64::MAX);
        if slowest >= stored {
            self.spill = None;
        }
        while let Some(first) = self.window.front() {
            let end = self.window_start + first.len() as u64;
            if end > slowest {
                return;
            }
            self.window_len -= first.len() as u64;
            self.window_start = end;
            self.window.pop_front();
        }
    }
}

impl Fill {
    pub(crate) fn new(detached: bool) -> Arc<Self> {
        let start = Progress { stage: Stage::Waiting, received: 0, stored: 0, end: None };
        Arc::new(Self {
            progress: watch::Sender::new(start),
            members: Mutex::default(),
            member_moved: Notify::new(),
            deserted: Notify::new(),
            detached: AtomicBool::new(detached),
            began: Instant::now(),
        })
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes part: while the membership lives, the fill has someone to go on for.
    pub(crate) fn join(self: &Arc<Self>) -> Membership {
        self.join_for(None)
    }

    /// Takes part for `request`, or for one of its own.
    fn join_for(self: &Arc<Self>, request: Option<u64>) -> Membership {
        let mut members = self.members();
        let id = members.next;
        members.next += 1;
        let request = request.unwrap_or(id);
        members.places.insert(id, Place { offset: 0, request });
        drop(members);
        Membership { fill: Arc::clone(self), id, request, changes: self.progress.subscribe() }
    }

    pub(crate) fn has_members(&self) -> bool {
        !self.members().places.is_empty()
    }

    /// True when it goes on without readers.
    pub(crate) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Relaxed)
    }

    /// Returns when the last reader has left; now and then also without cause.
    pub(crate) async fn deserted(&self) {
        self.deserted.notified().await;
    }

    /// The head, while its body is coming.
    pub(crate) fn head(&self) -> Option<Arc<FillHead>> {
        match &self.progress.borrow().stage {
            Stage::Streaming(head) => Some(Arc::clone(head)),
            _ => None,
        }
    }

    /// Announces the head of a response whose body `reader` will have.
    pub(crate) fn start(&self, head: Arc<FillHead>, reader: Arc<dyn PartialReader>) {
        self.members().spill = Some(reader);
        self.advance(Stage::Streaming(head));
    }

    /// Announces a new stage to everyone.
    pub(crate) fn advance(&self, stage: Stage) {
        self.progress.send_modify(|progress| progress.stage = stage);
    }

    /// Announces `len` more bytes in the store.
    pub(crate) fn stored(&self, len: u64) {
        self.progress.send_modify(|progress| {
            progress.received += len;
            progress.stored += len;
        });
    }

    /// Hands `piece` to the present readers without storing it, and waits until the slowest of them leaves room, or the
    /// last of them leaves.
    pub(crate) async fn pipe(&self, piece: Bytes) {
        let len = piece.len() as u64;
        let (received, stored) = {
            let progress = self.progress.borrow();
            (progress.received, progress.stored)
        };
        {
            let mut members = self.members();
            if members.window.is_empty() {
                members.window_start = received;
            }
            members.window.push_back(piece);
            members.window_len += len;
        }
        self.progress.send_modify(|progress| progress.received += len);
        let mut deadline = Instant::now() + PIPE_PATIENCE;
        loop {
            let moved = self.member_moved.notified();
            {
                let mut members = self.members();
                if Instant::now() >= deadline {
                    members.cut_slowest();
                    deadline = Instant::now() + PIPE_PATIENCE;
                }
                members.trim(stored);
                if members.places.is_empty() || members.window_len <= PIPE_WINDOW {
                    return;
                }
            }
            // Time running out is as good as a move: the loop looks again.
            let _ = tokio::time::timeout_at(deadline, moved).await;
        }
    }

    pub(crate) fn end(&self, end: End) {
        self.progress.send_modify(|progress| progress.end = Some(end));
    }

    /// Settles what is still open: called when the task ends, however it ends.
    pub(super) fn abandon(&self) {
        self.progress.send_modify(|progress| match progress.stage {
            Stage::Waiting => progress.stage = Stage::Failed(super::task::abandoned()),
            Stage::Streaming(_) if progress.end.is_none() => {
                progress.end = Some(End::Cut(BodyError::new(BodyErrorKind::Cut, "the fetch was given up")));
            }
            _ => {}
        });
    }

    fn windowed(&self, offset: u64) -> Option<Bytes> {
        let members = self.members();
        let mut start = members.window_start;
        for piece in &members.window {
            let end = start + piece.len() as u64;
            if (start..end).contains(&offset) {
                return Some(piece.slice((offset - start) as usize..));
            }
            start = end;
        }
        None
    }
}

/// A place among the readers of a fill. Leaving it (drop) tells the fill.
pub(crate) struct Membership {
    fill: Arc<Fill>,
    id: u64,
    /// As in [`Place`].
    request: u64,
    changes: watch::Receiver<Progress>,
}

impl Membership {
    /// Waits for the fill to know more than that it waits, and answers what.
    pub(crate) async fn stage(&mut self) -> Stage {
        let settled = self.changes.wait_for(|progress| !matches!(progress.stage, Stage::Waiting)).await;
        // The sender lives in the fill, which this membership keeps alive: the wait cannot fail.
        settled.map_or(Stage::Waiting, |progress| progress.stage.clone())
    }

    /// Another place among the readers for the same request, from the beginning of the body.
    pub(crate) fn again(&self) -> Self {
        self.fill.join_for(Some(self.request))
    }

    /// The head, if it is here, and how many bytes of body are.
    pub(crate) fn streaming(&self) -> Option<(Arc<FillHead>, u64)> {
        let head = self.fill.head()?;
        Some((head, self.changes.borrow().received))
    }

    /// When the fetch began.
    pub(crate) fn began(&self) -> Instant {
        self.fill.began
    }

    /// From here on the fill goes on without readers as well.
    pub(crate) fn detach(&self) {
        self.fill.detached.store(true, Ordering::Relaxed);
    }

    /// How far the fill is, marked as seen.
    pub(super) fn progress(&mut self) -> (u64, u64, Option<End>) {
        let progress = self.changes.borrow_and_update();
        (progress.received, progress.stored, progress.end.clone())
    }

    pub(super) async fn changed(&mut self) {
        let _ = self.changes.changed().await;
    }

    pub(super) fn windowed(&self, offset: u64) -> Option<Bytes> {
        self.fill.windowed(offset)
    }

    /// Reads what is stored; there for as long as some reader has not had all of it.
    pub(super) fn spill(&self) -> Option<Arc<dyn PartialReader>> {
        self.fill.members().spill.clone()
    }

    /// Tells the fill that everything before `offset` is no longer needed here.
    pub(super) fn moved_to(&self, offset: u64) {
        if let Some(place) = self.fill.members().places.get_mut(&self.id) {
            place.offset = offset;
        }
        self.fill.member_moved.notify_one();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = self.fill.members();
        members.places.remove(&self.id);
        let last = members.places.is_empty();
        drop(members);
        self.fill.member_moved.notify_one();
        if last {
            self.fill.deserted.notify_one();
        }
    }
}
