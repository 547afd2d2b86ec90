//! The Cache-Status field (RFC 9211): formatting one member. Which values it has is the engine's to say.

use crate::reason::Reason;

/// Why a request went to the origin (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// The cache was configured not to handle it.
    Bypass,
    /// The method's semantics require forwarding.
    Method,
    /// Nothing is stored for the URI.
    UriMiss,
    /// Something is stored for the URI, but nothing that Vary selects.
    VaryMiss,
    /// Nothing usable is stored, for either of these reasons.
    Miss,
    /// A fresh response was selected, but the request's own directives rule it out.
    Request,
    /// The selected response is stale.
    Stale,
    /// The stored part does not hold all that is asked for.
    Partial,
}

impl Forward {
    /// Why a request whose stored response must be validated, or is unusable, for `reason` goes to the
    /// origin.
    pub const fn because_of(reason: Reason) -> Self {
        match reason {
            Reason::RequestNoCache
            | Reason::RequestMaxAge
            | Reason::RequestMinFresh
            | Reason::RequestNoStore => Self::Request,
            Reason::Method => Self::Method,
            Reason::Precondition => Self::Bypass,
            Reason::OverrideOff | Reason::PrivateEntry | Reason::UserRequest | Reason::Withdrawn => {
                Self::Miss
            }
            _ => Self::Stale,
        }
    }

    /// The token of RFC 9211 section 2.2.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// One member of a Cache-Status field, with the parameters of RFC 9211 section 2 in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    /// `hit`: answered from the cache, without going to the origin.
    pub hit: bool,
    /// `fwd`: why it went to the origin.
    pub fwd: Option<Forward>,
    /// `fwd-status`: the status the origin answered with.
    pub fwd_status: Option<u16>,
    /// `ttl`: seconds of freshness left; negative when stale.
    pub ttl: Option<i64>,
    /// `stored`: the response was stored.
    pub stored: bool,
    /// `collapsed`: answered by another request's fetch.
    pub collapsed: bool,
    /// `key`: the cache key.
    pub key: Option<&'a str>,
    /// `detail`: a reason; a token, such as [`crate::Reason::as_str`] gives, goes without quotes.
    pub detail: Option<&'a str>,
}

/// The largest and smallest Integer of a structured field (RFC 9651 section 3.3.1).
const INTEGER_MAX: i64 = 999_999_999_999_999;

impl CacheStatus<'_> {
    /// Appends the member to `out`, beginning with the name of this cache. Allocates only by growing `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"millpond");
        if self.hit {
            out.extend_from_slice(b"; hit");
        }
        if let Some(fwd) = self.fwd {
            out.extend_from_slice(b"; fwd=");
            out.extend_from_slice(fwd.as_str().as_bytes());
        }
        if let Some(status) = self.fwd_status {
            out.extend_from_slice(b"; fwd-status=");
            write_integer(i64::from(status), out);
        }
        if let Some(ttl) = self.ttl {
            out.extend_from_slice(b"; ttl=");
            write_integer(ttl, out);
        }
        if self.stored {
            out.extend_from_slice(b"; stored");
        }
        if self.collapsed {
            out.extend_from_slice(b"; collapsed");
        }
        if let Some(key) = self.key {
            out.extend_from_slice(b"; key=");
            write_string(key, out);
        }
        if let Some(detail) = self.detail {
            out.extend_from_slice(b"; detail=");
            if is_sf_token(detail) {
                out.extend_from_slice(detail.as_bytes());
            } else {
                write_string(detail, out);
            }
        }
    }
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(number.clamp(-INTEGER_MAX, INTEGER_MAX)).as_bytes());
}

/// The longest String that every reader of structured fields takes (RFC 9651 section 3.3.3).
const STRING_MAX: usize = 1024;

/// A String of RFC 9651 section 3.3.3; what it cannot hold becomes `?`, and what is too long for it is left out.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes().take(STRING_MAX) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}

/// A Token of RFC 9651 section 3.3.4.
fn is_sf_token(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b);
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'*') && text.bytes().all(is_inner)
}
