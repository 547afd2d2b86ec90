//! An answer to POST that a later GET may be given (RFC 9110 section 9.3.3): stored under the key of a GET while it goes to
//! its client.
//!
//! What must not live here: which answers these are; that is `policy::admit`.

use crate::answer::{Answer, AnswerHead, Outcome};
use crate::context::Context;
use crate::engine::Engine;
use crate::fill::task::{self, Plan};
use crate::fill::{Fill, FillReader, Stage};
use crate::origin::{Origin, OriginResponse};
use crate::part::Wanted;
use crate::told::Forwarded;
use millpond_exchange::{Key, RequestHead, ResponseHead};
use millpond_policy::{RequestFacts, Times};
use millpond_store::Epoch;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A response to an unsafe request that is to be stored for GET.
pub(crate) struct Posted {
    pub request: RequestHead,
    pub response: OriginResponse,
    pub times: Times,
    /// The key of a GET for the same target.
    pub key: Key,
    /// The purge epoch, after what the request itself has invalidated.
    pub epoch: Epoch,
    /// Purges so far, at the same moment.
    pub purges: u64,
}

/// True when `response` may be stored for GET.
pub(crate) fn answers_get(
    request: &RequestHead,
    response: &ResponseHead,
    times: Times,
    context: &Context,
) -> bool {
    let facts = RequestFacts::of(request);
    response.fields.contains("content-location")
        && millpond_policy::admit(request, &facts, response, times, None, &context.profile).is_ok()
}

impl<O: Origin> Engine<O> {
    /// Stores the response and gives it to its client meanwhile.
    pub(crate) async fn store_posted(
        self: &Arc<Self>,
        posted: Posted,
        context: &Arc<Context>,
        forwarded: Forwarded,
    ) -> Option<Answer> {
        let Posted { request, response, times, key, epoch, purges } = posted;
        let plan = Plan {
            place: None,
            key,
            request,
            content: None,
            own_conditions: false,
            stored: Vec::new(),
            selected: None,
            wanted: Wanted::Whole,
            context: Arc::clone(context),
            epoch,
            purges,
            interim: None,
        };
        let fill = Fill::new(false);
        let mut member = fill.join();
        let (own, owned) = oneshot::channel();
        // Boxed where it is made, as in `handle`.
        tokio::spawn(Box::pin(task::store(Arc::clone(self), fill, plan, own, response, times)));
        let (head, body, status) = if let Stage::Streaming(head) = member.stage().await {
            let status = forwarded.stored(head.status.as_u16());
            (head.origin_head.clone(), FillReader::body(member, &head, None), status)
        } else {
            let task::Own { response, reason } = owned.await.ok()?;
            let status = forwarded.refused(response.head.status.as_u16(), reason);
            (response.head, response.body, status)
        };
        let head = AnswerHead::Own(head);
        Some(Answer {
            head,
            body,
            announce: None,
            age: None,
            outcome: Outcome::Bypass,
            status,
            upgrade: None,
        })
    }
}
