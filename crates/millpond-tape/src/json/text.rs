//! A string of JSON text that may be a body: what it is and where, without holding it unless it is small.

use crate::{Content, Form, ReadAt};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::sync::Arc;

/// Up to here a body is kept in memory, bytes.
const SMALL: usize = 8 << 10;

/// Base64 as the reader of what is held takes it: with or without padding.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that base64 stands for.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    TOLERANT.decode(text).ok()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NO_DIGIT: u8 = 255;

/// What each byte stands for as a digit of base64.
const DIGITS: [u8; 256] = {
    let (mut digits, mut value) = ([NO_DIGIT; 256], 0);
    while value < 64 {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// A string and what it could be.
pub(crate) struct Text {
    source: Arc<dyn ReadAt>,
    start: u64,
    stored: u64,
    len: u64,
    small: Option<Vec<u8>>,
    ascii: bool,
    digits: u64,
    last: u8,
    padding: u64,
    no_base64: bool,
}

impl Text {
    /// One that begins at `start`, after its quote.
    pub fn new(source: Arc<dyn ReadAt>, start: u64) -> Self {
        Self {
            source,
            start,
            stored: 0,
            len: 0,
            small: Some(Vec::new()),
            ascii: true,
            digits: 0,
            last: 0,
            padding: 0,
            no_base64: false,
        }
    }

    /// Takes the next bytes it stands for.
    pub fn add(&mut self, piece: &[u8]) {
        self.len += piece.len() as u64;
        if let Some(small) = &mut self.small {
            if small.len() + piece.len() <= SMALL {
                small.extend_from_slice(piece);
            } else {
                self.small = None;
            }
        }
        self.ascii &= piece.is_ascii();
        if self.no_base64 {
            return;
        }
        let digits = piece.iter().take_while(|byte| DIGITS[usize::from(**byte)] != NO_DIGIT).count();
        if digits > 0 {
            self.digits += digits as u64;
            self.last = DIGITS[usize::from(piece[digits - 1])];
            self.no_base64 |= self.padding > 0;
        }
        self.padding += (piece.len() - digits) as u64;
        self.no_base64 |= piece[digits..].iter().any(|byte| *byte != b'=');
    }

    /// It ends before the quote at `end`.
    pub fn ends(&mut self, end: u64) {
        self.stored = end - self.start;
    }

    /// How many bytes it has as text.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when every character is ASCII.
    pub fn is_ascii(&self) -> bool {
        self.ascii
    }

    /// The body that it is as text.
    pub fn plain(self) -> Content {
        match self.small {
            Some(small) => Content::Memory(small.into()),
            None => self.held(Form::JsonText, self.len),
        }
    }

    /// True when it is base64, as the reader of what is held takes it.
    fn is_base64(&self) -> bool {
        // What the last digit has beyond the last byte is nought (RFC 4648 section 3.5).
        let beyond = match self.digits % 4 {
            0 => 0,
            2 => self.last & 15,
            3 => self.last & 3,
            _ => return false,
        };
        let padded =
            self.padding == 0 || (self.padding <= 2 && (self.digits + self.padding).is_multiple_of(4));
        !self.no_base64 && padded && beyond == 0
    }

    /// The body that it is as base64; `None` when it is none.
    pub fn base64(self) -> Option<Content> {
        if !self.is_base64() {
            return None;
        }
        if let Some(small) = &self.small {
            return from_base64(small).map(|bytes| Content::Memory(bytes.into()));
        }
        let len = self.digits / 4 * 3 + (self.digits % 4).saturating_sub(1);
        Some(self.held(Form::JsonBase64, len))
    }

    fn held(&self, form: Form, len: u64) -> Content {
        Content::Held { source: Arc::clone(&self.source), start: self.start, stored: self.stored, form, len }
    }
}
