//! The Date field (RFC 9110 section 6.6.1), formatted once a second.

use httpdate::HttpDate;
use millpond_exchange::Timestamp;
use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// The second that `text` is the date of, and the field line.
struct Cached {
    second: i64,
    line: Vec<u8>,
}

thread_local! {
    static CACHED: RefCell<Cached> = const { RefCell::new(Cached { second: i64::MIN, line: Vec::new() }) };
}

/// Appends `Date: ...` with its line end.
pub(crate) fn append(to: &mut Vec<u8>, now: Timestamp) {
    CACHED.with_borrow_mut(|cached| {
        if cached.second != now.as_secs() {
            cached.second = now.as_secs();
            // IMF-fixdate has four digits for the year: clamp to what it can say.
            let seconds = u64::try_from(now.as_secs()).unwrap_or(0).min(253_402_300_799);
            cached.line.clear();
            // Writing to a Vec does not fail.
            let _ = write!(
                cached.line,
                "Date: {}\r\n",
                HttpDate::from(UNIX_EPOCH + Duration::from_secs(seconds))
            );
        }
        to.extend_from_slice(&cached.line);
    });
}
