//! What outlives a kill, and what never leaves: recording and the forward proxy through the binary, looked at from outside,
//! with the system's own record of its calls.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

mod hit;
#[path = "../doors/home.rs"]
#[expect(dead_code, reason = "shared with another test binary, which uses the rest")]
mod home;
mod kill;
mod load;
#[path = "../../../millpond/tests/support/origin.rs"]
mod origin;
mod refused;
mod script;
mod secrets;
#[path = "../doors/secure.rs"]
mod secure;
mod server;
mod silent;
mod tapes;
mod trace;
