//! The way to the origins: connection pools, TLS, and the translation between our messages and hyper's.
//! What must not live here: caching decisions.

mod body;
mod client;
mod connector;
mod counted;
mod dial;
mod error;
mod flood;
mod lanes;
mod message;
mod places;
mod proxied;
mod repeat;
mod tls;

pub use client::{PoolLimits, UpstreamPool};
pub use places::Places;
pub use proxied::through_proxy;
pub use tls::{TlsError, UpstreamTls};
