//! The ordinary client beside the hostile ones: hits, over a kept and over a new connection, and misses. Whatever goes
//! wrong with one of them is an error; how long they take is only told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::client::Client;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes of each object.
const BYTES: u64 = 1024;

/// Every so many requests one is a miss.
const MISS_EVERY: u64 = 5;

/// The number of the first object that a miss asks for.
const FIRST: u64 = 1 << 50;

/// The next object nobody asked for, in any case.
static NEXT: AtomicU64 = AtomicU64::new(FIRST);

/// The misses asked for so far, in all cases.
pub fn misses() -> u64 {
    NEXT.load(Ordering::Relaxed) - FIRST
}

/// A client at work.
pub struct Bystander {
    address: SocketAddr,
    kept: Client,
    /// It opens new connections too; where the server has no place left for them it cannot.
    connects: bool,
}

/// How long answers took, and what went wrong, if anything.
#[derive(Debug, Default)]
pub struct Latencies {
    sorted: Vec<Duration>,
    /// What ended it early.
    pub error: Option<String>,
}

impl Bystander {
    /// Asks until it is over, or something goes wrong.
    pub fn watch(address: SocketAddr, connects: bool, over: &AtomicBool) -> Latencies {
        let mut taken = Vec::new();
        let mut asking = || -> Result<()> {
            let kept = Client::connect(address)?;
            let mut bystander = Self { address, kept, connects };
            let mut turn = 0;
            while !over.load(Ordering::SeqCst) {
                let began = Instant::now();
                bystander.ask(turn)?;
                taken.push(began.elapsed());
                turn += 1;
                thread::sleep(PAUSE);
            }
            Ok(())
        };
        let error = asking().err().map(|error| format!("{error:#}"));
        Latencies::of(taken, error)
    }

    /// Stores what its hits are of.
    pub fn prepare(address: SocketAddr) -> Result<()> {
        Client::connect(address)?.get(&hit(), BYTES).context("what hits are of")
    }

    fn ask(&mut self, turn: u64) -> Result<()> {
        let hit = hit();
        if turn % MISS_EVERY == MISS_EVERY - 1 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            return self.kept.get(&format!("/o/{BYTES}/{number}"), BYTES).context("a miss");
        }
        if self.connects && turn.is_multiple_of(2) {
            let mut new = Client::connect(self.address).context("a new connection")?;
            return new.get(&hit, BYTES).context("a hit over a new connection");
        }
        self.kept.get(&hit, BYTES).context("a hit over a kept connection")
    }
}

fn hit() -> String {
    format!("/o/{BYTES}/0")
}

impl Latencies {
    /// Those of these answers.
    pub fn of(mut taken: Vec<Duration>, error: Option<String>) -> Self {
        taken.sort();
        Self { sorted: taken, error }
    }

    /// Answers.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// No answer at all.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// What this part of the answers took at most.
    pub fn quantile(&self, part: f64) -> Duration {
        let index = (self.sorted.len() as f64 * part).ceil() as usize;
        self.sorted.get(index.saturating_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_answers() {
        let latencies = Latencies::of((1..=100).rev().map(Duration::from_millis).collect(), None);
        assert_eq!(latencies.quantile(0.5), Duration::from_millis(50));
        assert_eq!(latencies.quantile(0.99), Duration::from_millis(99));
        assert_eq!(latencies.quantile(1.0), Duration::from_millis(100));
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn a_server_that_hangs_up_is_an_error() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || listener.incoming().for_each(drop));
        let latencies = Bystander::watch(address, true, &AtomicBool::new(false));
        assert!(latencies.is_empty());
        assert!(latencies.error.is_some());
    }
}
