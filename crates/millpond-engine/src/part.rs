//! Requests that stored parts may answer, wholly or with what is fetched besides (RFC 9111 section 3.3 and 3.4), and what a
//! request for a part makes the engine fetch.
//!
//! What must not live here: which bytes a part has and what may be combined with it; these are rules of the policy.

use crate::answer::{Answer, EngineError, Outcome};
use crate::context::{Asked, RangeFill};
use crate::engine::Engine;
use crate::fill::{Fill, FillKey};
use crate::handle::{Found, selectors, told_of};
use crate::origin::Origin;
use crate::serve::{Story, Whence, first_byte, from_several, has_what_is_asked, is_coded};
use crate::shared_fetch::{Waited, vary_names};
use crate::told::Forwarded;
use millpond_exchange::{Fields, Record, Timestamp};
use millpond_policy::{
    Completion, Fetch, Forward, PartRange, RANGE_FILL_MAX, Reason, RequestFacts, RequestFlags, Stored,
    Verdict,
};
use millpond_store::{Entry, StoreError};
use std::sync::Arc;

/// Up to this length, bytes, a request for a part waits for the whole instead of being forwarded beside it. As far behind what
/// has come of the whole it may begin, where that is on its way.
const WORTH_WAITING_FOR: u64 = 1024 * 1024;

/// A stored part of up to this length, bytes, is joined with whatever comes next to it...
const JOINED_ALWAYS: u64 = 1024 * 1024;
/// ...and a longer one with what is at least one part in this many of it.
const JOINED_PART: u64 = 4;

/// Whether a stored part is joined, for a request for a range, with `added` bytes that come next to it. The part is
/// copied, and the client waits for that where it lies before them: one that reads on in small steps would have all of it copied with each of them.
pub(crate) fn is_worth_joining(part: &Entry, added: u64) -> bool {
    part.body_len <= JOINED_ALWAYS.max(added.saturating_mul(JOINED_PART))
}

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
    let from = Whence { record: &part.record, head: &part.head, length: Some(part.body_len) };
    has_what_is_asked(from, &asked.head, facts)
}

/// The parts that have what is asked for, each with the verdict on it.
pub(crate) fn usable_parts(
    asked: &Asked,
    facts: &RequestFacts,
    found: &Found,
    now: Timestamp,
) -> Vec<(Arc<Entry>, Verdict)> {
    let profile = &asked.context.profile;
    let usable = parts(asked, found).into_iter().filter(|part| has(part, asked, facts));
    let judged = |part: Arc<Entry>| {
        let verdict = millpond_policy::reuse(&part.record, facts, now, profile);
        (part, verdict)
    };
    usable.map(judged).collect()
}

/// Several ranges, each out of a stored part, where no single one has all of them.
pub(crate) struct PartsTogether {
    /// The newest of the parts, whose head they are given under.
    pub newest: Arc<Entry>,
    /// Each range with its part, in the order in which they are sent.
    pub ranges: Vec<(Arc<Entry>, PartRange)>,
    /// The part with the least freshness left: the answer is no fresher than that.
    pub oldest: Arc<Entry>,
    /// The verdict on that one.
    pub verdict: Verdict,
}

/// The usable parts that have what is asked for together.
pub(crate) fn usable_together(
    asked: &Asked,
    facts: &RequestFacts,
    found: &Found,
    now: Timestamp,
) -> Option<PartsTogether> {
    // What a precondition means of several stored responses at once is left to the origin.
    if !facts.has(RequestFlags::RANGE) || facts.is_conditional() {
        return None;
    }
    let profile = &asked.context.profile;
    let verdict = |part: &Entry| millpond_policy::reuse(&part.record, facts, now, profile);
    let mut parts = parts(asked, found);
    parts.retain(|part| told_of(&verdict(part)).is_some());
    let newest = parts.first().filter(|newest| !is_coded(&newest.head)).map(Arc::clone)?;
    let stored: Vec<_> =
        parts.iter().map(|part| (Stored { record: &part.record, head: &part.head }, part.body_len)).collect();
    let ranges = millpond_policy::parts_together(&asked.head.fields, facts, &stored)?;
    let ranges: Vec<_> =
        ranges.into_iter().map(|(index, range)| (Arc::clone(&parts[index]), range)).collect();
    let freshness = |part: &&Arc<Entry>| millpond_policy::time_to_live(&part.record, now, profile);
    let oldest = ranges.iter().map(|(part, _)| part).min_by_key(freshness).map(Arc::clone)?;
    Some(PartsTogether { newest, ranges, verdict: verdict(&oldest), oldest })
}

/// What a request that nothing stored answers makes the engine fetch.
pub(crate) struct Needed {
    /// For this request.
    pub wanted: Wanted,
    /// The whole is fetched besides, and nobody waits for it.
    pub whole_behind: bool,
}

/// What is to be fetched for a request that nothing stored answers.
pub(crate) fn needed(asked: &Asked, facts: &RequestFacts, found: &Found) -> Needed {
    let range = facts.has(RequestFlags::RANGE);
    let whole = Needed { wanted: Wanted::Whole, whole_behind: false };
    if found.entry.is_some() {
        return whole;
    }
    let parts = parts(asked, found);
    let whole_behind = match if range { range_fills(asked, &parts) } else { RangeFills::Nothing } {
        RangeFills::Waiting => return whole,
        RangeFills::Behind => true,
        RangeFills::Nothing => false,
    };
    let confirmable = |part: &&Arc<Entry>| {
        let validators = millpond_policy::conditional_part_request(&part.record, &asked.head.fields);
        range && has(part, asked, facts) && validators.is_some()
    };
    if let Some(part) = parts.iter().find(confirmable) {
        return Needed { wanted: Wanted::Part { validate: Some(Arc::clone(part)) }, whole_behind };
    }
    for part in &parts {
        let fields = &asked.head.fields;
        let missing = millpond_policy::missing_for(fields, facts, part.body_len, &part.record);
        if let Completion::Fetch(fetch) = missing
            && (!range || is_worth_joining(part, missing_len(&fetch, &part.record)))
        {
            let wanted = Wanted::Rest { part: Arc::clone(part), fetch, for_range: range };
            return Needed { wanted, whole_behind };
        }
    }
    let wanted = if range { Wanted::Part { validate: None } } else { Wanted::Whole };
    Needed { wanted, whole_behind }
}

