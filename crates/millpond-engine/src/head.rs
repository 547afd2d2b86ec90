//! HEAD that the store cannot answer: forwarded as it is, and its response updates what is stored (RFC 9111 section 4.3.5).

use crate::answer::{Answer, AnswerHead, EngineError, Outcome};
use crate::bypass::content_length;
use crate::context::Asked;
use crate::engine::Engine;
use crate::handle::Found;
use crate::origin::{Origin, OriginRequest};
use crate::slow::FetchedInTime;
use crate::told::Forwarded;
use millpond_exchange::{Record, RecordFlags, RequestHead, ResponseHead};
use millpond_policy::{Fate, Freshened, HeadEffect, RequestFacts, StaleCause, Stored, Times};
use millpond_store::{Epoch, Store as _, StoreError};
use std::sync::Arc;

impl<O: Origin> Engine<O> {
    pub(crate) async fn forward_head(
        self: &Arc<Self>,
        asked: Asked,
        facts: &RequestFacts,
        found: Found,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        let epoch = self.shared.store.epoch();
        let request_time = self.now();
        let request = OriginRequest {
            upstream: Arc::clone(&asked.context.upstream),
            head: asked.head.clone(),
            body: millpond_exchange::Body::Empty,
            interim: asked.interim.clone(),
        };
        let fetched = self.fetched_in_time(&asked, facts, &found, request).await;
        let mut response = match fetched {
            FetchedInTime::Fetched(Ok(response)) => response,
            FetchedInTime::Fetched(Err(error)) => {
                return self.failed(&asked, facts, &found, forwarded, error).await;
            }
            FetchedInTime::Stale(answer) => return Ok(*answer),
        };
        let status = response.head.status.as_u16();
        if let Some(answer) = self.stale_instead(&asked, facts, &found, StaleCause::Status(status)).await {
            return Ok(answer);
        }
        let times = Times { request_time, response_time: self.now() };
        self.update_by_head(&asked, facts, &found, &response.head, times, epoch).await;
        self.shared.counters.misses.add();
        // The Content-Length a GET would have had.
        let announce = content_length(&response.head.fields);
        millpond_policy::remove_own_fields(&mut response.head.fields);
        Ok(Answer {
            head: AnswerHead::Own(response.head),
            body: millpond_exchange::Body::Empty,
            announce,
            age: None,
            outcome: Outcome::Miss,
            status: forwarded.answered(status),
            upgrade: None,
        })
    }

    async fn update_by_head(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        response: &ResponseHead,
        times: Times,
        epoch: Epoch,
    ) {
        let Some(entry) = &found.entry else { return };
        let stored = Stored { record: &entry.record, head: &entry.head };
        let profile = &asked.context.profile;
        let request: &RequestHead = &asked.head;
        let effect = millpond_policy::freshened_by_head(
            stored,
            entry.body_len,
            request,
            facts,
            response,
            times,
            profile,
        );
        let (record, head) = match effect {
            HeadEffect::Nothing => return,
            HeadEffect::Stale(record) => (record, entry.head.clone()),
            HeadEffect::Freshen(freshened) => {
                let Freshened { record, head, fate, .. } = *freshened;
                match fate {
                    Fate::Keep(_) => return,
                    // RFC 9111 section 4.3.5 has these fields update what is stored, which may then not be stored any more.
                    Fate::Remove(_) => {
                        let record = millpond_policy::withdrawn(&entry.record, times.response_time);
                        (record, entry.head.clone())
                    }
                    // Its new rule would have it under another key.
                    Fate::Store if self.shared.search.moved(entry, &head.fields, &found.key).is_some() => {
                        let stale_from = Some(times.response_time);
                        let mut record = Record { stale_from, ..entry.record.clone() };
                        record.flags |= RecordFlags::DISAGREES;
                        (record, entry.head.clone())
                    }
                    Fate::Store => (record, head),
                }
            }
        };
        let until = self.fresh_until(&record, &asked.context);
        match self.shared.store.refresh(entry, record, head, until, epoch).await {
            // Purged or evicted meanwhile: there is nothing left to update.
            Ok(_) | Err(StoreError::Gone | StoreError::Superseded) => {}
            Err(error) => self.shared.store_failed(&error),
        }
    }
}
