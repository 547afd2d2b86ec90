//! Tapes: recorded exchanges, read and written in the formats of mitmproxy, HAR 1.2 and JSON lines; matched with requests,
//! redacted, merged.
//!
//! What lives here: what a tape holds ([`Recorded`]), the codecs, the rules by which a request is the same as a recorded
//! one, the redaction of secrets. What must not: clocks, runtimes, the environment, and files by name: a codec reads from a
//! [`ReadAt`] and writes to a [`std::io::Write`], whatever that is.
//!
//! Nothing here holds a body whole: [`Content`] of a tape refers to the place where it lies, and is read in pieces.

pub mod coding;
mod content;
mod error;
mod format;
mod model;
mod pairs;
mod window;

pub mod har;
pub mod index;
pub mod json;
pub mod matching;
pub mod merge;
pub mod mitm;
pub mod redact;

pub use content::{Content, Form, ReadAt, Stamp};
pub use error::TapeError;
pub use format::{Format, Tape, TapeWriter, open, sniff, writer};
pub use model::{
    Chunk, ConnectionFacts, Failure, Recorded, RecordedRequest, RecordedResponse, WebSocket, WebSocketMessage,
};
pub use pairs::Pairs;
