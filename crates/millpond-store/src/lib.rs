//! Where responses are kept: the contract, the memory tier, and the law suite every backend must pass.
//!
//! What must not live here: rules about what may be stored or reused (`millpond-policy`), clocks, other backends.

pub mod codec;
mod contract;
mod entries;
#[cfg(feature = "laws")]
pub mod laws;
mod memory;
mod named;
mod none;
mod purge;
mod replace;
mod tiered;

pub use contract::{
    Above, Capabilities, Entry, Epoch, MAX_VARIANTS, NewEntry, PartialReader, Store, StoreError, Variants,
    Writer,
};
pub use entries::Entries;
pub use memory::{MemoryOptions, MemoryStats, MemoryStore};
pub use none::NoStore;
pub use purge::{PURGES_REMEMBERED, PurgeLog, covers};
pub use replace::replaces;
pub use tiered::{Tiered, TieredStats};
