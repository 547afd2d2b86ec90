//! JSON tapes and HTTP archives: what is written comes back, what others write is read, and what is broken is named.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod har;
mod interop;
mod lines;
mod schema;
mod support;
mod table;
