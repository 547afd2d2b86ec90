//! The HTTP/1.1 and HTTP/2 server side of millpond: strict framing, 1xx, trailers, kept field names, vectored writes.
//!
//! What lives here: reading requests off one connection, asking a [`Service`] for the reply, writing it. What must
//! not: listeners, TLS, routing, caching, rules about fields other than those of RFC 9112 and 9113 (framing and persistence).
//!
//! A [`Service`] is asked twice. [`Service::ready`] is synchronous and meant for cache hits: no await, no boxed
//! future, one read and one vectored write. When it declines, [`Service::call`] gets the request by value, its body
//! as a stream pulled with back pressure, and an [`Interim`] handle for 1xx responses.
//!
//! The front alone writes the fields that frame a message (`Content-Length`, `Transfer-Encoding`, `Connection`,
//! `Keep-Alive`): those in a service's reply are dropped.

mod body;
mod chunked;
mod connection;
mod date;
mod drain;
mod exchange;
mod head;
mod http2;
mod incoming;
mod interim;
mod limits;
mod linger;
mod link;
mod outgoing;
mod reading;
mod refusal;
mod reply;
mod respond;
mod service;
mod timer;
mod transport;
mod upgrade;
mod wire;
mod workspace;

pub use connection::{ConnectionEnd, serve_connection};
pub use drain::{Drain, DrainSignal};
pub use http2::{Credit, Found, Frames, kind as frame_kind, serve_http2};
pub use interim::{Interim, InterimError};
pub use limits::FrontLimits;
pub use refusal::Refusal;
pub use reply::{Reply, UpgradeHandler};
pub use service::{ConnInfo, Finished, Outcome, Request, Service, TargetForm};
pub use transport::Transport;
pub use upgrade::{Rewound, Upgraded};
pub use wire::WireHead;
