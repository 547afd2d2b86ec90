//! Recording and replay: the service behind a forward proxy that answers from tapes, and records what it fetches.
//!
//! What must not live here: tapes themselves (`millpond-recorder`), tunnels and TLS (`forward`).

mod content;
mod fetch;
mod lookup;
mod options;
mod playback;
mod replies;
mod service;

pub use options::tape_options;
pub(crate) use service::TapeService;
