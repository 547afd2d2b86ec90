//! tnetstrings where they lie: `LENGTH:PAYLOAD` and a byte that tells the type.

use crate::window::Window;
use crate::{Content, Pairs, ReadAt, TapeError};
use std::sync::Arc;

/// The most digits a length has.
const DIGITS: usize = 12;

/// The longest literal of a number that is read, bytes.
const NUMBER: u64 = 64;

/// The longest key that may mean something here, bytes.
const KEY: usize = 32;

/// What a flow may hold besides its bodies, bytes.
pub const FLOW_LIMIT: u64 = 16 * 1024 * 1024;

/// About what things take in memory besides their bytes. It counts as well: small things take more than they are long.
pub mod weight {
    use crate::{Chunk, WebSocketMessage};

    /// A field line.
    pub const LINE: u64 = 16;
    /// A string in a list.
    pub const STRING: u64 = size_of::<String>() as u64;
    /// A message over a WebSocket.
    pub const MESSAGE: u64 = size_of::<WebSocketMessage>() as u64;
    /// When a piece of a body came.
    pub const CHUNK: u64 = size_of::<Chunk>() as u64;
    /// A value of the metadata.
    pub const VALUE: u64 = 64;
}

/// The byte behind a payload, which tells what it is.
pub mod tag {
    pub const BYTES: u8 = b',';
    pub const TEXT: u8 = b';';
    pub const INTEGER: u8 = b'#';
    pub const FLOAT: u8 = b'^';
    pub const BOOLEAN: u8 = b'!';
    pub const NULL: u8 = b'~';
    pub const LIST: u8 = b']';
    pub const DICTIONARY: u8 = b'}';
}

/// Where something lies on the tape, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub tag: u8,
    /// Where its payload begins.
    pub start: u64,
    /// The bytes of its payload.
    pub len: u64,
}

impl Item {
    /// Where the next one begins.
    pub const fn end(&self) -> u64 {
        self.start + self.len + 1
    }

    pub const fn is_null(&self) -> bool {
        self.tag == tag::NULL
    }
}

/// A length as it is written, and how long that is with its colon.
pub enum Length {
    Is(u64, usize),
    /// Nothing but digits, and then the tape ends.
    CutOff,
    None,
}

impl Length {
    pub fn of(text: &[u8]) -> Self {
        let mut len = 0;
        for (i, byte) in text.iter().take(DIGITS + 1).enumerate() {
            match byte {
                b'0'..=b'9' if i < DIGITS => len = len * 10 + u64::from(byte - b'0'),
                b':' if i > 0 => return Self::Is(len, i + 1),
                _ => return Self::None,
            }
        }
        Self::CutOff
    }
}

/// A walk through one flow.
pub struct Walker<'a> {
    source: &'a Arc<dyn ReadAt>,
    window: &'a mut Window,
    /// Where the flow begins.
    flow: u64,
    /// How much of it may still be held.
    left: u64,
}

type Result<T> = std::result::Result<T, TapeError>;

impl<'a> Walker<'a> {
    pub const fn new(source: &'a Arc<dyn ReadAt>, window: &'a mut Window, flow: u64) -> Self {
        Self { source, window, flow, left: FLOW_LIMIT }
    }

    /// The item at `at`, which ends before `end`.
    #[inline]
    pub fn item(&mut self, at: u64, end: u64) -> Result<Item> {
        let room = end.saturating_sub(at);
        let head = self.window.at(&**self.source, at, room.min(DIGITS as u64 + 1) as usize)?;
        let Length::Is(len, digits) = Length::of(head) else {
            return Err(malformed(at, "no length where something should begin"));
        };
        if digits as u64 + len >= room {
            return Err(malformed(at, "longer than what it is part of"));
        }
        let start = at + digits as u64;
        let tag = match head.get(digits + len as usize) {
            Some(tag) => Some(tag),
            None => self.window.at(&**self.source, start + len, 1)?.first(),
        };
        Ok(Item { tag: *tag.ok_or(TapeError::Torn { at: self.flow })?, start, len })
    }

    /// Counts what is going to be held.
    pub fn hold(&mut self, bytes: u64) -> Result<()> {
        let what = "what an exchange has besides its bodies";
        self.left = self.left.checked_sub(bytes).ok_or(TapeError::TooLarge {
            at: self.flow,
            what,
            limit: FLOW_LIMIT,
        })?;
        Ok(())
    }

    /// Hands the payload of `item` to `read`.
    #[inline]
    fn payload<T>(&mut self, item: Item, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        self.hold(item.len)?;
        let len = item.len as usize;
        if len > self.window.size() {
            let whole = Content::raw(Arc::clone(self.source), item.start, item.len).to_bytes(FLOW_LIMIT)?;
            return Ok(read(&whole.unwrap_or_default()));
        }
        let bytes = self.window.at(&**self.source, item.start, len)?;
        bytes.get(..len).map(read).ok_or(TapeError::Torn { at: self.flow })
    }

    /// Hands the key and the value of each entry of a dictionary to `each`; a key too long to mean anything is empty.
    #[inline]
    pub fn entries(
        &mut self,
        item: Item,
        mut each: impl FnMut(&mut Self, &[u8], Item) -> Result<()>,
    ) -> Result<()> {
        expect(item, tag::DICTIONARY, "a dictionary")?;
        let (mut at, end) = (item.start, item.start + item.len);
        while at < end {
            let name = self.item(at, end)?;
            let value = self.item(name.end(), end)?;
            let (mut key, mut len) = ([0; KEY], name.len as usize);
            if len <= KEY {
                let bytes = self.window.at(&**self.source, name.start, len)?;
                key[..len].copy_from_slice(bytes.get(..len).ok_or(TapeError::Torn { at: self.flow })?);
            } else {
                len = 0;
            }
            each(self, &key[..len], value)?;
            at = value.end();
        }
        Ok(())
    }

