//! RFC 9110 section 15.1: the statuses that are heuristically cacheable, each by itself; RFC 9111 section 4.2.2: what that
//! is worth.

use crate::common::{Lines, Table, outcome};
use millpond_policy::Profile;

/// Every status that has a meaning of its own to this cache, and one of each class that has none.
const STATUSES: [u16; 62] = [
    200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 299, 300, 301, 302, 303, 305, 307, 308, 399, 400, 401,
    402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425,
    426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 512, 598, 599,
];

/// Section 15.1, as the section lists them.
const HEURISTIC: [u16; 12] = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501];

const NEVER: [u16; 4] = [428, 429, 431, 511];

/// What RFC 9110 section 14.2 asks of a 206 besides.
const PART: Lines<'_> = &[("Content-Range", "bytes 0-9/100"), ("ETag", "\"a\"")];

fn after(status: u16, lines: Lines<'_>, later: i64) -> String {
    let mut all = lines.to_vec();
    let mut request: Lines<'_> = &[];
    if status == 206 {
        all.extend_from_slice(PART);
        request = &[("Range", "bytes=0-9")];
    }
    outcome(request, status, &all, later, &[], &Profile::default())
}

#[test]
fn each_status_by_its_age_alone() {
    let lines: Lines<'_> = &[("Last-Modified", "@-1000"), ("Date", "@0")];
    let mut table = Table::default();
    for status in STATUSES {
        let (fresh, stale) = if HEURISTIC.contains(&status) {
            ("fresh 1", "validate stale")
        } else if NEVER.contains(&status) {
            ("refused status-never-stored", "refused status-never-stored")
        } else {
            ("refused status-not-default", "refused status-not-default")
        };
        let section = "9110 15.1";
        table.row(section, &format!("{status} after 99 s"), after(status, lines, 99), fresh);
        table.row(section, &format!("{status} after 100 s"), after(status, lines, 100), stale);
    }
    table.finish();
}

/// RFC 9111 section 4.2.2: "a cache can use a heuristic ... when public is present", whatever the status; and section 3:
/// explicit freshness makes every final status storable, but for those that RFC 6585 takes out.
#[test]
fn what_else_makes_a_status_cacheable() {
    let mut table = Table::default();
    for status in STATUSES {
        let never = "refused status-never-stored";
        let public: Lines<'_> = &[("Last-Modified", "@-1000"), ("Cache-Control", "public")];
        let expected = if NEVER.contains(&status) { never } else { "fresh 90" };
        table.row("9111 4.2.2", &format!("{status}, public"), after(status, public, 10), expected);
        let explicit: Lines<'_> = &[("Cache-Control", "max-age=60")];
        let expected = if NEVER.contains(&status) { never } else { "fresh 50" };
        table.row("9111 3", &format!("{status}, max-age"), after(status, explicit, 10), expected);
    }
    table.finish();
}

/// RFC 9111 section 5.2.2.3: must-understand lifts no-store where the status is understood, and forbids storing where it
/// is not, whatever else the response says.
#[test]
fn must_understand() {
    const UNKNOWN: [u16; 6] = [299, 399, 499, 512, 598, 599];
    let mut table = Table::default();
    for status in STATUSES {
        let lines: Lines<'_> =
            &[("Cache-Control", "must-understand, no-store, max-age=60"), ("ETag", "\"a\"")];
        let expected = match status {
            _ if NEVER.contains(&status) => ["refused status-never-stored"; 2],
            _ if UNKNOWN.contains(&status) => ["refused status-not-understood"; 2],
            _ => ["fresh 50", "validate stale"],
        };
        let section = "9111 5.2.2.3";
        let found = |later| match status {
            206 => after(206, &lines[..1], later),
            _ => after(status, lines, later),
        };
        table.row(section, &format!("{status}"), found(10), expected[0]);
        table.row(section, &format!("{status}, later"), found(60), expected[1]);
        let alone: Lines<'_> = &[("Cache-Control", "must-understand, max-age=60")];
        table.row(section, &format!("{status} without no-store"), after(status, alone, 10), expected[0]);
        let without: Lines<'_> = &[("Cache-Control", "no-store, max-age=60")];
        let refused = if NEVER.contains(&status) { expected[0] } else { "refused no-store" };
        table.row("9111 5.2.2.5", &format!("{status}, no-store alone"), after(status, without, 10), refused);
    }
    // What must-understand does not lift.
    for (directives, refused) in [
        ("must-understand, no-store, private, max-age=60", "refused private"),
        ("must-understand, no-store, no-cache", "refused never-fresh"),
        ("must-understand, no-store", "refused no-freshness"),
    ] {
        let found = after(200, &[("Cache-Control", directives)], 0);
        table.row("9111 5.2.2.3", directives, found, refused);
    }
    let targeted: Lines<'_> =
        &[("Cache-Control", "no-store"), ("CDN-Cache-Control", "must-understand, no-store, max-age=60")];
    table.row("9213 2.2", "in a targeted field", after(200, targeted, 10), "fresh 50");
    table.row(
        "9213 2.2",
        "in a targeted field, unknown",
        after(299, targeted, 10),
        "refused status-not-understood",
    );
    table.finish();
}
