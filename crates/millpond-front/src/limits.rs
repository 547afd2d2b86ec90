//! Every bound of a connection, in one place.

use std::time::Duration;

/// The bounds of one connection. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontLimits {
    /// A request head, from the request line to the empty line. Beyond it: 431, or 414 when the target is to blame.
    pub head_bytes: usize,
    /// Field lines in a head or a trailer section. Beyond it: 431 (head) or 400 (trailers).
    pub fields: usize,
    /// The request target. Beyond it: 414.
    pub target_bytes: usize,
    /// A trailer section.
    pub trailer_bytes: usize,
    /// Chunk extensions of one body, summed up.
    pub chunk_extension_bytes: usize,
    /// From the first byte of a head to its last. Beyond it: 408.
    pub head_timeout: Duration,
    /// A connection between two requests, and before the first one. Beyond it the connection is closed.
    pub idle_timeout: Duration,
    /// Between two reads of a request body that someone waits for. Beyond it the body ends with an error.
    pub body_read_timeout: Duration,
    /// A write without progress. Beyond it the connection is cut.
    pub write_timeout: Duration,
    /// How much of a request body nobody read is taken in to keep the connection; with more to come it is closed.
    pub drain_bytes: u64,
    /// How long the rest of such a body, or the client's close after our last byte, is waited for.
    pub linger_timeout: Duration,
    /// How much is read and thrown away after our last byte, so that the client gets it before a reset.
    pub linger_bytes: u64,
    /// Replies on one connection before it is closed; `None` for no bound.
    pub requests: Option<u64>,
    /// HTTP/2: requests at one time on one connection (RFC 9113 section 5.1.2).
    pub streams: u32,
    /// HTTP/2: what a client may send of one request body before anybody reads it (RFC 9113 section 5.2).
    pub stream_window: u32,
    /// HTTP/2: the same for all request bodies of a connection together.
    pub connection_window: u32,
    /// HTTP/2: the credit for frames that carry no message, such as RST_STREAM, PING and SETTINGS. Each takes from it, replies
    /// and content give back. A connection that has used it up is closed with ENHANCE_YOUR_CALM.
    pub control_credit: u32,
    /// HTTP/2: what each second gives back of that credit.
    pub control_rate: u32,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            fields: 128,
            target_bytes: 32 * 1024,
            trailer_bytes: 16 * 1024,
            chunk_extension_bytes: 4 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain_bytes: 64 * 1024,
            linger_timeout: Duration::from_secs(5),
            linger_bytes: 1024 * 1024,
            requests: None,
            streams: 100,
            stream_window: 128 * 1024,
            connection_window: 256 * 1024,
            control_credit: 2_000,
            control_rate: 400,
        }
    }
}
