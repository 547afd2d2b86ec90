//! What an origin answers, and what would be kept of it.

use super::store::Looked;
use crate::client::{Client, Unanswered};
use millpond::engine::explain::{Change, Decision, Kept, kept};
use millpond::engine::{Clock as _, OriginRequest, SystemClock};
use millpond::exchange::Body;
use millpond::policy::{Reason, Times};
use std::sync::Arc;

/// An origin's answer.
pub(super) struct Answered {
    /// The status.
    pub status: u16,
    /// Bytes of body.
    pub length: u64,
    /// What would be stored, or why nothing would be.
    pub kept: Result<Kept, Reason>,
    /// Options that would make it answer the next request.
    pub changes: Vec<Change>,
}

impl Answered {
    /// True when the next request would be answered from it.
    pub fn serves_next(&self) -> bool {
        self.kept.as_ref().is_ok_and(Kept::serves)
    }
}

/// Sends the origin what a server would send that has nothing stored.
pub(super) async fn ask(client: &Client, looked: &Looked) -> Result<Answered, Unanswered> {
    let would_be = looked.would_be();
    let head = &would_be.plain;
    let past = match &would_be.decision {
        Decision::Fetch(fetch) => Some(fetch.reason).filter(|_| fetch.past),
        Decision::Serve { .. } | Decision::Refuse(_) => None,
    };
    let upstream = Arc::clone(&looked.context.upstream);
    let request = OriginRequest { upstream, head: head.clone(), body: Body::Empty, interim: None };
    let request_time = SystemClock.now();
    let fetched = client.fetch(request).await?;
    let times = Times { request_time, response_time: SystemClock.now() };
    let (kept, changes) = match past {
        Some(reason) => (Err(reason), Vec::new()),
        None => kept(head, &looked.context, &fetched.head, fetched.length, times),
    };
    Ok(Answered { status: fetched.head.status.as_u16(), length: fetched.length, kept, changes })
}
