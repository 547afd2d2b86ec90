//! JSON in pieces, of any size: the values of named members replaced, every other byte as it was.
//!
//! It is read as a run of strings and signs, without regard to nesting, so that what is not quite JSON (several texts in a
//! row, a text that breaks off, one behind a prefix) is rewritten as well. A string followed by a colon is a name.

use super::names::Names;
use super::params::{self, Kind};
use super::{REDACTED, Rewrite, Unredactable};

/// How much of a string is looked into at once, bytes.
const HELD_AT_MOST: usize = 1 << 20;
/// How deep JSON may lie in a string of JSON.
const STRINGS_AT_MOST: usize = 3;

/// Rewrites JSON.
#[derive(Clone)]
pub(super) struct Json {
    members: Names,
    params: Names,
    /// Within how many strings of JSON this lies.
    depth: usize,
    state: State,
    /// The inside of the string being read, or what of it is not written yet.
    held: Vec<u8>,
    /// The beginning of the string being read is written already.
    begun: bool,
    /// The string read last is a name on the list, should a colon follow.
    named: bool,
    /// The value that comes next is a secret.
    secret: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between strings.
    Open,
    /// In a string that is held until it ends.
    Text { escaped: bool },
    /// In the rest of a string that was too long and could not be looked into in pieces: it is left out.
    DroppedText { escaped: bool },
    /// In a string that is a secret.
    SecretText { escaped: bool },
    /// In an object or array that is a secret, so deep; in a string there.
    SecretNested { depth: u64, text: bool, escaped: bool },
    /// In a number or word that is a secret; the first bytes of it are held.
    SecretWord,
}

impl Json {
    pub(super) fn new(members: &Names, params: &Names) -> Self {
        Self {
            members: members.clone(),
            params: params.clone(),
            depth: 0,
            state: State::Open,
            held: Vec::new(),
            begun: false,
            named: false,
            secret: false,
        }
    }

