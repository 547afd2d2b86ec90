//! JSON text, written piece by piece.
//!
//! What must not live here: what members mean.

use super::plain::plain_len;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};
use std::io::{self, Read, Write};

/// What is read of a body at a time, bytes; a multiple of three, so that base64 of the pieces is that of the whole.
const PIECE: usize = 48 << 10;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes JSON, and keeps account of the commas.
pub(crate) struct Emit<W: Write> {
    to: W,
    comma: bool,
    scratch: Vec<u8>,
}

impl<W: Write> Emit<W> {
    pub fn new(to: W) -> Self {
        Self { to, comma: false, scratch: Vec::new() }
    }

    pub fn into_inner(self) -> W {
        self.to
    }

    /// Text between values; what follows needs no comma.
    pub fn layout(&mut self, text: &str) -> io::Result<()> {
        self.comma = false;
        self.to.write_all(text.as_bytes())
    }

    fn value_begins(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.comma, true) { self.to.write_all(b",") } else { Ok(()) }
    }

    /// `{` or `[`.
    pub fn open(&mut self, bracket: u8) -> io::Result<()> {
        self.value_begins()?;
        self.comma = false;
        self.to.write_all(&[bracket])
    }

    /// `}` or `]`.
    pub fn close(&mut self, bracket: u8) -> io::Result<()> {
        self.comma = true;
        self.to.write_all(&[bracket])
    }

    /// The name of a member, whose value comes next.
    pub fn key(&mut self, name: &str) -> io::Result<()> {
        self.value_begins()?;
        self.comma = false;
        write!(self.to, "\"{name}\":")
    }

    /// A member whose value opens with `bracket`.
    pub fn key_open(&mut self, name: &str, bracket: u8) -> io::Result<()> {
        self.key(name)?;
        self.open(bracket)
    }

    pub fn str(&mut self, text: &str) -> io::Result<()> {
        self.value_begins()?;
        self.to.write_all(b"\"")?;
        escaped(&mut self.to, text.as_bytes())?;
        self.to.write_all(b"\"")
    }

    /// Bytes: a string where they are UTF-8, else `{"base64": ...}`.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return self.str(text);
        }
        self.open(b'{')?;
        self.key("base64")?;
        self.str(&BASE64_STANDARD.encode(bytes))?;
        self.close(b'}')
    }

    /// A number; `null` where it is none.
    pub fn float(&mut self, number: f64) -> io::Result<()> {
        self.value_begins()?;
        if number.is_finite() { write!(self.to, "{number:?}") } else { self.to.write_all(b"null") }
    }

    pub fn integer(&mut self, number: i64) -> io::Result<()> {
        self.value_begins()?;
        write!(self.to, "{number}")
    }

    /// A number or a word as it is written.
    pub fn verbatim(&mut self, text: &str) -> io::Result<()> {
        self.value_begins()?;
        self.to.write_all(text.as_bytes())
    }

    pub fn map(&mut self, members: &Map<String, Value>) -> io::Result<()> {
        self.value_begins()?;
        serde_json::to_writer(&mut self.to, members).map_err(io::Error::from)
    }

    pub fn key_str(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.key(name)?;
        self.str(text)
    }

    pub fn key_bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.key(name)?;
        self.bytes(bytes)
    }

    /// Bytes that are UTF-8 as a rule; with U+FFFD where they are not.
    pub fn key_bytes_lossy(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.key(name)?;
        self.str(&String::from_utf8_lossy(bytes))
    }

    pub fn key_float(&mut self, name: &str, number: f64) -> io::Result<()> {
        self.key(name)?;
        self.float(number)
    }

    pub fn key_integer(&mut self, name: &str, number: i64) -> io::Result<()> {
        self.key(name)?;
        self.integer(number)
    }

    pub fn key_bool(&mut self, name: &str, truth: bool) -> io::Result<()> {
        self.key(name)?;
        self.verbatim(if truth { "true" } else { "false" })
    }

    /// A string of all that `body` gives, which is UTF-8.
    pub fn text_of(&mut self, body: &mut dyn Read) -> io::Result<()> {
        self.pieces_of(body, |to, piece| escaped(to, piece))
    }

    /// A string of all that `body` gives, as base64.
    pub fn base64_of(&mut self, body: &mut dyn Read) -> io::Result<()> {
        let mut text = String::new();
        self.pieces_of(body, |to, piece| {
            text.clear();
            BASE64_STANDARD.encode_string(piece, &mut text);
            to.write_all(text.as_bytes())
        })
    }

    fn pieces_of(
        &mut self,
        body: &mut dyn Read,
        mut each: impl FnMut(&mut W, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.value_begins()?;
        self.to.write_all(b"\"")?;
        let Self { to, scratch, .. } = self;
        scratch.resize(PIECE, 0);
        loop {
            let filled = fill(body, scratch)?;
            each(to, &scratch[..filled])?;
            if filled < PIECE {
                break;
            }
        }
        self.to.write_all(b"\"")
    }

    /// What `body` is made of. Reads it to its end.
    pub fn look_at(&mut self, body: &mut dyn Read) -> io::Result<Look> {
        self.scratch.resize(PIECE, 0);
        let (mut look, mut carried) = (Look { len: 0, utf8: true, ascii: true }, 0);
        loop {
            let filled = fill(body, &mut self.scratch[carried..])?;
            look.len += filled as u64;
            let there = carried + filled;
            if look.utf8 {
                look.ascii = look.ascii && self.scratch[..there].is_ascii();
                carried = match std::str::from_utf8(&self.scratch[..there]) {
                    Ok(_) => 0,
                    Err(error) => {
                        // A character may be cut by the end of the piece, not by that of the body.
                        let cut = error.error_len().is_none() && there == PIECE;
                        look.utf8 = cut;
                        self.scratch.copy_within(error.valid_up_to()..there, 0);
                        if cut { there - error.valid_up_to() } else { 0 }
                    }
                };
            }
            if there < PIECE {
                return Ok(look);
            }
        }
    }
}

/// What a body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Bytes.
    pub len: u64,
    /// It is UTF-8.
    pub utf8: bool,
    /// It is ASCII.
    pub ascii: bool,
}

/// Fills `buf`, or what of it the body has.
fn fill(body: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match body.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes text as the inside of a string. It may be cut anywhere: what is escaped is ASCII.
fn escaped(to: &mut impl Write, mut text: &[u8]) -> io::Result<()> {
    loop {
        let at = plain_len(text);
        to.write_all(&text[..at])?;
        let Some(byte) = text.get(at).copied() else { return Ok(()) };
        match byte {
            b'"' | b'\\' => to.write_all(&[b'\\', byte])?,
            b'\n' => to.write_all(b"\\n")?,
            b'\r' => to.write_all(b"\\r")?,
            b'\t' => to.write_all(b"\\t")?,
            _ => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                to.write_all(b"\\u00")?;
                to.write_all(&digits)?;
            }
        }
        text = &text[at + 1..];
    }
}
