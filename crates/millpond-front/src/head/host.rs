//! Is this a `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2)?

use std::net::Ipv6Addr;

/// True when `text` names a host, and nothing beside a host and a port. An empty host is not one.
pub(super) fn is_valid(text: &[u8]) -> bool {
    if text.first() == Some(&b'[') {
        return memchr::memchr(b']', text)
            .is_some_and(|end| is_ipv6(&text[1..end]) && is_port(&text[end + 1..]));
    }
    let (host, port) = text.split_at(memchr::memchr(b':', text).unwrap_or(text.len()));
    !host.is_empty() && is_reg_name(host) && is_port(port)
}

/// Nothing, or a colon and a number below 65,536. A colon alone is allowed by the grammar and refused here: hops
/// differ in what they make of it.
fn is_port(text: &[u8]) -> bool {
    let Some((colon, digits)) = text.split_first() else { return true };
    *colon == b':'
        && (1..=5).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0u32, |port, d| port * 10 + u32::from(d - b'0')) <= 65_535
}

/// Unreserved bytes and sub-delims. RFC 3986 allows escapes too; no host on the internet has one, hops differ in whether
/// they decode them, and the `http` crate could not pass them on.
fn is_reg_name(text: &[u8]) -> bool {
    text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(b))
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}
