//! Tells an operator once for each route which option would make it cache: nobody should have to wonder.

use millpond_engine::Answer;
use millpond_policy::Reason;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the hint was given.
#[derive(Default)]
pub(crate) struct Hint(AtomicBool);

impl Hint {
    /// Logs the hint if `answer` was not stored for want of freshness information, the first time. An error is no occasion:
    /// the option does not apply to it, and the first page that a browser asks for comes with an icon that is not there.
    pub fn consider(&self, answer: &Answer, route: &str) {
        let would_help = answer.head.head().status.as_u16() < 400
            && answer.status.detail == Some(Reason::NoFreshness.as_str());
        if would_help && !self.0.swap(true, Ordering::Relaxed) {
            tracing::info!(
                route,
                "responses are not cached because the origin says nothing about freshness; --default-ttl 60s would keep them for 60 seconds"
            );
        }
    }
}
