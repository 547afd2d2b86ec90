//! Versions of HTTP and points in time, as archives write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The version that `text` means, as a tape has it: browsers write `h2`, `http/2.0`, `h3-29` and so on. What says nothing is
/// HTTP/1.1.
pub(super) fn http_version(text: &str) -> Vec<u8> {
    let text = text.to_ascii_lowercase();
    let short = text.strip_prefix("http/").unwrap_or(&text);
    let version: &[u8] = match short.as_bytes() {
        b"1.0" => b"HTTP/1.0",
        b"0.9" => b"HTTP/0.9",
        [b'2', ..] | b"h2" | b"h2c" => b"HTTP/2.0",
        [b'3', ..] | [b'h', b'3' | b'q', ..] | [b'q', b'u', b'i', b'c', ..] => b"HTTP/3",
        _ => b"HTTP/1.1",
    };
    version.to_vec()
}

/// A version as archives have it: RFC 9113 has no minor number for HTTP/2, and mitmproxy takes no other form.
pub(super) fn shown(version: &[u8]) -> &[u8] {
    version.strip_suffix(b".0").filter(|short| matches!(*short, b"HTTP/2" | b"HTTP/3")).unwrap_or(version)
}

/// Seconds since 1970 as ISO 8601 with milliseconds, UTC.
pub(super) fn iso(seconds: f64) -> String {
    // What no date can say becomes the beginning of 1970.
    let millis = (seconds * 1000.0).round() as i128;
    let at = OffsetDateTime::from_unix_timestamp_nanos(millis.saturating_mul(1_000_000)).ok();
    let at = at.filter(|at| (0..=9999).contains(&at.year())).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, hours, minutes) = (at.date(), at.hour(), at.minute());
    let month = u8::from(date.month());
    format!(
        "{:04}-{month:02}-{:02}T{hours:02}:{minutes:02}:{:02}.{:03}Z",
        date.year(),
        date.day(),
        at.second(),
        at.millisecond()
    )
}

/// Seconds since 1970 of a time in ISO 8601.
pub(super) fn seconds(iso: &str) -> Option<f64> {
    let text = with_colon(iso.trim());
    let at = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    Some(at.unix_timestamp_nanos() as f64 / 1e9)
}

/// Some write the offset as `+0200`, or leave it out.
fn with_colon(text: &str) -> String {
    let offset = text.len().checked_sub(5).and_then(|at| text.get(at..)).unwrap_or_default().as_bytes();
    match offset {
        [b'+' | b'-', digits @ ..] if text.contains('T') && digits.iter().all(u8::is_ascii_digit) => {
            format!("{}:{}", &text[..text.len() - 2], &text[text.len() - 2..])
        }
        _ if text.ends_with(['Z', 'z']) || offset.contains(&b':') && has_offset(text) => text.to_owned(),
        _ => format!("{text}Z"),
    }
}

fn has_offset(text: &str) -> bool {
    text.len().checked_sub(6).is_some_and(|at| matches!(text.as_bytes()[at], b'+' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_makers() {
        for (text, version) in [
            ("h2", "HTTP/2.0"),
            ("HTTP/2", "HTTP/2.0"),
            ("http/2.0", "HTTP/2.0"),
            ("h3", "HTTP/3"),
            ("h3-29", "HTTP/3"),
            ("HTTP/3", "HTTP/3"),
            ("http/1.1", "HTTP/1.1"),
            ("HTTP/1.0", "HTTP/1.0"),
            ("unknown", "HTTP/1.1"),
            ("", "HTTP/1.1"),
        ] {
            assert_eq!(http_version(text), version.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn times_of_all_makers() {
        for text in [
            "2024-02-29T12:34:56.789Z",
            "2024-02-29T14:34:56.789+02:00",
            "2024-02-29T14:34:56.789+0200",
            "2024-02-29T07:04:56.789000-05:30",
            "2024-02-29T12:34:56.789",
        ] {
            let at = seconds(text).unwrap();
            assert_eq!(iso(at), "2024-02-29T12:34:56.789Z", "{text}");
        }
        for text in ["", "Z", "yesterday", "2024-02-30T00:00:00Z", "é", "-----", "+02:00"] {
            assert_eq!(seconds(text), None, "{text:?}");
        }
        for odd in [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0] {
            assert_eq!(iso(odd), "1970-01-01T00:00:00.000Z");
        }
        assert_eq!(iso(-0.001), "1969-12-31T23:59:59.999Z");
    }
}
