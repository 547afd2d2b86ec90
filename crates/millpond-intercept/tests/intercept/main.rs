//! The authority, its certificates, handshakes with real clients, and what clients are told.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod authority;
mod certificates;
mod clients;
mod environment;
mod handshake;
mod opening;
mod refusals;
mod support;
