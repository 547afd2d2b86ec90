//! RFC 9213: targeted cache control.

use crate::common::{Lines, Table, get, outcome, response, store};
use millpond_policy::Profile;

#[test]
fn which_field_counts() {
    const TAG: (&str, &str) = ("ETag", "\"t\"");
    const LONG: (&str, &str) = ("Cache-Control", "max-age=900");
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, &str)] = &[
        ("2.2", "over Cache-Control", &[TAG, LONG, ("CDN-Cache-Control", "max-age=60")], "fresh 60"),
        ("2.2", "over no-store", &[TAG, ("Cache-Control", "no-store"), ("CDN-Cache-Control", "max-age=60")], "fresh 60"),
        ("2.2", "over Expires", &[TAG, ("Expires", "@900"), ("CDN-Cache-Control", "public")], "validate stale"),
        ("2.2", "the more specific first", &[TAG, ("CDN-Cache-Control", "max-age=60"), ("Millpond-Cache-Control", "max-age=30")], "fresh 30"),
        ("2.2", "an invalid one leaves the next", &[TAG, ("CDN-Cache-Control", "max-age=60"), ("Millpond-Cache-Control", "max-age=")], "fresh 60"),
        ("2.1", "none valid leaves Cache-Control", &[TAG, LONG, ("CDN-Cache-Control", "max-age=60,")], "fresh 900"),
        ("2.1", "empty is ignored", &[TAG, LONG, ("CDN-Cache-Control", "")], "fresh 900"),
        ("2.1", "upper case is not valid", &[TAG, LONG, ("CDN-Cache-Control", "Max-Age=60")], "fresh 900"),
        ("2.1", "several lines are one dictionary", &[TAG, LONG, ("CDN-Cache-Control", "public"), ("CDN-Cache-Control", "max-age=60")], "fresh 60"),
        ("2.1", "the last of equal keys counts", &[TAG, ("CDN-Cache-Control", "max-age=60, max-age=30")], "fresh 30"),
        ("2.1", "parameters are ignored", &[TAG, ("CDN-Cache-Control", "max-age=60;foo;bar=baz")], "fresh 60"),
        ("2.1", "a boolean false says no", &[TAG, ("CDN-Cache-Control", "no-store=?0, max-age=60")], "fresh 60"),
        ("2.1", "no-store", &[TAG, LONG, ("CDN-Cache-Control", "no-store")], "refused no-store"),
        ("2.1", "private", &[TAG, LONG, ("CDN-Cache-Control", "private")], "refused private"),
        ("2.1", "private about a field", &[TAG, ("CDN-Cache-Control", "private=\"x\", max-age=60")], "fresh 60"),
        ("2.1", "no-cache", &[TAG, LONG, ("CDN-Cache-Control", "no-cache, max-age=60")], "validate response-no-cache"),
        ("2.1", "max-age of the wrong type", &[TAG, LONG, ("CDN-Cache-Control", "max-age=\"60\"")], "validate stale"),
        ("2.1", "max-age negative", &[TAG, LONG, ("CDN-Cache-Control", "max-age=-1")], "validate stale"),
        ("2.1", "max-age over the largest", &[TAG, ("CDN-Cache-Control", "max-age=999999999999999")], "fresh 2147483648"),
        ("2.1", "s-maxage over max-age", &[TAG, ("CDN-Cache-Control", "max-age=60, s-maxage=30")], "fresh 30"),
        ("2.1", "inner lists mean nothing", &[TAG, ("CDN-Cache-Control", "foo=(a b), max-age=60")], "fresh 60"),
        ("2.2", "Pragma does not count either", &[TAG, ("Pragma", "no-cache"), ("CDN-Cache-Control", "max-age=60")], "fresh 60"),
    ];
    let mut table = Table::default();
    for (section, what, lines, expected) in rows {
        table.row(section, what, outcome(&[], 200, lines, 0, &[], &Profile::default()), expected);
    }
    let untargeted = Profile { targets: Vec::new(), ..Profile::default() };
    let lines = [LONG, ("CDN-Cache-Control", "max-age=60"), ("Millpond-Cache-Control", "max-age=30")];
    table.row("2.2", "no targets", outcome(&[], 200, &lines, 0, &[], &untargeted), "fresh 900");
    table.finish();
}

/// Section 2.2: the field for this cache goes no further; the one for all such caches does.
#[test]
fn what_is_passed_on() {
    let lines = [("CDN-Cache-Control", "max-age=60"), ("Millpond-Cache-Control", "max-age=30")];
    let head = store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").head;
    assert!(head.fields.contains("cdn-cache-control"));
    assert!(!head.fields.contains("millpond-cache-control"));
}
