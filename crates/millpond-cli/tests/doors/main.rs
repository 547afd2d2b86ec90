//! The forward proxy, recording, replay, tapes and the certificate authority, through the binary: real commands behind it,
//! real files.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

mod authority;
mod command;
mod home;
#[path = "../../../millpond/tests/support/origin.rs"]
mod origin;
mod record;
mod secure;
mod signals;
mod tapes;
