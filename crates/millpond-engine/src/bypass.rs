//! Requests that go past the store, and what an unsafe one makes of the entries it touches.

use crate::answer::{Answer, AnswerHead, EngineError, Outcome};
use crate::context::{Context, Exchange, Target};
use crate::engine::Engine;
use crate::hit::key_of;
use crate::origin::{Origin, OriginRequest};
use crate::told::Forwarded;
use millpond_exchange::{Fields, KeyParts, Method, RequestHead, ResponseHead, Selector, url};
use std::sync::Arc;

impl<O: Origin> Engine<O> {
    /// Passes `exchange` to the origin and its response back.
    pub(crate) async fn bypass(
        self: &Arc<Self>,
        exchange: Exchange,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        let Exchange { head, body, context, interim, .. } = exchange;
        let request = head.clone();
        let sent = OriginRequest { upstream: Arc::clone(&context.upstream), head, body, interim };
        let mut response = match self.fetch(sent).await {
            Ok(response) => response,
            Err(error) => return Err(self.error(error, forwarded)),
        };
        self.shared.counters.bypassed.add();
        self.invalidate(&request, &response.head, &context).await;
        millpond_policy::remove_own_fields(&mut response.head.fields);
        // The content that HEAD leaves out still has a length (RFC 9110 section 9.3.2).
        let announce = if request.method == Method::HEAD { length(&response.head.fields) } else { None };
        let status = forwarded.answered(response.head.status.as_u16());
        Ok(Answer {
            head: AnswerHead::Own(response.head),
            body: response.body,
            announce,
            age: None,
            outcome: Outcome::Bypass,
            status,
            upgrade: response.upgrade,
        })
    }

    /// RFC 9111 section 4.4: a successful unsafe request makes what is stored of its resources invalid; RFC 9875
    /// section 3: and what is in the groups that its response names.
    async fn invalidate(&self, request: &RequestHead, response: &ResponseHead, context: &Context) {
        for url in millpond_policy::invalidated_by(request, response) {
            // What is stored has the name its key gives it: normalised, and after the query rules of the route.
            let Ok((scheme, authority, path_and_query)) = url::split(&url) else { continue };
            let target = Target { scheme, authority, path_and_query, client_scheme: None };
            let key = key_of(target, context).to_key();
            self.shared.invalidate(Selector::Url(key.url())).await;
        }
        if request.method.is_safe() {
            return;
        }
        for group in millpond_policy::invalidated_groups(&response.fields) {
            let origin = KeyParts::of(request).to_key().origin();
            self.shared.invalidate(Selector::Group { origin, group: group.into() }).await;
        }
    }
}

/// Content-Length, where it is one number.
fn length(fields: &Fields) -> Option<u64> {
    let mut lines = fields.get_all("content-length");
    let line = lines.next().filter(|line| lines.next().is_none() && line.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(line).ok()?.parse().ok()
}
