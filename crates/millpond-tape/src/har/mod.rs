//! HTTP Archive 1.2: written as the specification says, read tolerantly.
//!
//! The format holds bodies without their content codings, times to the millisecond, and no connections; what of an exchange
//! it keeps, and the members of our own (`_id`, `_aborted`, `_trailers` ...), stand in `docs/reference/tapes.md`.

mod body;
mod cookies;
mod entry;
mod message;

mod read;
mod timings;
mod version;
mod write;

pub use read::{read_one, reader};
pub use write::HarWriter;
