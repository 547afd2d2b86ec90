//! HTTP/2 (RFC 9113): the same service, spoken to by the `h2` crate's client and by hand-made frames.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod abuse;
mod client;
mod empty;
mod exchange;
mod frames;
mod lifetime;
mod malformed;
mod raw;
mod slow;
#[path = "../support/mod.rs"]
mod support;
