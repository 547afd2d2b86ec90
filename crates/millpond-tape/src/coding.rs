//! Content codings (RFC 9110 section 8.4) taken off bodies, in pieces and within a bound.
//!
//! What must not live here: putting codings on. A body that was changed is kept without them.

use crate::{Content, Pairs};
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, BufRead, BufReader, Read};
use thiserror::Error;

/// How many codings one body may have on it: each takes memory of its own.
const CODINGS_AT_MOST: usize = 4;
/// The buffer before each decoder, bytes.
const BUFFER: usize = 32 << 10;
/// The largest window of zstd: 8 MiB, as RFC 9659 section 3 has it.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Why the codings of a body cannot be taken off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodingError {
    /// One of them is not known here.
    #[error("the body has a content coding that is not known")]
    Unknown,
    /// There are more of them than anyone needs.
    #[error("the body has more than {CODINGS_AT_MOST} content codings")]
    TooMany,
}

/// A content coding that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip` or `x-gzip` (RFC 9110 section 8.4.1.3).
    Gzip,
    /// `deflate`: zlib (section 8.4.1.2), or bare deflate as some servers send it.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
}

impl Coding {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The content codings that `fields` name, in the order in which they were applied; empty when the body is as it is.
///
/// # Errors
/// When one is not known, or there are too many.
pub fn codings(fields: &Pairs) -> Result<Vec<Coding>, CodingError> {
    let mut found = Vec::new();
    for (_, value) in fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-encoding")) {
        let value = std::str::from_utf8(value).map_err(|_| CodingError::Unknown)?;
        for name in value.split(',').map(str::trim) {
            if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                continue;
            }
            found.push(Coding::named(name).ok_or(CodingError::Unknown)?);
        }
    }
    if found.len() > CODINGS_AT_MOST { Err(CodingError::TooMany) } else { Ok(found) }
}

/// Reads `content` without the codings that `fields` name.
///
/// Reading fails with [`io::ErrorKind::FileTooLarge`] after `limit` bytes, with [`io::ErrorKind::InvalidData`] or
/// [`io::ErrorKind::UnexpectedEof`] where the body is not what its codings promise, or breaks off.
///
/// # Errors
/// When a coding is not known, or there are too many.
pub fn decoded(content: &Content, fields: &Pairs, limit: u64) -> Result<Box<dyn Read + Send>, CodingError> {
    let mut reader = content.reader();
    // A body without a byte is that of a response to HEAD, a 304, or of a server that codes nothing as nothing.
    if !content.is_empty() {
        for coding in codings(fields)?.into_iter().rev() {
            reader = decoder(coding, reader);
        }
    }
    Ok(Box::new(Bounded { reader, left: limit }))
}

/// Reads `coded` without `coding`.
fn decoder(coding: Coding, coded: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    match coding {
        Coding::Gzip => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(BUFFER, coded)))
        }
        Coding::Deflate => Box::new(Inflate::new(coded)),
        Coding::Brotli => Box::new(brotli_decompressor::Decompressor::new(coded, BUFFER)),
        Coding::Zstd => match zstd(coded) {
            Ok(reader) => reader,
            Err(error) => Box::new(Failed(Some(error))),
        },
    }
}

fn zstd(coded: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut decoder = zstd::stream::read::Decoder::new(coded)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(Box::new(decoder))
}

/// A reader that could not be made: the first read tells why.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::ErrorKind::InvalidData.into()))
    }
}

/// Reads at most so many bytes; more is an error, not an end.
struct Bounded {
    reader: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

/// Deflate with or without the zlib frame. Unlike the readers of `flate2`, it tells a stream that breaks off.
struct Inflate {
    coded: BufReader<Box<dyn Read + Send>>,
    state: Option<Decompress>,
    ended: bool,
}

impl Inflate {
    fn new(coded: Box<dyn Read + Send>) -> Self {
        Self { coded: BufReader::with_capacity(BUFFER, coded), state: None, ended: false }
    }
}

/// True where a body begins with the frame of zlib (RFC 1950 section 2.2): method 8, and a check of two bytes.
fn is_zlib(start: &[u8]) -> bool {
    match start {
        [first, second, ..] => first & 0x0f == 8 && (u16::from(*first) * 256 + u16::from(*second)) % 31 == 0,
        _ => start.first().is_none_or(|first| first & 0x0f == 8),
    }
}

impl Read for Inflate {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buf.is_empty() {
            let input = self.coded.fill_buf()?;
            let at_end = input.is_empty();
            let state = self.state.get_or_insert_with(|| Decompress::new(is_zlib(input)));
            let (taken, given) = (state.total_in(), state.total_out());
            let status = state
                .decompress(input, buf, FlushDecompress::None)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            let read = (state.total_out() - given) as usize;
            let used = (state.total_in() - taken) as usize;
            self.coded.consume(used);
            self.ended = status == Status::StreamEnd;
            if read > 0 || self.ended {
                return Ok(read);
            }
            if at_end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if used == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        to.write_all(bytes).unwrap();
        to.finish().unwrap()
    }

    fn read(coded: Vec<u8>, coding: &str, limit: u64) -> io::Result<Vec<u8>> {
        let fields = [("Content-Encoding", coding)].into_iter().collect();
        let mut all = Vec::new();
        let content = Content::Memory(coded.into());
        decoded(&content, &fields, limit).map_err(io::Error::other)?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn what_grows_beyond_the_bound_is_too_large() {
        let bomb = gzip(&gzip(&vec![0; 10 << 20]));
        assert!(bomb.len() < 2000);
        let error = read(bomb.clone(), "gzip, gzip", (10 << 20) - 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(bomb, "gzip, gzip", 10 << 20).unwrap().len(), 10 << 20);
    }

    #[test]
    fn a_window_beyond_what_http_allows_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        // Larger than the window that is allowed, or the frame would not need it.
        for _ in 0..9 {
            encoder.write_all(&vec![7; 1 << 20]).unwrap();
        }
        assert!(read(encoder.finish().unwrap(), "zstd", 1 << 30).is_err());
    }

    #[test]
    fn unknown_codings_and_too_many_are_named() {
        let of = |value: &str| codings(&[("content-encoding", value)].into_iter().collect());
        assert_eq!(of("gzip , ,identity,BR"), Ok(vec![Coding::Gzip, Coding::Brotli]));
        assert_eq!(of("compress"), Err(CodingError::Unknown));
        assert_eq!(of("br,br,br,br,br"), Err(CodingError::TooMany));
    }

    #[test]
    fn no_byte_at_all_needs_no_coding() {
        assert_eq!(read(Vec::new(), "gzip", 10).unwrap(), b"");
    }
}
