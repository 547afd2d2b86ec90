//! HTTP dates (RFC 9110 section 5.6.7) and delta-seconds (RFC 9111 section 1.2.2). No clock lives here.

use millpond_exchange::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The largest delta-seconds value; anything greater means this much (RFC 9111 section 1.2.2).
pub const DELTA_SECONDS_MAX: u32 = 1 << 31;

/// The longest text that can be a date in any of the three formats: `Wednesday, 09-Nov-94 08:49:37 GMT` is 33
/// bytes.
const DATE_MAX: usize = 40;

/// Parses a date in any of the three formats of RFC 9110 section 5.6.7, ignoring case as RFC 9111 section 4.2
/// asks of caches. Anything else, including a zone other than GMT and a weekday that does not fit the day, is
/// `None`.
pub fn parse_date(value: &[u8]) -> Option<Timestamp> {
    let value = value.trim_ascii();
    if value.len() > DATE_MAX || !value.is_ascii() {
        return None;
    }
    let mut buffer = [0u8; DATE_MAX];
    let text = &mut buffer[..value.len()];
    text.copy_from_slice(value);
    restore_case(text);
    let time = httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok()?;
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_secs()).ok().map(Timestamp::from_secs)
}

/// Writes names of days and months with one capital, and GMT with three.
fn restore_case(text: &mut [u8]) {
    for word in text.split_mut(|b| !b.is_ascii_alphabetic()) {
        if word.eq_ignore_ascii_case(b"gmt") {
            word.make_ascii_uppercase();
        } else {
            word.make_ascii_lowercase();
            if let Some(first) = word.first_mut() {
                first.make_ascii_uppercase();
            }
        }
    }
}

/// `time` as an IMF-fixdate (RFC 9110 section 5.6.7), rounded down to the second. Times before 1970 or after
/// 9999 are moved to the nearest date that can be written.
pub fn format_date(time: Timestamp) -> String {
    const LAST: u64 = 253_402_300_799;
    let secs = u64::try_from(time.as_secs()).unwrap_or(0).min(LAST);
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(secs);
    httpdate::fmt_http_date(time)
}

/// Parses delta-seconds: one or more digits, capped at [`DELTA_SECONDS_MAX`].
pub fn parse_delta_seconds(value: &[u8]) -> Option<u32> {
    if value.is_empty() {
        return None;
    }
    let mut total = 0u32;
    for byte in value {
        if !byte.is_ascii_digit() {
            return None;
        }
        total = total.saturating_mul(10).saturating_add(u32::from(byte - b'0')).min(DELTA_SECONDS_MAX);
    }
    Some(total)
}
