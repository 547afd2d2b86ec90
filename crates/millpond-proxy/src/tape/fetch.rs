//! A request on its way to the origin it names, as the client wrote it.

use millpond_engine::{EngineError, FetchLimits, InterimSink, OriginError, OriginRequest, Upstream};
use millpond_exchange::url::normalise_authority;
use millpond_exchange::{Body, RequestHead, Version};
use millpond_front::{ConnInfo, Request};
use millpond_policy::{CacheStatus, remove_connection_fields};
use std::sync::Arc;

use crate::problem::Problem;

/// `received` without what belongs to one connection. This is what the tape keeps; with `upgrade`, the wish to change the
/// protocol stays.
pub(super) fn without_connection_fields(received: &RequestHead, upgrade: bool) -> RequestHead {
    let mut head = received.clone();
    let protocol = received.fields.get("upgrade").filter(|_| upgrade);
    remove_connection_fields(&mut head.fields);
    if let Some(protocol) = protocol {
        set(&mut head, "Connection", b"Upgrade");
        set(&mut head, "Upgrade", protocol);
    }
    head
}

/// The request for the origin. Nothing is added that tells of this proxy, not even Via (RFC 9110 section 7.6.3): some origins
/// answer otherwise then, and the tape would have what they say to proxies.
pub(super) fn origin_request(
    head: RequestHead,
    (request, conn): (&Request, &ConnInfo),
    body: Body,
    limits: FetchLimits,
    interim: InterimSink,
) -> OriginRequest {
    let scheme = head.scheme;
    let target = conn.tunnel.as_deref().unwrap_or(&head.authority);
    let upstream = Upstream { scheme, authority: normalise_authority(scheme, target).into_owned(), limits };
    let mut head = RequestHead { version: Version::HTTP_11, ..head };
    head.authority = normalise_authority(scheme, &head.authority).into_owned();
    // The body says how long it is.
    head.fields.remove("content-length");
    if request.body_length == Some(0) {
        // RFC 9110 section 10.1.1: an origin may wait for what never comes.
        head.fields.remove("expect");
    }
    if request.accepts_trailers && !head.fields.contains("upgrade") {
        set(&mut head, "TE", b"trailers");
    }
    OriginRequest { upstream: Arc::new(upstream), head, body, interim: Some(interim) }
}

/// What a client is told of an origin that did not answer.
pub(super) fn failed(error: OriginError) -> Problem {
    EngineError::Origin { error, must_validate: false, status: Box::new(CacheStatus::default()) }.into()
}

fn set(head: &mut RequestHead, name: &str, value: &[u8]) {
    if let Err(error) = head.fields.set(name, value) {
        tracing::warn!(name, %error, "field left out of a request");
    }
}
