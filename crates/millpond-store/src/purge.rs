//! What a purge covers, and the memory of recent purges that keeps late writes from bringing back what they removed.
//!
//! What must not live here: finding what is stored (that is each backend's index).

use crate::named::NamedPurges;
use crate::{Epoch, StoreError};
use millpond_exchange::{Key, Record, Selector};
use std::collections::VecDeque;

/// How many purges by prefix a [`PurgeLog`] remembers.
pub const PURGES_REMEMBERED: usize = 4096;

/// True when `selector` covers an entry with this key and record. Every index is only a shortcut to this answer.
pub fn covers(selector: &Selector, key: &Key, record: &Record) -> bool {
    let holds = |list: &[Box<str>], name: &str| list.iter().any(|held| **held == *name);
    match selector {
        Selector::All => true,
        Selector::Key(wanted) => wanted == key,
        Selector::Url(url) => after_url(key, url) == Some(""),
        Selector::Prefix(prefix) => begins_with(key, prefix),
        Selector::Host(authority) => key.authority() == authority,
        Selector::Tag { origin, tag } => {
            holds(&record.tags, tag) && origin.as_ref().is_none_or(|origin| key.origin() == *origin)
        }
        Selector::Group { origin, group } => holds(&record.groups, group) && key.origin() == *origin,
    }
}

/// The pieces of the URL of `key`, which is compared piece by piece: a log of thousands of purges is gone through for a
/// write, and should not make thousands of strings.
pub(crate) fn url_pieces(key: &Key) -> [&str; 4] {
    [key.scheme().as_str(), "://", key.authority(), key.path_and_query()]
}

/// What `text` has after the URL of `key`, if it begins with that.
pub(crate) fn after_url<'a>(key: &Key, text: &'a str) -> Option<&'a str> {
    url_pieces(key).iter().try_fold(text, |rest, piece| rest.strip_prefix(piece))
}

/// True when the URL of `key` begins with `prefix`.
pub(crate) fn begins_with(key: &Key, prefix: &str) -> bool {
    let mut rest = prefix;
    for piece in url_pieces(key) {
        if piece.starts_with(rest) {
            return true;
        }
        let Some(after) = rest.strip_prefix(piece) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// When what was purged last. Bounded: of those it has forgotten it knows only that there were some, and refuses what
/// might have been covered by one.
///
/// A purge by a name (key, URL, host, tag, group) goes to a table of fixed size (768 KiB; some 60,000 names, each with
/// its last purge), because such purges are cheap to cause: every successful unsafe request brings some. Only purges by
/// prefix, which an operator asks for, are kept one by one, [`PURGES_REMEMBERED`] of them. A purge of everything needs
/// no memory at all.
#[derive(Debug, Default)]
pub struct PurgeLog {
    named: NamedPurges,
    /// Purges by more than a name, in order.
    broad: VecDeque<(u64, Selector)>,
    epoch: u64,
    /// The newest epoch whose broad purge is forgotten: everything begun before it is refused.
    forgotten: u64,
}

impl PurgeLog {
    /// The epoch of the newest purge; zero before the first.
    pub fn epoch(&self) -> Epoch {
        Epoch::own(self.epoch)
    }

    /// Notes a purge and gives the epoch it begins.
    pub fn advance(&mut self, selector: &Selector) -> Epoch {
        self.epoch += 1;
        if *selector == Selector::All {
            // Whatever began earlier is covered, so no earlier purge need be told apart.
            self.named.clear();
            self.broad.clear();
            self.forgotten = self.epoch;
        } else if !self.named.note(selector, self.epoch) {
            self.broad.push_back((self.epoch, selector.clone()));
            if self.broad.len() > PURGES_REMEMBERED
                && let Some((epoch, _)) = self.broad.pop_front()
            {
                self.forgotten = epoch;
            }
        }
        self.epoch()
    }

    /// Lets a write begun at `begun` through, unless a later purge covers the entry by any of `records` (a refresh has
    /// an old one and a new one). What it costs does not depend on how many purges by name there were.
    ///
    /// # Errors
    /// [`StoreError::Superseded`]: the fetch must begin anew if its answer is to be kept. Also where a later purge is
    /// forgotten and might have covered it.
    pub fn check(&self, begun: Epoch, key: &Key, records: &[&Record]) -> Result<(), StoreError> {
        if begun.own < self.forgotten || self.named.covered_since(begun.own, key, records) {
            return Err(StoreError::Superseded);
        }
        let mut later = self.broad.iter().rev().take_while(|(epoch, _)| *epoch > begun.own);
        if later.any(|(_, selector)| records.iter().any(|record| covers(selector, key, record))) {
            return Err(StoreError::Superseded);
        }
        Ok(())
    }
}
