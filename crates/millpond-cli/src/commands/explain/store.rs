//! What the configuration makes of a request, and the store on disk of its key.

use crate::failure::Failure;
use millpond::config::Config;
use millpond::engine::explain::{Explained, explain, key_for};
use millpond::engine::{Clock as _, Context, SystemClock};
use millpond::policy::Reason;
use millpond::proxy::explain::Routed;
use millpond::sqlite::{Inspector, Shown};
use millpond::store::{Entry, Variants};
use std::path::PathBuf;
use std::sync::Arc;

/// A request on its route, and what the store has for it.
pub(super) struct Looked {
    /// The name of the route.
    pub route: String,
    /// Its origin.
    pub origin: String,
    /// The pass rule that sends the request past the cache.
    pub pass: Option<Reason>,
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
        let past = self.pass.is_some();
        (past || !matches!(self.place, Place::Memory)).then_some(&self.explained)
    }

    /// The same, nothing being stored where that cannot be seen.
    pub fn would_be(&self) -> &Explained {
        &self.explained
    }
}

/// Looks for what is stored under the key of a request.
pub(super) fn look(config: &Config, routed: Routed) -> Result<Looked, Failure> {
    let Routed { route, origin, exchange } = routed;
    let (pass, context) = (exchange.pass, Arc::clone(&exchange.context));
    let (place, stored) = match config.store_file() {
        None => (Place::Memory, Variants::default()),
        Some(path) if !path.try_exists().unwrap_or(true) => (Place::Missing(path), Variants::default()),
        Some(path) => {
            let key = key_for(&exchange);
            let shown = Inspector::open(&path)?.show(&key.url())?;
            let all = shown.len();
            let own: Vec<Shown> = shown.into_iter().filter(|shown| shown.key == key).collect();
            let (other_keys, number) = (all - own.len(), own.len());
            let entries: Vec<Arc<Entry>> = own.into_iter().filter_map(entry).collect();
            let unreadable = number - entries.len();
            let stored = Variants { entries: entries.into(), complete: true };
            (Place::File { path, other_keys, unreadable }, stored)
        }
    };
    let explained = explain(exchange, &stored, SystemClock.now());
    Ok(Looked { route, origin, pass, context, place, explained })
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
