//! The store on disk as a user meets it: real processes, real directories and sockets, and what can happen to any of them.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

mod client;
mod large;
mod offline;
mod origin;
mod restart;
mod server;
mod shared;
mod trouble;

use std::time::{Duration, Instant};

/// How long anything that must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until `found` finds something. Failing that, the test fails with `what`.
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `length` bytes that tell every offset and the `name` they were made for.
pub fn pattern(name: &str, length: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(length + 64);
    while body.len() < length {
        body.extend_from_slice(format!("{name} {:08x}\n", body.len()).as_bytes());
    }
    body.truncate(length);
    body
}

/// Bytes of a mebibyte.
pub const MIB: usize = 1 << 20;
