//! What is walked: a name, how often it is worth walking, and the walk.

use anyhow::Result;

use crate::{engine, policy, proxy};

/// A path through the product.
pub struct Case {
    /// As the baseline writes it.
    pub name: &'static str,
    /// What it is, for tables.
    pub title: &'static str,
    /// Walks enough that what differs from one process to the next, such as the seed of a hash, does not show: some
    /// hundreds of instructions in all.
    pub times: u64,
    /// Walks it; an error when it led somewhere else.
    pub walk: fn(u64) -> Result<()>,
}

/// All of them, from the smallest to the largest.
pub const CASES: &[Case] = &[
    Case { name: "key", title: "the key of a request", times: 2_000, walk: policy::key },
    Case { name: "admit", title: "judging a response that is stored", times: 500, walk: policy::admit },
    Case { name: "freshen", title: "judging a 304, updating the head", times: 500, walk: policy::freshen },
    Case { name: "hit", title: "a fresh hit in memory, engine", times: 1_000, walk: engine::hit },
    Case { name: "stale", title: "a stale hit, refresh under way, engine", times: 500, walk: engine::stale },
    Case { name: "validate", title: "a hit that a 304 confirms, engine", times: 500, walk: engine::validate },
    Case { name: "miss", title: "a miss that is stored, engine", times: 500, walk: engine::miss },
    Case {
        name: "exchange",
        title: "a fresh hit, front to front, log on",
        times: 500,
        walk: proxy::exchange,
    },
];
