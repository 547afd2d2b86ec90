//! What the connection task and the service share during one exchange: the request body's hand-over slot and the
//! queue of interim responses.

use millpond_exchange::{BodyError, BodyErrorKind, Frame};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes of interim heads that may wait for the socket; beyond it sending one is refused.
const INTERIM_BYTES: usize = 64 * 1024;

/// The shared state. The body slot holds one frame: reading ahead is bounded by what one read brings.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The connection task, while it sleeps.
    driver: Option<Waker>,
    /// Something changed while the connection task was awake.
    changed: bool,
    frame: Option<Result<Frame, BodyError>>,
    /// No frame comes after the one in the slot.
    ended: bool,
    wanted: bool,
    abandoned: bool,
    reader: Option<Waker>,
    /// Serialised heads not yet taken.
    interim: Vec<u8>,
    /// False when the client is HTTP/1.0, which knows no interim responses.
    interim_known: bool,
    interim_closed: bool,
    continued: bool,
}

/// Why an interim head could not be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InterimRefused {
    Late,
    Full,
}

/// What the connection task finds when it looks.
#[derive(Debug)]
pub(crate) struct Wants {
    /// The reader waits for a frame and the slot is empty.
    pub(crate) body: bool,
    /// The reader is gone.
    pub(crate) abandoned: bool,
}

impl State {
    fn wake_driver(&mut self) -> Option<Waker> {
        self.changed = true;
        self.driver.take()
    }
}

impl Link {
    pub(crate) fn new(interim_known: bool, has_body: bool) -> Arc<Self> {
        let state = State { interim_known, ended: !has_body, ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The reader's side.

    pub(crate) fn poll_frame(&self, cx: &Context<'_>) -> Poll<Option<Result<Frame, BodyError>>> {
        let mut state = self.lock();
        if let Some(frame) = state.frame.take() {
            // The next frame may be fetched while this one is dealt with.
            state.wanted = !state.ended;
            let driver = if state.ended { None } else { state.wake_driver() };
            drop(state);
            driver.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(frame));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        let driver = if state.wanted { None } else { state.wake_driver() };
        state.wanted = true;
        drop(state);
        driver.into_iter().for_each(Waker::wake);
        Poll::Pending
    }

    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.frame = None;
        let driver = state.wake_driver();
        drop(state);
        driver.into_iter().for_each(Waker::wake);
    }

    // The interim handle's side.

    /// Queues `head`, a complete interim response; `is_continue` for a 100.
    pub(crate) fn push_interim(&self, head: &[u8], is_continue: bool) -> Result<(), InterimRefused> {
        let mut state = self.lock();
        if state.interim_closed {
            return Err(InterimRefused::Late);
        }
        if !state.interim_known || (is_continue && state.continued) {
            return Ok(());
        }
        if state.interim.len() + head.len() > INTERIM_BYTES {
            return Err(InterimRefused::Full);
        }
        state.continued |= is_continue;
        state.interim.extend_from_slice(head);
        let driver = state.wake_driver();
        drop(state);
        driver.into_iter().for_each(Waker::wake);
        Ok(())
    }

    // The connection task's side.

    /// The task is awake: changes are noted instead of waking it.
    pub(crate) fn awake(&self) {
        let mut state = self.lock();
        state.driver = None;
        state.changed = false;
    }

    /// The task wants to sleep; false when something changed meanwhile and it must look again.
    pub(crate) fn sleep(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        if !state.changed {
            state.driver = Some(cx.waker().clone());
        }
        !state.changed
    }

    pub(crate) fn wants(&self) -> Wants {
        let state = self.lock();
        let body = state.wanted && state.frame.is_none() && !state.ended && !state.abandoned;
        Wants { body, abandoned: state.abandoned }
    }

    /// Hands a frame to the reader; `last` when none follows.
    pub(crate) fn put(&self, frame: Option<Result<Frame, BodyError>>, last: bool) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.ended = last;
        state.wanted = false;
        if !state.abandoned {
            state.frame = frame;
        }
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Ends the body with an error unless it has ended already.
    pub(crate) fn cut(&self) {
        let error = BodyError::new(BodyErrorKind::Cut, "the client's connection ended before its body did");
        self.put(Some(Err(error)), true);
    }

    /// Appends the queued interim heads to `to`.
    pub(crate) fn take_interim(&self, to: &mut Vec<u8>) {
        let mut state = self.lock();
        to.append(&mut state.interim);
    }

    /// True the first time: the 100 is to be written now.
    pub(crate) fn claim_continue(&self) -> bool {
        let mut state = self.lock();
        !std::mem::replace(&mut state.continued, true)
    }

    /// The final response is next: interim heads are refused from here on. True when a 100 was sent or queued.
    pub(crate) fn close_interim(&self) -> bool {
        let mut state = self.lock();
        state.interim_closed = true;
        state.continued
    }
}
