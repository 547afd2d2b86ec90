//! RFC 9111 section 3: storing responses in caches.

use crate::common::{Lines, Table, fields, get, private, response, store, times, with_method};
use millpond_exchange::{Audience, RequestHead};
use millpond_policy::{Profile, RequestFacts, admit};

fn admitted(
    request: &RequestHead,
    status: u16,
    lines: Lines<'_>,
    partition: Option<&str>,
    profile: &Profile,
) -> String {
    let facts = RequestFacts::of(request);
    match admit(request, &facts, &response(status, lines), times(0), partition, profile) {
        Ok(admitted) if matches!(admitted.record.audience, Audience::Private(_)) => "stored privately".into(),
        Ok(_) => "stored".into(),
        Err(reason) => reason.to_string(),
    }
}

/// (section, what, request fields, response fields, partition, outcome)
type PrivateRow<'a> = (&'a str, &'a str, Lines<'a>, Lines<'a>, Option<&'a str>, &'a str);

const FRESH: (&str, &str) = ("Cache-Control", "max-age=60");
const LM: (&str, &str) = ("Last-Modified", "@-1000");
const AUTH: (&str, &str) = ("Authorization", "Basic eDp5");

#[test]
fn shared_cache() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, u16, Lines<'_>, &str)] = &[
        ("3", "explicitly fresh", &[], 200, &[FRESH], "stored"),
        ("3", "heuristically cacheable with Last-Modified", &[], 200, &[LM], "stored"),
        ("3", "heuristically cacheable with a validator only", &[], 200, &[("ETag", "\"a\"")], "stored"),
        ("3", "neither freshness nor validator", &[], 200, &[], "no-freshness"),
        ("3", "stale at once, nothing to validate with", &[], 200, &[("Cache-Control", "max-age=0")], "never-fresh"),
        ("3", "stale at once, with a validator", &[], 200, &[("Cache-Control", "max-age=0"), LM], "stored"),
        ("3", "stale at once, with a window for stale use", &[], 200, &[("Cache-Control", "max-age=0, stale-while-revalidate=9")], "stored"),
        ("3", "unknown status, explicitly fresh", &[], 299, &[FRESH], "stored"),
        ("3", "unknown error status, explicitly fresh", &[], 599, &[FRESH], "stored"),
        ("3", "server error, explicitly fresh", &[], 503, &[FRESH], "stored"),
        ("3", "redirect, explicitly fresh", &[], 302, &[FRESH], "stored"),
        ("3", "status not cacheable by default", &[], 302, &[LM], "status-not-default"),
        ("3", "created, not cacheable by default", &[], 201, &[LM], "status-not-default"),
        ("5.2.2.9", "public makes any status cacheable", &[], 599, &[("Cache-Control", "public"), LM], "stored"),
        ("3", "not a final status", &[], 103, &[FRESH], "not-final"),
        ("3.3", "partial content", &[], 206, &[FRESH], "partial"),
        ("3", "not modified", &[], 304, &[FRESH], "not-modified"),
        ("6585 3", "Precondition Required", &[], 428, &[FRESH], "status-never-stored"),
        ("6585 4", "Too Many Requests", &[], 429, &[FRESH], "status-never-stored"),
        ("6585 5", "Request Header Fields Too Large", &[], 431, &[FRESH], "status-never-stored"),
        ("6585 6", "Network Authentication Required", &[], 511, &[FRESH], "status-never-stored"),
        ("9110 15.5.17", "416 to a range", &[("Range", "bytes=9-")], 416, &[FRESH], "request-specific"),
        ("9110 15.5.17", "416 to no range", &[], 416, &[FRESH], "stored"),
        ("9110 15.5.13", "412 to a precondition", &[("If-Match", "\"x\"")], 412, &[FRESH], "request-specific"),
        ("5.2.1.5", "request no-store", &[("Cache-Control", "no-store")], 200, &[FRESH], "request-no-store"),
        ("5.2.2.5", "no-store", &[], 200, &[("Cache-Control", "no-store, max-age=60")], "no-store"),
        ("5.2.2.5", "no-store with an argument", &[], 200, &[("Cache-Control", "no-store=1, max-age=60")], "no-store"),
        ("5.2.2.5", "no-store in odd case", &[], 200, &[("Cache-Control", "No-StOrE"), FRESH], "no-store"),
        ("5.2.2.5", "no-store behind an unclosed quote", &[], 200, &[("Cache-Control", "x=\"a, no-store, max-age=60")], "no-store"),
        ("5.2.2.5", "no-store within a quoted string is text", &[], 200, &[("Cache-Control", "x=\"no-store\", max-age=60")], "stored"),
        ("5.2.2.3", "must-understand, understood", &[], 200, &[("Cache-Control", "must-understand, max-age=60")], "stored"),
        ("5.2.2.3", "must-understand and no-store, understood", &[], 200, &[("Cache-Control", "must-understand, no-store, max-age=60")], "stored"),
        ("5.2.2.3", "must-understand, not understood", &[], 599, &[("Cache-Control", "must-understand, max-age=60")], "status-not-understood"),
        ("5.2.2.3", "must-understand and no-store, not understood", &[], 299, &[("Cache-Control", "must-understand, no-store, max-age=60")], "status-not-understood"),
        ("5.2.2.7", "private", &[], 200, &[("Cache-Control", "private, max-age=60")], "private"),
        ("5.2.2.7", "private about a field only", &[], 200, &[("Cache-Control", "private=\"x-user\", max-age=60")], "stored"),
        ("5.2.2.7", "private with an argument that names nothing", &[], 200, &[("Cache-Control", "private=\"\", max-age=60")], "private"),
        ("3.5", "Authorization", &[AUTH], 200, &[FRESH], "authorization"),
        ("3.5", "Authorization and Expires", &[AUTH], 200, &[("Expires", "@60")], "authorization"),
        ("3.5", "Authorization, public", &[AUTH], 200, &[("Cache-Control", "public, max-age=60")], "stored"),
        ("3.5", "Authorization, must-revalidate", &[AUTH], 200, &[("Cache-Control", "must-revalidate, max-age=60")], "stored"),
        ("3.5", "Authorization, s-maxage", &[AUTH], 200, &[("Cache-Control", "s-maxage=60")], "stored"),
        ("3", "Cookie is no obstacle", &[("Cookie", "a=b")], 200, &[FRESH], "stored"),
        ("7.3", "Set-Cookie, explicitly fresh", &[], 200, &[FRESH, ("Set-Cookie", "a=b")], "stored"),
        ("7.3", "Set-Cookie, heuristically fresh", &[], 200, &[LM, ("Set-Cookie", "a=b")], "set-cookie"),
        ("7.3", "Set-Cookie, validated each time", &[], 200, &[("Cache-Control", "no-cache"), LM, ("Set-Cookie", "a=b")], "set-cookie"),
        ("5.2.2.4", "Set-Cookie kept out of the store by name", &[], 200, &[LM, ("Cache-Control", "no-cache=\"set-cookie\""), ("Set-Cookie", "a=b")], "stored"),
        ("5.2.2.4", "no-cache with a validator", &[], 200, &[("Cache-Control", "no-cache"), ("ETag", "\"a\"")], "stored"),
        ("5.2.2.4", "no-cache without a validator", &[], 200, &[("Cache-Control", "no-cache, max-age=60")], "never-fresh"),
        ("5.4", "Pragma counts where Cache-Control is missing", &[], 200, &[("Pragma", "no-cache"), ("Expires", "@60")], "never-fresh"),
        ("5.4", "Pragma does not count beside Cache-Control", &[], 200, &[("Pragma", "no-cache"), FRESH], "stored"),
        ("4.1", "Vary: *", &[], 200, &[FRESH, ("Vary", "*")], "vary-any"),
        ("4.1", "Vary: * among others", &[], 200, &[FRESH, ("Vary", ", Foo"), ("Vary", "Bar, *")], "vary-any"),
        ("4.1", "Vary that is no list of names", &[], 200, &[FRESH, ("Vary", "Foo Bar")], "vary-malformed"),
        ("4.1", "empty Vary", &[], 200, &[FRESH, ("Vary", "")], "stored"),
    ];
    let mut table = Table::default();
    for (section, what, request, status, lines, expected) in rows {
        table.row(
            section,
            what,
            admitted(&get(request), *status, lines, None, &Profile::default()),
            expected,
        );
    }
    table.finish();
}

