//! An index of a tape: where each exchange begins and what it answers, without reading the tape again.
//!
//! What lives here: [`Index`], the bytes it is kept as, and [`Lookup`], which gives recorded answers in their order. What
//! must not: the tape, and the file the index is kept in.

mod bytes;
mod lookup;

pub use bytes::{IndexError, tail_check};
pub use lookup::{Lookup, Place, Repeat};

use crate::matching::{Asked, MatchKey, MatchRules};
use crate::redact::DROPPED;
use crate::{ReadAt, Recorded, Stamp, Tape, TapeError};
use serde_json::{Map, Value};
use std::fmt;
use std::io;

/// What an index knows of one exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// The byte it begins at.
    pub offset: u64,
    /// What makes its request the same as another one.
    pub key: MatchKey,
    /// The method.
    pub method: &'a str,
    /// The URL, without secrets.
    pub url: &'a str,
    /// When it was recorded, seconds since 1970.
    pub created: f64,
    /// The status of its response; `None` where there is no response.
    pub status: Option<u16>,
    /// Why its response cannot be given again, where it cannot.
    pub silent: Option<Silent>,
}

/// Why a recorded exchange answers no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silent {
    /// It has no response.
    NoResponse,
    /// Its response broke off.
    Aborted,
    /// Its response is no final one: the connection was switched to another protocol.
    Switched,
    /// The body of its response was not recorded.
    NoContent,
    /// The body of its request was not recorded, because secrets could not be taken out of it: it might be any.
    NoRequestContent,
    /// The body of its request had not come to its end when the response did: what is recorded of it is not all of it.
    RequestIncomplete,
}

/// What is noted of an exchange whose request had not come to its end when the response did.
pub const REQUEST_INCOMPLETE: &str = "millpond_request_incomplete";

impl Silent {
    /// Numbers in an index: they must not change.
    const fn number(this: Option<Self>) -> u8 {
        match this {
            None => 0,
            Some(Self::NoResponse) => 1,
            Some(Self::Aborted) => 2,
            Some(Self::Switched) => 3,
            Some(Self::NoContent) => 4,
            Some(Self::NoRequestContent) => 5,
            Some(Self::RequestIncomplete) => 6,
        }
    }

    const fn numbered(number: u8) -> Option<Self> {
        match number {
            0 => None,
            2 => Some(Self::Aborted),
            3 => Some(Self::Switched),
            4 => Some(Self::NoContent),
            5 => Some(Self::NoRequestContent),
            6 => Some(Self::RequestIncomplete),
            _ => Some(Self::NoResponse),
        }
    }

    /// Why `exchange` answers no request; `None` where it does.
    pub fn of(exchange: &Recorded) -> Option<Self> {
        let Some(response) = &exchange.response else { return Some(Self::NoResponse) };
        if exchange.aborted {
            return Some(Self::Aborted);
        }
        if response.status < 200 {
            return Some(Self::Switched);
        }
        // RFC 9110 section 6.4.1: these have none.
        let bodiless = matches!(response.status, 204 | 304) || exchange.request.method == b"HEAD";
        if response.content.is_none() && !bodiless {
            return Some(Self::NoContent);
        }
        Self::of_request(&exchange.metadata)
    }

    /// Why nobody knows what the request's body was.
    fn of_request(notes: &Map<String, Value>) -> Option<Self> {
        let dropped = notes.get(DROPPED).and_then(Value::as_array);
        if dropped.is_some_and(|sides| sides.iter().any(|side| side == "request")) {
            return Some(Self::NoRequestContent);
        }
        let incomplete = notes.get(REQUEST_INCOMPLETE).and_then(Value::as_bool);
        (incomplete == Some(true)).then_some(Self::RequestIncomplete)
    }

    /// True where it is all the same to `rules`, which do not compare bodies.
    const fn is_ruled_out(self, rules: &MatchRules) -> bool {
        matches!(self, Self::NoRequestContent | Self::RequestIncomplete) && rules.ignore_body
    }
}

/// The entries of a tape in order, and what they were made with.
#[derive(Clone)]
pub struct Index {
    fingerprint: MatchKey,
    tape_len: u64,
    tail: [u8; 16],
    stamp: Option<Stamp>,
    rows: Vec<Row>,
    /// Methods and URLs, one behind the other.
    text: String,
}

/// An entry without its texts.
#[derive(Clone, Copy)]
struct Row {
    offset: u64,
    key: MatchKey,
    created: f64,
    /// Where its URL ends; it begins where its method ends, and that where the URL before ends.
    url_end: u32,
    method_len: u8,
    /// 0 without a response.
    status: u16,
    silent: Option<Silent>,
}

/// The longest URL an index keeps, bytes: more is for nobody to read.
const URL_AT_MOST: usize = 2048;

/// How an index fits a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is that of the tape.
    Whole,
    /// The tape has grown since: what begins at this byte is not in it.
    Grown(u64),
    /// It is of another tape, or made with other rules.
    None,
}

impl Index {
    /// An index without entries.
    pub fn new(rules: &MatchRules) -> Self {
        Self {
            fingerprint: rules.fingerprint(),
            tape_len: 0,
            tail: [0; 16],
            stamp: None,
            rows: Vec::new(),
            text: String::new(),
        }
    }

