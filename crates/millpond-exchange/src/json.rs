//! JSON (RFC 8259) as far as keys need it: a form that is the same for texts that differ in whitespace and in the order of
//! members alone.
//!
//! What must not live here: what JSON means to anyone. Numbers and strings stay as they are written, since not every reader
//! takes `1.0` for `1`.

use std::borrow::Cow;
use std::fmt;

/// How deep arrays and objects may be nested; deeper ones have no canonical form here.
const MAX_DEPTH: usize = 64;

/// How much is read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Longer texts, bytes, are not read.
    pub length: usize,
    /// Nor those whose objects have more members than this, all together.
    pub members: usize,
}

impl Default for JsonLimits {
    /// What a worker may spend on a stranger's request: sorting a megabyte of short names takes tens of milliseconds, and
    /// anyone may send one.
    fn default() -> Self {
        Self { length: 64 * 1024, members: 4096 }
    }
}

/// `text` without whitespace and with the members of each object sorted by name. `None` where it is not JSON, is too long, is
/// nested too deep, has too many members, or has an object with two members of one name, of which readers take the one or
/// the other (RFC 8259 section 4).
pub fn canonical(text: &[u8]) -> Option<Vec<u8>> {
    write(Reader::new(text)?, text.len())
}

/// Says of the names that lead to a member whether it is dropped.
type IsDropped<'d> = dyn Fn(&[Cow<'_, str>]) -> bool + 'd;

/// As [`canonical`], but without the members that `dropped` says yes to: it is given the names that lead to a member, from
/// the outermost object on; arrays have no name.
pub fn canonical_without(text: &[u8], limits: JsonLimits, dropped: &IsDropped<'_>) -> Option<Vec<u8>> {
    let reader = Reader { dropped: Some(dropped), ..Reader::with_limits(text, limits)? };
    write(reader, text.len())
}

fn write(mut reader: Reader<'_>, length: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(length);
    reader.value(&mut out, 0)?;
    reader.at_end().then_some(out)
}

/// Reads JSON from its beginning to its end.
pub struct Reader<'a> {
    text: &'a [u8],
    /// Members that may still come.
    members_left: usize,
    dropped: Option<&'a IsDropped<'a>>,
    /// The names that lead to the value being read; kept only where something may be dropped.
    path: Vec<Cow<'a, str>>,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} bytes left)", self.text.len())
    }
}

/// A member of an object that is being written.
struct Member<'a> {
    name: Cow<'a, str>,
    /// Where it ends in the output.
    end: usize,
}

impl<'a> Reader<'a> {
    /// `None` where `text` is not UTF-8 (RFC 8259 section 8.1), or is too long.
    pub fn new(text: &'a [u8]) -> Option<Self> {
        Self::with_limits(text, JsonLimits::default())
    }

    fn with_limits(text: &'a [u8], limits: JsonLimits) -> Option<Self> {
        if text.len() > limits.length {
            return None;
        }
        std::str::from_utf8(text).ok()?;
        Some(Self { text, members_left: limits.members, dropped: None, path: Vec::new() })
    }

