//! In-process counters: what happened, how often. Resolved at start, one relaxed add each.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counts since start. Cheap to add to from any thread.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: Counter,)+ }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CountersSnapshot { $($(#[$doc])* pub $name: u64,)+ }

        impl Counters {
            /// The present values.
            pub fn snapshot(&self) -> CountersSnapshot {
                CountersSnapshot { $($name: self.$name.get(),)+ }
            }
        }

        impl CountersSnapshot {
            /// Names and values, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Requests that reached the engine.
    requests,
    /// Answered from a fresh entry.
    hits,
    /// Answered from a stale entry.
    stale_hits,
    /// Answered from an entry a 304 had just confirmed.
    validated,
    /// Answered from another request's fill.
    collapsed,
    /// Answered by a fetch of their own that could have been a hit.
    misses,
    /// Passed to the origin without looking: method, pass rule, request directive.
    bypassed,
    /// Requests that ended in an error made here (502, 504).
    errors,
    /// Requests sent to origins.
    origin_requests,
    /// Fetches that brought no response.
    origin_failures,
    /// Responses committed to the store.
    stored,
    /// Responses the policy refused to store.
    refused,
    /// Fills that ended before their body did.
    fills_cut,
    /// Operations a store could not do.
    store_failures,
    /// Entries removed because an unsafe request changed their resource.
    invalidated,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `n`.
    pub fn add_n(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
