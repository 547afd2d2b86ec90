//! Cache-Status (RFC 9211) for each thing that can happen to a request.

use millpond_policy::{CacheStatus, Forward, Reason};

/// Why a request was forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarded {
    pub why: Forward,
    pub reason: Reason,
}

impl Forwarded {
    /// The reason, where it says more than the `fwd` parameter does.
    fn detail(self) -> Option<&'static str> {
        match self.reason {
            Reason::NothingStored | Reason::VaryMismatch | Reason::Stale | Reason::Method => None,
            reason => Some(reason.as_str()),
        }
    }

    /// Before any response.
    pub fn status(self) -> CacheStatus<'static> {
        CacheStatus { fwd: Some(self.why), detail: self.detail(), ..CacheStatus::default() }
    }

    /// The origin answered with `status`.
    pub fn answered(self, status: u16) -> CacheStatus<'static> {
        CacheStatus { fwd_status: Some(status), ..self.status() }
    }

    /// The origin answered with `status`, and the response is being stored.
    pub fn stored(self, status: u16) -> CacheStatus<'static> {
        CacheStatus { stored: true, ..self.answered(status) }
    }

    /// The origin answered with `status`, and the response is not stored for `reason`.
    pub fn refused(self, status: u16, reason: Reason) -> CacheStatus<'static> {
        CacheStatus { detail: Some(reason.as_str()), ..self.answered(status) }
    }

    /// Another request's response served this one too.
    pub fn collapsed(self) -> CacheStatus<'static> {
        CacheStatus { collapsed: true, ..self.status() }
    }
}

/// A fresh entry with `ttl` seconds left.
pub(crate) fn hit(ttl: i64) -> CacheStatus<'static> {
    CacheStatus { hit: true, ttl: Some(ttl), ..CacheStatus::default() }
}

/// An entry that is stale by `-ttl` seconds.
pub(crate) fn stale_hit(ttl: i64, why: Reason) -> CacheStatus<'static> {
    CacheStatus { detail: Some(why.as_str()), ..hit(ttl) }
}
