//! The bound on exchanges under way with one upstream, over all workers.

use super::error::origin_error;
use super::lanes::OnLane;
use millpond_engine::{OriginError, OriginFault, Upstream};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Upstreams whose places are remembered before those not in use are forgotten.
const MOST: usize = 1024;

/// One of the places, held by an exchange until the last byte of its response.
pub(super) type Place = OwnedSemaphorePermit;

/// What an exchange holds until the last byte of its response.
pub(super) struct Held {
    _place: Option<Place>,
    _lane: Option<OnLane>,
}

impl Held {
    pub(super) fn new(place: Option<Place>, lane: Option<OnLane>) -> Self {
        Self { _place: place, _lane: lane }
    }
}

/// Places for exchanges, a number of them for each upstream. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// 0 for no limit.
    each: usize,
    upstreams: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl Places {
    /// At most `each` exchanges at one time with one upstream; 0 for no limit.
    pub fn new(each: usize) -> Self {
        Self { each, upstreams: Arc::default() }
    }

    /// No limit.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// Waits for a place, no longer than a connection may take.
    pub(super) async fn take(&self, upstream: &Upstream) -> Result<Option<Place>, OriginError> {
        if self.each == 0 {
            return Ok(None);
        }
        let taking = self.of(upstream).acquire_owned();
        let Ok(place) = tokio::time::timeout(upstream.limits.connect, taking).await else {
            let message = format!(
                "no free connection within {:?} (limits.origin_connections)",
                upstream.limits.connect
            );
            return Err(origin_error(upstream, OriginFault::Timeout, message));
        };
        // The semaphore is never closed.
        Ok(place.ok())
    }

    fn of(&self, upstream: &Upstream) -> Arc<Semaphore> {
        let url = format!("{}://{}", upstream.scheme, upstream.authority);
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        if upstreams.len() >= MOST && !upstreams.contains_key(&url) {
            // Those that nobody has a place of, or waits for one, are as good as new.
            upstreams.retain(|_, places| Arc::strong_count(places) > 1);
        }
        Arc::clone(upstreams.entry(url).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}