#[test]
fn private_cache() {
    const PRIVATE: (&str, &str) = ("Cache-Control", "private, max-age=60");
    #[rustfmt::skip]
    let rows: &[PrivateRow<'_>] = &[
        ("5.2.2.7", "private, with a partition", &[], &[PRIVATE], Some("u"), "stored privately"),
        ("5.2.2.7", "private, without a partition", &[], &[PRIVATE], None, "no-partition"),
        ("3.5", "Authorization, with a partition", &[AUTH], &[FRESH], Some("u"), "stored privately"),
        ("3.5", "Authorization, without a partition", &[AUTH], &[FRESH], None, "no-partition"),
        ("3", "for anyone, without a partition", &[], &[FRESH], None, "stored"),
        ("5.2.2.10", "s-maxage says nothing to a private cache", &[], &[("Cache-Control", "s-maxage=60")], Some("u"), "no-freshness"),
        ("7.3", "Set-Cookie with a validator", &[], &[LM, ("Set-Cookie", "a=b")], Some("u"), "stored privately"),
    ];
    let mut table = Table::default();
    for (section, what, request, lines, partition, expected) in rows {
        table.row(section, what, admitted(&get(request), 200, lines, *partition, &private()), expected);
    }
    let with_private = [LM, ("Cache-Control", "private")];
    let found = |lines| admitted(&get(&[]), 302, lines, Some("u"), &private());
    table.row("3", "private makes any status cacheable", found(&with_private), "stored privately");
    table.row("3", "nothing does", found(&with_private[..1]), "status-not-default");
    table.finish();
}

