//! What the configuration makes of a request, and the store on disk of its key.

use millpond::config::Config;
use millpond::engine::explain::{Decision, Equivalent, Explained, Held, Sought, explain};
use millpond::engine::{Clock as _, Context, SystemClock};
use millpond::exchange::{Fields, Timestamp};
use millpond::policy::Reason;
use millpond::proxy::explain::{Routed, Ruled};
use millpond::sqlite::{Filter, InspectError, Inspector, Shown};
use millpond::store::{Entry, Variants};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Responses for other queries of a path that are looked at for a rule of No-Vary-Search.
const LOOKED_AT: usize = 256;

/// A request on its route, and what the store has for it.
pub(super) struct Looked {
    /// The name of the route.
    pub route: String,
    /// Its origin.
    pub origin: String,
    /// It comes through a tunnel whose TLS is opened.
    pub in_tunnel: bool,
    /// The rule that decides about the path.
    pub rule: Option<Ruled>,
    /// The pass rule that sends the request past the cache.
    pub pass: Option<Reason>,
    /// The content is part of the key.
    pub keyed_by_content: bool,
    /// How requests of the route are treated.
    pub context: Arc<Context>,
    /// Where responses are kept.
    pub place: Place,
    /// What would become of the request, were nothing stored but what `place` shows.
    explained: Explained,
}

/// What is to be seen of a store.
pub(super) enum Place {
    /// In the memory of a server.
    Memory,
    /// In this file, which is not there yet.
    Missing(PathBuf),
    /// In this file, which cannot be read.
    Unreadable(PathBuf, InspectError),
    /// In this file.
    File {
        /// The file.
        path: PathBuf,
        /// Responses for the same URL under another key.
        other_keys: usize,
        /// Responses whose facts cannot be read, which a server would drop.
        unreadable: usize,
    },
}

impl Looked {
    /// What would become of the request; `None` where what is stored cannot be seen.
    pub fn explained(&self) -> Option<&Explained> {
        let past = matches!(&self.explained.decision, Decision::Fetch(fetch) if fetch.past);
        (past || !matches!(self.place, Place::Memory)).then_some(&self.explained)
    }

    /// The same, nothing being stored where that cannot be seen.
    pub fn would_be(&self) -> &Explained {
        &self.explained
    }
}

/// Looks for what is stored under the key of a request.
pub(super) fn look(config: &Config, routed: Routed) -> Looked {
    let Routed { route, origin, in_tunnel, rule, exchange } = routed;
    let (pass, context) = (exchange.pass, Arc::clone(&exchange.context));
    let sought = Sought::new(exchange);
    let (place, held) = match config.store_file() {
        None => (Place::Memory, Held::default()),
        Some(path) => look_into(path, &sought),
    };
    let keyed_by_content = sought.is_keyed_by_content();
    let explained = explain(sought, &held, SystemClock.now());
    Looked { route, origin, in_tunnel, rule, pass, keyed_by_content, context, place, explained }
}

/// A file that cannot be read is to a server as if nothing were stored.
fn look_into(path: PathBuf, sought: &Sought) -> (Place, Held) {
    match held_in(&path, sought) {
        Ok((held, other_keys, unreadable)) => (Place::File { path, other_keys, unreadable }, held),
        Err(InspectError::Missing { .. }) => (Place::Missing(path), Held::default()),
        Err(error) => (Place::Unreadable(path, error), Held::default()),
    }
}

/// What is stored for a request, how many responses for its URL there are under other keys, and how many under its own that
/// cannot be read.
fn held_in(path: &Path, sought: &Sought) -> Result<(Held, usize, usize), InspectError> {
    let inspector = Inspector::open(path)?;
    let shown = inspector.show(&sought.key().url())?;
    let all = shown.len();
    let (own, others): (Vec<Shown>, Vec<Shown>) =
        shown.into_iter().partition(|shown| shown.key == *sought.key());
    let key = sought.key_for_host();
    let (for_host, others): (Vec<Shown>, Vec<Shown>) =
        others.into_iter().partition(|shown| Some(&shown.key) == key.as_ref());
    let (other_keys, number) = (others.len(), all - others.len());
    let (own, for_host) = (readable(own), readable(for_host));
    let unreadable = number - own.len() - for_host.len();
    let equivalent = match latest_rule(&inspector, sought)? {
        None => None,
        Some(equivalent) => {
            let key = equivalent.key();
            let shown = inspector.show(&key.url())?.into_iter();
            let entries = readable(shown.filter(|shown| shown.key == key));
            Some((key, equivalent.own(entries)))
        }
    };
    let list = |entries: Vec<Arc<Entry>>| Variants { entries: entries.into(), complete: true };
    Ok((Held { own: list(own), equivalent, for_host: list(for_host) }, other_keys, unreadable))
}

/// What the No-Vary-Search that was last stated for the path makes of the key.
fn latest_rule(inspector: &Inspector, sought: &Sought) -> Result<Option<Equivalent>, InspectError> {
    let url = sought.key().url();
    let Some((path, _)) = url.split_once('?').filter(|_| !sought.goes_past()) else { return Ok(None) };
    let filter = Filter { prefix: Some(format!("{path}?")), ..Filter::default() };
    let listed = inspector.list(&filter, LOOKED_AT, None)?.into_iter().map(|listed| listed.url);
    let mut urls: Vec<String> = std::iter::once(path.to_owned()).chain(listed).collect();
    urls.dedup();
    let mut latest: Option<(Timestamp, Fields)> = None;
    for url in urls {
        for shown in inspector.show(&url)? {
            let Ok(facts) = shown.facts else { continue };
            let (came, fields) = (facts.record.response_time, facts.head.fields);
            let newer = latest.as_ref().is_none_or(|(before, _)| *before < came);
            if newer && fields.contains("no-vary-search") && sought.shares_path_with(&shown.key) {
                latest = Some((came, fields));
            }
        }
    }
    Ok(latest.and_then(|(_, fields)| sought.equivalent(&fields)))
}

fn readable(shown: impl IntoIterator<Item = Shown>) -> Vec<Arc<Entry>> {
    shown.into_iter().filter_map(entry).collect()
}

/// A row as the engine sees it; its body stays where it is.
fn entry(shown: Shown) -> Option<Arc<Entry>> {
    let facts = shown.facts.ok()?;
    Some(Arc::new(Entry {
        key: shown.key,
        record: facts.record,
        head: facts.head,
        body: None,
        body_len: shown.listed.body_len,
        trailers: facts.trailers,
        id: 0,
    }))
}
