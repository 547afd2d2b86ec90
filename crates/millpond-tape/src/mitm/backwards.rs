//! tnetstrings written from their end to their beginning: then the length of what was written is known when it has to stand
//! before it, and nothing is written twice.

use super::item::{tag, weight};
use crate::{Content, Pairs, TapeError};
use serde_json::{Map, Value};
use std::io::{self, Read as _, Write};

/// Bodies up to this size are copied between the rest, so that the flow is written at once.
const INLINE: u64 = 64 * 1024;

/// What is being written. The calls come in reverse: the value before its key, the last entry first.
pub struct Backwards<'a> {
    /// Filled from its end.
    buf: Vec<u8>,
    /// Where what is filled begins.
    begin: usize,
    /// The bodies that stay where they are, and how much is filled behind each.
    bodies: Vec<(usize, &'a Content)>,
    /// The bytes of these bodies.
    outside: u64,
    /// The bytes of the bodies that were copied.
    inside: u64,
    /// What the reader will count besides.
    weight: u64,
}

impl<'a> Backwards<'a> {
    /// Nothing yet; `buf` may be one used before.
    pub fn new(mut buf: Vec<u8>) -> Self {
        if buf.is_empty() {
            buf.resize(8 * 1024, 0);
        }
        Self { begin: buf.len(), buf, bodies: Vec::new(), outside: 0, inside: 0, weight: 0 }
    }

    /// How long it is.
    pub fn len(&self) -> u64 {
        self.filled() as u64 + self.outside
    }

    /// No less than what the reader will count of it, which is everything but bodies.
    pub fn weight(&self) -> u64 {
        self.filled() as u64 - self.inside + self.weight
    }

    /// Notes what the reader will count besides.
    pub const fn weigh(&mut self, weight: u64) {
        self.weight += weight;
    }

    const fn filled(&self) -> usize {
        self.buf.len() - self.begin
    }

