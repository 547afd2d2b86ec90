//! Content that lies on a tape as base64 (RFC 4648, section 4).

use super::text::invalid;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::io::{self, Read};

/// How many characters are decoded at a time: a multiple of four.
const GROUP: usize = 8 * 1024;

/// The standard alphabet; the padding at the end may be missing.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What base64 stands for. Nothing is skipped: white space, too, is invalid.
pub struct Decoded<R> {
    inner: R,
    text: Box<[u8]>,
    bytes: Vec<u8>,
    /// What of `bytes` was given already.
    at: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    /// Decodes what `inner` has.
    pub fn new(inner: R) -> Self {
        let text = vec![0; GROUP].into_boxed_slice();
        Self { inner, text, bytes: Vec::with_capacity(GROUP / 4 * 3), at: 0, ended: false }
    }

    /// Decodes the next group.
    fn next(&mut self) -> io::Result<()> {
        let mut filled = 0;
        while filled < GROUP && !self.ended {
            match self.inner.read(&mut self.text[filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at = 0;
        self.bytes.clear();
        ENGINE.decode_vec(&self.text[..filled], &mut self.bytes).map_err(|_| invalid("not base64"))?;
        // Padding ends it.
        if filled > 0 && self.text[filled - 1] == b'=' && !self.ended {
            self.ended = self.inner.read(&mut self.text[..1])? == 0;
            if !self.ended {
                return Err(invalid("base64 goes on behind its end"));
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.bytes.len() && !self.ended {
            self.next()?;
        }
        let give = (self.bytes.len() - self.at).min(buf.len());
        buf[..give].copy_from_slice(&self.bytes[self.at..self.at + give]);
        self.at += give;
        Ok(give)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        Decoded::new(text).read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn any_length_with_and_without_padding() {
        for len in (0..20).chain(GROUP / 4 * 3 - 4..GROUP / 4 * 3 + 5).chain([100_000]) {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
            assert_eq!(read(text.as_bytes()).unwrap(), bytes, "{len} bytes");
            assert_eq!(read(text.trim_end_matches('=').as_bytes()).unwrap(), bytes, "{len} bytes");
        }
    }

    #[test]
    fn nothing_is_skipped() {
        let long = format!("{}==AAAA", "A".repeat(GROUP - 2));
        for text in ["A", "AA=A", "AAAA AAAA", "AAAA\nAAAA", "AA-_", "AA==AAAA", "é", &long] {
            assert_eq!(read(text.as_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{text:.20}");
        }
    }
}
