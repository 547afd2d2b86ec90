//! Look-ups that block, on threads of their own: a nameserver that says nothing holds up nothing else.
//!
//! The threads are few, shared by all workers and started on demand. Those who ask for one name share its look-up, and a
//! look-up that nobody waits for any more is not begun.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Look-ups under way at one time.
const THREADS: usize = 16;
/// Names that wait for a thread.
const QUEUE: usize = 1024;
/// How long a thread without work is kept.
const KEPT: Duration = Duration::from_secs(10);
/// Address space for the stack of a thread, bytes; the system's resolver needs a tenth of it.
const STACK: usize = 512 * 1024;

type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Answer = Result<Vec<IpAddr>, Arc<io::Error>>;

/// Asks, and ends its threads when dropped.
pub(super) struct Resolver(Arc<Desk>);

/// What the threads share.
struct Desk {
    lookup: Box<Lookup>,
    state: Mutex<State>,
    /// There is a name to look up, or nothing any more.
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// Names that no thread has taken up yet.
    queue: VecDeque<Arc<str>>,
    /// Who waits for each name that is in the queue or being looked up.
    askers: HashMap<Arc<str>, Vec<oneshot::Sender<Answer>>>,
    threads: usize,
    /// Threads that wait for work.
    idle: usize,
    closed: bool,
}

impl Resolver {
    /// Looks names up with `lookup`, which may block.
    pub fn new(lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Desk { lookup: Box::new(lookup), state: Mutex::default(), wake: Condvar::new() }))
    }

    /// The addresses of `name`. Whoever stops waiting gives up its part in the look-up.
    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let answer = self.ask(name)?.await;
        let answer = answer.map_err(|_| io::Error::other("the look-up was given up"))?;
        answer.map_err(|error| io::Error::new(error.kind(), error))
    }

    fn ask(&self, name: &str) -> io::Result<oneshot::Receiver<Answer>> {
        let (asker, answer) = oneshot::channel();
        let mut state = self.0.state();
        if let Some(askers) = state.askers.get_mut(name) {
            askers.retain(|asker| !asker.is_closed());
            askers.push(asker);
            return Ok(answer);
        }
        if state.queue.len() >= QUEUE {
            state.forget_abandoned();
        }
        if state.queue.len() >= QUEUE {
            let message = "too many names are being looked up; try again in a moment";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        let name: Arc<str> = name.into();
        state.askers.insert(Arc::clone(&name), vec![asker]);
        state.queue.push_back(name);
        if state.queue.len() > state.idle && state.threads < THREADS {
            self.start(&mut state)?;
        }
        drop(state);
        self.0.wake.notify_one();
        Ok(answer)
    }

    /// Starts a thread. It is an error to have none at all.
    fn start(&self, state: &mut State) -> io::Result<()> {
        let desk = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("millpond-names".to_owned()).stack_size(STACK);
        match thread.spawn(move || desk.work()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                state.queue.clear();
                state.askers.clear();
                return Err(error);
            }
            Err(error) => tracing::debug!(%error, "no further thread for names"),
        }
        Ok(())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.0.wake.notify_all();
    }
}

impl State {
    /// The next name that somebody still waits for.
    fn next(&mut self) -> Option<Arc<str>> {
        while let Some(name) = self.queue.pop_front() {
            if self.is_wanted(&name) {
                return Some(name);
            }
            self.askers.remove(&name);
        }
        None
    }

    fn forget_abandoned(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        for name in queue {
            if self.is_wanted(&name) {
                self.queue.push_back(name);
            } else {
                self.askers.remove(&name);
            }
        }
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.askers.get(name).is_some_and(|askers| askers.iter().any(|asker| !asker.is_closed()))
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does.
    fn work(&self) {
        while let Some(name) = self.take() {
            // A thread that ended with its counts as they are would be missed for good.
            let answer = catch_unwind(AssertUnwindSafe(|| (self.lookup)(&name)));
            let answer = answer.unwrap_or_else(|_| Err(io::Error::other("the look-up broke off")));
            let answer = answer.map_err(Arc::new);
            let askers = self.state().askers.remove(&name).unwrap_or_default();
            for asker in askers {
                // One that is gone needs no answer.
                let _ = asker.send(answer.clone());
            }
        }
    }

    /// A name to look up; `None`, and the thread is counted out, when there has been none for a while.
    fn take(&self) -> Option<Arc<str>> {
        let mut state = self.state();
        let mut waited = false;
        loop {
            if let Some(name) = state.next() {
                return Some(name);
            }
            if state.closed || waited {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let (woken, timeout) =
                self.wake.wait_timeout(state, KEPT).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            waited = timeout.timed_out();
        }
    }
}
