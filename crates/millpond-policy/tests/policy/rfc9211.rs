//! RFC 9211: the Cache-Status field.

use millpond_policy::{CacheStatus, Forward, Reason};
use sfv::{List, Parser};

fn text(status: &CacheStatus<'_>) -> String {
    let mut out = Vec::new();
    status.write(&mut out);
    let _: List = Parser::new(&out).parse().expect("a structured list (RFC 9211 section 2)");
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn members() {
    let none = CacheStatus::default();
    #[rustfmt::skip]
    let rows: &[(&str, CacheStatus<'_>, &str)] = &[
        ("2.1 fresh", CacheStatus { hit: true, ttl: Some(376), ..none }, "millpond; hit; ttl=376"),
        ("2.4 stale", CacheStatus { hit: true, ttl: Some(-412), detail: Some("stale-if-error"), ..none }, "millpond; hit; ttl=-412; detail=stale-if-error"),
        ("2.2 validated", CacheStatus { fwd: Some(Forward::Stale), fwd_status: Some(304), ..none }, "millpond; fwd=stale; fwd-status=304"),
        ("2.5 stored", CacheStatus { fwd: Some(Forward::UriMiss), stored: true, ..none }, "millpond; fwd=uri-miss; stored"),
        ("2.6 collapsed", CacheStatus { fwd: Some(Forward::UriMiss), collapsed: true, ..none }, "millpond; fwd=uri-miss; collapsed"),
        ("2.2 bypass", CacheStatus { fwd: Some(Forward::Bypass), detail: Some("no-store"), ..none }, "millpond; fwd=bypass; detail=no-store"),
        ("2.7 key", CacheStatus { fwd: Some(Forward::VaryMiss), key: Some("a\"b\\c\u{e9}"), ..none }, "millpond; fwd=vary-miss; key=\"a\\\"b\\\\c??\""),
        ("2.8 detail as a string", CacheStatus { fwd: Some(Forward::Method), detail: Some("two words"), ..none }, "millpond; fwd=method; detail=\"two words\""),
        ("2.8 detail that begins with a digit", CacheStatus { hit: true, detail: Some("2nd"), ..none }, "millpond; hit; detail=\"2nd\""),
        ("2.8 empty detail", CacheStatus { hit: true, detail: Some(""), ..none }, "millpond; hit; detail=\"\""),
        ("2.4 as far as an Integer goes", CacheStatus { hit: true, ttl: Some(i64::MIN), ..none }, "millpond; hit; ttl=-999999999999999"),
    ];
    for (what, status, expected) in rows {
        assert_eq!(text(status), *expected, "{what}");
    }
}

#[test]
fn every_reason_is_a_token_said_in_one_sentence() {
    let mut names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    for reason in Reason::ALL {
        let detail = Some(reason.as_str());
        let written =
            text(&CacheStatus { fwd: Some(Forward::because_of(*reason)), detail, ..CacheStatus::default() });
        assert!(written.ends_with(&format!("; detail={reason}")), "{reason} is a token");
        assert!(reason.explain().ends_with('.') && reason.explain().len() > 20, "{reason} is explained");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len(), "names differ");
}
