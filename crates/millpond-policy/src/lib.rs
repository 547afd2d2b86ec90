//! RFC 9111 and its companions as pure functions: no clock, no I/O, `now` is an argument.

mod profile;

pub use profile::{CacheKind, Profile};
