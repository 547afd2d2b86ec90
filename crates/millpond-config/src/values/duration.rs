//! Durations: how long something is kept, and how long something may take.

use super::{BadValue, serialize_as_text, text_value};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// No duration may be longer: a hundred years, well inside what timers and HTTP's delta-seconds can hold.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long something is kept: a duration, `forever`, or `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ttl {
    /// Not at all: the rule that would use this time does not apply.
    #[default]
    Off,
    /// For this long.
    For(Duration),
    /// Until purged.
    Forever,
}

impl Ttl {
    /// The time as a duration: none for `off`, [`Duration::MAX`] for `forever`.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::For(duration) => Some(duration),
            Self::Forever => Some(Duration::MAX),
        }
    }
}

impl FromStr for Ttl {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.trim() {
            "off" => Ok(Self::Off),
            "forever" => Ok(Self::Forever),
            other => parse(other, "`off` or `forever`").map(Self::For),
        }
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::For(duration) => write_duration(*duration, f),
            Self::Forever => f.write_str("forever"),
        }
    }
}

text_value!(Ttl, "ttl", "a duration, `off` or `forever`", "60s");
serialize_as_text!(Ttl);

/// How long something may take: a duration above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// A period of whole seconds; zero becomes one millisecond, because a period is never empty.
    pub const fn from_secs(secs: u64) -> Self {
        if secs == 0 { Self(Duration::from_millis(1)) } else { Self(Duration::from_secs(secs)) }
    }

    /// A period of whole milliseconds; zero becomes one.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(if millis == 0 { 1 } else { millis }))
    }

    /// The period as a duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let duration = parse(text.trim(), "")?;
        if duration.is_zero() {
            return Err(BadValue::new("must be longer than nothing").help("write a duration such as \"10s\""));
        }
        Ok(Self(duration))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_duration(self.0, f)
    }
}

text_value!(Period, "period", "a duration", "30s");
serialize_as_text!(Period);

fn parse(text: &str, or: &str) -> Result<Duration, BadValue> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(
            BadValue::new(format!("has no unit: \"{text}\"")).help(format!("write \"{text}s\" for seconds"))
        );
    }
    let duration = humantime::parse_duration(text).map_err(|_| {
        let words = if or.is_empty() { String::new() } else { format!(", {or}") };
        BadValue::new(format!("is not a duration: {text:?}")).help(format!(
            "write a number with a unit, such as \"500ms\", \"60s\", \"5m\", \"1h\", \"30d\"{words}"
        ))
    })?;
    if duration > LONGEST {
        let words =
            if or.is_empty() { "write a shorter one" } else { "write \"forever\" to keep until purged" };
        return Err(BadValue::new(format!("is longer than a hundred years: {text:?}")).help(words));
    }
    Ok(duration)
}

/// Writes in the largest unit that loses nothing, so that `30d` comes back as `30d`.
fn write_duration(duration: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const UNITS: [(&str, u128); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let millis = duration.as_millis();
    if millis == 0 && duration.is_zero() {
        return f.write_str("0s");
    }
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return write!(f, "{}", humantime::format_duration(duration));
    }
    for (unit, size) in UNITS {
        if millis.is_multiple_of(size) {
            return write!(f, "{}{unit}", millis / size);
        }
    }
    Ok(())
}
