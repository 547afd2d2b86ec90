//! The rules that origins state by No-Vary-Search, the latest for each method, authority and path, and what they make of keys.
//!
//! A response that states such a rule is stored under the key of the simplified URL (its own rule applied to its own URL), so
//! that every equivalent URL leads there. A request is looked up under its own key first, then under the one that the latest
//! rule of its path makes of it, where an entry counts only if that rule is its own.
//!
//! What must not live here: what a rule says; that is the policy's.

use foldhash::fast::RandomState;
use millpond_exchange::{Fields, Key, KeyBuf, KeyParts, ResponseHead, Selector, url};
use millpond_policy::{SearchVariance, no_vary_search};
use millpond_store::{Entry, Store as _, Tiered, Variants};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of rules, with their paths, in each of two generations.
const GENERATION: usize = 1024 * 1024;
/// The longest key of a path for which there are rules, bytes.
const LONGEST_PATH: usize = 4096;
/// What a rule takes beyond its text, its names and its path, about, bytes.
const OVERHEAD: usize = 256;
/// What a name in a rule takes beyond its text, about, bytes: a string, and what its allocation is rounded up by.
const NAME: usize = 56;
/// The longest query that rules are applied to, bytes: parsing and sorting one is work for each request.
const LONGEST_QUERY: usize = 4096;
/// The largest number of its parameters.
const MOST_PARAMETERS: usize = 256;

/// As many different rules for one path are taken from the store, when something there is purged.
const MOST_STATED: usize = 64;

/// One rule.
struct Rule {
    /// The field value: two rules are the same when this is.
    text: Box<[u8]>,
    variance: SearchVariance,
    /// It took the place of another, by which something may still be stored.
    replaced: bool,
}

impl Rule {
    /// Bytes that it takes under `path`, about.
    fn weight(&self, path: &Key) -> usize {
        // Each name is a string in quotes (section 5.1 of the draft).
        let names = self.text.split(|byte| *byte == b'"').count() / 2;
        path.as_bytes().len() + self.text.len() + names * NAME + OVERHEAD
    }

    /// True when the response with these fields states this very rule.
    fn is_of(&self, fields: &Fields) -> bool {
        no_vary_search(fields).is_some_and(|text| *text == *self.text)
    }
}

/// A key as a rule makes it, where that is another one.
pub(crate) struct Equivalent {
    pub key: KeyBuf,
    rule: Arc<Rule>,
}

impl Equivalent {
    /// What the rule that a response with these fields states makes of `key`, as far as there is one and it changes anything.
    pub(crate) fn by(stated: &Fields, key: &KeyBuf) -> Option<Self> {
        let text = no_vary_search(stated)?;
        let variance = SearchVariance::parse(&text)?;
        let simple = simplified(key, &variance)?;
        let rule = Rule { text: (&*text).into(), variance, replaced: false };
        Some(Self { key: simple, rule: Arc::new(rule) })
    }

    /// Of what is stored under the key, those whose own rule this is: what others say of queries is another thing.
    pub(crate) fn own(&self, variants: Variants) -> Variants {
        let own = |entry: &Arc<Entry>| self.rule.is_of(&entry.head.fields);
        if variants.entries.iter().all(own) {
            return variants;
        }
        let entries = variants.entries.iter().filter(|entry| own(entry)).cloned().collect();
        Variants { entries, ..variants }
    }
}

/// The rules by the key of their path. Those that were not used for a generation are forgotten.
#[derive(Default)]
struct Rules {
    young: HashMap<Key, Arc<Rule>, RandomState>,
    old: HashMap<Key, Arc<Rule>, RandomState>,
    /// Bytes of the young.
    bytes: usize,
    /// There may be stored responses whose rule is not here.
    forgotten: bool,
}

