//! Content that lies on a tape as the inside of a JSON string (RFC 8259, section 7).

use crate::json::plain::plain_len;
use std::io::{self, Read};

/// How much is read ahead.
const AHEAD: usize = 16 * 1024;

/// What the longest escape takes: that of a surrogate pair.
const LONGEST_ESCAPE: usize = 12;

/// What a JSON string stands for, as UTF-8, read from its inside: what lies between the quotes.
///
/// Half of a surrogate pair without its other half, which no text has but which some programs write, becomes U+FFFD.
pub struct Unescaped<R> {
    inner: R,
    ahead: Box<[u8]>,
    /// What of `ahead` is still to be looked at.
    at: usize,
    filled: usize,
    ended: bool,
    /// A character of which the caller had no room for every byte: those still to come.
    rest: [u8; 4],
    rest_len: u8,
}

impl<R: Read> Unescaped<R> {
    /// Reads what `inner` has between its quotes.
    pub fn new(inner: R) -> Self {
        let ahead = vec![0; AHEAD].into_boxed_slice();
        Self { inner, ahead, at: 0, filled: 0, ended: false, rest: [0; 4], rest_len: 0 }
    }

    fn pending(&self) -> &[u8] {
        &self.ahead[self.at..self.filled]
    }

    /// Makes sure that a whole escape is at hand, or all that is left.
    fn fill(&mut self) -> io::Result<()> {
        while !self.ended && self.filled - self.at < LONGEST_ESCAPE {
            self.ahead.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.at = 0;
            match self.inner.read(&mut self.ahead[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Copies what stands for itself: everything up to the next escape.
    fn plain(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let pending = self.pending();
        let most = pending.len().min(buf.len());
        let plain = plain_len(&pending[..most]);
        if plain == 0 && pending.first() != Some(&b'\\') {
            return Err(invalid("a character that JSON wants escaped"));
        }
        buf[..plain].copy_from_slice(&pending[..plain]);
        self.at += plain;
        Ok(plain)
    }

    /// Reads one escape; its bytes go to `rest`.
    fn escape(&mut self) -> io::Result<()> {
        let (character, taken) = unescape(self.pending())?;
        self.rest_len = character.encode_utf8(&mut self.rest).len() as u8;
        self.at += taken;
        Ok(())
    }

    fn give_rest(&mut self, buf: &mut [u8]) -> usize {
        let give = usize::from(self.rest_len).min(buf.len());
        buf[..give].copy_from_slice(&self.rest[..give]);
        self.rest.copy_within(give.., 0);
        self.rest_len -= give as u8;
        give
    }
}

impl<R: Read> Read for Unescaped<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut given = self.give_rest(buf);
        while given < buf.len() {
            self.fill()?;
            match self.pending().first() {
                None => break,
                Some(b'\\') => {
                    self.escape()?;
                    given += self.give_rest(&mut buf[given..]);
                }
                Some(_) => given += self.plain(&mut buf[given..])?,
            }
        }
        Ok(given)
    }
}

/// The character an escape stands for, and how long the escape is. `text` begins with the backslash, and has all of the
/// escape unless the string ends before.
fn unescape(text: &[u8]) -> io::Result<(char, usize)> {
    let simple = match text.get(1) {
        Some(b'u') => return unicode(text),
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(same @ (b'"' | b'\\' | b'/')) => char::from(*same),
        _ => return Err(invalid("an escape that JSON does not have")),
    };
    Ok((simple, 2))
}

fn unicode(text: &[u8]) -> io::Result<(char, usize)> {
    let first = unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, 6));
    }
    let rest = &text[6..];
    if first < 0xdc00 && rest.starts_with(b"\\u") {
        let second = unit(rest)?;
        if (0xdc00..0xe000).contains(&second) {
            let whole = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok((char::from_u32(whole).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
        }
    }
    Ok((char::REPLACEMENT_CHARACTER, 6))
}

/// The UTF-16 unit of an escape: `\u` and four digits.
fn unit(text: &[u8]) -> io::Result<u32> {
    let digits = text.get(2..6).ok_or_else(|| invalid("an escape that is cut off"))?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or_else(|| invalid("an escape without its digits"))?;
        Ok(unit << 4 | digit)
    })
}

pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads through a buffer of `room` bytes from pieces of `piece` bytes.
    fn read(text: &[u8], piece: usize, room: usize) -> io::Result<Vec<u8>> {
        struct Pieces<'a>(&'a [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let most = buf.len().min(self.1);
                self.0.read(&mut buf[..most])
            }
        }
        let (mut reader, mut buf, mut all) = (Unescaped::new(Pieces(text, piece)), vec![0; room], Vec::new());
        loop {
            match reader.read(&mut buf)? {
                0 => return Ok(all),
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    }

    #[test]
    fn every_escape_wherever_it_is_cut() {
        let text = br#"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00z"#;
        let expected = "a\"\\/\u{8}\u{c}\n\r\tAé€😀z".as_bytes();
        for piece in 1..text.len() {
            for room in 1..8 {
                assert_eq!(read(text, piece, room).unwrap(), expected, "pieces of {piece}, room for {room}");
            }
        }
    }

    #[test]
    fn half_of_a_pair_becomes_the_replacement_character() {
        for (text, expected) in [
            (r"\ud83d", "\u{fffd}"),
            (r"\ude00x", "\u{fffd}x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud83d\n", "\u{fffd}\n"),
        ] {
            assert_eq!(read(text.as_bytes(), 5, 3).unwrap(), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_is_no_inside_of_a_string_is_invalid_data() {
        for text in ["a\"b", "a\nb", "\\", "\\x", "\\u12", "\\u12g4", "\\ud83d\\u1", "\0"] {
            let error = read(text.as_bytes(), 3, 4).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
    }
}
