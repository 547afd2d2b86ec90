//! What an origin answers, and what would be kept of it.

use super::store::Looked;
use crate::client::Client;
use crate::failure::Failure;
use millpond::engine::explain::{Change, Decision, Kept, kept};
use millpond::engine::{Clock as _, SystemClock, Upstream};
use millpond::policy::{Reason, Times};

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
pub(super) async fn ask(client: &Client, looked: &Looked) -> Result<Answered, Failure> {
    let would_be = looked.would_be();
    let request = &would_be.plain;
    let past = match &would_be.decision {
        Decision::Fetch(fetch) => Some(fetch.reason).filter(|_| fetch.past),
        Decision::Serve { .. } | Decision::Refuse(_) => None,
    };
    let upstream = Upstream::clone(&looked.context.upstream);
    let request_time = SystemClock.now();
    let fetched = client.send(upstream, request.clone()).await?;
    let times = Times { request_time, response_time: SystemClock.now() };
    let (kept, changes) = match past {
        Some(reason) => (Err(reason), Vec::new()),
        None => kept(request, &looked.context, &fetched.head, fetched.length, times),
    };
    Ok(Answered { status: fetched.head.status.as_u16(), length: fetched.length, kept, changes })
}
