//! Graceful shutdown: a flag that every connection looks at, and a count of connections to wait for.

use futures_util::task::AtomicWaker;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::Notify;

/// Held by the listeners: starts the shutdown and waits for its end.
///
/// After [`Drain::start`], idle connections close at once and replies in flight carry `Connection: close`.
#[derive(Clone, Default)]
pub struct Drain {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    draining: AtomicBool,
    connections: Mutex<Connections>,
    empty: Notify,
}

/// Slots are reused: their number is that of the most connections there ever were at once.
#[derive(Default)]
struct Connections {
    slots: Vec<Option<Arc<AtomicWaker>>>,
    free: Vec<usize>,
}

impl Drain {
    /// A signal that has not been given.
    pub fn new() -> Self {
        Self::default()
    }

    /// The signal for one more connection, which counts until the signal is dropped.
    pub fn signal(&self) -> DrainSignal {
        let waker = Arc::new(AtomicWaker::new());
        let mut connections = self.shared.lock();
        let slot = connections.free.pop().unwrap_or(connections.slots.len());
        if slot == connections.slots.len() {
            connections.slots.push(None);
        }
        connections.slots[slot] = Some(Arc::clone(&waker));
        DrainSignal { shared: Arc::clone(&self.shared), waker, slot }
    }

    /// Tells every connection, present and future, to end after its current reply.
    pub fn start(&self) {
        self.shared.draining.store(true, Ordering::SeqCst);
        let wakers: Vec<_> = self.shared.lock().slots.iter().flatten().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// True once [`Drain::start`] was called.
    pub fn is_started(&self) -> bool {
        self.shared.draining.load(Ordering::SeqCst)
    }

    /// The number of connections that hold a signal.
    pub fn connections(&self) -> usize {
        self.shared.lock().count()
    }

    /// Waits until no connection holds a signal. Bound it with a timeout.
    pub async fn finished(&self) {
        loop {
            let mut empty = std::pin::pin!(self.shared.empty.notified());
            empty.as_mut().enable();
            if self.connections() == 0 {
                return;
            }
            empty.await;
        }
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Drain(started: {}, connections: {})", self.is_started(), self.connections())
    }
}

impl Connections {
    fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        // The list is valid between any two statements that could panic.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's part of a [`Drain`].
pub struct DrainSignal {
    shared: Arc<Shared>,
    waker: Arc<AtomicWaker>,
    slot: usize,
}

impl DrainSignal {
    /// True once the shutdown has started.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::SeqCst)
    }

    /// Waits for the shutdown to start: for a connection that has left HTTP and is not served by this crate any more.
    pub async fn draining(&self) {
        poll_fn(|cx| if self.poll_draining(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// As [`DrainSignal::is_draining`]; when false, the task of `cx` is woken when that changes.
    pub(crate) fn poll_draining(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.is_draining()
    }
}

impl Drop for DrainSignal {
    fn drop(&mut self) {
        let mut connections = self.shared.lock();
        connections.slots[self.slot] = None;
        connections.free.push(self.slot);
        let empty = connections.count() == 0;
        drop(connections);
        if empty {
            self.shared.empty.notify_waiters();
        }
    }
}

impl fmt::Debug for DrainSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrainSignal(draining: {})", self.is_draining())
    }
}
