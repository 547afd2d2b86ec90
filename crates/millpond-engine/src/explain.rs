//! What an engine would do with a request, and why, told without doing it.
//!
//! What must not live here: decisions. Everything is asked of the functions that answer requests.

mod change;
mod kept;
mod question;
mod sought;

pub use change::Change;
pub use kept::{Kept, kept};
pub use sought::{Equivalent, Sought};

use millpond_exchange::{Key, RequestHead, StatusCode, Timestamp, VarySelector};
use millpond_policy::{CacheStatus, Forward, LanguageFit, Lifetime, Reason, Verdict};
use millpond_store::{Entry, Variants};
use question::{Decided, Question};
use std::sync::Arc;

/// What is stored for a request.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Under its own key.
    pub own: Variants,
    /// Under the key of the URL that stands for its own ([`Sought::equivalent`]), and that key.
    pub equivalent: Option<(Key, Variants)>,
    /// Under [`Sought::key_for_host`].
    pub for_host: Variants,
}

/// What would become of a request.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The key it is looked up by.
    pub key: Key,
    /// The key of the URL that stands for its own (No-Vary-Search), where that is what `variants` are stored under.
    pub equivalent: Option<Key>,
    /// What `variants` has is kept for those who name the same host as the client ([`Sought::key_for_host`]).
    pub for_host: bool,
    /// Each response stored under the key, in the order of the list.
    pub variants: Vec<Variant>,
    /// What would be done.
    pub decision: Decision,
    /// What a fetch would send without the validators of what is stored: the answer to it says what would be kept.
    pub plain: RequestHead,
    /// What Cache-Status would say of it, before any answer of the origin.
    pub status: CacheStatus<'static>,
    /// The options of which each by itself would make a stored response answer.
    pub changes: Vec<Change>,
}

/// What would be done with a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// A stored response answers.
    Serve {
        /// Its place in [`Explained::variants`].
        index: usize,
        /// Fresh, or stale and why that is allowed.
        verdict: Verdict,
        /// The status of the answer: a stored 200 may answer as 206, 304 or 416.
        answer: StatusCode,
        /// It was fetched for another Accept-Language, and suits all the same.
        language: Option<LanguageFit>,
    },
    /// The origin is asked.
    Fetch(Box<Fetch>),
    /// Neither: the client or the operator forbids a fetch, and nothing stored can be used. The answer is 504.
    Refuse(Reason),
}

/// A request to the origin.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Why, in the words of RFC 9211.
    pub why: Forward,
    /// Why, in full.
    pub reason: Reason,
    /// It goes past the store: nothing of the answer is kept, and nothing stored is looked at.
    pub past: bool,
    /// The head as it would be sent.
    pub sent: RequestHead,
    /// The place in [`Explained::variants`] of the response whose validators are sent.
    pub validates: Option<usize>,
    /// The whole is fetched besides, and nobody waits for it.
    pub whole_behind: bool,
    /// A successful answer makes what is stored of the URL invalid (RFC 9111 section 4.4).
    pub invalidates: bool,
    /// The answer may be kept for GET, where it says that it is one to that (RFC 9110 section 9.3.3).
    pub for_get: bool,
}

/// A stored response, as a request sees it.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The response.
    pub entry: Arc<Entry>,
    /// The request fields it varies on.
    pub selectors: Vec<Matched>,
    /// Its age, seconds (RFC 9111 section 4.2.3).
    pub age: u32,
    /// How long it is fresh, and what that comes from.
    pub lifetime: Lifetime,
    /// Seconds of freshness left; zero or negative when stale.
    pub ttl: i64,
    /// What the policy says of it for this request, were it selected.
    pub verdict: Verdict,
    /// The same at the moment it turns stale; `None` where it is stale, or never will be.
    pub when_stale: Option<Verdict>,
    /// Why it would serve if the origin could not be reached now, if it would.
    pub unreachable: Option<Reason>,
    /// Why it would serve if the origin answered 503 now, if it would.
    pub failing: Option<Reason>,
    /// Why it would serve if the origin took longer than `stale_when_slow` allows, where that is set and if it would.
    pub slow: Option<Reason>,
}

impl Variant {
    /// True when the request has the values of all fields that the response varies on.
    pub fn matches(&self) -> bool {
        self.selectors.iter().all(|selector| selector.matches)
    }
}

/// A request field that a stored response varies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The field, with the normalised value of the request that fetched the response; a digest where that may be a secret.
    pub stored: VarySelector,
    /// Whether this request has the same value.
    pub matches: bool,
}

/// What an engine would do with the request at `now`, were nothing stored for it but what it `held`.
pub fn explain(sought: Sought, held: &Held, now: Timestamp) -> Explained {
    let Sought { asked, facts, bypass, key, pass } = sought;
    let question = |stored| Question { asked: &asked, facts, key: &key, stored, pass, now };
    // As [`crate::Engine::find`] has it.
    let mut chosen = question(&held.own);
    let (mut equivalent, mut for_host) = (None, false);
    if let Some((key, variants)) = held.equivalent.as_ref().filter(|_| bypass.is_none() && !chosen.serves()) {
        let other = question(variants);
        if other.selects() || held.own.entries.is_empty() {
            (chosen, equivalent) = (other, Some(key.clone()));
        }
    }
    if bypass.is_none() && !chosen.serves() {
        let other = question(&held.for_host);
        if other.serves() || other.selects() && chosen.stored.entries.is_empty() {
            (chosen, equivalent, for_host) = (other, None, true);
        }
    }
    let question = chosen;
    let variants = question.variants();
    let decided = match bypass {
        Some(forwarded) => question.past(forwarded),
        None => question.decide(),
    };
    let Decided { decision, status, plain } = decided;
    let open = !matches!(decision, Decision::Serve { .. }) && bypass.is_none();
    let changes = if open && !variants.is_empty() { question.changes() } else { Vec::new() };
    Explained { key: key.clone(), equivalent, for_host, variants, decision, plain, status, changes }
}
