//! What the tables share: building heads, and one line of text for each verdict.

use millpond_exchange::{Fields, Method, RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond_policy::dates::format_date;
use millpond_policy::{Admitted, Profile, Reason, RequestFacts, Times, Verdict, admit, reuse};

/// Field lines of a row. A value `@N` stands for the date N seconds after [`START`].
pub type Lines<'a> = &'a [(&'a str, &'a str)];

/// When every first response of a row arrives, seconds.
pub const START: i64 = 1_800_000_000;

/// `secs` after [`START`].
pub fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

/// The date `secs` after [`START`] as a field value.
pub fn date(secs: i64) -> String {
    format_date(at(secs))
}

pub fn fields(lines: Lines<'_>) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        match value.strip_prefix('@').and_then(|secs| secs.parse().ok()) {
            Some(secs) => fields.append(name, date(secs)),
            None => fields.append(name, value),
        }
        .expect("a row holds valid fields");
    }
    fields
}

pub fn get(lines: Lines<'_>) -> RequestHead {
    RequestHead { fields: fields(lines), ..RequestHead::get("example.com", "/a/b?c") }
}

pub fn with_method(method: &str, lines: Lines<'_>) -> RequestHead {
    RequestHead { method: Method::from_bytes(method.as_bytes()).expect("a method"), ..get(lines) }
}

pub fn response(status: u16, lines: Lines<'_>) -> ResponseHead {
    ResponseHead {
        fields: fields(lines),
        ..ResponseHead::new(StatusCode::from_u16(status).expect("a status"))
    }
}

/// Request and response `secs` after [`START`], without delay.
pub fn times(secs: i64) -> Times {
    Times { request_time: at(secs), response_time: at(secs) }
}

pub fn store(request: &RequestHead, response: &ResponseHead, profile: &Profile) -> Result<Admitted, Reason> {
    admit(request, &RequestFacts::of(request), response, times(0), None, profile)
}

/// What becomes of a response to a GET with `first`, when a GET with `second` comes `later` seconds after:
/// one of
/// `refused REASON`, `fresh TTL`, `stale REASON TTL`, `refresh REASON TTL`, `validate REASON`, `unusable
/// REASON`.
pub fn outcome(
    first: Lines<'_>,
    status: u16,
    lines: Lines<'_>,
    later: i64,
    second: Lines<'_>,
    profile: &Profile,
) -> String {
    let admitted = match store(&get(first), &response(status, lines), profile) {
        Ok(admitted) => admitted,
        Err(reason) => return format!("refused {reason}"),
    };
    let facts = RequestFacts::of(&get(second));
    verdict(reuse(&admitted.record, &facts, at(later), profile))
}

/// A verdict as one line.
pub fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Fresh { ttl } => format!("fresh {ttl}"),
        Verdict::ServeStale { why, ttl, refresh: false } => format!("stale {why} {ttl}"),
        Verdict::ServeStale { why, ttl, refresh: true } => format!("refresh {why} {ttl}"),
        Verdict::Validate(reason) => format!("validate {reason}"),
        Verdict::Unusable(reason) => format!("unusable {reason}"),
    }
}

/// Collects the rows that do not come out as expected, and fails with all of them.
#[derive(Default)]
pub struct Table {
    failures: Vec<String>,
    rows: usize,
}

impl Table {
    pub fn row(&mut self, section: &str, what: &str, found: impl AsRef<str>, expected: impl AsRef<str>) {
        self.rows += 1;
        let (found, expected) = (found.as_ref(), expected.as_ref());
        if found != expected {
            self.failures.push(format!("[{section}] {what}: expected `{expected}`, found `{found}`"));
        }
    }

    pub fn finish(self) {
        assert!(self.rows > 0, "the table is empty");
        assert!(self.failures.is_empty(), "{} rows fail:\n{}", self.failures.len(), self.failures.join("\n"));
    }
}

/// A private cache by the standards.
pub fn private() -> Profile {
    Profile { kind: millpond_policy::CacheKind::Private, ..Profile::default() }
}
