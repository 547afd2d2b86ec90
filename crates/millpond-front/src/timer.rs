//! One timer per connection, moved only when it fires too early, so that a hit costs no timer work.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// Fires at a deadline that may move at any time without cost.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    /// Made at the first wait; set to fire at the second part.
    sleep: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl Timer {
    /// Ready once `deadline` has passed; else the task of `cx` is woken at that time, or earlier.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let (sleep, armed) = self.sleep.get_or_insert_with(|| (Box::pin(sleep_until(deadline)), deadline));
        if deadline < *armed {
            sleep.as_mut().reset(deadline);
            *armed = deadline;
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
            *armed = deadline;
        }
        Poll::Pending
    }
}
