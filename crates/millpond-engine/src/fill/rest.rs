//! Completing a stored part (RFC 9111 section 3.4): what is asked for, and what the two are together.
//!
//! What must not live here: which responses belong together; that is the policy's.

use super::state::FillHead;
use super::task::Task;
use crate::origin::{Origin, OriginResponse};
use crate::part::Wanted;
use crate::serve::has_what_is_asked;
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt as _, StreamExt as _};
use millpond_exchange::{Body, BodyStream, Frame, RequestHead, ResponseHead};
use millpond_policy::{Append, Combine, Combined, Fate, Reason, RequestFacts, Stored, Times};
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
        let Wanted::Rest { part, fetch, .. } = &self.plan.wanted else { return None };
        let fields = fetch.fields(&self.plan.request.fields);
        let request = RequestHead { fields, ..self.plan.request.clone() };
        Some(Rest { part: Arc::clone(part), request })
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
        let facts = RequestFacts::of(request);
        let stored = Stored { record: &part.record, head: &part.head };
        let profile = &self.plan.context.profile;
        let Combined { record, head, fate } =
            millpond_policy::combined(stored, append, sent, &facts, response, times, profile);
        match fate {
            Fate::Store => {}
            Fate::Keep(reason) | Fate::Remove(reason) => return Err(reason),
        }
        // An origin may send less than it was asked for.
        if !has_what_is_asked(&record, request, &facts, append.body_len) {
            return Err(Reason::RangeNotStored);
        }
        let announced_len = Some(append.body_len);
        let status = response.status;
        Ok(FillHead { origin_head: head.clone(), head, record, status, announced_len, verbatim: false })
    }
}

/// The stored bytes, and after them those of the response that are not stored already.
fn chain(stored: Body, fetched: Body, append: &Append) -> Body {
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
