//! What the other side of a connection may still cost.

use tokio::time::Instant;

/// A number of tokens that is spent, and given back with time and for what a connection is good for.
#[derive(Debug)]
pub struct Credit {
    left: u32,
    most: u32,
    /// What a second gives back.
    rate: u32,
    refilled: Instant,
}

impl Credit {
    /// `most` to begin with, of which each second gives back `rate`.
    pub fn new(most: u32, rate: u32) -> Self {
        Self { left: most, most, rate, refilled: Instant::now() }
    }

    /// False when so much is not left.
    pub fn spend(&mut self, cost: u32) -> bool {
        if self.left < cost {
            self.refill(Instant::now());
        }
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled);
        let earned = passed.as_millis().saturating_mul(u128::from(self.rate)) / 1000;
        if earned > 0 {
            self.give(u32::try_from(earned).unwrap_or(u32::MAX));
            self.refilled = now;
        }
    }

    /// Gives back, up to what there was in the beginning.
    pub fn give(&mut self, credit: u32) {
        self.left = self.left.saturating_add(credit).min(self.most);
    }
}
