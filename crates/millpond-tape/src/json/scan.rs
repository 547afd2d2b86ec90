//! A scanner of JSON text that knows where it stands: bodies stay in their place, whatever their size, and only a window
//! of the file is in memory. RFC 8259.
//!
//! What must not live here: what members mean.

use super::plain::plain_len;
use super::text::Text;
use crate::{ReadAt, TapeError};
use serde_json::Number;
use std::sync::Arc;

/// The window, bytes.
const WINDOW: usize = 64 << 10;
/// How deep values may be nested.
const DEPTH: usize = 100;
/// What one exchange may make us keep beside its bodies, bytes.
const FACTS_AT_MOST: usize = 64 << 20;
/// What a name, a number or a string costs beyond its bytes.
const OVERHEAD: usize = 64;
/// The longest number that is read, bytes.
const NUMBER_AT_MOST: usize = 400;

pub(crate) type Scanned<T> = Result<T, TapeError>;

/// What begins at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// Whether a list of members or elements has given one yet.
#[derive(Default)]
pub(crate) struct List {
    begun: bool,
}

/// Reads JSON text of a tape.
pub(crate) struct Scan {
    source: Arc<dyn ReadAt>,
    window: Vec<u8>,
    base: u64,
    at: usize,
    exchange: u64,
    left: usize,
}

impl Scan {
    /// Reads `source` from byte `from` on.
    pub fn new(source: Arc<dyn ReadAt>, from: u64) -> Self {
        Self { source, window: Vec::new(), base: from, at: 0, exchange: from, left: FACTS_AT_MOST }
    }

    /// Where it stands.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// An exchange begins here: what breaks off from now on is this one, and it may keep what it needs.
    pub fn exchange_begins(&mut self) {
        self.exchange = self.offset();
        self.left = FACTS_AT_MOST;
    }

    /// The text ends where it must not.
    pub fn torn(&self) -> TapeError {
        TapeError::Torn { at: self.exchange }
    }

    pub fn malformed(&self, what: impl Into<String>) -> TapeError {
        TapeError::Malformed { at: self.offset(), what: what.into() }
    }

    fn keep(&mut self, bytes: usize) -> Scanned<()> {
        self.left = self.left.checked_sub(bytes).ok_or(TapeError::TooLarge {
            at: self.exchange,
            what: "an exchange without its bodies",
            limit: FACTS_AT_MOST as u64,
        })?;
        Ok(())
    }

    /// What of the window is ahead; empty at the end only.
    fn ahead(&mut self) -> Scanned<&[u8]> {
        if self.at == self.window.len() {
            self.base += self.at as u64;
            self.at = 0;
            self.window.resize(WINDOW, 0);
            let read = self.source.read_at(&mut self.window, self.base)?;
            self.window.truncate(read);
        }
        Ok(&self.window[self.at..])
    }

    /// The byte ahead, which may be white space.
    fn peek_raw(&mut self) -> Scanned<Option<u8>> {
        Ok(self.ahead()?.first().copied())
    }

    fn next_raw(&mut self) -> Scanned<u8> {
        let byte = self.peek_raw()?.ok_or_else(|| self.torn())?;
        self.at += 1;
        Ok(byte)
    }

    /// Passes over a byte order mark.
    pub fn skip_mark(&mut self) -> Scanned<()> {
        if self.ahead()?.starts_with(b"\xef\xbb\xbf") {
            self.at += 3;
        }
        Ok(())
    }

    /// The byte ahead after white space; `None` at the end.
    pub fn peek(&mut self) -> Scanned<Option<u8>> {
        loop {
            let ahead = self.ahead()?;
            let blank = ahead.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            let (found, passed, end) = (blank.map(|at| ahead[at]), ahead.len(), ahead.is_empty());
            self.at += blank.unwrap_or(passed);
            if found.is_some() || end {
                return Ok(found);
            }
        }
    }

    /// Takes the byte ahead when it is `wanted`.
    pub fn take(&mut self, wanted: u8) -> Scanned<bool> {
        let found = self.peek()? == Some(wanted);
        self.at += usize::from(found);
        Ok(found)
    }

