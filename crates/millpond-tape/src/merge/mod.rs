//! Several tapes made one, and one tape checked.
//!
//! What must not live here: where tapes lie. Of each exchange only its key and place are held; everything else is read when
//! it is written.

mod verify;

pub use verify::{Verified, verify};

use crate::index::Silent;
use crate::matching::{MatchKey, MatchRules};
use crate::{Format, ReadAt, Recorded, TapeError, TapeWriter, har, json, mitm, sniff};
use std::collections::HashMap;
use std::collections::hash_map;
use std::str::FromStr;
use std::sync::Arc;
use thiserror::Error;

/// Which of several exchanges whose requests are the same is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The first one.
    First,
    /// The last one.
    Last,
    /// All of them.
    #[default]
    All,
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "first" => Ok(Self::First),
            "last" => Ok(Self::Last),
            "all" => Ok(Self::All),
            _ => Err(format!("{text:?} is no way to merge: write first, last or all")),
        }
    }
}

/// How far a merge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many exchanges were looked at.
    Read(u64),
    /// So many were written, of how many.
    Written(u64, u64),
}

/// What a merge did.
#[derive(Debug, Default)]
pub struct Merged {
    /// Exchanges that were read.
    pub read: u64,
    /// Exchanges that were written.
    pub written: u64,
    /// Tapes of which not everything could be read, by number, and why. What came before is merged.
    pub broken: Vec<(usize, TapeError)>,
}

/// Why tapes cannot be merged.
#[derive(Debug, Error)]
pub enum MergeError {
    /// One of them cannot be read.
    #[error("tape {tape}: {error}")]
    Read {
        /// Which, from 0 on.
        tape: usize,
        /// Why.
        error: TapeError,
    },
    /// The merged one cannot be written.
    #[error(transparent)]
    Write(TapeError),
}

/// An exchange that may be written.
struct Found {
    key: MatchKey,
    created: f64,
    tape: usize,
    offset: u64,
    /// It has a response which can be given again.
    answers: bool,
}

/// Writes the exchanges of `tapes` to `to`, ordered by when they were recorded and, at the same time, as they come. With
/// [`Policy::First`] and [`Policy::Last`], of those with the same key by `rules` one is kept: one that answers, if any does.
///
/// The tapes are read twice, and must not change in between. `to` is not ended.
///
/// # Errors
/// When a tape is of no format that is known, or the system refuses to read or write.
pub fn merge(
    tapes: &[Arc<dyn ReadAt>],
    rules: &MatchRules,
    policy: Policy,
    to: &mut dyn TapeWriter,
    progress: &mut dyn FnMut(Progress),
) -> Result<Merged, MergeError> {
    let mut merged = Merged::default();
    let mut formats = Vec::with_capacity(tapes.len());
    let mut found = Vec::new();
    for (tape, source) in tapes.iter().enumerate() {
        let failed = |error| MergeError::Read { tape, error };
        formats.push(sniff(&**source).map_err(failed)?);
        let broken = look(tape, source, rules, &mut found, progress).map_err(failed)?;
        merged.broken.extend(broken.map(|error| (tape, error)));
    }
    merged.read = found.len() as u64;
    found.sort_by(|a, b| a.created.total_cmp(&b.created));
    let kept = choose(found, policy);
    let total = kept.len() as u64;
    for Found { tape, offset, .. } in kept {
        let exchange = read_one(formats[tape], &tapes[tape], offset)
            .map_err(|error| MergeError::Read { tape, error })?;
        to.write(&exchange).map_err(MergeError::Write)?;
        merged.written += 1;
        progress(Progress::Written(merged.written, total));
    }
    Ok(merged)
}

/// Notes where the exchanges of a tape are; answers why it did not get to the end, if it did not.
fn look(
    tape: usize,
    source: &Arc<dyn ReadAt>,
    rules: &MatchRules,
    found: &mut Vec<Found>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<TapeError>, TapeError> {
    for exchange in crate::open(Arc::clone(source))? {
        let (offset, exchange) = match exchange {
            Ok(exchange) => exchange,
            Err(TapeError::Io(error)) => return Err(error.into()),
            Err(error) => return Ok(Some(error)),
        };
        let key = rules.key_of(&exchange)?;
        found.push(Found {
            key,
            created: exchange.created,
            tape,
            offset,
            answers: Silent::of(&exchange).is_none(),
        });
        progress(Progress::Read(found.len() as u64));
    }
    Ok(None)
}

/// What is written of what was found, in the same order.
fn choose(found: Vec<Found>, policy: Policy) -> Vec<Found> {
    if policy == Policy::All {
        return found;
    }
    let mut chosen: HashMap<MatchKey, usize> = HashMap::with_capacity(found.len());
    for (at, one) in found.iter().enumerate() {
        match chosen.entry(one.key) {
            hash_map::Entry::Vacant(entry) => _ = entry.insert(at),
            hash_map::Entry::Occupied(mut entry) => {
                let before = &found[*entry.get()];
                let same = one.answers == before.answers;
                if (one.answers && !before.answers) || (same && policy == Policy::Last) {
                    entry.insert(at);
                }
            }
        }
    }
    let is_chosen = |(at, one): &(usize, Found)| chosen.get(&one.key) == Some(at);
    found.into_iter().enumerate().filter(is_chosen).map(|(_, one)| one).collect()
}

/// Reads the exchange that begins at `offset` of a tape of `format`.
fn read_one(format: Format, source: &Arc<dyn ReadAt>, offset: u64) -> Result<Recorded, TapeError> {
    match format {
        Format::Mitm => mitm::read_one(source, offset),
        Format::Json => json::read_one(source, offset),
        Format::Har => har::read_one(source, offset),
    }
}