    /// Takes what of `input` is plain text of a string, and answers how much that is.
    fn run(&mut self, input: &[u8]) -> usize {
        if self.state != (State::Text { escaped: false }) {
            return 0;
        }
        let run = input.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(input.len());
        // The last byte before a string is too long goes the way that tells so.
        let run = run.min(HELD_AT_MOST.saturating_sub(self.held.len()));
        self.held.extend_from_slice(&input[..run]);
        run
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Open => self.open(byte, out),
            State::Text { escaped: false } if byte == b'"' => self.text_ends(out),
            State::Text { escaped } => {
                self.held.push(byte);
                self.state = State::Text { escaped: !escaped && byte == b'\\' };
                if self.held.len() > HELD_AT_MOST {
                    self.text_is_long(out);
                }
            }
            State::DroppedText { escaped } => {
                self.state = State::DroppedText { escaped: !escaped && byte == b'\\' };
                if !escaped && byte == b'"' {
                    out.push(byte);
                    self.state = State::Open;
                }
            }
            State::SecretText { escaped } => {
                self.state = State::SecretText { escaped: !escaped && byte == b'\\' };
                if !escaped && byte == b'"' {
                    self.state = State::Open;
                }
            }
            State::SecretNested { depth, text, escaped } => {
                self.state = nested(depth, text, escaped, byte);
            }
            State::SecretWord => self.secret_word(byte, out),
        }
    }

    fn open(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte.is_ascii_whitespace() {
            out.push(byte);
            return;
        }
        let named = std::mem::take(&mut self.named);
        let secret = std::mem::take(&mut self.secret);
        self.state = match byte {
            b':' => {
                self.secret = named;
                State::Open
            }
            b',' | b'}' | b']' => State::Open,
            b'"' if secret => State::SecretText { escaped: false },
            b'{' | b'[' if secret => State::SecretNested { depth: 1, text: false, escaped: false },
            _ if secret => State::SecretWord,
            b'"' => State::Text { escaped: false },
            _ => State::Open,
        };
        match self.state {
            State::SecretText { .. } | State::SecretNested { .. } => write_redacted(out),
            State::SecretWord => self.held.push(byte),
            State::Text { .. } => {}
            _ => out.push(byte),
        }
    }

    fn text_ends(&mut self, out: &mut Vec<u8>) {
        self.state = State::Open;
        let held = std::mem::take(&mut self.held);
        self.named = !self.begun && self.members.has(&unescaped(&held));
        self.piece(&held, out);
        out.push(b'"');
        self.begun = false;
        self.held = held;
        self.held.clear();
    }

    /// Writes a string, or a piece of one, with the quotation mark that begins it.
    fn piece(&mut self, held: &[u8], out: &mut Vec<u8>) {
        let plain = unescaped(held);
        let new = if self.begun {
            params::redact(&self.params, &plain, Kind::Text)
        } else {
            out.push(b'"');
            self.inside(&plain)
        };
        match new {
            Some(new) => out.extend_from_slice(&escaped(&new)),
            None => out.extend_from_slice(held),
        }
        self.begun = true;
    }

    /// What becomes of the text of a string: it may be JSON again, or a URL or form with parameters.
    fn inside(&self, text: &[u8]) -> Option<Vec<u8>> {
        if is_json(text) && self.depth < STRINGS_AT_MOST {
            let mut inner = Json { depth: self.depth + 1, ..Json::new(&self.members, &self.params) };
            let mut out = Vec::with_capacity(text.len());
            for byte in text {
                inner.byte(*byte, &mut out);
            }
            inner.flush(&mut out);
            return Some(out).filter(|out| out != text);
        }
        params::redact(&self.params, text, Kind::ParamText)
    }

    /// A string that is too long is looked into up to its last space, at which no parameter goes on. Where there is none, what
    /// looks like encoded bytes stays, and anything else is dropped to its end; so is JSON in a string.
    fn text_is_long(&mut self, out: &mut Vec<u8>) {
        let State::Text { escaped } = self.state else { return };
        let mut held = std::mem::take(&mut self.held);
        let is_inner = !self.begun && is_json(&unescaped(&held[..held.len().min(64)]));
        let whole = whole_characters(&held);
        let cut = if is_inner {
            None
        } else {
            whole.space.or_else(|| is_encoded(&held[..whole.end]).then_some(whole.end))
        };
        let Some(cut) = cut else {
            if !std::mem::replace(&mut self.begun, false) {
                out.push(b'"');
            }
            out.extend_from_slice(REDACTED.as_bytes());
            self.state = State::DroppedText { escaped };
            return;
        };
        self.piece(&held[..cut], out);
        held.drain(..cut);
        self.held = held;
    }

    /// A word that is a secret ends with what cannot belong to one. `null` stays: it says that there is no secret.
    fn secret_word(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !matches!(byte, b',' | b'}' | b']' | b'\n' | b'\r') {
            if self.held.len() < 16 {
                self.held.push(byte);
            }
            return;
        }
        self.word_ends(out);
        self.open(byte, out);
    }

    fn word_ends(&mut self, out: &mut Vec<u8>) {
        let word = std::mem::take(&mut self.held);
        self.state = State::Open;
        if word.trim_ascii() == b"null" { out.extend_from_slice(&word) } else { write_redacted(out) }
    }

    /// Writes what is held; what comes next is a text of its own, except that a secret does not end with a line.
    pub(super) fn line_ends(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Text { .. } => {
                if !std::mem::replace(&mut self.begun, false) {
                    out.push(b'"');
                }
                out.append(&mut self.held);
                self.state = State::Open;
            }
            State::DroppedText { .. } => self.state = State::Open,
            State::SecretWord => self.word_ends(out),
            _ => {}
        }
    }

    /// Writes what is held, and begins afresh.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        // What is held of a string that breaks off cannot be judged by its end: it is looked into as it is.
        if let State::Text { .. } = self.state {
            let held = std::mem::take(&mut self.held);
            self.piece(&held, out);
        }
        self.line_ends(out);
        *self = Self { depth: self.depth, ..Self::new(&self.members, &self.params) };
    }
}

