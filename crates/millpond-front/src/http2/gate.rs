//! A waker that is quiet while its task is being polled.
//!
//! Every reply that is queued wakes the connection's task, which is the one that queued it and writes it out next
//! anyway. Without this, the task would be polled once more for each round of replies, to find nothing to do.

use futures_util::task::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

const WAITING: u8 = 0;
const POLLED: u8 = 1;
/// Woken since [`Gate::looks`].
const WOKEN: u8 = 2;

/// Stands between a task and what wakes it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    task: AtomicWaker,
    state: AtomicU8,
}

impl Gate {
    /// Everything that could have something to do is about to be looked at.
    pub(super) fn looks(&self) {
        // A swap, so that what a waker wrote before it is seen from here on.
        self.state.swap(POLLED, Ordering::SeqCst);
    }

    /// Runs `poll` with `waker`, which is this gate's.
    pub(super) fn poll<T>(
        &self,
        waker: &Waker,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.task.register(cx.waker());
        self.looks();
        let polled = poll(&mut Context::from_waker(waker));
        // Not looped here: what wakes during a poll may want the task to give way to others.
        if self.state.swap(WAITING, Ordering::SeqCst) == WOKEN {
            cx.waker().wake_by_ref();
        }
        polled
    }
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // One step, so that a wake is never between the two: either the poll sees it at its end, or the task is woken.
        let noted = self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| (state != WAITING).then_some(WOKEN));
        if noted.is_err() {
            self.task.wake();
        }
    }
}
