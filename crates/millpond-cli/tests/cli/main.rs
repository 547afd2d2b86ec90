//! The command line as a user meets it: the real binary, its output, its exit codes.

mod config;
mod explain;
mod help;
#[path = "../../../millpond/tests/support/origin.rs"]
mod origin;
mod serve;
mod support;
