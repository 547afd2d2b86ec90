//! The settings of the memory tier, and what follows from them.

/// Room for what an entry needs besides its body, bytes: a head of 64 KiB and its bookkeeping.
const HEAD_ALLOWANCE: u64 = 128 * 1024;
/// The share of a shard that entries in frequent use may take; the rest is where newcomers prove themselves.
pub(super) const HOT_SHARE: f64 = 0.97;
/// More shards than this bring nothing: the lock is held for a hash probe.
const MOST_SHARDS: u64 = 64;
/// A guess at the mean entry, bytes; it sizes the list of keys lately evicted.
const MEAN_ENTRY: u64 = 8 * 1024;
/// What remembering one evicted key costs, bytes.
const GHOST: u64 = 96;
/// Evicted keys remembered for each key the tier is thought to hold.
pub(super) const GHOST_SHARE: f64 = 0.5;

/// Settings of a [`crate::MemoryStore`]. All sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Everything kept: bodies, heads, records, keys, indexes. 64 MiB by default.
    pub capacity: u64,
    /// The largest body taken; by default a quarter of the capacity. What cannot be met is lowered.
    pub max_object: Option<u64>,
    /// What writes in progress may hold together; by default as much as the capacity. Together with the capacity also the
    /// bound on all that the tier, writes in progress and readers of bodies that left the tier hold.
    pub max_in_flight: Option<u64>,
    /// True when no tier lies behind this one, so that what is not here is nowhere. [`crate::Tiered::new`] puts one there,
    /// whatever is said here.
    pub standalone: bool,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { capacity: 64 * 1024 * 1024, max_object: None, max_in_flight: None, standalone: true }
    }
}

/// What the options come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// The largest body.
    pub(super) max_object: u64,
    /// The most all entries of one key may weigh together.
    pub(super) max_key: u64,
    /// What the entries of all keys may weigh together.
    pub(super) weight: u64,
    /// Keys at most this heavy only ever push out other newcomers when they are new themselves.
    pub(super) light: u64,
    /// Locks; a power of two.
    pub(super) shards: u64,
    /// How many keys are expected.
    pub(super) keys: u64,
}

impl Layout {
    pub(super) fn new(options: &MemoryOptions) -> Self {
        let keys = (options.capacity / MEAN_ENTRY).max(32);
        let weight = options.capacity.saturating_sub((keys as f64 * GHOST_SHARE) as u64 * GHOST).max(1);
        let hot = |shards: u64| ((weight / shards) as f64 * HOT_SHARE) as u64;
        let allowance = HEAD_ALLOWANCE.min(weight / 16);
        let largest = hot(1).saturating_sub(allowance);
        let max_object = options.max_object.unwrap_or(options.capacity / 4).min(largest);
        // A shard is a cache of its own: it must be large enough for the largest object. More of them would spread the
        // lock, but refuse that object or empty a whole shard for it.
        let mut shards = MOST_SHARDS;
        while shards > 1 && (hot(shards) < max_object + allowance || keys / shards < 32) {
            shards /= 2;
        }
        let newcomers = (weight / shards) as f64 * (1.0 - HOT_SHARE);
        Self { max_object, max_key: hot(shards), weight, light: (newcomers / 2.0) as u64, shards, keys }
    }
}
