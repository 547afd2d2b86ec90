//! Recordings of real clients go from here to mitmproxy and back: its flow files, its server replay, its HAR, and the HAR of
//! a browser. Everything is local, and what answers a recording has no origin to ask.
//!
//! `MITMPROXY_PYTHON` is a Python that has mitmproxy; `cargo xtask test` installs one and sets it. Without it, only the
//! browser's part runs.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

mod archives;
mod browser;
mod clients;
mod flows;
#[path = "../doors/home.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "this binary uses its part")]
mod home;
mod ours;
mod proxies;
#[path = "../doors/secure.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "this binary uses its part")]
mod secure;
mod site;
mod theirs;
