//! From bytes, or the fields of HTTP/2 frames, to a [`Request`]: RFC 9112 read strictly, for a proxy must not guess what the
//! next hop would make of it.
//!
//! What lives here: finding the end of a head, the request line, targets, fields that bear on framing. Pure
//! functions; what must not: I/O and timers.

mod fields;
mod host;
mod http2;
mod request_line;
mod scan;
mod target;

pub(crate) use fields::{Framing, fill_fields};
pub(crate) use http2::from_http2;
pub(crate) use scan::{Scan, Scanner};

use crate::{FrontLimits, Refusal, Request};
use http::{Method, Version};
use millpond_exchange::Scheme;

/// What the connection must know of a request when the service has the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) framing: Framing,
    /// The client allows another request after this one (RFC 9112 section 9.3).
    pub(crate) persistent: bool,
    pub(crate) http10: bool,
    pub(crate) is_head: bool,
    pub(crate) is_connect: bool,
    /// `Expect: 100-continue`, and a body to continue with.
    pub(crate) expects_continue: bool,
    pub(crate) accepts_trailers: bool,
}

/// Reads `head`, a complete one up to and with its empty line, into `request`, whose buffers are reused.
pub(crate) fn parse(
    head: &[u8],
    limits: &FrontLimits,
    scheme: Scheme,
    request: &mut Request,
) -> Result<Facts, Refusal> {
    let (line, rest) = request_line::split(head)?;
    if line.target.len() > limits.target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    if line.method != request.head.method.as_str().as_bytes() {
        request.head.method = Method::from_bytes(line.method).map_err(|_| Refusal::RequestLine)?;
    }
    request.head.version = line.version;
    request.head.scheme = scheme;
    target::read(line.target, request)?;
    let facts = fill_fields(rest, limits, request)?;
    request.accepts_trailers = facts.accepts_trailers;
    request.body_length = facts.framing.length();
    Ok(facts)
}

/// True for HTTP/1.0, false for 1.1 and what counts as it.
fn is_http10(version: Version) -> bool {
    version == Version::HTTP_10
}
