//! RFC 9111 section 4.4: invalidating stored responses.

use crate::common::{Lines, Table, response, with_method};
use millpond_policy::invalidated_by;

const SELF: &str = "http://example.com/a/b?c";

#[test]
fn methods_and_statuses() {
    #[rustfmt::skip]
    let rows: &[(&str, u16, bool)] = &[
        ("POST", 200, true), ("PUT", 204, true), ("DELETE", 200, true), ("PATCH", 303, true), ("M-SEARCH", 200, true),
        ("POST", 400, false), ("POST", 404, false), ("POST", 500, false), ("POST", 103, false),
        ("GET", 200, false), ("HEAD", 200, false), ("OPTIONS", 200, false), ("TRACE", 200, false),
        ("QUERY", 200, false), ("PROPFIND", 207, false), ("post", 200, true),
    ];
    let mut table = Table::default();
    for (method, status, expected) in rows {
        let found = invalidated_by(&with_method(method, &[]), &response(*status, &[("Location", "/x")]));
        table.row(
            "4.4",
            &format!("{method} {status}"),
            (!found.is_empty()).to_string(),
            expected.to_string(),
        );
    }
    table.finish();
}

#[test]
fn locations() {
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, &[&str])] = &[
        ("none", &[], &[SELF]),
        ("relative", &[("Location", "x")], &[SELF, "http://example.com/a/x"]),
        ("with dots", &[("Location", "../x/./y")], &[SELF, "http://example.com/x/y"]),
        ("absolute path", &[("Content-Location", "/x?y")], &[SELF, "http://example.com/x?y"]),
        ("query only", &[("Location", "?x")], &[SELF, "http://example.com/a/b?x"]),
        ("both", &[("Location", "x"), ("Content-Location", "y")], &[SELF, "http://example.com/a/x", "http://example.com/a/y"]),
        ("absolute, same origin", &[("Location", "HTTP://EXAMPLE.com:80/x")], &[SELF, "http://example.com/x"]),
        ("another host", &[("Location", "http://example.org/x")], &[SELF]),
        ("another port", &[("Location", "http://example.com:81/x")], &[SELF]),
        ("another scheme", &[("Location", "https://example.com/x")], &[SELF]),
        ("user information", &[("Location", "http://a@example.com/x")], &[SELF]),
        ("scheme-relative, another host", &[("Location", "//example.org/x")], &[SELF]),
        ("fragment", &[("Location", "x#f")], &[SELF, "http://example.com/a/x"]),
        ("itself", &[("Location", "")], &[SELF]),
        ("no reference", &[("Location", "http://[::1")], &[SELF]),
        ("not a URI", &[("Location", "a b")], &[SELF]),
    ];
    let mut table = Table::default();
    for (what, lines, expected) in rows {
        let found = invalidated_by(&with_method("POST", &[]), &response(201, lines));
        table.row("4.4", what, format!("{found:?}"), format!("{expected:?}"));
    }
    table.finish();
}
