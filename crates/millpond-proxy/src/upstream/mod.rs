//! The way to the origins: connection pools, TLS, and the translation between our messages and hyper's.
//! What must not live here: caching decisions.

mod body;
mod client;
mod connector;
mod error;
mod hop;
mod tls;

pub use client::UpstreamPool;
pub use hop::strip_connection_fields;
pub use tls::{TlsError, UpstreamTls};
