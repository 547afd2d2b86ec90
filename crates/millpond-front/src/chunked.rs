//! The chunked transfer coding, decoded strictly (RFC 9112 section 7.1). Pure: bytes in, frames out.

use crate::FrontLimits;
use crate::head::{Scan, Scanner};
use bytes::{Buf, Bytes, BytesMut};
use millpond_exchange::Fields;

/// One step of decoding.
#[derive(Debug)]
pub(crate) enum Step {
    /// More bytes are needed.
    More,
    Data(Bytes),
    /// The end, with the trailer fields that may be passed on.
    End(Fields),
}

/// The coding is violated; what follows cannot be trusted to be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Where in the coding the decoder stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// In the hexadecimal digits; how many there were, and their value.
    Size {
        digits: u8,
        value: u64,
    },
    /// After `;`, up to CR.
    Extension {
        size: u64,
    },
    /// The LF of the size line.
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// CR, then LF after the data.
    DataCr,
    DataLf,
    Trailers(Scanner),
    Done,
}

/// A chunk size takes fifteen digits at most: 2^60 bytes.
const SIZE_DIGITS: u8 = 15;

/// The decoder of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder {
    at: At,
    extension_bytes: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { at: At::Size { digits: 0, value: 0 }, extension_bytes: 0 }
    }

    /// Decodes from the front of `buf` until there is a frame or nothing more can be done.
    pub(crate) fn step(&mut self, buf: &mut BytesMut, limits: &FrontLimits) -> Result<Step, Malformed> {
        loop {
            if let At::Data { left } = self.at {
                return Ok(self.data(left, buf));
            }
            if let At::Trailers(scanner) = self.at {
                return self.trailers(scanner, buf, limits);
            }
            if matches!(self.at, At::Done) {
                return Ok(Step::End(Fields::new()));
            }
            let Some(byte) = buf.first().copied() else { return Ok(Step::More) };
            buf.advance(1);
            self.at = self.byte(byte, limits)?;
        }
    }

    fn data(&mut self, left: u64, buf: &mut BytesMut) -> Step {
        let take = left.min(buf.len() as u64);
        if take == 0 {
            return Step::More;
        }
        self.at = if take == left { At::DataCr } else { At::Data { left: left - take } };
        Step::Data(buf.split_to(take as usize).freeze())
    }

    /// Everything between the pieces of data, one byte at a time.
    fn byte(&mut self, byte: u8, limits: &FrontLimits) -> Result<At, Malformed> {
        match (self.at, byte) {
            (At::Size { digits, value }, _) if byte.is_ascii_hexdigit() => {
                if digits == SIZE_DIGITS {
                    return Err(Malformed("a chunk size is too large"));
                }
                Ok(At::Size { digits: digits + 1, value: value << 4 | u64::from(hex_value(byte)) })
            }
            (At::Size { digits: 0, .. }, _) => Err(Malformed("a chunk does not begin with its size")),
            (At::Size { value, .. }, b'\r') => Ok(At::SizeEnd { size: value }),
            (At::Size { value, .. }, b';') => self.extension(value, limits),
            (At::Size { .. }, _) => Err(Malformed("a chunk size has a byte that is no digit")),
            (At::Extension { size }, b'\r') => Ok(At::SizeEnd { size }),
            (At::Extension { size }, b'\t' | b' '..=0x7e | 0x80..) => self.extension(size, limits),
            (At::Extension { .. }, _) => Err(Malformed("a chunk extension holds a control byte")),
            (At::SizeEnd { size: 0 }, b'\n') => Ok(At::Trailers(Scanner::default())),
            (At::SizeEnd { size }, b'\n') => Ok(At::Data { left: size }),
            (At::SizeEnd { .. }, _) => Err(Malformed("a chunk size line does not end in CRLF")),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Size { digits: 0, value: 0 }),
            (At::DataCr | At::DataLf, _) => Err(Malformed("a chunk is not followed by CRLF")),
            (At::Data { .. } | At::Trailers(_) | At::Done, _) => Ok(self.at),
        }
    }

    fn extension(&mut self, size: u64, limits: &FrontLimits) -> Result<At, Malformed> {
        self.extension_bytes += 1;
        if self.extension_bytes > limits.chunk_extension_bytes {
            return Err(Malformed("the chunk extensions are too long"));
        }
        Ok(At::Extension { size })
    }

    fn trailers(
        &mut self,
        mut scanner: Scanner,
        buf: &mut BytesMut,
        limits: &FrontLimits,
    ) -> Result<Step, Malformed> {
        let found = scanner.scan(buf).map_err(|_| Malformed("a trailer line does not end in CRLF"))?;
        match found {
            Scan::Complete(end) if end <= limits.trailer_bytes + 2 => {
                let fields = read_trailers(&buf[..end], limits)?;
                buf.advance(end);
                self.at = At::Done;
                Ok(Step::End(fields))
            }
            Scan::Partial if buf.len() <= limits.trailer_bytes => {
                self.at = At::Trailers(scanner);
                Ok(Step::More)
            }
            _ => Err(Malformed("the trailer section is too large")),
        }
    }
}

fn hex_value(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

fn read_trailers(section: &[u8], limits: &FrontLimits) -> Result<Fields, Malformed> {
    if section == b"\r\n" {
        return Ok(Fields::new());
    }
    let mut lines = vec![httparse::EMPTY_HEADER; limits.fields];
    match httparse::parse_headers(section, &mut lines) {
        Ok(httparse::Status::Complete((used, lines))) if used == section.len() => {
            Ok(lines.iter().filter(|line| may_trail(line.name)).map(|line| (line.name, line.value)).collect())
        }
        _ => Err(Malformed("a trailer field is malformed")),
    }
}

/// False for fields that must not come behind the content (RFC 9110 section 6.5.1): those of framing, routing,
/// request modifiers, authentication, and those that say how the content is to be read. They are dropped.
pub(crate) fn may_trail(name: &str) -> bool {
    const NEVER: [&str; 41] = [
        "age",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "expires",
        "forwarded",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "keep-alive",
        "location",
        "max-forwards",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "retry-after",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
}
