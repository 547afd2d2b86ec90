//! Which requests are sent again.

use super::counted::was_reused;
use super::error::{classify, is_reset, is_unprocessed};
use hyper_util::client::legacy;
use millpond_engine::{OriginError, OriginFault, Upstream};
use millpond_exchange::{Body, Method, RequestHead};

/// How often a request is sent again that the origin says it has not looked at. Once is not always enough: what an origin takes at one
/// time may have become less (RFC 9113 section 6.5.2).
const UNPROCESSED: u32 = 3;

/// A request that brought no response head.
pub(super) struct Failed {
    pub(super) error: OriginError,
    reason: Reason,
}

/// What is known of the request that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It went over a connection that had served others, and that connection ended: the origin may just have closed it
    /// for being idle (RFC 9112 section 9.3.1).
    OnReused,
    /// The origin did nothing about it (RFC 9113 section 8.7).
    Unprocessed,
    Other,
}

impl Failed {
    /// What `error` of the client means for its request.
    pub(super) fn new(upstream: &Upstream, error: &legacy::Error) -> Self {
        let reason = if is_unprocessed(error) {
            Reason::Unprocessed
        } else if was_reused(error) && !is_reset(error) {
            Reason::OnReused
        } else {
            Reason::Other
        };
        Self { error: classify(upstream, error), reason }
    }
}

impl From<OriginError> for Failed {
    fn from(error: OriginError) -> Self {
        Self { error, reason: Reason::Other }
    }
}

/// What it takes to send a request again.
pub(super) struct Again {
    /// The content, where it is in memory.
    content: Option<Body>,
    /// It may be sent again although it may have arrived (RFC 9110 section 9.2.2).
    idempotent: bool,
    repeats: u32,
}

impl Again {
    pub(super) fn new(head: &RequestHead, body: &Body) -> Self {
        let content = copy(body);
        let safe = head.method == Method::GET || head.method == Method::HEAD;
        Self { idempotent: safe && matches!(content, Some(Body::Empty)), content, repeats: 0 }
    }

    /// The content to send again after `failed`; `None` when the request is not sent again.
    pub(super) fn after(&mut self, failed: &Failed) -> Option<Body> {
        let may = match failed.reason {
            Reason::Unprocessed => self.repeats < UNPROCESSED,
            Reason::OnReused => {
                self.idempotent && self.repeats == 0 && failed.error.fault == OriginFault::Closed
            }
            Reason::Other => false,
        };
        self.repeats += 1;
        self.content.as_ref().filter(|_| may).and_then(copy)
    }
}

fn copy(body: &Body) -> Option<Body> {
    match body {
        Body::Empty | Body::Stream { length: Some(0), .. } => Some(Body::Empty),
        Body::Memory(content) => Some(Body::Memory(content.clone())),
        Body::Stream { .. } => None,
    }
}
