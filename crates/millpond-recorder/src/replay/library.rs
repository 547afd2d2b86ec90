//! What all tapes of a directory have, by what requests are matched by.

use super::Found;
use super::answer::Answer;
use super::files::TapeFile;
use crate::MissReason;
use millpond_tape::index::{Index, Lookup, Place, Repeat, Silent};
use millpond_tape::matching::{Asked, Candidate, MatchKey, MatchKeys, MatchRules, Nearest, nearest};
use millpond_tape::{Recorded, RecordedRequest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Memory for answers that are ready to be sent, bytes.
const ANSWERS: u64 = 64 * 1024 * 1024;
/// About how many these are.
const ANSWERS_EXPECTED: usize = 16 * 1024;

/// A tape that answers.
pub(super) struct Shelved {
    pub file: Arc<TapeFile>,
    pub index: Index,
}

/// Which exchanges answer, and why others do not.
#[derive(Default)]
struct Answers {
    lookup: Lookup,
    silent: HashMap<MatchKey, MissReason>,
}

impl Answers {
    /// Notes why an exchange does not answer.
    fn note(&mut self, key: MatchKey, silent: Silent) {
        let reason = match silent {
            Silent::Switched => MissReason::Switched,
            Silent::NoContent => MissReason::NoContent,
            Silent::NoRequestContent => MissReason::NoRequestContent,
            Silent::RequestIncomplete => MissReason::RequestIncomplete,
            Silent::NoResponse | Silent::Aborted => MissReason::BrokenOff,
        };
        self.silent.insert(key, reason);
    }

    /// Why nothing is given to a request with `keys`.
    fn why_none(&self, keys: &MatchKeys) -> MissReason {
        if keys.iter().any(|key| self.lookup.answers(key) > 0) {
            return MissReason::Exhausted;
        }
        keys.iter().find_map(|key| self.silent.get(key).copied()).unwrap_or(MissReason::Unknown)
    }
}

/// Weighs answers by the memory they take.
#[derive(Clone)]
struct Weight;

impl Weighter<Place, Arc<Answer>> for Weight {
    fn weight(&self, _: &Place, answer: &Arc<Answer>) -> u64 {
        answer.memory()
    }
}

/// All recorded answers.
pub(crate) struct Library {
    rules: MatchRules,
    repeat: Repeat,
    tapes: RwLock<Vec<Shelved>>,
    answers: RwLock<Answers>,
    ready: Cache<Place, Arc<Answer>, Weight>,
}

impl Library {
    /// The answers of `tapes`, in the order of their time, to requests that are the same by `rules`.
    pub(super) fn new(rules: MatchRules, repeat: Repeat, tapes: Vec<Shelved>) -> Self {
        let mut order: Vec<(f64, MatchKey, Place)> = Vec::new();
        let mut answers = Answers::default();
        for (tape, shelved) in (0..).zip(&tapes) {
            for (at, entry) in (0..).zip(shelved.index.iter()) {
                match entry.silent {
                    None => order.push((entry.created, entry.key, Place { tape, entry: at })),
                    Some(silent) => answers.note(entry.key, silent),
                }
            }
        }
        // Stable: exchanges of one moment stay in the order of their tape.
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (_, key, place) in order {
            answers.lookup.push(key, place);
        }
        Self {
            rules,
            repeat,
            tapes: RwLock::new(tapes),
            answers: RwLock::new(answers),
            ready: Cache::with_weighter(ANSWERS_EXPECTED, ANSWERS, Weight),
        }
    }

    /// Adds a tape that is being written; answers its number.
    pub fn add_live(&self, file: TapeFile) -> u32 {
        let mut tapes = self.tapes.write().unwrap_or_else(PoisonError::into_inner);
        tapes.push(Shelved { file: Arc::new(file), index: Index::new(&self.rules) });
        tapes.len() as u32 - 1
    }

    /// Adds the exchange that begins at byte `at` of the tape with number `tape`, and whose answer was given to a client just
    /// now.
    ///
    /// # Errors
    /// What the system says of reading the request's content.
    pub fn add_given(&self, tape: u32, at: u64, recorded: &Recorded) -> io::Result<()> {
        let mut tapes = self.tapes.write().unwrap_or_else(PoisonError::into_inner);
        let Some(shelved) = tapes.get_mut(tape as usize) else { return Ok(()) };
        let at = shelved.index.push(at, recorded, &self.rules)?;
        let Some((key, silent)) = shelved.index.get(at).map(|entry| (entry.key, entry.silent)) else {
            return Ok(());
        };
        drop(tapes);
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(silent) = silent {
            answers.note(key, silent);
            return Ok(());
        }
        answers.lookup.push(key, Place { tape, entry: at as u32 });
        // All before it were given, or there would have been no miss.
        answers.lookup.next(&key, self.repeat);
        Ok(())
    }

    /// The index of the tape with number `tape`, as it is kept beside it.
    pub fn with_index<T>(&self, tape: u32, read: impl FnOnce(&Index) -> T) -> Option<T> {
        self.tapes().get(tape as usize).map(|shelved| read(&shelved.index))
    }

    /// The next answer to `asked`.
    pub fn find(&self, asked: &Asked<'_>) -> Found {
        let keys = match self.rules.keys(asked) {
            Ok(keys) => keys,
            Err(error) => {
                tracing::error!(%error, "a request cannot be looked up: its content cannot be read");
                return Found::Miss(MissReason::Unreadable);
            }
        };
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        let place = keys.iter().find_map(|key| answers.lookup.next(key, self.repeat));
        let place = place.ok_or_else(|| answers.why_none(&keys));
        drop(answers);
        match place.and_then(|place| self.answer(place)) {
            Ok(answer) => Found::Hit(answer),
            Err(MissReason::Unknown) if self.is_unredactable(asked) => Found::Miss(MissReason::Unredactable),
            Err(reason) => Found::Miss(reason),
        }
    }

    /// True where a body like that of `asked` is kept off tapes.
    fn is_unredactable(&self, asked: &Asked<'_>) -> bool {
        let counts = !self.rules.ignore_body && asked.content.is_some_and(|content| !content.is_empty());
        let Some(redact) = self.rules.redact.as_ref().filter(|_| counts) else { return false };
        let (fields, content) = (asked.fields.clone(), asked.content.cloned());
        let mut request = RecordedRequest { fields, content, ..RecordedRequest::default() };
        redact.request(&mut request).is_ok_and(|done| done.dropped)
    }

    /// The recorded request that is nearest to `asked`.
    pub fn nearest(&self, asked: &Asked<'_>) -> Option<Nearest<Place>> {
        let tapes = self.tapes();
        let listed = (0..).zip(tapes.iter()).flat_map(|(tape, shelved)| {
            (0..).zip(shelved.index.iter()).filter(|(_, entry)| entry.status.is_some()).map(
                move |(at, entry)| Candidate {
                    place: Place { tape, entry: at },
                    method: entry.method,
                    url: entry.url,
                },
            )
        });
        let read = |place: Place| {
            let shelved = tapes.get(place.tape as usize)?;
            let entry = shelved.index.get(place.entry as usize)?;
            shelved.file.read(entry.offset).ok().map(|recorded| recorded.request)
        };
        nearest(&self.rules, asked, listed, read).ok().flatten()
    }

    fn tapes(&self) -> RwLockReadGuard<'_, Vec<Shelved>> {
        self.tapes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, place: Place) -> Result<Arc<Answer>, MissReason> {
        if let Some(answer) = self.ready.get(&place) {
            return Ok(answer);
        }
        let answer = Arc::new(self.read(place)?);
        self.ready.insert(place, Arc::clone(&answer));
        Ok(answer)
    }

    fn read(&self, place: Place) -> Result<Answer, MissReason> {
        let (file, offset, key) = {
            let tapes = self.tapes();
            let shelved = tapes.get(place.tape as usize).ok_or(MissReason::Unreadable)?;
            let entry = shelved.index.get(place.entry as usize).ok_or(MissReason::Unreadable)?;
            (Arc::clone(&shelved.file), entry.offset, entry.key)
        };
        let recorded = file.read(offset).map_err(|error| {
            tracing::error!(tape = %file.path.display(), at = offset, %error, "a recorded exchange cannot be read");
            MissReason::Unreadable
        })?;
        // An index is not checked against all of its tape, and a tape may be written to while it answers.
        if self.rules.key_of(&recorded).ok() != Some(key) {
            tracing::error!(
                tape = %file.path.display(), at = offset,
                "a tape was changed since it was opened, and has another request there; it is read anew at the next start"
            );
            return Err(MissReason::Changed);
        }
        Answer::of(recorded)
    }
}