    /// Room for `len` bytes before what is filled.
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.begin < len {
            let more = (self.filled() + len).max(2 * self.buf.len()) - self.buf.len();
            let old = self.buf.len();
            self.buf.resize(old + more, 0);
            self.buf.copy_within(self.begin..old, self.begin + more);
            self.begin += more;
        }
        self.begin -= len;
        &mut self.buf[self.begin..self.begin + len]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
    }

    /// The length before a payload.
    fn length(&mut self, len: u64) {
        let (digits, begin) = length(len);
        self.push(&digits[begin..]);
    }

    fn scalar(&mut self, tag: u8, payload: &[u8]) {
        let (digits, begin) = length(payload.len() as u64);
        let digits = &digits[begin..];
        let room = self.room(digits.len() + payload.len() + 1);
        let (before, rest) = room.split_at_mut(digits.len());
        before.copy_from_slice(digits);
        rest[..payload.len()].copy_from_slice(payload);
        rest[payload.len()] = tag;
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.scalar(tag::BYTES, bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.scalar(tag::TEXT, text.as_bytes());
    }

    pub fn integer(&mut self, number: impl std::fmt::Display) {
        self.formatted(tag::INTEGER, format_args!("{number}"));
    }

    /// A float, as Python reads it: the shortest digits that mean it.
    pub fn float(&mut self, number: f64) {
        self.formatted(tag::FLOAT, format_args!("{number:?}"));
    }

    fn formatted(&mut self, tag: u8, number: std::fmt::Arguments<'_>) {
        let mut digits = [0; 32];
        let mut left = &mut digits[..];
        // Neither 64 bits nor the shortest form of a float come near 32 bytes.
        let _ = left.write_fmt(number);
        let len = 32 - left.len();
        self.scalar(tag, &digits[..len]);
    }

    pub fn boolean(&mut self, value: bool) {
        self.scalar(tag::BOOLEAN, if value { b"true" } else { b"false" });
    }

    pub fn null(&mut self) {
        self.push(b"0:~");
    }

    /// `write`, or null where there is nothing.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    /// A list or a dictionary of what `write` writes.
    pub fn nested<T>(&mut self, tag: u8, write: impl FnOnce(&mut Self) -> T) -> T {
        self.push(&[tag]);
        let behind = self.len();
        let result = write(self);
        self.length(self.len() - behind);
        result
    }

    /// A list with an item for each of `items`.
    pub fn list<T>(
        &mut self,
        items: impl DoubleEndedIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.nested(tag::LIST, |out| items.rev().for_each(|item| write(out, item)));
    }

    pub fn pairs(&mut self, pairs: &Pairs) {
        self.weigh(weight::LINE * pairs.len() as u64);
        self.list(pairs.iter(), |out, (name, value)| {
            out.nested(tag::LIST, |out| {
                out.bytes(value);
                out.bytes(name);
            });
        });
    }

    pub fn address(&mut self, (host, port): (&str, u16)) {
        self.nested(tag::LIST, |out| {
            out.integer(port);
            out.text(host);
        });
    }

    /// A body: a small one is copied, of others it is noted where they belong.
    pub fn content(&mut self, content: &'a Content) -> Result<(), TapeError> {
        let len = content.len();
        self.push(&[tag::BYTES]);
        if len > INLINE {
            self.bodies.push((self.filled(), content));
            self.outside += len;
        } else {
            let room = self.room(len as usize);
            match content {
                Content::Memory(bytes) => room.copy_from_slice(bytes),
                Content::Held { .. } => exactly(content, room)?,
            }
            self.inside += len;
        }
        self.length(len);
        Ok(())
    }

    pub fn members(&mut self, members: &Map<String, Value>, depth: usize) -> Result<(), TapeError> {
        members.iter().rev().try_for_each(|(key, value)| {
            self.value(value, depth)?;
            self.text(key);
            Ok(())
        })
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), TapeError> {
        let too_deep = || io::Error::new(io::ErrorKind::InvalidInput, "metadata nested too deep");
        let deeper = depth.checked_sub(1).ok_or_else(too_deep)?;
        self.weigh(weight::VALUE);
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.boolean(*value),
            Value::Number(number) if number.is_f64() => self.float(number.as_f64().unwrap_or_default()),
            Value::Number(number) => self.integer(number),
            Value::String(text) => self.text(text),
            Value::Array(list) => self
                .nested(tag::LIST, |out| list.iter().rev().try_for_each(|value| out.value(value, deeper)))?,
            Value::Object(map) => self.nested(tag::DICTIONARY, |out| out.members(map, deeper))?,
        }
        Ok(())
    }

    /// Writes it all, bodies in their places, from the beginning; at once when there are none but those copied.
    pub fn write_to(&self, to: &mut impl Write) -> Result<(), TapeError> {
        let mut at = self.begin;
        // The body noted last comes first.
        for (behind, content) in self.bodies.iter().rev() {
            let before = self.buf.len() - behind;
            to.write_all(&self.buf[at..before])?;
            at = before;
            let copied = io::copy(&mut content.reader().take(content.len()), to)?;
            if copied != content.len() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(to.write_all(&self.buf[at..])?)
    }

    /// The buffer, to be used again; one that has become large is let go.
    pub fn into_buffer(self) -> Vec<u8> {
        if self.buf.len() > 1024 * 1024 { Vec::new() } else { self.buf }
    }
}

/// The digits of `len` and a colon, and where in the array they begin.
fn length(mut len: u64) -> ([u8; 24], usize) {
    let (mut digits, mut begin) = ([b':'; 24], 23);
    loop {
        begin -= 1;
        digits[begin] = b'0' + (len % 10) as u8;
        len /= 10;
        if len == 0 {
            return (digits, begin);
        }
    }
}

/// Reads all of `content` into `room`, which is as long as it says it is.
fn exactly(content: &Content, room: &mut [u8]) -> Result<(), TapeError> {
    Ok(content.reader().read_exact(room)?)
}
