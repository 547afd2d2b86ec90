//! The command line as a user meets it: the real binary, its output, its exit codes.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

mod cache;
mod config;
mod explain;
mod help;
#[path = "../../../millpond/tests/support/origin.rs"]
mod origin;
mod serve;
mod support;