    /// Hands each item of a list to `each`.
    #[inline]
    pub fn list(&mut self, item: Item, mut each: impl FnMut(&mut Self, Item) -> Result<()>) -> Result<()> {
        expect(item, tag::LIST, "a list")?;
        let (mut at, end) = (item.start, item.start + item.len);
        while at < end {
            let one = self.item(at, end)?;
            each(self, one)?;
            at = one.end();
        }
        Ok(())
    }

    /// The items of a list that has `N` or more of them.
    pub fn first<const N: usize>(&mut self, item: Item) -> Result<[Item; N]> {
        let (mut items, mut count) = ([item; N], 0);
        self.list(item, |_, one| {
            if let Some(place) = items.get_mut(count) {
                *place = one;
            }
            count += 1;
            Ok(())
        })?;
        if count < N { Err(malformed(item.start, "a list that is too short")) } else { Ok(items) }
    }

    /// `read`, unless it is null.
    pub fn optional<T>(
        &mut self,
        item: Item,
        read: impl FnOnce(&mut Self, Item) -> Result<T>,
    ) -> Result<Option<T>> {
        if item.is_null() { Ok(None) } else { read(self, item).map(Some) }
    }

    /// A byte string, or a text's bytes.
    pub fn bytes(&mut self, item: Item) -> Result<Vec<u8>> {
        match item.tag {
            tag::BYTES | tag::TEXT => self.payload(item, <[u8]>::to_vec),
            _ => Err(not(item, "a byte string")),
        }
    }

    /// A text; byte strings pass for it.
    pub fn text(&mut self, item: Item) -> Result<String> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        match item.tag {
            tag::TEXT => self.payload(item, text)?.ok_or_else(|| not(item, "text in UTF-8")),
            tag::BYTES => self.payload(item, |bytes| String::from_utf8_lossy(bytes).into_owned()),
            _ => Err(not(item, "a text")),
        }
    }

    /// Whether a text is `text`.
    pub fn is(&mut self, item: Item, text: &[u8]) -> Result<bool> {
        Ok(item.len == text.len() as u64 && self.payload(item, |bytes| bytes == text)?)
    }

    /// A number; whole ones pass for it.
    pub fn float(&mut self, item: Item) -> Result<f64> {
        match item.tag {
            tag::FLOAT | tag::INTEGER => self.number(item),
            _ => Err(not(item, "a number")),
        }
    }

    /// A whole number.
    pub fn integer<T: std::str::FromStr>(&mut self, item: Item) -> Result<T> {
        expect(item, tag::INTEGER, "a whole number")?;
        self.number(item)
    }

    /// Whatever number is written there, where it fits.
    fn number<T: std::str::FromStr>(&mut self, item: Item) -> Result<T> {
        let parse = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse().ok();
        let number = if item.len <= NUMBER { self.payload(item, parse)? } else { None };
        number.ok_or_else(|| malformed(item.start, "a number that is none, or too large here"))
    }

    /// The digits of a number.
    pub fn literal(&mut self, item: Item) -> Result<String> {
        self.number(item)
    }

    /// True or false.
    pub fn boolean(&mut self, item: Item) -> Result<bool> {
        expect(item, tag::BOOLEAN, "true or false")?;
        let value = self.payload(item, |bytes| match bytes {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        })?;
        value.ok_or_else(|| not(item, "true or false"))
    }

    /// A host or an address, and a port; IPv6 addresses have a flow and a scope behind them, which are of no use elsewhere.
    pub fn address(&mut self, item: Item) -> Result<(String, u16)> {
        let [host, port] = self.first(item)?;
        Ok((self.text(host)?, self.integer(port)?))
    }

    /// Field lines.
    pub fn pairs(&mut self, item: Item) -> Result<Pairs> {
        let mut pairs = Pairs::new();
        // The encoding is longer than what is held of it, but for the places of the lines.
        pairs.reserve(item.len.min(self.left) as usize);
        self.list(item, |walker, line| {
            let [name, value] = walker.first(line)?;
            if ![name, value].iter().all(|item| matches!(item.tag, tag::BYTES | tag::TEXT)) {
                return Err(not(line, "a field"));
            }
            walker.hold(weight::LINE)?;
            walker.payload(name, |name| pairs.push_name(name))?;
            walker.payload(value, |value| pairs.push_value(value))
        })?;
        Ok(pairs)
    }

    /// A body, left in its place.
    pub fn content(&mut self, item: Item) -> Result<Content> {
        match item.tag {
            tag::BYTES | tag::TEXT => Ok(Content::raw(Arc::clone(self.source), item.start, item.len)),
            _ => Err(not(item, "a byte string")),
        }
    }
}

pub fn malformed(at: u64, what: impl Into<String>) -> TapeError {
    TapeError::Malformed { at, what: what.into() }
}

fn expect(item: Item, tag: u8, what: &str) -> Result<()> {
    if item.tag == tag { Ok(()) } else { Err(not(item, what)) }
}

fn not(item: Item, what: &str) -> TapeError {
    malformed(item.start, format!("not {what}"))
}
