//! Completing a stored part (RFC 9111 section 3.4): what is asked for, and what the two are together; and joining a part that
//! comes with one that is stored.
//!
//! What must not live here: which responses belong together; that is the policy's.

use super::state::FillHead;
use super::task::Task;
use crate::origin::{Origin, OriginResponse};
use crate::part::{Wanted, is_worth_joining};
use crate::serve::{Whence, has_what_is_asked};
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt as _, StreamExt as _};
use millpond_exchange::{Body, BodyStream, Frame, Key, RequestHead, ResponseHead};
use millpond_policy::{Append, Combine, Combined, Fate, Reason, Stored, Times};
use millpond_store::{Entry, PartialReader, Store as _, StoreError};
use std::sync::Arc;

/// A stored part, and the request for what is missing behind it.
pub(super) struct Rest {
    part: Arc<Entry>,
    pub(super) request: RequestHead,
}

/// What a stored part and a response are together.
pub(super) struct Together {
    pub(super) head: FillHead,
    pub(super) body: Body,
}

/// What came of asking for the rest.
pub(super) enum Joined {
    /// The response goes on where the part ends.
    Together(Box<Together>),
    /// It is an answer of its own.
    Instead(Box<OriginResponse>),
    /// It is of no use, nor is the part: the request is to be sent as it was.
    Refetch(Reason),
}

/// Reads nothing: there is no store that could have anything.
pub(super) struct Nothing;

impl PartialReader for Nothing {
    fn read_at(&self, _: u64) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        ready(Ok(Bytes::new())).boxed()
    }
}

impl<O: Origin> Task<O> {
    /// The request for what is missing, where that is what the fill is to bring.
    pub(super) fn rest(&self) -> Option<Rest> {
        let Wanted::Rest { part, .. } = &self.plan.wanted else { return None };
        Some(Rest { part: Arc::clone(part), request: self.plan.for_rest()? })
    }

    /// Judges the response to the request for the rest.
    pub(super) async fn joined(&self, rest: &Rest, response: OriginResponse, times: Times) -> Joined {
        let Rest { part, request } = rest;
        let stored = Stored { record: &part.record, head: &part.head };
        let append = match millpond_policy::combines(stored, part.body_len, request, &response.head) {
            Combine::Append(append) => append,
            Combine::Replace => return Joined::Instead(Box::new(response)),
            Combine::No(reason) => return Joined::Refetch(reason),
        };
        match self.together(part, &append, request, &response.head, times) {
            Err(reason) => Joined::Refetch(reason),
            Ok(head) => match self.engine.shared.store.read(part, None).await {
                Ok(stored) => {
                    let body = chain(stored, response.body, &append);
                    Joined::Together(Box::new(Together { head, body }))
                }
                Err(error) => {
                    tracing::debug!(%error, "a stored part is gone before it could be completed");
                    Joined::Refetch(Reason::NothingStored)
                }
            },
        }
    }

    /// The head of the two together, if they have what the request wants.
    fn together(
        &self,
        part: &Entry,
        append: &Append,
        sent: &RequestHead,
        response: &ResponseHead,
        times: Times,
    ) -> Result<FillHead, Reason> {
        let request = &self.plan.request;
        let facts = self.plan.facts();
        let stored = Stored { record: &part.record, head: &part.head };
        let profile = &self.plan.context.profile;
        let Combined { record, head, fate } =
            millpond_policy::combined(stored, append, sent, &facts, response, times, profile);
        match fate {
            Fate::Store => {}
            Fate::Keep(reason) | Fate::Remove(reason) => return Err(reason),
        }
        let announced_len = Some(append.body_len);
        let from = Whence { record: &record, head: &head, length: announced_len };
        // An origin may send less than it was asked for.
        if !has_what_is_asked(from, request, &facts) {
            return Err(Reason::RangeNotStored);
        }
        let (key, mut origin_head, status) = (part.key.clone(), head.clone(), response.status);
        if let Some(age) = response.fields.get("age") {
            // Valid: it was a field before.
            let _ = origin_head.fields.set("Age", age);
        }
        Ok(FillHead { key, origin_head, head, record, status, announced_len, verbatim: false })
    }

    /// What `response`, a part that may be stored under `key`, is together with a stored one that ends where it begins, and
    /// that one's bytes. `None` where there is none, or none worth it.
    pub(super) async fn beside(
        &self,
        key: &Key,
        response: &ResponseHead,
        times: Times,
    ) -> Option<(FillHead, Body, Append)> {
        // Only a request for one range is answered from the combination for certain. And where the response taught that other
        // URLs stand for this one, what is stored there was not asked for by this one.
        let sent = &self.plan.request;
        if *key != self.plan.key || sent.fields.get("range")?.contains(&b',') {
            return None;
        }
        let store = &self.engine.shared.store;
        // What came since the request was looked up counts as well.
        let stored = store.variants(key).await.ok()?.entries;
        let records = stored.iter().map(|entry| &entry.record);
        let mut parts = millpond_policy::parts_for(records, &sent.fields, None).into_iter();
        let (part, append) = parts.find_map(|index| {
            let part = &stored[index];
            let of = Stored { record: &part.record, head: &part.head };
            match millpond_policy::combines(of, part.body_len, sent, response) {
                Combine::Append(append) => Some((part, append)),
                Combine::Replace | Combine::No(_) => None,
            }
        })?;
        if !is_worth_joining(part, append.body_len.saturating_sub(part.body_len)) {
            return None;
        }
        let head = self.together(part, &append, sent, response, times).ok()?;
        // A part that cannot be read any more is no reason to fail a request that does not need it.
        let bytes = store.read(part, None).await.ok()?;
        Some((head, bytes, append))
    }
}

/// The stored bytes, and after them those of the response that are not stored already.
pub(super) fn chain(stored: Body, fetched: Body, append: &Append) -> Body {
    let mut skip = append.skip;
    let rest = fetched.into_stream().filter_map(move |frame| {
        ready(match frame {
            Ok(Frame::Data(piece)) => {
                let cut = skip.min(piece.len() as u64);
                skip -= cut;
                let piece = piece.slice(cut as usize..);
                (!piece.is_empty()).then_some(Ok(Frame::Data(piece)))
            }
            other => Some(other),
        })
    });
    let stream: BodyStream = Box::pin(stored.into_stream().chain(rest));
    Body::Stream { stream, length: Some(append.body_len) }
}
