//! Directories of tapes: recording exchanges while they pass, and finding the recorded answer to a request.
//!
//! What must not live here: sockets, proxies, the formats of tapes (`millpond-tape`), clocks (`now` is an argument).
//!
//! [`Tapes`] is a directory at work. [`Tapes::begin`] makes a [`Recording`] of one exchange, whose bodies pass through it:
//! what they hold is kept in memory up to [`IN_MEMORY`], then in a file, and the last piece of a response goes on only when
//! the exchange is on the tape. [`Tapes::find`] looks a request up among what was recorded.

mod asked;
mod connection;
mod convert;
mod error;
mod heads;
mod mode;
mod options;
mod recording;
mod redaction;
mod replay;
mod session;
mod spool;
mod tapes;
mod totals;
mod writer;

pub use asked::Asked;
pub use error::{Miss, MissReason, OpenError};
pub use heads::{recorded_version, response_head};
pub use millpond_tape::index::Repeat;
pub use mode::{Mode, UnknownMode};
pub use options::{MissBody, TapeOptions};
pub use recording::Recording;
pub use replay::{Answer, Found};
pub use spool::{IN_MEMORY, Spool};
pub use tapes::Tapes;
pub use totals::Totals;