    /// Indexes a tape from its beginning. What comes after an error is not there: the error is given with what came before.
    ///
    /// # Errors
    /// What the system says of reading; an exchange that is torn or malformed ends the tape.
    pub fn of(tape: Tape, rules: &MatchRules) -> io::Result<(Self, Option<TapeError>)> {
        let mut index = Self::new(rules);
        let error = index.extend(tape, rules)?;
        Ok((index, error))
    }

    /// Adds the exchanges of `tape`, up to the first that is not whole.
    ///
    /// # Errors
    /// What the system says of reading.
    pub fn extend(
        &mut self,
        tape: impl Iterator<Item = Result<(u64, Recorded), TapeError>>,
        rules: &MatchRules,
    ) -> io::Result<Option<TapeError>> {
        for exchange in tape {
            match exchange {
                Ok((offset, exchange)) => _ = self.push(offset, &exchange, rules)?,
                Err(TapeError::Io(error)) => return Err(error),
                Err(error) => return Ok(Some(error)),
            }
        }
        Ok(None)
    }

    /// Adds an exchange that begins at `offset`, and answers which entry it is.
    ///
    /// # Errors
    /// What the system says of reading the request's body.
    pub fn push(&mut self, offset: u64, exchange: &Recorded, rules: &MatchRules) -> io::Result<usize> {
        let asked = Asked::from(&exchange.request);
        let key = rules.key_of(exchange)?;
        let method = String::from_utf8_lossy(&exchange.request.method);
        let url = shown_url(&asked, rules);
        let silent = Silent::of(exchange).filter(|silent| !silent.is_ruled_out(rules));
        let status = exchange.response.as_ref().map_or(0, |response| response.status);
        Ok(self.add(Row::new(offset, key, exchange.created, status, silent), &method, &url))
    }

    fn add(&mut self, mut row: Row, method: &str, url: &str) -> usize {
        let method = cut(method, usize::from(u8::MAX));
        self.text.push_str(method);
        self.text.push_str(cut(url, URL_AT_MOST));
        row.method_len = method.len() as u8;
        row.url_end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.rows.push(row);
        self.rows.len() - 1
    }

    /// Notes that these entries are of the first `len` bytes of the tape in `source`, whose stamp was `stamp` before they were
    /// read.
    ///
    /// # Errors
    /// What the system says of reading its end.
    pub fn set_tape(&mut self, source: &dyn ReadAt, len: u64, stamp: Option<Stamp>) -> io::Result<()> {
        self.tail = tail_check(source, len)?;
        self.tape_len = len;
        self.stamp = stamp;
        Ok(())
    }

    /// How this fits the tape in `source`, when requests are matched by `rules`.
    ///
    /// # Errors
    /// What the system says of reading it.
    pub fn fit(&self, source: &dyn ReadAt, rules: &MatchRules) -> io::Result<Fit> {
        let len = source.len()?;
        if self.fingerprint != rules.fingerprint() || len < self.tape_len {
            return Ok(Fit::None);
        }
        let grown = len > self.tape_len;
        if !self.has_stamp_of(source, grown)? || tail_check(source, self.tape_len)? != self.tail {
            return Ok(Fit::None);
        }
        Ok(if grown { Fit::Grown(self.tape_len) } else { Fit::Whole })
    }

    /// False where the tape is another file or, unless it has `grown`, was written to: not all of it is checked.
    fn has_stamp_of(&self, source: &dyn ReadAt, grown: bool) -> io::Result<bool> {
        let (Some(then), Some(now)) = (self.stamp, source.stamp()?) else { return Ok(true) };
        Ok(then == now || grown && then.inode == now.inode)
    }

    /// The length of the tape that the entries are of, bytes.
    pub fn tape_len(&self) -> u64 {
        self.tape_len
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The entry with that number.
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        let row = self.rows.get(at)?;
        let begin = at.checked_sub(1).map_or(0, |before| self.rows[before].url_end as usize);
        let middle = begin + usize::from(row.method_len);
        Some(Entry {
            offset: row.offset,
            key: row.key,
            method: self.text.get(begin..middle)?,
            url: self.text.get(middle..row.url_end as usize)?,
            created: row.created,
            status: (row.status != 0).then_some(row.status),
            silent: row.silent,
        })
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// Shows how many entries there are.
impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({} exchanges, {} bytes)", self.rows.len(), self.tape_len)
    }
}

impl Row {
    const fn new(offset: u64, key: MatchKey, created: f64, status: u16, silent: Option<Silent>) -> Self {
        Self { offset, key, created, url_end: 0, method_len: 0, status, silent }
    }
}

fn shown_url(asked: &Asked<'_>, rules: &MatchRules) -> String {
    let path = rules.redact.as_ref().and_then(|redact| redact.target(asked.path));
    match &path {
        Some(path) => Asked { path, ..*asked }.url(),
        None => asked.url(),
    }
}

/// The beginning of a text, cut between characters.
fn cut(text: &str, at_most: usize) -> &str {
    let mut end = at_most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
