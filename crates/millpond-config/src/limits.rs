//! Every bound and timeout there is, in one type.

use crate::values::{ByteSize, Period, SizeLimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every limit and timeout, with its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections from clients at one time; one more is answered 503 and closed.
    #[schemars(range(min = 1))]
    pub connections: u32,
    /// Requests at one time on one HTTP/2 connection; a client keeps further ones back.
    #[schemars(range(min = 1))]
    pub http2_streams: u32,
    /// The largest request or response head, its first line included; more is answered 431 or 414 (from an origin: 502).
    pub head_bytes: ByteSize,
    /// The most fields in a head; more is answered 431 (from an origin: 502).
    #[schemars(range(min = 8))]
    pub head_fields: u32,
    /// The largest request body passed on; more is answered 413.
    pub request_body: SizeLimit,
    /// The longest content of a request that is part of its key (QUERY, and POST with `cache_post`); a request with more
    /// goes past the cache.
    pub key_body: ByteSize,
    /// What all requests together may hold for that at one time.
    pub key_bodies: ByteSize,
    /// The largest response body that is stored; a larger one passes through.
    pub object: ByteSize,
    /// For a request's head to arrive whole.
    pub head_timeout: Period,
    /// For the next request on a client's connection.
    pub idle_timeout: Period,
    /// For a client to take more of a response.
    pub write_timeout: Period,
    /// To connect to an origin, TLS included.
    pub connect_timeout: Period,
    /// For an origin to begin its response, once it has the request.
    pub first_byte_timeout: Period,
    /// Between two reads of a body, from an origin or a client.
    pub between_reads_timeout: Period,
    /// For anything to move in a tunnel (CONNECT) whose inside is not read, or after a change of protocol (101).
    pub tunnel_idle_timeout: Period,
    /// For requests in flight to finish when the server stops, and for tunnels that are not at rest.
    pub drain_timeout: Period,
    /// Connections to one origin at one time; further requests wait. 0 means no limit.
    pub origin_connections: u32,
    /// Unused connections kept open to one origin.
    pub origin_idle_connections: u32,
    /// How long an unused connection to an origin is kept open.
    pub origin_idle_timeout: Period,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            http2_streams: 100,
            head_bytes: ByteSize::kib(64),
            head_fields: 128,
            request_body: SizeLimit::Unlimited,
            key_body: ByteSize::mib(1),
            key_bodies: ByteSize::mib(64),
            object: ByteSize::gib(1),
            head_timeout: Period::from_secs(10),
            idle_timeout: Period::from_secs(75),
            write_timeout: Period::from_secs(30),
            connect_timeout: Period::from_secs(5),
            first_byte_timeout: Period::from_secs(30),
            between_reads_timeout: Period::from_secs(30),
            tunnel_idle_timeout: Period::from_secs(600),
            drain_timeout: Period::from_secs(30),
            origin_connections: 0,
            origin_idle_connections: 64,
            origin_idle_timeout: Period::from_secs(60),
        }
    }
}