impl Rules {
    fn insert(&mut self, path: Key, rule: Arc<Rule>) {
        self.remove(&path);
        let bytes = rule.weight(&path);
        if self.bytes + bytes > GENERATION {
            self.forgotten |= !self.old.is_empty();
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(path, rule);
    }

    /// Takes out the rule of `path`; true where there was one.
    fn remove(&mut self, path: &Key) -> bool {
        if let Some(rule) = self.young.remove(path.as_bytes()) {
            self.bytes = self.bytes.saturating_sub(rule.weight(path));
            return true;
        }
        self.old.remove(path.as_bytes()).is_some()
    }

    /// Keeps a rule of the old for another generation, unless a newer one has come meanwhile.
    fn renew(&mut self, path: &KeyBuf) -> Option<Arc<Rule>> {
        if let Some(rule) = self.old.remove(path.as_bytes()) {
            self.insert(path.to_key(), rule);
        }
        self.young.get(path.as_bytes()).map(Arc::clone)
    }
}

/// The latest rule of each path, bounded.
#[derive(Default)]
pub(crate) struct SearchRules {
    /// Whether there ever was one: most caches never see the field.
    any: AtomicBool,
    /// How often the rule of a path has changed.
    changes: AtomicU64,
    rules: RwLock<Rules>,
}

impl SearchRules {
    /// How often the rule of a path has changed: while this stays the same, so does what the rules make of any key.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// What the latest rule for its path makes of `key`; `None` where there is none, or it changes nothing.
    pub(crate) fn equivalent(&self, key: &KeyBuf) -> Option<Equivalent> {
        if !self.any.load(Ordering::Relaxed) || !key.path_and_query().contains('?') {
            return None;
        }
        let rule = self.rule(&key.path_key())?;
        let key = simplified(key, &rule.variance)?;
        Some(Equivalent { key, rule })
    }

    /// The key under which requests wait for each other.
    pub(crate) fn meeting_place(&self, key: &Key) -> Key {
        if !self.any.load(Ordering::Relaxed) {
            return key.clone();
        }
        self.equivalent(&KeyBuf::from(key)).map_or_else(|| key.clone(), |equivalent| equivalent.key.to_key())
    }

    fn rule(&self, path: &KeyBuf) -> Option<Arc<Rule>> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(rule) = rules.young.get(path.as_bytes()) {
            return Some(Arc::clone(rule));
        }
        rules.old.get(path.as_bytes())?;
        drop(rules);
        self.rules.write().unwrap_or_else(PoisonError::into_inner).renew(path)
    }

    /// Notes the rules of stored responses where none is known for their path: after a start they are in the store alone.
    pub(crate) fn learn_stored(&self, variants: &Variants) {
        for Entry { key, head, .. } in variants.entries.iter().map(AsRef::as_ref) {
            let known = || self.rule(&KeyBuf::from(key).path_key()).is_some();
            if head.fields.contains("no-vary-search") && !known() {
                self.learn(key, &head.fields);
            }
        }
    }

    /// Notes the rule of a response to a request with `key`, and answers the key to store the response under.
    pub(crate) fn learn(&self, key: &Key, response: &Fields) -> Key {
        let Some(text) = no_vary_search(response) else { return key.clone() };
        let buf = KeyBuf::from(key);
        let path = buf.path_key();
        if path.as_bytes().len() > LONGEST_PATH {
            return key.clone();
        }
        let variance = SearchVariance::parse(&text);
        self.note(&path, &text, variance.as_ref());
        let simplified = variance.and_then(|variance| simplified(&buf, &variance));
        simplified.map_or_else(|| key.clone(), |key| key.to_key())
    }

    /// Where `entry` would lie if it had come with its `new` fields for a request with the key `asked`; `None` where that is
    /// where it lies, or they state the rule it has.
    pub(crate) fn moved(&self, entry: &Entry, new: &Fields, asked: &Key) -> Option<Key> {
        if no_vary_search(&entry.head.fields) == no_vary_search(new) {
            return None;
        }
        let key = self.learn(asked, new);
        (key != entry.key).then_some(key)
    }

