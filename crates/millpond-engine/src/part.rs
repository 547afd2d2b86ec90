//! Requests that stored parts may answer, wholly or with what is fetched besides (RFC 9111 section 3.3 and 3.4), and what a
//! request for a part makes the engine fetch.
//!
//! What must not live here: which bytes a part has and what may be combined with it; these are rules of the policy.

use crate::answer::{Answer, EngineError, Outcome};
use crate::context::{Asked, RangeFill};
use crate::engine::Engine;
use crate::fill::Fill;
use crate::handle::{Found, told_of};
use crate::origin::Origin;
use crate::serve::{Story, has_what_is_asked};
use crate::told::Forwarded;
use millpond_exchange::{Fields, Record};
use millpond_policy::{Completion, Fetch, Forward, RANGE_FILL_MAX, Reason, RequestFacts, RequestFlags};
use millpond_store::Entry;
use std::sync::Arc;

/// Up to this length, bytes, a request for a part waits for the whole instead of being forwarded beside it.
const WORTH_WAITING_FOR: u64 = 1024 * 1024;

/// What a fetch is to bring.
#[derive(Clone)]
pub(crate) enum Wanted {
    /// The whole, for everyone.
    Whole,
    /// The part the client asks for, as it asks for it.
    Part {
        /// A stored part that has it and may be confirmed.
        validate: Option<Arc<Entry>>,
    },
    /// What is missing behind a stored part.
    Rest {
        /// The part.
        part: Arc<Entry>,
        /// What to ask for.
        fetch: Fetch,
        /// The client asks for a range, not for the whole.
        for_range: bool,
    },
}

impl Wanted {
    /// True when what comes answers this one request and no other.
    pub(crate) fn is_for_one(&self) -> bool {
        match self {
            Self::Whole => false,
            Self::Part { .. } => true,
            Self::Rest { for_range, .. } => *for_range,
        }
    }

    /// The stored part that has what is asked for, when it is to be confirmed.
    pub(crate) fn confirmable(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Part { validate } => validate.as_ref(),
            Self::Whole | Self::Rest { .. } => None,
        }
    }

    /// True for a part of which nothing is stored.
    pub(crate) fn is_new_part(&self) -> bool {
        matches!(self, Self::Part { validate: None })
    }

    /// Takes the client's preconditions out of a request that others may profit from; a range stays where it says what is
    /// wanted.
    pub(crate) fn remove_conditions(&self, fields: &mut Fields) {
        let before = fields.clone();
        millpond_policy::remove_conditions(fields);
        if self.is_for_one() {
            for field in before.iter().filter(|field| field.is("range") || field.is("if-range")) {
                // Valid: it was a field before.
                let _ = fields.append(field.name, field.value);
            }
        }
    }
}

/// The parts that `found` has for a request, where nothing whole is stored for it.
fn parts(asked: &Asked, found: &Found) -> Vec<Arc<Entry>> {
    let entries = &found.variants.entries;
    if found.entry.is_some() || entries.iter().all(|entry| entry.record.part.is_none()) {
        return Vec::new();
    }
    let records = entries.iter().map(|entry| &entry.record);
    let parts = millpond_policy::parts_for(records, &asked.head.fields, None);
    parts.into_iter().map(|index| Arc::clone(&entries[index])).collect()
}

/// True where something is stored for a request, and nothing of it whole.
pub(crate) fn has_parts(asked: &Asked, found: &Found) -> bool {
    !parts(asked, found).is_empty()
}

fn has(part: &Entry, asked: &Asked, facts: &RequestFacts) -> bool {
    has_what_is_asked(&part.record, &asked.head, facts, part.body_len)
}

impl<O: Origin> Engine<O> {
    /// Answers from a stored part that has what is asked for. Gives back what must be fetched.
    pub(crate) async fn serve_part(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: Found,
    ) -> Result<Answer, Found> {
        for part in parts(asked, &found).iter().filter(|part| has(part, asked, facts)) {
            let verdict = millpond_policy::reuse(&part.record, facts, self.now(), &asked.context.profile);
            let Some((outcome, status)) = told_of(&verdict) else { continue };
            let age = Some(millpond_policy::current_age(&part.record, self.now()));
            if let Some(answer) = self.answer_from(part, asked, facts, Story { age, outcome, status }).await {
                let counters = &self.shared.counters;
                let counter = if outcome == Outcome::Hit { &counters.hits } else { &counters.stale_hits };
                counter.add();
                return Ok(answer);
            }
        }
        Err(found)
    }

    /// What is to be fetched for a request that nothing stored answers.
    pub(crate) fn wanted(self: &Arc<Self>, asked: &Asked, facts: &RequestFacts, found: &Found) -> Wanted {
        let range = facts.has(RequestFlags::RANGE);
        if found.entry.is_some() {
            return Wanted::Whole;
        }
        let parts = parts(asked, found);
        if range && self.fills_for_range(asked, found, &parts) {
            return Wanted::Whole;
        }
        let confirmable = |part: &&Arc<Entry>| {
            let validators = millpond_policy::conditional_part_request(&part.record, &asked.head.fields);
            range && has(part, asked, facts) && validators.is_some()
        };
        if let Some(part) = parts.iter().find(confirmable) {
            return Wanted::Part { validate: Some(Arc::clone(part)) };
        }
        for part in &parts {
            let fields = &asked.head.fields;
            let missing = millpond_policy::missing_for(fields, facts, part.body_len, &part.record);
            if let Completion::Fetch(fetch) = missing {
                return Wanted::Rest { part: Arc::clone(part), fetch, for_range: range };
            }
        }
        if range { Wanted::Part { validate: None } } else { Wanted::Whole }
    }

    /// Whether a request for a range makes the engine fetch the whole, and waits for it. Where the whole is long, it is
    /// fetched behind the request, which gets its range from the origin without waiting.
    fn fills_for_range(self: &Arc<Self>, asked: &Asked, found: &Found, parts: &[Arc<Entry>]) -> bool {
        let complete_len = parts.iter().find_map(|part| complete_len(&part.record));
        match asked.context.range_fill {
            RangeFill::Off => false,
            RangeFill::First => true,
            RangeFill::Second => match complete_len.filter(|len| *len <= RANGE_FILL_MAX) {
                None => false,
                Some(len) if len <= WORTH_WAITING_FOR => true,
                Some(_) => {
                    self.refresh_behind(asked, found);
                    false
                }
            },
        }
    }

    /// Fetches a part for one request, and stores it.
    pub(crate) async fn fetch_part(
        self: &Arc<Self>,
        asked: Asked,
        facts: &RequestFacts,
        found: Found,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        let forwarded = match found.wanted {
            Wanted::Part { validate: Some(_) } => Forwarded { why: Forward::Stale, reason: Reason::Stale },
            _ => Forwarded { reason: Reason::RangeNotStored, ..forwarded },
        };
        let fill = Fill::new(false);
        let member = fill.join();
        self.lead(&asked, facts, &found, forwarded, fill, member, None).await
    }
}

fn complete_len(record: &Record) -> Option<u64> {
    record.part?.complete_len
}