    /// True when nothing but whitespace is left.
    pub fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The next byte that is not whitespace.
    pub fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.text {
            self.text = rest;
        }
        self.text.first().copied()
    }

    /// Takes `wanted`, if it is next.
    pub fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.text = &self.text[1..])
    }

    /// After a member or an element: true when `close` follows, false when a comma does.
    pub fn ends(&mut self, close: u8) -> Option<bool> {
        let next = self.peek()?;
        self.text = &self.text[1..];
        match next {
            next if next == close => Some(true),
            b',' => Some(false),
            _ => None,
        }
    }

    /// Writes the next value, whatever it is.
    pub fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        let literal = match self.peek()? {
            b'{' => return self.object(out, depth),
            b'[' => return self.array(out, depth),
            b'"' => self.string()?.0,
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => self.number()?,
        };
        out.extend_from_slice(literal);
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.take(b'[').filter(|()| depth < MAX_DEPTH)?;
        out.push(b'[');
        if self.take(b']').is_some() {
            out.push(b']');
            return Some(());
        }
        loop {
            self.value(out, depth + 1)?;
            let end = self.ends(b']')?;
            out.push(if end { b']' } else { b',' });
            if end {
                return Some(());
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.take(b'{').filter(|()| depth < MAX_DEPTH)?;
        out.push(b'{');
        let start = out.len();
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut ended = self.take(b'}').is_some();
        while !ended {
            self.member(out, depth, &mut members)?;
            ended = self.ends(b'}')?;
        }
        sort_members(&members, start, out)?;
        out.push(b'}');
        Some(())
    }

    /// Writes the next member, unless it is dropped.
    fn member(&mut self, out: &mut Vec<u8>, depth: usize, members: &mut Vec<Member<'a>>) -> Option<()> {
        let start = out.len();
        let (raw, name) = self.name()?;
        out.extend_from_slice(raw);
        out.push(b':');
        let Some(dropped) = self.dropped else {
            self.value(out, depth + 1)?;
            members.push(Member { name, end: out.len() });
            return Some(());
        };
        self.path.push(name.clone());
        let drop = dropped(&self.path);
        self.value(out, depth + 1)?;
        self.path.pop();
        if drop {
            out.truncate(start);
        } else {
            members.push(Member { name, end: out.len() });
        }
        Some(())
    }

    /// The name of a member, as written and decoded, with its colon.
    pub fn name(&mut self) -> Option<(&'a [u8], Cow<'a, str>)> {
        self.members_left = self.members_left.checked_sub(1)?;
        let named = self.string()?;
        self.take(b':')?;
        Some(named)
    }

    /// A string, as written and decoded.
    pub fn string(&mut self) -> Option<(&'a [u8], Cow<'a, str>)> {
        self.peek()?;
        let inner = self.text.strip_prefix(b"\"")?;
        let mut at = 0;
        let mut escaped = false;
        loop {
            match inner.get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        let (raw, rest) = self.text.split_at_checked(at + 2)?;
        self.text = rest;
        let plain = std::str::from_utf8(&inner[..at]).ok()?;
        Some((raw, if escaped { Cow::Owned(unescape(plain)?) } else { Cow::Borrowed(plain) }))
    }

    fn word(&mut self, word: &[u8]) -> Option<&'a [u8]> {
        let taken = self.text.get(..word.len()).filter(|taken| *taken == word)?;
        self.text = &self.text[word.len()..];
        Some(taken)
    }

    /// RFC 8259 section 6.
    fn number(&mut self) -> Option<&'a [u8]> {
        let all = self.text;
        let mut rest = all.strip_prefix(b"-").unwrap_or(all);
        rest = match rest {
            [b'0', after @ ..] => after,
            _ => digits(rest)?,
        };
        if let [b'.', after @ ..] = rest {
            rest = digits(after)?;
        }
        if let [b'e' | b'E', after @ ..] = rest {
            let unsigned = match after {
                [b'+' | b'-', after @ ..] => after,
                _ => after,
            };
            rest = digits(unsigned)?;
        }
        self.text = rest;
        all.get(..all.len() - rest.len())
    }
}

/// What follows one or more digits.
fn digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| &text[count..])
}

/// Puts the members that were written to `out` from `start` on in order, commas between them. `None` when two have the same
/// name.
fn sort_members(members: &[Member<'_>], start: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| members[*a].name.cmp(&members[*b].name));
    if order.windows(2).any(|pair| members[pair[0]].name == members[pair[1]].name) {
        return None;
    }
    let written = out.split_off(start);
    for (place, index) in order.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let from = index.checked_sub(1).map_or(0, |before| members[before].end - start);
        out.extend_from_slice(&written[from..members[index].end - start]);
    }
    Some(())
}

/// The text that a string with escapes stands for; `None` for an unknown escape and for half of a surrogate pair.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        let plain = match next {
            '\\' => match chars.next()? {
                same @ ('"' | '\\' | '/') => same,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits =
                        chars.as_str().get(..4).filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()))?;
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    chars = chars.as_str()[4..].chars();
                    continue;
                }
                _ => return None,
            },
            plain => plain,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).ok()
}