    /// Takes `wanted`, which must be there.
    pub fn expect(&mut self, wanted: u8) -> Scanned<()> {
        match self.peek()? {
            Some(found) if found == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.malformed(format!("{:?} is missing here", char::from(wanted)))),
            None => Err(self.torn()),
        }
    }

    /// What value is ahead.
    pub fn kind(&mut self) -> Scanned<Kind> {
        match self.peek()? {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(_) => Err(self.malformed("no JSON value begins so")),
            None => Err(self.torn()),
        }
    }

    /// The name of the next member of the object begun; `None` after the last one, whose brace is taken.
    pub fn member(&mut self, list: &mut List) -> Scanned<Option<String>> {
        if !self.more(list, b'}')? {
            return Ok(None);
        }
        let name = self.string()?;
        self.expect(b':')?;
        Ok(Some(name))
    }

    /// True when the array begun has another element; after the last one its bracket is taken.
    pub fn element(&mut self, list: &mut List) -> Scanned<bool> {
        let more = self.more(list, b']')?;
        self.keep(if more { OVERHEAD } else { 0 })?;
        Ok(more)
    }

    pub(super) fn more(&mut self, list: &mut List, end: u8) -> Scanned<bool> {
        if self.take(end)? {
            return Ok(false);
        }
        if std::mem::replace(&mut list.begun, true) {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// A string, whole.
    pub fn string(&mut self) -> Scanned<String> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// A string, whole, as the bytes that are there.
    pub fn bytes(&mut self) -> Scanned<Vec<u8>> {
        let mut all = Vec::new();
        self.keep(OVERHEAD)?;
        self.pieces(|scan, piece| {
            scan.keep(piece.len())?;
            all.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(all)
    }

    /// A string that may be a body: it stays where it is unless it is small.
    pub fn text(&mut self) -> Scanned<Text> {
        self.expect(b'"')?;
        let mut text = Text::new(Arc::clone(&self.source), self.offset());
        self.at_pieces(|_, piece| {
            text.add(piece);
            Ok(())
        })?;
        text.ends(self.offset() - 1);
        Ok(text)
    }

    pub(super) fn pieces(&mut self, found: impl FnMut(&mut Self, &[u8]) -> Scanned<()>) -> Scanned<()> {
        self.expect(b'"')?;
        self.at_pieces(found)
    }

    /// Gives the pieces of the string whose quote was taken, escapes resolved; takes the quote at its end. Half a surrogate
    /// pair becomes U+FFFD.
    fn at_pieces(&mut self, mut found: impl FnMut(&mut Self, &[u8]) -> Scanned<()>) -> Scanned<()> {
        let mut high = None;
        loop {
            let ahead = self.ahead()?;
            let run = plain_len(ahead);
            if run > 0 {
                let window = std::mem::take(&mut self.window);
                let piece = &window[self.at..self.at + run];
                let heard = half(&mut high, |lone| found(self, lone)).and_then(|()| found(self, piece));
                self.window = window;
                heard?;
                self.at += run;
                continue;
            }
            match self.next_raw()? {
                b'"' => return half(&mut high, |lone| found(self, lone)),
                b'\\' => self.escape(&mut high, &mut found)?,
                _ => return Err(self.malformed("a string holds a control character")),
            }
        }
    }

    fn escape(
        &mut self,
        high: &mut Option<u32>,
        found: &mut impl FnMut(&mut Self, &[u8]) -> Scanned<()>,
    ) -> Scanned<()> {
        let plain: &[u8] = match self.next_raw()? {
            b'"' => b"\"",
            b'\\' => b"\\",
            b'/' => b"/",
            b'b' => b"\x08",
            b'f' => b"\x0c",
            b'n' => b"\n",
            b'r' => b"\r",
            b't' => b"\t",
            b'u' => {
                let unit = self.four_digits()?;
                return match (high.take(), unit) {
                    (Some(first), 0xdc00..=0xdfff) => {
                        character(0x1_0000 + ((first - 0xd800) << 10) + (unit - 0xdc00), |c| found(self, c))
                    }
                    (before, unit) => {
                        *high = before;
                        half(high, |lone| found(self, lone))?;
                        *high = matches!(unit, 0xd800..=0xdbff).then_some(unit);
                        if high.is_some() { Ok(()) } else { character(unit, |c| found(self, c)) }
                    }
                };
            }
            _ => return Err(self.malformed("a string holds an escape that JSON does not have")),
        };
        half(high, |lone| found(self, lone))?;
        found(self, plain)
    }

    fn four_digits(&mut self) -> Scanned<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.next_raw()?).to_digit(16);
            unit = unit * 16
                + digit.ok_or_else(|| self.malformed("an escape of a string is not hexadecimal"))?;
        }
        Ok(unit)
    }

    /// A number, as written.
    fn number_text(&mut self) -> Scanned<String> {
        self.peek()?;
        let mut text = String::new();
        while let Some(byte @ (b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) = self.peek_raw()? {
            if text.len() == NUMBER_AT_MOST {
                return Err(self.malformed("a number is too long"));
            }
            text.push(char::from(byte));
            self.at += 1;
        }
        // A number is inside an exchange: where the text ends with it, it may be cut.
        if self.peek_raw()?.is_none() { Err(self.torn()) } else { Ok(text) }
    }

    /// A number; `None` where it is larger than what is reckoned with.
    pub fn number(&mut self) -> Scanned<Option<Number>> {
        let text = self.number_text()?;
        if let Ok(number) = text.parse::<u64>() {
            return Ok(Some(number.into()));
        }
        // The minus of a zero belongs to a number with a fraction.
        if let Some(number) = text.parse::<i64>().ok().filter(|number| *number != 0) {
            return Ok(Some(number.into()));
        }
        // Not serde_json's: without a feature it is off by the last bit at times.
        let number: f64 = text.parse().map_err(|_| self.malformed("this is no number"))?;
        Ok(Number::from_f64(number))
    }

    /// `true` or `false`.
    pub fn bool(&mut self) -> Scanned<bool> {
        let truth = self.peek()? == Some(b't');
        self.word(if truth { b"true" } else { b"false" })?;
        Ok(truth)
    }

    /// `null`.
    pub fn null(&mut self) -> Scanned<()> {
        self.word(b"null")
    }

    fn word(&mut self, word: &[u8]) -> Scanned<()> {
        self.peek()?;
        for byte in word {
            if self.next_raw()? != *byte {
                return Err(self.malformed("no JSON value begins so"));
            }
        }
        Ok(())
    }

    /// Takes what opens an object or array, where it is not too deep.
    pub(super) fn deeper(&mut self, depth: usize) -> Scanned<()> {
        if depth == DEPTH {
            return Err(self.malformed(format!("values are nested more than {DEPTH} deep")));
        }
        self.at += 1;
        Ok(())
    }
}

/// Gives U+FFFD where half a surrogate pair waits for its other half.
fn half(high: &mut Option<u32>, found: impl FnOnce(&[u8]) -> Scanned<()>) -> Scanned<()> {
    if high.take().is_some() { found("\u{fffd}".as_bytes()) } else { Ok(()) }
}

fn character(point: u32, found: impl FnOnce(&[u8]) -> Scanned<()>) -> Scanned<()> {
    let mut utf8 = [0; 4];
    found(char::from_u32(point).unwrap_or('\u{fffd}').encode_utf8(&mut utf8).as_bytes())
}
