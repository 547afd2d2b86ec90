//! Cookies as members of an archive: what the fields Cookie and Set-Cookie (RFC 6265) say, once more.

use super::version::iso;
use crate::Pairs;
use crate::json::emit::Emit;
use std::io::{self, Write};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The cookies that a request sent.
pub(super) fn sent(out: &mut Emit<impl Write>, fields: &Pairs) -> io::Result<()> {
    out.key_open("cookies", b'[')?;
    for value in values(fields, b"cookie") {
        for pair in value.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            out.open(b'{')?;
            name_and_value(out, pair)?;
            out.close(b'}')?;
        }
    }
    out.close(b']')
}

/// The cookies that a response set.
pub(super) fn set(out: &mut Emit<impl Write>, fields: &Pairs) -> io::Result<()> {
    out.key_open("cookies", b'[')?;
    for value in values(fields, b"set-cookie") {
        let mut parts = value.split(';').map(str::trim);
        out.open(b'{')?;
        name_and_value(out, parts.next().unwrap_or_default())?;
        attributes(out, parts)?;
        out.close(b'}')?;
    }
    out.close(b']')
}

fn values(fields: &Pairs, wanted: &'static [u8]) -> impl Iterator<Item = String> {
    let of_it = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    of_it.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

fn name_and_value(out: &mut Emit<impl Write>, pair: &str) -> io::Result<()> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    out.key_str("name", name.trim())?;
    out.key_str("value", value.trim())
}

/// The attributes that the format has; the first of each, since members must not repeat.
fn attributes<'a>(out: &mut Emit<impl Write>, parts: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let (mut path, mut domain, mut expires) = (None, None, None);
    let (mut http_only, mut secure) = (false, false);
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "path" => path = path.or(Some(value.trim())),
            "domain" => domain = domain.or(Some(value.trim())),
            "expires" => expires = expires.or_else(|| date(value.trim())),
            "httponly" => http_only = true,
            "secure" => secure = true,
            _ => {}
        }
    }
    for (name, value) in [("path", path), ("domain", domain)] {
        if let Some(value) = value {
            out.key_str(name, value)?;
        }
    }
    if let Some(expires) = expires {
        out.key_str("expires", &expires)?;
    }
    out.key_bool("httpOnly", http_only)?;
    out.key_bool("secure", secure)
}

/// The date of a cookie in ISO 8601: `Wed, 21 Oct 2026 07:28:00 GMT`, or with dashes as the older ones have it.
fn date(text: &str) -> Option<String> {
    let (day, rest) = text.split_at_checked(5)?;
    let at = OffsetDateTime::parse(&format!("{day}{}", rest.replace('-', " ")), &Rfc2822).ok()?;
    Some(iso(at.unix_timestamp() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_cookies() {
        for text in
            ["Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21-Oct-2026 07:28:00 GMT", "Wed, 21-Oct-26 07:28:00 GMT"]
        {
            assert_eq!(date(text).as_deref(), Some("2026-10-21T07:28:00.000Z"), "{text}");
        }
        for text in ["", "soon", "ééééé", "Wed, 41 Oct 2026 07:28:00 GMT"] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
