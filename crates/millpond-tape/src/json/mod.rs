//! JSON lines: one exchange a line, `v: 1`. Lossless: what a [`Recorded`](crate::Recorded) holds comes back.
//!
//! ```json
//! {"v":1,"id":"…","request":{"method":"GET","url":"https://example.org/","http_version":"HTTP/1.1",
//!  "headers":[["Host","example.org"]],"content":""},"response":{"status_code":200,"reason":"OK",
//!  "http_version":"HTTP/1.1","headers":[["Content-Type","text/plain"]],"content":"hello"},
//!  "timings":{"created":1.0,"request_started":1.0,"request_ended":1.1,"response_started":1.2,"response_ended":1.3},
//!  "aborted":false}
//! ```
//!
//! A body is a string; one that is not UTF-8 is base64, which `"content_encoding": "base64"` says; `null` is one that was
//! not recorded. Wherever else bytes are not UTF-8 (a field value, a path) `{"base64": "…"}` stands for the string.
//! `docs/reference/tapes.md` has every member.
//!
//! Read as well, and told by the missing `v`: what an older recorder wrote (`headers` an object, bodies decoded, in one
//! object a file or an array), and single responses of an older proxy ([`saved`]).

pub(crate) mod emit;
mod facts;
mod members;
pub(crate) mod place;
pub(crate) mod plain;
mod read;
mod saved;
pub(crate) mod scan;
pub(crate) mod text;
mod values;
mod write;

pub(crate) use facts::{chunks, decoded_fields};
pub use read::{read_one, reader};
pub use saved::{saved, saved_name};
pub use write::JsonWriter;

/// The version that is written, and the newest that is read.
pub const VERSION: u64 = 1;