#[test]
fn methods() {
    let mut table = Table::default();
    for (method, expected) in [
        ("GET", "stored"),
        ("HEAD", "method"),
        ("POST", "method"),
        ("PUT", "method"),
        ("OPTIONS", "method"),
        ("get", "method"),
        ("M-SEARCH", "method"),
    ] {
        let request = with_method(method, &[]);
        table.row("3", method, admitted(&request, 200, &[FRESH], None, &Profile::default()), expected);
    }
    table.finish();
}

/// RFC 9110 section 9.3.3: the one case in which a response to POST answers later GETs.
#[test]
fn post() {
    const HERE: (&str, &str) = ("Content-Location", "/a/b?c");
    #[rustfmt::skip]
    let rows: &[(&str, &str, u16, Lines<'_>, &str)] = &[
        ("Content-Location and lifetime", "POST", 200, &[FRESH, HERE], "stored"),
        ("Content-Location in another form", "POST", 200, &[FRESH, ("Content-Location", "HTTP://EXAMPLE.com/a/./%62?c")], "stored"),
        ("without a lifetime", "POST", 200, &[HERE, LM], "method"),
        ("stale at once", "POST", 200, &[HERE, LM, ("Cache-Control", "max-age=0")], "method"),
        ("without Content-Location", "POST", 200, &[FRESH], "method"),
        ("another Content-Location", "POST", 200, &[FRESH, ("Content-Location", "/a/b")], "method"),
        ("Content-Location twice, the same", "POST", 200, &[FRESH, HERE, HERE], "stored"),
        ("two Content-Locations", "POST", 200, &[FRESH, HERE, ("Content-Location", "/a/b")], "method"),
        ("another status", "POST", 201, &[FRESH, HERE], "method"),
        ("another method", "PUT", 200, &[FRESH, HERE], "method"),
        ("no-store", "POST", 200, &[HERE, ("Cache-Control", "no-store, max-age=60")], "no-store"),
    ];
    let mut table = Table::default();
    for (what, method, status, lines, expected) in rows {
        let found = admitted(&with_method(method, &[]), *status, lines, None, &Profile::default());
        table.row("9110 9.3.3", what, found, expected);
    }
    table.finish();
}

/// Section 3.1, and sections 5.2.2.4 and 5.2.2.7 for named fields.
#[test]
fn stored_fields() {
    let lines: Lines<'_> = &[
        ("Date", "@0"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authentication-Info", "a=b"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("TE", "trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Content-Length", "10"),
        ("Age", "3"),
        ("Cache-Control", "max-age=60, no-cache=\"X-Secret, x-more\""),
        ("Cache-Control", "private=\"X-User\""),
        ("X-Secret", "1"),
        ("X-More", "1"),
        ("X-User", "me"),
        ("Cache-Tag", "one, two"),
        ("Surrogate-Key", "two three"),
        ("Millpond-Cache-Control", "not a valid=field="),
        ("CDN-Cache-Control", "="),
        ("Content-Type", "text/plain"),
        ("Content-MD5", "x"),
        ("Set-Cookie", "a=b"),
        ("Cache-Status", "other; hit"),
    ];
    let admitted = store(&get(&[]), &response(200, lines), &Profile::default()).expect("storable");
    let kept: Lines<'_> = &[
        ("Date", "@0"),
        ("Cache-Control", "max-age=60, no-cache=\"X-Secret, x-more\""),
        ("Cache-Control", "private=\"X-User\""),
        ("CDN-Cache-Control", "="),
        ("Content-Type", "text/plain"),
        ("Content-MD5", "x"),
        ("Set-Cookie", "a=b"),
        ("Cache-Status", "other; hit"),
    ];
    assert_eq!(
        String::from_utf8_lossy(admitted.head.fields.wire()),
        String::from_utf8_lossy(fields(kept).wire())
    );
    assert_eq!(&*admitted.record.tags, ["one".into(), "three".into(), "two".into()]);
    assert_eq!(admitted.record.initial_age, 3);
}

/// RFC 9110 section 6.6.1.
#[test]
fn a_date_is_added() {
    for lines in [&[FRESH][..], &[FRESH, ("Date", "yesterday")]] {
        let admitted = store(&get(&[]), &response(200, lines), &Profile::default()).expect("storable");
        let dates: Vec<&[u8]> = admitted.head.fields.get_all("date").collect();
        assert_eq!(dates, [crate::common::date(0).as_bytes()]);
    }
}
