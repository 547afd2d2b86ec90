//! Requests that go past the store, and what an unsafe one makes of the entries it touches.

use crate::answer::{Answer, AnswerHead, EngineError, Outcome};
use crate::context::Exchange;
use crate::engine::Engine;
use crate::origin::{Origin, OriginRequest};
use crate::told::Forwarded;
use millpond_exchange::{PurgeMode, RequestHead, ResponseHead, Selector};
use millpond_store::Store as _;
use std::sync::Arc;

impl<O: Origin> Engine<O> {
    /// Passes `exchange` to the origin and its response back.
    pub(crate) async fn bypass(
        self: &Arc<Self>,
        exchange: Exchange,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        self.shared.counters.bypassed.add();
        let Exchange { head, body, context, interim, .. } = exchange;
        let request = head.clone();
        let sent = OriginRequest { upstream: Arc::clone(&context.upstream), head, body, interim };
        let response = match self.fetch(sent).await {
            Ok(response) => response,
            Err(error) => return Err(self.error(error, forwarded)),
        };
        self.invalidate(&request, &response.head).await;
        let status = forwarded.answered(response.head.status.as_u16());
        Ok(Answer {
            head: AnswerHead::Own(response.head),
            body: response.body,
            announce: None,
            age: None,
            outcome: Outcome::Bypass,
            status,
            upgrade: response.upgrade,
        })
    }

    /// RFC 9111 section 4.4: a successful unsafe request makes what is stored of its resources invalid.
    async fn invalidate(&self, request: &RequestHead, response: &ResponseHead) {
        for url in millpond_policy::invalidated_by(request, response) {
            let removed = self.shared.store.remove(&Selector::Url(url), PurgeMode::Hard, self.now()).await;
            match removed {
                Ok(count) => self.shared.counters.invalidated.add_n(count),
                Err(error) => self.shared.store_failed(&error),
            }
        }
    }
}