    fn note(&self, path: &KeyBuf, text: &[u8], variance: Option<&SearchVariance>) {
        let known = self.any.load(Ordering::Relaxed).then(|| self.rule(path)).flatten();
        match (known, variance) {
            (Some(known), Some(_)) if *known.text == *text => {}
            (None, None) => {}
            // What is stated last counts, also where it is that everything matters.
            (Some(_), None) => {
                let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
                rules.forgotten |= rules.remove(&path.to_key());
                self.changes.fetch_add(1, Ordering::Release);
            }
            (known, Some(variance)) => {
                let rule = Rule { text: text.into(), variance: variance.clone(), replaced: known.is_some() };
                let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
                rules.insert(path.to_key(), Arc::new(rule));
                self.any.store(true, Ordering::Relaxed);
                self.changes.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// What else a purge of `selector` is about: the URLs that stand for the one it names, by the rules known for its path and
    /// by those that what lies in the store below states. Where the rule is not known by which a response was stored that
    /// was fetched for that URL, all that it may have been: RFC 9111 section 4.4 has it invalidated, and invalidating more is
    /// allowed.
    pub(crate) fn also_covered(&self, selector: &Selector, stated: &Stated) -> Vec<Selector> {
        let Some(purged) = with_query(selector) else { return Vec::new() };
        let forgotten = self.rules.read().unwrap_or_else(PoisonError::into_inner).forgotten;
        let mut unknown = forgotten || matches!(stated, Stated::Unknown);
        if !unknown && stated.is_nothing() && !self.any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let Ok((scheme, authority, path_and_query)) = url::split(purged) else { return Vec::new() };
        let own = KeyParts::new(scheme, authority, path_and_query).to_buf();
        let mut more = stated.selectors(&own);
        more.retain(|found| found != selector);
        let mut replaced = false;
        for method in ["GET", "QUERY", "POST"] {
            let mut parts = KeyParts::new(scheme, authority, path_and_query);
            parts.method = method;
            let key = parts.to_buf();
            let Some(rule) = self.rule(&key.path_key()) else { continue };
            unknown = false;
            replaced |= rule.replaced;
            let found = simplified(&key, &rule.variance).map(|key| Selector::Url(key.to_key().url()));
            more.extend(found.filter(|found| !more.contains(found)));
        }
        if unknown || replaced {
            let path = path_of(purged).to_owned();
            more = vec![Selector::Prefix(format!("{path}?")), Selector::Url(path)];
        }
        more
    }
}

/// The rules that what is stored below states for a path.
pub(crate) enum Stated {
    /// These, each once.
    Rules(Vec<SearchVariance>),
    /// That cannot be told.
    Unknown,
}

impl Stated {
    /// None.
    pub(crate) const NONE: Self = Self::Rules(Vec::new());

    /// What the store behind memory has under the path of the URL that `selector` names, if it has a query: `most` responses
    /// of it are looked at.
    pub(crate) fn in_store(store: &Tiered, selector: &Selector, most: usize) -> Self {
        let Some(url) = with_query(selector).filter(|_| store.below().is_some()) else { return Self::NONE };
        let mut texts: Vec<Box<[u8]>> = Vec::new();
        let mut look = |head: &ResponseHead| {
            if let Some(text) = no_vary_search(&head.fields)
                && texts.len() <= MOST_STATED
                && !texts.iter().any(|known| **known == *text)
            {
                texts.push((&*text).into());
            }
        };
        match store.heads_of_path(path_of(url), most, &mut look) {
            Ok(true) if texts.len() <= MOST_STATED => {
                Self::Rules(texts.iter().filter_map(|text| SearchVariance::parse(text)).collect())
            }
            // What a store that fails has cannot be given to anyone either, but it may come back.
            Ok(_) | Err(_) => Self::Unknown,
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Rules(rules) if rules.is_empty())
    }

    /// The URLs that stand for that of `key`.
    fn selectors(&self, key: &KeyBuf) -> Vec<Selector> {
        let Self::Rules(rules) = self else { return Vec::new() };
        let mut found: Vec<Selector> = Vec::new();
        for simple in rules.iter().filter_map(|rule| simplified(key, rule)) {
            let url = Selector::Url(simple.to_key().url());
            if !found.contains(&url) {
                found.push(url);
            }
        }
        found
    }
}

/// The URL that `selector` names, if that has a query: no other one is equivalent to another.
fn with_query(selector: &Selector) -> Option<&str> {
    match selector {
        Selector::Url(url) if url.contains('?') => Some(url),
        _ => None,
    }
}

/// `url` without its query.
fn path_of(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// `key` with the URL that stands for its own; `None` where that is the same, and for queries that are too much work.
fn simplified(key: &KeyBuf, variance: &SearchVariance) -> Option<KeyBuf> {
    let own = key.path_and_query();
    let (_, query) = own.split_once('?')?;
    if query.len() > LONGEST_QUERY || query.split('&').count() > MOST_PARAMETERS {
        return None;
    }
    let simple = variance.simplify(own);
    (simple != own).then(|| key.with_path_and_query(&simple))
}

/// True when a response with this head, stored under `stored`, may answer a request with the key `asked`: the target URIs
/// match, or are equivalent by the response's own rule (section 7 of the draft).
pub(crate) fn answers(stored: &Key, head: &ResponseHead, asked: &Key) -> bool {
    if stored == asked {
        return true;
    }
    let equivalent =
        SearchVariance::of(&head.fields).and_then(|rule| simplified(&KeyBuf::from(asked), &rule));
    equivalent.is_some_and(|key| key.as_bytes() == stored.as_bytes())
}
