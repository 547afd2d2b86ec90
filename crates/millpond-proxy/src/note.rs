//! What goes with a reply until it is logged.

use millpond_exchange::Method;
use std::sync::Arc;

/// What is logged of a reply beside its outcome.
pub(crate) struct Note {
    pub request_id: String,
    pub route: Arc<str>,
    /// The outcome, in one word.
    pub outcome: &'static str,
    /// The reason, where there is one.
    pub reason: Option<&'static str>,
    /// Method and target as they are shown, where the request itself is no longer at hand when the reply ends.
    pub request: Option<(Method, String)>,
    /// The key, where clients are shown it.
    pub key: Option<String>,
}

impl Note {
    /// Nothing but an identifier, and a route that may have no name.
    pub fn new(request_id: String, route: &Arc<str>) -> Self {
        Self { request_id, route: Arc::clone(route), outcome: "-", reason: None, request: None, key: None }
    }
}