/// Bytes that a fetch is to bring, as far as that is known.
fn missing_len(fetch: &Fetch, part: &Record) -> u64 {
    let end = fetch.last.map(|last| last.saturating_add(1)).or(complete_len(part));
    end.map_or(u64::MAX, |end| end.saturating_sub(fetch.first))
}

/// What a request for a range does about the whole.
enum RangeFills {
    /// Nothing.
    Nothing,
    /// It waits for the whole.
    Waiting,
    /// The whole is fetched behind it.
    Behind,
}

fn range_fills(asked: &Asked, parts: &[Arc<Entry>]) -> RangeFills {
    let complete_len = parts.iter().find_map(|part| complete_len(&part.record));
    match asked.context.range_fill {
        RangeFill::Off => RangeFills::Nothing,
        RangeFill::First => RangeFills::Waiting,
        RangeFill::Second => match complete_len.filter(|len| *len <= RANGE_FILL_MAX) {
            None => RangeFills::Nothing,
            Some(len) if len <= WORTH_WAITING_FOR => RangeFills::Waiting,
            Some(_) => RangeFills::Behind,
        },
    }
}

/// What is told of a fetch that answers a request for a range and no other.
pub(crate) fn forwarded_for_part(wanted: &Wanted, forwarded: Forwarded) -> Forwarded {
    match wanted {
        Wanted::Part { validate: Some(_) } => Forwarded { why: Forward::Stale, reason: Reason::Stale },
        _ => Forwarded { reason: Reason::RangeNotStored, ..forwarded },
    }
}

impl<O: Origin> Engine<O> {
    /// Answers from a stored part that has what is asked for. Gives back what must be fetched.
    pub(crate) async fn serve_part(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: Found,
    ) -> Result<Answer, Found> {
        for (part, verdict) in &usable_parts(asked, facts, &found, self.now()) {
            let Some((outcome, status)) = told_of(verdict) else { continue };
            let age = Some(millpond_policy::current_age(&part.record, self.now()));
            if let Some(answer) = self.answer_from(part, asked, facts, Story { age, outcome, status }).await {
                self.count_part(outcome);
                return Ok(answer);
            }
        }
        match self.serve_parts_together(asked, facts, &found).await {
            Some(answer) => Ok(answer),
            None => Err(found),
        }
    }

    async fn serve_parts_together(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
    ) -> Option<Answer> {
        let PartsTogether { newest, ranges, oldest, verdict } =
            usable_together(asked, facts, found, self.now())?;
        let (outcome, status) = told_of(&verdict)?;
        let age = Some(millpond_policy::current_age(&oldest.record, self.now()));
        match from_several(&self.shared, &newest.head, &ranges, Story { age, outcome, status }).await {
            Ok(answer) => {
                self.count_part(outcome);
                Some(answer)
            }
            Err(StoreError::Gone) => None,
            Err(error) => {
                self.shared.store_failed(&error);
                None
            }
        }
    }

    fn count_part(&self, outcome: Outcome) {
        let counters = &self.shared.counters;
        let counter = if outcome == Outcome::Hit { &counters.hits } else { &counters.stale_hits };
        counter.add();
    }

    /// What is to be fetched for a request that nothing stored answers. Where the whole is long, it is fetched behind the
    /// request, which gets its range from the origin without waiting.
    pub(crate) fn wanted(self: &Arc<Self>, asked: &Asked, facts: &RequestFacts, found: &Found) -> Wanted {
        let Needed { wanted, whole_behind } = needed(asked, facts, found);
        if whole_behind {
            self.refresh_behind(asked, found);
        }
        wanted
    }

    /// Answers a request for a range from a fill under way that brings the whole, where that has come far enough.
    async fn from_fill_under_way(
        self: &Arc<Self>,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        forwarded: Forwarded,
    ) -> Option<Answer> {
        if !found.wanted.is_new_part() || facts.has(RequestFlags::NO_STORE) {
            return None;
        }
        let names = vary_names(found.variants.entries.iter().map(|entry| &entry.record));
        let place = FillKey { key: found.place.clone(), selectors: selectors(&asked.head, &names) };
        let member = self.shared.fills.join(&place, facts.names_user(), self.now())?;
        let (head, received) = member.streaming()?;
        let first = first_byte(&head, &asked.head, facts)?;
        if first > received.saturating_add(WORTH_WAITING_FOR) {
            return None;
        }
        match self.wait(asked, facts, found, forwarded, member).await {
            Waited::Answer(answer) => Some(*answer),
            _ => None,
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
        if let Some(answer) = self.from_fill_under_way(&asked, facts, &found, forwarded).await {
            return Ok(answer);
        }
        let forwarded = forwarded_for_part(&found.wanted, forwarded);
        let fill = Fill::new(false);
        let member = fill.join();
        self.lead(&asked, facts, &found, forwarded, fill, member, None).await
    }
}

fn complete_len(record: &Record) -> Option<u64> {
    record.part?.complete_len
}
