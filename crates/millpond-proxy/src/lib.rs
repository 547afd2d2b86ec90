//! The proxy: listeners, routes, guards, the way to the origins, and the fields a reply says about itself.
//!
//! What must not live here: caching decisions (`millpond-policy`), the order of a request's stations (`millpond-engine`), HTTP
//! framing (`millpond-front`).

mod access_log;
mod expect;
pub mod explain;
mod forward;
mod hint;
mod limit;
mod listener;
mod note;
mod pass;
mod problem;
mod profile;
mod reply;
mod request_id;
mod rewrite;
mod route;
mod server;
mod service;
mod stores;
mod tape;
mod tunnel;
mod unkeyed;
mod upstream;

pub use forward::Names;
pub use profile::key_for;
pub use server::{Running, Server, StartError};
pub use stores::disk_options;
pub use tape::tape_options;
pub use upstream::{Places, PoolLimits, TlsError, UpstreamPool, UpstreamTls};
