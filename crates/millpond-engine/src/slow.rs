//! An origin that is slow while something stale could answer: how long a request waits for it.
//!
//! What must not live here: what may be served stale; that is the policy's.

use crate::answer::Answer;
use crate::context::Asked;
use crate::engine::Engine;
use crate::fill::{Membership, Stage};
use crate::handle::Found;
use crate::origin::{Origin, OriginError, OriginRequest, OriginResponse};
use millpond_policy::{RequestFacts, StaleCause};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// What a request that waits for a fill gets.
pub(crate) enum InTime {
    /// What the fill came to.
    Stage(Stage),
    /// Something stale, because the fill takes too long.
    Stale(Box<Answer>),
}

/// What a request that waits for its own response gets.
pub(crate) enum FetchedInTime {
    /// What the origin said.
    Fetched(Result<OriginResponse, OriginError>),
    /// Something stale, because the origin takes too long.
    Stale(Box<Answer>),
}

/// How long `asked` waits for the origin, where something is stored that could answer.
fn patience(asked: &Asked, found: &Found) -> Option<Duration> {
    let stored = found.entry.is_some() || found.wanted.confirmable().is_some();
    asked.context.profile.stale_when_slow.filter(|_| stored)
}

impl<O: Origin> Engine<O> {
    /// Waits for the head of a fill. Once the fetch has taken as long as `stale_when_slow` allows, what is stored answers, if
    /// it may. The time counts from when the fetch began, so that those who come while it is slow already do not wait at
    /// all.
    pub(crate) async fn in_time(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        member: &mut Membership,
    ) -> InTime {
        // A limit that no clock reaches is none.
        let deadline = patience(asked, found).and_then(|limit| member.began().checked_add(limit));
        let Some(deadline) = deadline else {
            return InTime::Stage(member.stage().await);
        };
        if let Ok(stage) = tokio::time::timeout_at(deadline, member.stage()).await {
            return InTime::Stage(stage);
        }
        match self.stale_instead(asked, facts, found, StaleCause::Slow).await {
            Some(answer) => InTime::Stale(Box::new(answer)),
            None => InTime::Stage(member.stage().await),
        }
    }

    /// The same for a request that shares no fill: its fetch is given up, and a fill of what a GET gets begins instead.
    pub(crate) async fn fetched_in_time(
        self: &Arc<Self>,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        request: OriginRequest,
    ) -> FetchedInTime {
        let mut fetch = pin!(self.fetch(request));
        let Some(limit) = patience(asked, found) else { return FetchedInTime::Fetched(fetch.await) };
        if let Ok(fetched) = tokio::time::timeout(limit, &mut fetch).await {
            return FetchedInTime::Fetched(fetched);
        }
        match self.stale_instead(asked, facts, found, StaleCause::Slow).await {
            Some(answer) => {
                self.refresh_behind(asked, found);
                FetchedInTime::Stale(Box::new(answer))
            }
            None => FetchedInTime::Fetched(fetch.await),
        }
    }
}
