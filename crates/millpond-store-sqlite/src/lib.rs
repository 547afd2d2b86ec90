//! The persistent store: one SQLite file, and the larger bodies in files beside it.
//!
//! What must not live here: rules about what may be stored or reused (`millpond-policy`), clocks, the memory tier.

mod behind;
mod blocking;
mod bodies;
mod body;
mod check;
mod chunks;
mod compress;
mod disk;
mod draft;
mod error;
mod evict;
mod file;
mod filter;
mod heal;
mod health;
mod inspect;
mod open;
mod options;
mod pending;
mod purge;
mod read;
mod rows;
pub mod schema;
mod shared;
mod stats;
mod store;
mod uses;
mod waiting;
mod walk;
mod writer;

pub use error::OpenError;
pub use health::Health;
pub use inspect::{
    BackedUp, Cursor, Filter, Finding, InspectError, Inspector, Listed, Shown, StatusTotals, Totals,
    Unreadable, Verified, verify,
};
pub use options::{Now, SqliteOptions};
pub use stats::SqliteStats;
pub use store::SqliteStore;
