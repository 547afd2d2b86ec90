//! An answer to POST that a later GET may be given (RFC 9110 section 9.3.3): stored under the key of a GET while it goes to
//! its client.
//!
//! Where the POST told its origin of a host that the key of a GET knows nothing of ([`crate::Exchange::client_host`]), that host
//! becomes part of the key, and the answer is for GETs of clients that name the same one. An origin may have built links from
//! it, and whoever sent the POST must not choose where those of others lead.
//!
//! What must not live here: which answers these are; that is `policy::admit`.

use crate::answer::{Answer, AnswerHead, Outcome};
use crate::bypass::target_of;
use crate::context::{Asked, Context, Target};
use crate::engine::Engine;
use crate::fill::task::{self, Plan};
use crate::fill::{Fill, FillReader, Stage};
use crate::handle::Found;
use crate::hit::{key_for_host, key_of};
use crate::origin::{Origin, OriginResponse};
use crate::part::Wanted;
use crate::told::Forwarded;
use millpond_exchange::{Key, RequestHead, ResponseHead};
use millpond_policy::{RequestFacts, Times};
use millpond_store::Epoch;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// A response to an unsafe request that is to be stored for GET.
pub(crate) struct Posted {
    pub request: RequestHead,
    pub response: OriginResponse,
    pub times: Times,
    /// That of [`Engine::posted_key`].
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
    /// The key to store an answer to POST under: that of a GET for the same target, and the host that only this client names.
    pub(crate) fn posted_key(&self, target: Target<'_>, context: &Context, host: Option<&str>) -> Key {
        let Some(host) = host else { return key_of(target, context).to_key() };
        self.shared.keeps_for_hosts.store(true, Ordering::Relaxed);
        key_for_host(target, context, host)
    }

    /// The key of what may be stored for a GET or HEAD of a client that names such a host.
    pub(crate) fn key_for_host(&self, asked: &Asked) -> Option<Key> {
        let host = asked.client_host.as_deref().filter(|_| asked.content.is_none())?;
        if !self.shared.keeps_for_hosts.load(Ordering::Relaxed) {
            return None;
        }
        Some(key_for_host(target_of(&asked.head, asked.client_scheme), &asked.context, host))
    }

    /// What is stored under `key`, that of [`Engine::key_for_host`], where nothing that is for everybody answers.
    pub(crate) async fn find_for_host(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: Found,
        key: Key,
    ) -> Found {
        let other = self.find_under(asked, facts, key.clone(), None).await;
        if other.serves() || (other.entry.is_some() && found.variants.entries.is_empty()) {
            return Found { key: found.key, place: found.place, for_host: Some(key), ..other };
        }
        found
    }

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