impl Rewrite for Json {
    fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Unredactable> {
        while let Some((byte, rest)) = input.split_first() {
            let run = self.run(input);
            if run == 0 {
                self.byte(*byte, out);
            }
            input = if run == 0 { rest } else { &input[run..] };
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unredactable> {
        self.flush(out);
        Ok(())
    }
}

fn nested(depth: u64, text: bool, escaped: bool, byte: u8) -> State {
    let inside = |depth, text, escaped| State::SecretNested { depth, text, escaped };
    match byte {
        b'"' if !escaped => inside(depth, !text, false),
        b'\\' if text => inside(depth, true, !escaped),
        _ if text => inside(depth, true, false),
        b'{' | b'[' => inside(depth + 1, false, false),
        b'}' | b']' if depth == 1 => State::Open,
        b'}' | b']' => inside(depth - 1, false, false),
        _ => inside(depth, false, false),
    }
}

fn write_redacted(out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(REDACTED.as_bytes());
    out.push(b'"');
}

/// True when a text looks like an object or an array.
pub(super) fn is_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Where a piece of the inside of a string may end.
struct Whole {
    /// Behind its last space that no separator of parameters comes before.
    space: Option<usize>,
    /// Behind its last whole character.
    end: usize,
}

fn whole_characters(inside: &[u8]) -> Whole {
    let mut found = Whole { space: None, end: 0 };
    let mut separated = false;
    while let Some(byte) = inside.get(found.end) {
        let kind = if *byte == b'\\' { inside.get(found.end + 1) } else { None };
        let width = match (byte, kind) {
            (b'\\', None) => break,
            (_, Some(b'u')) => 6,
            (_, Some(_)) => 2,
            _ => 1,
        };
        if found.end + width > inside.len() {
            break;
        }
        found.end += width;
        let is_space = byte.is_ascii_whitespace() || matches!(kind, Some(b'n' | b'r' | b't'));
        if is_space && !separated {
            found.space = Some(found.end);
        } else if !is_space {
            separated = matches!(byte, b'?' | b'&' | b'#' | b';' | b'%') || kind.is_some();
        }
    }
    found
}

/// True for what can be nothing but bytes in base64 (RFC 4648), at most behind the head of a `data` URL (RFC 2397).
fn is_encoded(inside: &[u8]) -> bool {
    let plain = unescaped(inside);
    let head = plain.iter().take(256).position(|byte| *byte == b',').filter(|_| plain.starts_with(b"data:"));
    let rest = &plain[head.map_or(0, |comma| comma + 1)..];
    let end = rest.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    rest[..end].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte))
}

/// What the inside of a string stands for. Half of a surrogate pair becomes a replacement character.
fn unescaped(inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inside.len());
    let mut units = Vec::new();
    let mut rest = inside;
    while let Some((byte, after)) = rest.split_first() {
        let (unit, after) = if *byte == b'\\' { escape(after) } else { (Err(*byte), after) };
        match unit {
            Ok(unit) => units.push(unit),
            Err(byte) => {
                flush_units(&mut units, &mut out);
                out.push(byte);
            }
        }
        rest = after;
    }
    flush_units(&mut units, &mut out);
    out
}

fn flush_units(units: &mut Vec<u16>, out: &mut Vec<u8>) {
    if !units.is_empty() {
        out.extend_from_slice(String::from_utf16_lossy(units).as_bytes());
        units.clear();
    }
}

/// What an escape stands for, behind its backslash: half a character, or a byte; and what follows it.
fn escape(after: &[u8]) -> (Result<u16, u8>, &[u8]) {
    let Some((kind, rest)) = after.split_first() else { return (Err(b'\\'), after) };
    let byte = match kind {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let digits = rest.get(..4).and_then(|four| std::str::from_utf8(four).ok());
            let unit = digits.and_then(|four| u16::from_str_radix(four, 16).ok());
            return unit.map_or((Err(b'u'), rest), |unit| (Ok(unit), &rest[4..]));
        }
        same => *same,
    };
    (Err(byte), rest)
}

/// The inside of a string that stands for `text`.
fn escaped(text: &[u8]) -> Vec<u8> {
    let quoted = serde_json::Value::from(String::from_utf8_lossy(text)).to_string();
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}
