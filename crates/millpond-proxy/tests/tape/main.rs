//! Recording and replay end to end: real sockets, real files, origins that do exactly what a test says.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod breaks;
mod messages;
mod misses;
mod modes;
mod setup;
mod streams;
#[expect(dead_code, unused_imports, reason = "shared with other test binaries, which use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod tunnels;
