//! Completing a stored part (RFC 9111 section 3.4): what is asked for, and what the two are together; and joining a part that
//! comes with those that are stored on either side of it.
//!
//! What must not live here: which responses belong together; that is the policy's.

use super::around::{Around, Stretches, stored};
use super::state::FillHead;
use super::task::Task;
use crate::origin::{Origin, OriginResponse};
use crate::part::Wanted;
use crate::serve::{Whence, has_what_is_asked};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use millpond_exchange::{Body, Key, RequestHead, ResponseHead};
use millpond_policy::{Combine, Combined, Fate, Reason, Times};
use millpond_store::{Entry, PartialReader, Store as _, StoreError};
use std::sync::Arc;

/// A stored part, and the request for what is missing behind it.
pub(super) struct Rest {
    part: Arc<Entry>,
    pub(super) request: RequestHead,
}

/// What stored parts and a response are together.
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

impl Joined {
    fn together(head: FillHead, body: Body) -> Self {
        Self::Together(Box::new(Together { head, body }))
    }
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
        let join = match millpond_policy::combines(stored(part), part.body_len, request, &response.head) {
            Combine::Append(join) => join,
            Combine::Replace => return Joined::Instead(Box::new(response)),
            Combine::No(reason) => return Joined::Refetch(reason),
        };
        // What it leads up to may be there already.
        let found = self.engine.shared.store.variants(&part.key).await;
        let around =
            found.ok().and_then(|found| Around::of(Some(part), &found.entries, request, &response.head));
        if let Some(around) = around.filter(Around::reaches_beyond)
            && let Ok(head) = self.together(&around, request, &response.head, times)
            && let Ok(stretches) = Stretches::read(&self.engine.shared.store, &around).await
        {
            return Joined::together(head, stretches.with(response.body));
        }
        let around = Around::append(part, join);
        match self.together(&around, request, &response.head, times) {
            Err(reason) => Joined::Refetch(reason),
            Ok(head) => match Stretches::read(&self.engine.shared.store, &around).await {
                Ok(stretches) => Joined::together(head, stretches.with(response.body)),
                Err(error) => {
                    tracing::debug!(%error, "a stored part is gone before it could be completed");
                    Joined::Refetch(Reason::NothingStored)
                }
            },
        }
    }

    /// The head of all that is joined, if that has what the request wants.
    fn together(
        &self,
        around: &Around,
        sent: &RequestHead,
        response: &ResponseHead,
        times: Times,
    ) -> Result<FillHead, Reason> {
        let request = &self.plan.request;
        let facts = self.plan.facts();
        let (newest, other) = around.parts().ok_or(Reason::NothingStored)?;
        let parts = (stored(newest), other.map(stored));
        let profile = &self.plan.context.profile;
        let Combined { record, head, fate } =
            millpond_policy::combined(parts, &around.join, sent, &facts, response, times, profile);
        match fate {
            Fate::Store => {}
            Fate::Keep(reason) | Fate::Remove(reason) => return Err(reason),
        }
        let announced_len = Some(around.join.body_len);
        let from = Whence { record: &record, head: &head, length: announced_len };
        // An origin may send less than it was asked for.
        if !has_what_is_asked(from, request, &facts) {
            return Err(Reason::RangeNotStored);
        }
        let (key, mut origin_head, status) = (newest.key.clone(), head.clone(), response.status);
        if let Some(age) = response.fields.get("age") {
            // Valid: it was a field before.
            let _ = origin_head.fields.set("Age", age);
        }
        Ok(FillHead { key, origin_head, head, record, status, announced_len, verbatim: false })
    }

    /// What `response`, a part that may be stored under `key`, is together with stored ones that end where it begins or begin
    /// where it ends, and the bytes of those. `None` where there is none, or none worth it.
    pub(super) async fn beside(
        &self,
        key: &Key,
        response: &ResponseHead,
        times: Times,
    ) -> Option<(FillHead, Stretches)> {
        // Only a request for one range is answered from the combination for certain. And where the response taught that other
        // URLs stand for this one, what is stored there was not asked for by this one.
        let sent = &self.plan.request;
        if *key != self.plan.key || sent.fields.get("range")?.contains(&b',') {
            return None;
        }
        // What came since the request was looked up counts as well.
        let store = &self.engine.shared.store;
        let found = store.variants(key).await.ok()?;
        let around = Around::of(None, &found.entries, sent, response)?;
        let head = self.together(&around, sent, response, times).ok()?;
        // A part that cannot be read any more is no reason to fail a request that does not need it.
        let stretches = Stretches::read(store, &around).await.ok()?;
        Some((head, stretches))
    }
}
