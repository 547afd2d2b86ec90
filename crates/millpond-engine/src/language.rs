//! Requests that nothing stored answers as it is written, and a response for the same languages, or in the preferred one,
//! does. Which that is says the policy.

use crate::answer::{Answer, Outcome};
use crate::context::Asked;
use crate::engine::Engine;
use crate::handle::Found;
use crate::origin::Origin;
use crate::serve::Story;
use crate::told;
use millpond_exchange::Timestamp;
use millpond_policy::{CacheStatus, LanguageFit, Reason, RequestFacts, Stored, Verdict};
use millpond_store::Entry;
use std::sync::Arc;

impl<O: Origin> Engine<O> {
    /// Answers from a fresh response that was fetched for another Accept-Language. Gives back what must be fetched.
    pub(crate) async fn serve_language(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: Found,
    ) -> Result<Answer, Found> {
        let now = self.now();
        let Some((entry, fit)) = chosen(asked, facts, &found, now) else { return Err(found) };
        let age = Some(millpond_policy::current_age(&entry.record, now));
        let status =
            told_of_language(millpond_policy::time_to_live(&entry.record, now, &asked.context.profile), fit);
        let story = Story { age, outcome: Outcome::Hit, status };
        match self.answer_from(&entry, asked, facts, story).await {
            Some(answer) => {
                self.shared.counters.hits.add();
                Ok(answer)
            }
            None => Err(found),
        }
    }
}

/// What is told of an answer from an entry for another Accept-Language, fresh for `ttl` more seconds.
pub(crate) fn told_of_language(ttl: i64, fit: LanguageFit) -> CacheStatus<'static> {
    let detail = (fit == LanguageFit::Preferred).then_some(Reason::LanguagePreferred.as_str());
    CacheStatus { detail, ..told::hit(ttl) }
}

/// The fresh entry that suits a request which nothing stored matches.
pub(crate) fn chosen(
    asked: &Asked,
    facts: &RequestFacts,
    found: &Found,
    now: Timestamp,
) -> Option<(Arc<Entry>, LanguageFit)> {
    let entries = &found.variants.entries;
    if found.entry.is_some() || entries.is_empty() {
        return None;
    }
    let profile = &asked.context.profile;
    let fresh: Vec<&Arc<Entry>> = entries
        .iter()
        .filter(|entry| {
            let verdict = millpond_policy::reuse(&entry.record, facts, now, profile);
            matches!(verdict, Verdict::Fresh { .. })
        })
        .collect();
    let stored = fresh.iter().map(|entry| Stored { record: &entry.record, head: &entry.head });
    let (index, fit) = millpond_policy::select_language(stored, &asked.head.fields, None, profile)?;
    Some((Arc::clone(fresh[index]), fit))
}
