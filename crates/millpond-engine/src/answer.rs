//! What the engine answers.

use crate::origin::{OriginError, Upgrade};
use millpond_exchange::{Body, BodyError, ResponseHead};
use millpond_policy::{CacheStatus, Reason};
use millpond_store::Entry;
use std::sync::Arc;
use thiserror::Error;

/// Where the head of an answer comes from.
#[derive(Debug)]
pub enum AnswerHead {
    /// A stored head, sent as it lies in the store.
    Stored(Arc<Entry>),
    /// A head of its own.
    Own(ResponseHead),
}

impl AnswerHead {
    /// The head.
    pub fn head(&self) -> &ResponseHead {
        match self {
            Self::Stored(entry) => &entry.head,
            Self::Own(head) => head,
        }
    }
}

/// Which counter an answer belongs to, and what X-Cache says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Fresh from the store.
    Hit,
    /// Stale from the store.
    StaleHit,
    /// From the store, confirmed by a 304 just now.
    Validated,
    /// From another request's fill.
    Collapsed,
    /// Fetched.
    Miss,
    /// Passed on without looking.
    Bypass,
}

impl Outcome {
    /// True where X-Cache says HIT.
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Hit | Self::StaleHit | Self::Validated)
    }

    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::StaleHit => "stale",
            Self::Validated => "validated",
            Self::Collapsed => "collapsed",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// A response for the client.
pub struct Answer {
    /// Status and fields, without Age, Cache-Status and what else a door adds.
    pub head: AnswerHead,
    /// The body.
    pub body: Body,
    /// Where there is no body (HEAD, 304): the length a GET would have had.
    pub announce: Option<u64>,
    /// The Age to send, seconds; `None` leaves the head's own in place.
    pub age: Option<u32>,
    /// What happened, in one word.
    pub outcome: Outcome,
    /// What happened, in full (RFC 9211).
    pub status: CacheStatus<'static>,
    /// With a 101: the raw connection to the origin.
    pub upgrade: Option<Upgrade>,
}

/// A request that brought no response to send.
#[derive(Clone, Debug, Error)]
pub enum EngineError {
    /// The origin did not answer, and there was nothing usable in the store.
    #[error("{error}")]
    Origin {
        /// What went wrong.
        error: OriginError,
        /// Something is stored, but its own directives forbid using it without the origin (RFC 9111 section 5.2.2.2).
        must_validate: bool,
        /// How the cache came to ask the origin.
        status: Box<CacheStatus<'static>>,
    },
    /// The content of the request did not come to its end, and had to be read before anything could be answered.
    #[error("the request's content broke off: {0}")]
    Request(BodyError),
    /// The client forbade a fetch (`only-if-cached`, RFC 9111 section 5.2.1.7), or this cache is offline.
    #[error("nothing usable is stored, and a fetch is not allowed: {}", reason.as_str())]
    NotCached {
        /// Why what is stored, if anything, cannot be used.
        reason: Reason,
        /// The same for Cache-Status.
        status: Box<CacheStatus<'static>>,
    },
}

impl EngineError {
    /// The same error where something is stored that may not be used without the origin.
    pub(crate) fn for_want_of_validation(self) -> Self {
        match self {
            Self::Origin { error, status, .. } => Self::Origin { error, must_validate: true, status },
            other @ (Self::NotCached { .. } | Self::Request(_)) => other,
        }
    }
}
