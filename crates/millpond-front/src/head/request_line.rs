//! The request line (RFC 9112 section 3), taken literally: one space between its parts and nothing around them.

use crate::Refusal;
use http::Version;
use millpond_exchange::is_token_byte;

/// The parts of a request line.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: Version,
}

/// Splits the request line off `head`; the rest begins with the first field line.
pub(super) fn split(head: &[u8]) -> Result<(RequestLine<'_>, &[u8]), Refusal> {
    let end = memchr::memchr(b'\n', head).ok_or(Refusal::RequestLine)?;
    let line = head[..end].strip_suffix(b"\r").ok_or(Refusal::BareLineFeed)?;
    let first = memchr::memchr(b' ', line).ok_or(Refusal::RequestLine)?;
    let (method, after) = (&line[..first], &line[first + 1..]);
    let second = memchr::memchr(b' ', after).ok_or(Refusal::RequestLine)?;
    let (target, version) = (&after[..second], &after[second + 1..]);
    if method.is_empty() || target.is_empty() || !method.iter().all(|b| is_token_byte(*b)) {
        return Err(Refusal::RequestLine);
    }
    Ok((RequestLine { method, target, version: read_version(version)? }, &head[end + 1..]))
}

/// RFC 9112 section 2.3. A minor version above ours is read as ours (RFC 9110 section 2.5).
fn read_version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if both_digits(*major, *minor) => {
            if *major == b'1' { Ok(Version::HTTP_11) } else { Err(Refusal::Version) }
        }
        _ => Err(Refusal::RequestLine),
    }
}

fn both_digits(major: u8, minor: u8) -> bool {
    major.is_ascii_digit() && minor.is_ascii_digit()
}
