//! Hosts whose clients do not accept our certificates.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When a host is left closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalLimits {
    /// How many refusals it takes, with no client that accepts between them.
    pub in_a_row: u32,
    /// Within which time they must come: those of long ago say nothing of the clients of now.
    pub within: Duration,
    /// For how long the host is tunnelled then. A refusal soon after that begins such a time anew.
    pub tunnel_for: Duration,
    /// How many hosts are remembered; the one that was refused longest ago goes first.
    pub hosts: usize,
}

impl Default for RefusalLimits {
    fn default() -> Self {
        Self {
            in_a_row: 3,
            within: Duration::from_secs(5 * 60),
            tunnel_for: Duration::from_secs(30 * 60),
            hosts: 1024,
        }
    }
}

/// What a refusal led to; made for the log, which is to name a host once, not each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// The first refusal of this host since it was last accepted, or in a while: worth a line that names the option which would tunnel it.
    First,
    /// One more; the number in a row.
    Again(u32),
    /// This was the last one it takes, for the first time: from now on the host is tunnelled for a while.
    TunnelFrom,
    /// The host was tunnelled before, and is again.
    TunnelAgain,
}

/// Remembers refusals by host, so that a client that never will trust us (it accepts one certificate only) works all the
/// same, after a few attempts.
///
/// Whether that is wanted, the door decides: with tapes nothing may be tunnelled unasked.
#[derive(Debug)]
pub struct Refusals {
    limits: RefusalLimits,
    hosts: Mutex<HashMap<Box<str>, Host>>,
    /// How many are in `hosts`: where nobody refuses anything, nobody takes the lock.
    known: AtomicUsize,
}

#[derive(Debug)]
struct Host {
    /// The latest refusals, as many as it takes to have the host tunnelled at most.
    refused: VecDeque<Instant>,
    last: Instant,
    tunnel_until: Option<Instant>,
}

impl Host {
    /// Notes a refusal, and forgets those that are too old to count.
    fn note_refused(&mut self, limits: RefusalLimits, now: Instant) -> Remembered {
        let within = limits.within;
        let is_old = |then: Instant| now.saturating_duration_since(then) >= within;
        self.refused.retain(|then| !is_old(*then));
        self.tunnel_until = self.tunnel_until.filter(|until| !is_old(*until));
        self.refused.push_back(now);
        while self.refused.len() > limits.in_a_row.max(1) as usize {
            self.refused.pop_front();
        }
        self.last = now;
        let row = u32::try_from(self.refused.len()).unwrap_or(u32::MAX);
        if self.tunnel_until.is_some() {
            self.tunnel_until = Some(now + limits.tunnel_for);
            Remembered::TunnelAgain
        } else if row >= limits.in_a_row {
            self.tunnel_until = Some(now + limits.tunnel_for);
            Remembered::TunnelFrom
        } else if row == 1 {
            Remembered::First
        } else {
            Remembered::Again(row)
        }
    }
}

impl Refusals {
    /// Nothing is remembered yet.
    pub fn new(limits: RefusalLimits) -> Self {
        Self { limits, hosts: Mutex::default(), known: AtomicUsize::new(0) }
    }

    /// A client refused the certificate for `host`.
    pub fn note_refused(&self, host: &str, now: Instant) -> Remembered {
        let key = key(host);
        let mut hosts = self.lock();
        if !hosts.contains_key(&key) && hosts.len() >= self.limits.hosts.max(1) {
            let oldest = hosts.iter().min_by_key(|(_, host)| host.last).map(|(name, _)| name.clone());
            oldest.and_then(|name| hosts.remove(&name));
        }
        let new = || Host { refused: VecDeque::new(), last: now, tunnel_until: None };
        let told = hosts.entry(key).or_insert_with(new).note_refused(self.limits, now);
        self.known.store(hosts.len(), Ordering::Release);
        told
    }

    /// A client accepted the certificate for `host`: those before it do not count any more.
    pub fn note_accepted(&self, host: &str) {
        if self.known.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut hosts = self.lock();
        hosts.remove(&key(host));
        self.known.store(hosts.len(), Ordering::Release);
    }

    /// Whether `host` is to be tunnelled now.
    pub fn should_tunnel(&self, host: &str, now: Instant) -> bool {
        if self.known.load(Ordering::Acquire) == 0 {
            return false;
        }
        self.lock().get(&key(host)).and_then(|host| host.tunnel_until).is_some_and(|until| now < until)
    }

    /// The hosts remembered, each with its latest refusals, as many as count at most.
    pub fn list(&self) -> Vec<(Box<str>, usize)> {
        let mut list: Vec<_> =
            self.lock().iter().map(|(name, host)| (name.clone(), host.refused.len())).collect();
        list.sort();
        list
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self::new(RefusalLimits::default())
    }
}

/// Host names are the same in any case and with or without a final dot.
fn key(host: &str) -> Box<str> {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase().into()
}
