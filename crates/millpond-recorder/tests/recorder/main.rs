//! Directories of tapes through their public surface: real files, exchanges made by hand.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod failures;
mod killed;
mod ranges;
mod recording;
mod replay;
mod support;
