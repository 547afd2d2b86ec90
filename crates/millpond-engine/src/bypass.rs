//! Requests that go past the store, and what an unsafe one makes of the entries it touches.

use crate::answer::{Answer, AnswerHead, EngineError, Outcome};
use crate::context::{Context, Exchange, Target};
use crate::engine::Engine;
use crate::fill::task::abandoned;
use crate::hit::key_of;
use crate::origin::{Origin, OriginRequest, OriginResponse};
use crate::posted::{Posted, answers_get};
use crate::told::Forwarded;
use millpond_exchange::{Fields, KeyParts, Method, RequestHead, ResponseHead, Scheme, Selector, url};
use millpond_policy::{MethodClass, Times};
use millpond_store::Store as _;
use std::sync::Arc;

impl<O: Origin> Engine<O> {
    /// Passes `exchange` to the origin and its response back.
    pub(crate) async fn bypass(
        self: &Arc<Self>,
        exchange: Exchange,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        let Exchange { head, body, context, interim, client_scheme, client_host, pass, .. } = exchange;
        let request = head.clone();
        let request_time = self.now();
        let purges = self.shared.purges();
        let sent = OriginRequest { upstream: Arc::clone(&context.upstream), head, body, interim };
        let response = match self.fetch(sent).await {
            Ok(response) => response,
            Err(error) => return Err(self.error(error, forwarded)),
        };
        self.shared.counters.bypassed.add();
        let own_purges = self.invalidate(&request, &response.head, &context).await;
        let times = Times { request_time, response_time: self.now() };
        if pass.is_none() && answers_get(&request, &response.head, times, &context) {
            // What the request itself invalidates is older than its answer. A purge by anyone else that came while it was
            // under way covers the answer too, and the epoch would not tell.
            let epoch = self.shared.store.epoch();
            let purges = purges + own_purges;
            if self.shared.purges() == purges {
                let target = target_of(&request, client_scheme);
                let key = self.posted_key(target, &context, client_host.as_deref());
                let posted = Posted { request, response, times, key, epoch, purges };
                let answer = self.store_posted(posted, &context, forwarded).await;
                return answer.ok_or_else(|| self.error(abandoned(), forwarded));
            }
        }
        Ok(passed_on(response, &request.method, forwarded))
    }

    /// RFC 9111 section 4.4: a successful unsafe request makes what is stored of its resources invalid; RFC 9875
    /// section 3: and what is in the groups that its response names.
    ///
    /// Answers how many purges that was.
    async fn invalidate(&self, request: &RequestHead, response: &ResponseHead, context: &Context) -> u64 {
        let mut purges = 0;
        for url in millpond_policy::invalidated_by(request, response) {
            // What is stored has the name its key gives it: normalised, and after the query rules of the route.
            let Ok((scheme, authority, path_and_query)) = url::split(&url) else { continue };
            let target = Target { scheme, authority, path_and_query, client_scheme: None };
            let key = key_of(target, context).to_key();
            self.shared.invalidate(Selector::Url(key.url())).await;
            purges += 1;
        }
        if MethodClass::of(&request.method) != MethodClass::Unsafe {
            return purges;
        }
        for group in millpond_policy::invalidated_groups(&response.fields) {
            let origin = KeyParts::of(request).to_key().origin();
            self.shared.invalidate(Selector::Group { origin, group: group.into() }).await;
            purges += 1;
        }
        purges
    }
}

fn passed_on(mut response: OriginResponse, method: &Method, forwarded: Forwarded) -> Answer {
    millpond_policy::remove_own_fields(&mut response.head.fields);
    // The content that HEAD leaves out still has a length (RFC 9110 section 9.3.2).
    let announce = if *method == Method::HEAD { content_length(&response.head.fields) } else { None };
    let status = forwarded.answered(response.head.status.as_u16());
    Answer {
        head: AnswerHead::Own(response.head),
        body: response.body,
        announce,
        age: None,
        outcome: Outcome::Bypass,
        status,
        upgrade: response.upgrade,
    }
}

/// The target of a request as the store has it.
pub(crate) fn target_of(request: &RequestHead, client_scheme: Option<Scheme>) -> Target<'_> {
    let (authority, path_and_query) = (&*request.authority, &*request.path_and_query);
    Target { scheme: request.scheme, authority, path_and_query, client_scheme }
}

/// Content-Length, where it is one number.
pub(crate) fn content_length(fields: &Fields) -> Option<u64> {
    let mut lines = fields.get_all("content-length");
    let line = lines.next().filter(|line| lines.next().is_none() && line.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(line).ok()?.parse().ok()
}
