//! A point in time. The clock that produces it lives in `millpond-engine`.

use httpdate::HttpDate;
use std::fmt;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; may be negative for dates before 1970.
///
/// Kept with the sign bit turned over, so that the order is that of the number and no timestamp is zero: an optional one
/// takes no more room. The one millisecond that this costs, `i64::MIN`, becomes the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

/// The sign bit.
const SIGN: u64 = 1 << 63;

/// Bytes of an IMF-fixdate (RFC 9110 section 5.6.7).
const DATE_LEN: usize = 29;

impl Timestamp {
    /// A timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        match NonZeroU64::new(millis as u64 ^ SIGN) {
            Some(number) => Self(number),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// A timestamp from whole seconds since the Unix epoch, saturating.
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        (self.0.get() ^ SIGN) as i64
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.as_millis().div_euclid(1000)
    }

    /// The time elapsed since `earlier`; zero when `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let millis = self.as_millis().saturating_sub(earlier.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// This timestamp moved forward by `by`, saturating.
    pub fn saturating_add(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(by))
    }

    /// This timestamp moved back by `by`, saturating.
    pub fn saturating_sub(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(by))
    }

    /// The timestamp as an IMF-fixdate (RFC 9110 section 5.6.7); `None` where that would not be the same time: for one
    /// that is no whole second, or not from 1970 to 9999.
    pub fn http_date(self) -> Option<[u8; DATE_LEN]> {
        const END: u64 = 253_402_300_800;
        let whole = self.as_millis() % 1000 == 0;
        let secs = u64::try_from(self.as_secs()).ok().filter(|secs| whole && *secs < END)?;
        let mut text = [0; DATE_LEN];
        let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(secs));
        write!(&mut text[..], "{date}").ok().map(|()| text)
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::from_millis(0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.as_millis()).finish()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.as_secs(), self.as_millis().rem_euclid(1000))
    }
}
