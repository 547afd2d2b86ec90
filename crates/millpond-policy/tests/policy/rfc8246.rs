//! RFC 8246: immutable responses.

use crate::common::{Table, outcome};
use millpond_policy::Profile;

#[test]
fn immutable() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, i64, &str)] = &[
        ("2", "a reload does not validate while fresh", "max-age=60, immutable", 10, "fresh 50"),
        ("2", "with an argument it is ignored all the same", "max-age=60, immutable=x", 10, "fresh 50"),
        ("2", "a reload does validate when stale", "max-age=60, immutable", 60, "validate request-max-age"),
        ("2", "without immutable a reload validates", "max-age=60", 10, "validate request-max-age"),
    ];
    let mut table = Table::default();
    for (section, what, directives, later, expected) in rows {
        let lines = [("Cache-Control", *directives), ("ETag", "\"t\"")];
        let reload = [("Cache-Control", "max-age=0")];
        table.row(section, what, outcome(&[], 200, &lines, *later, &reload, &Profile::default()), expected);
    }
    let lines = [("Cache-Control", "max-age=60, immutable"), ("ETag", "\"t\"")];
    for (what, request, expected) in [
        ("a forced reload validates", "no-cache", "validate request-no-cache"),
        ("an age the client names counts", "max-age=5", "validate request-max-age"),
    ] {
        let found = outcome(&[], 200, &lines, 10, &[("Cache-Control", request)], &Profile::default());
        table.row("2", what, found, expected);
    }
    table.row("2", "stale", outcome(&[], 200, &lines, 60, &[], &Profile::default()), "validate stale");
    table.finish();
}
