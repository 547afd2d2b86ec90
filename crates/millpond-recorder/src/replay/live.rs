//! What is recorded in this run: answers to later requests, and entries of the index that will lie beside the tape.

use super::library::Library;
use millpond_tape::Recorded;
use millpond_tape::index::Index;
use millpond_tape::matching::MatchRules;
use std::sync::Arc;

/// Entries kept of a tape that answers nothing in this run. A longer one is indexed when it is opened.
const MOST_ENTRIES: usize = 200_000;

/// Where exchanges are entered when they are on the tape.
pub(crate) enum Catalogue {
    /// Among those that answer, as the tape with this number.
    Live(Arc<Library>, u32),
    /// In an index of their own.
    Own(Box<Index>, MatchRules),
    /// Nowhere any more.
    Off,
}

impl Catalogue {
    /// Enters the exchange at byte `at`.
    pub fn add(&mut self, at: u64, recorded: &Recorded) {
        let added = match self {
            Self::Live(library, tape) => library.add_given(*tape, at, recorded),
            Self::Own(index, rules) => index.push(at, recorded, rules).map(drop),
            Self::Off => return,
        };
        if let Err(error) = added {
            tracing::error!(%error, "what was recorded cannot be read again, and does not answer in this run");
            *self = Self::Off;
        }
        if matches!(self, Self::Own(index, _) if index.len() >= MOST_ENTRIES) {
            *self = Self::Off;
        }
    }

    /// The index, where every exchange is in it.
    pub fn index(&self) -> Option<Index> {
        match self {
            Self::Live(library, tape) => library.with_index(*tape, Index::clone),
            Self::Own(index, _) => Some((**index).clone()),
            Self::Off => None,
        }
    }
}
