//! The memory tier: entries with their bodies in memory, bounded by bytes.
//!
//! What must not live here: anything that waits. Every future is ready at its first poll, and [`MemoryStore::lookup`]
//! needs none at all.

mod changes;
mod doorkeeper;
mod draft;
mod index;
mod ledger;
mod options;
mod shared;
mod slot;
mod store;
mod tier;

pub use options::MemoryOptions;
pub(crate) use store::MemoryWriter;
pub use store::{MemoryStats, MemoryStore};
pub(crate) use tier::Stamp;
