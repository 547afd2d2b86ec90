//! The same cases judged by the crate `http-cache-semantics`. Where the two differ, the reason is named here,
//! and each reason named is one that occurs.

use crate::common::{START, get, outcome, response};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use millpond_exchange::{Fields, RequestHead, ResponseHead};
use millpond_policy::Profile;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

/// One case: a first request and its response, and a second request some seconds later.
#[derive(Clone, Debug)]
struct Case {
    first: Vec<(&'static str, &'static str)>,
    status: u16,
    answer: Vec<(&'static str, &'static str)>,
    later: i64,
    second: Vec<(&'static str, &'static str)>,
}

#[rustfmt::skip]
const CONTROLS: &[&str] = &[
    "", "", "max-age=60", "max-age=60", "max-age=60", "public, max-age=60", "s-maxage=60", "max-age=0", "max-age=\"60\"",
    "max-age=x", "s-maxage=60", "s-maxage=0, max-age=60", "max-age=60, s-maxage=10", "public", "private",
    "private=\"foo\", max-age=60", "no-store", "no-store, max-age=60", "no-cache", "no-cache=\"foo\", max-age=60",
    "max-age=60, must-revalidate", "max-age=60, proxy-revalidate", "public, max-age=60", "max-age=60, max-age=30",
    "max-age=60, immutable", "immutable", "must-understand, no-store, max-age=60",
    "max-age=60, stale-while-revalidate=30",
];

#[rustfmt::skip]
const REQUEST_CONTROLS: &[&str] = &[
    "", "", "", "", "", "", "", "no-cache", "max-age=0", "max-age=30", "min-fresh=30", "max-stale", "max-stale=20",
];

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(values)
}

/// The fields that are not empty.
fn lines<const N: usize>(all: [(&'static str, &'static str); N]) -> Vec<(&'static str, &'static str)> {
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

prop_compose! {
    /// The fields of a response that matter, each at most once.
    fn answers()(
        control in one_of(CONTROLS),
        sent in one_of(&["", "", "@0", "@0", "@-30", "@30"]),
        expires in one_of(&["", "", "", "@60", "@-60", "0"]),
        modified in one_of(&["", "", "@-300", "@-90000000"]),
        age in one_of(&["", "", "", "", "", "20", "x"]),
        cookie in one_of(&["", "", "", "", "", "", "", "", "", "a=b"]),
        pragma in one_of(&["", "", "", "", "", "", "", "", "", "no-cache"]),
    ) -> Vec<(&'static str, &'static str)> {
        lines([
            ("Cache-Control", control), ("Date", sent), ("Expires", expires), ("Last-Modified", modified),
            ("Age", age), ("Set-Cookie", cookie), ("Pragma", pragma), ("ETag", "\"a\""),
        ])
    }
}

prop_compose! {
    fn cases()(
        authorization in one_of(&["", "", "", "", "x"]),
        no_store in one_of(&["", "", "", "", "", "", "", "", "", "no-store"]),
        status in prop::sample::select(vec![200u16, 200, 200, 200, 404, 302, 403, 500, 299]),
        answer in answers(),
        later in prop::sample::select(vec![0i64, 10, 10, 20, 45, 60, 75, 80, 100, 90_000, 700_000]),
        control in one_of(REQUEST_CONTROLS),
        pragma in one_of(&["", "", "", "", "", "", "", "", "", "no-cache"]),
    ) -> Case {
        Case {
            first: lines([("Authorization", authorization), ("Cache-Control", no_store)]),
            status,
            answer,
            later,
            second: lines([("Cache-Control", control), ("Pragma", pragma)]),
        }
    }
}

fn with_fields(fields: &Fields, mut add: impl FnMut(&str, &[u8])) {
    fields.iter().for_each(|field| add(field.name_str(), field.value));
}

fn to_request(head: &RequestHead) -> http::Request<()> {
    let mut builder = http::Request::get(head.url());
    with_fields(&head.fields, |name, value| {
        builder = std::mem::take(&mut builder).header(name, value);
    });
    builder.body(()).expect("valid")
}

fn to_response(head: &ResponseHead) -> http::Response<()> {
    let mut builder = http::Response::builder().status(head.status);
    with_fields(&head.fields, |name, value| {
        builder = std::mem::take(&mut builder).header(name, value);
    });
    builder.body(()).expect("valid")
}

/// True when the other crate uses the stored response without asking the origin.
fn theirs(case: &Case) -> bool {
    let start = UNIX_EPOCH + Duration::from_secs(START.unsigned_abs());
    let first = to_request(&get(&case.first));
    let answer = to_response(&response(case.status, &case.answer));
    let policy = CachePolicy::new_options(&first, &answer, start, CacheOptions::default());
    let now = start + Duration::from_secs(case.later.unsigned_abs());
    let second = to_request(&get(&case.second));
    policy.is_storable() && matches!(policy.before_request(&second, now), BeforeRequest::Fresh(_))
}

/// True when this crate does.
fn ours(case: &Case) -> bool {
    let found =
        outcome(&case.first, case.status, &case.answer, case.later, &case.second, &Profile::default());
    found.starts_with("fresh") || found.starts_with("stale") || found.starts_with("refresh")
}

/// A difference: its reason, which side it makes use the response, and the cases in which it may occur.
type Difference = (&'static str, Side, fn(&Case) -> bool);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

fn says(fields: &[(&str, &str)], name: &str, part: &str) -> bool {
    fields.iter().any(|(n, v)| *n == name && v.contains(part))
}

fn control(case: &Case, part: &str) -> bool {
    says(&case.answer, "Cache-Control", part)
}

#[rustfmt::skip]
const DIFFERENCES: &[Difference] = &[
    ("RFC 9111 4.2.3: the apparent age from Date counts; there, only the Age field does", Side::Theirs,
        |c| says(&c.answer, "Date", "@-30")),
    ("RFC 9111 4.2.1: an Age that is no number makes a response stale; there, it counts as 0", Side::Theirs,
        |c| says(&c.answer, "Age", "x")),
    ("RFC 9111 4.2.1: contradictory max-age makes a response stale; there, the first counts", Side::Theirs,
        |c| control(c, "max-age=60, max-age=30")),
    ("RFC 8246: immutable gives no lifetime of its own; there, a day", Side::Theirs,
        |c| control(c, "immutable") && !control(c, "max-age")),
    ("RFC 9111 4.2.4: s-maxage and proxy-revalidate forbid max-stale; there, must-revalidate alone does", Side::Theirs,
        |c| says(&c.second, "Cache-Control", "max-stale") && (control(c, "s-maxage") || control(c, "proxy-revalidate"))),
    ("RFC 9111 4: max-stale serves no response that says no-cache; there, it does", Side::Theirs,
        |c| says(&c.second, "Cache-Control", "max-stale")
            && (control(c, "no-cache") || (says(&c.answer, "Pragma", "no-cache") && !says(&c.answer, "Cache-Control", "")))),
    ("docs/decisions/0003: max-age=0 in a request always asks for validation; there, not within the first second", Side::Theirs,
        |c| says(&c.second, "Cache-Control", "max-age=0") && c.later == 0),
    ("RFC 9111 4.2.2: a heuristic lifetime ends after a week; there, it has no limit", Side::Theirs,
        |c| says(&c.answer, "Last-Modified", "@-90000000") && c.later >= 604_800),
    ("docs/decisions/0003: a cookie set without an explicit lifetime is not stored; there, public is enough, or max-stale", Side::Theirs,
        |c| says(&c.answer, "Set-Cookie", "")),
    ("RFC 9111 3: Set-Cookie is no obstacle to an explicit lifetime; there, it is, unless public", Side::Ours,
        |c| says(&c.answer, "Set-Cookie", "")),
    ("RFC 9111 5.2.2.8: proxy-revalidate binds once stale; there, at once", Side::Ours,
        |c| control(c, "proxy-revalidate")),
    ("RFC 9111 3: any final status with an explicit lifetime is stored; there, only listed ones", Side::Ours,
        |c| matches!(c.status, 299 | 403 | 500)),
    ("RFC 9111 5.2.2.4 and 5.2.2.7: no-cache and private may be about fields only; there, never", Side::Ours,
        |c| control(c, "=\"foo\"")),
    ("RFC 9111 5.2.2.3: must-understand overrules no-store; there, it is unknown", Side::Ours,
        |c| control(c, "must-understand")),
    ("RFC 9111 5.4: Pragma does not count beside Cache-Control in a request; there, it does", Side::Ours,
        |c| says(&c.second, "Pragma", "") && says(&c.second, "Cache-Control", "")),
    ("RFC 5861 3: stale-while-revalidate; there, it is unknown", Side::Ours,
        |c| control(c, "stale-while-revalidate")),
    ("RFC 9111 5.2.1.2: max-stale covers a response that contradictory max-age makes stale; there, it counts as must-revalidate", Side::Ours,
        |c| control(c, "max-age=60, max-age=30")),
    ("RFC 8246 2: max-age=0 does not validate a fresh immutable response; there, it does", Side::Ours,
        |c| control(c, "immutable") && says(&c.second, "Cache-Control", "max-age=0")),
    ("RFC 9111 5.2.1.2: max-stale=20 covers a staleness of exactly 20 seconds; there, it does not", Side::Ours,
        |c| says(&c.second, "Cache-Control", "max-stale=20")),
];

#[test]
fn every_difference_is_explained() {
    let config = Config { cases: 40_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let occurred = std::cell::RefCell::new(BTreeSet::new());
    let agreed = std::cell::Cell::new((0u32, 0u32));
    let result = runner.run(&cases(), |case| {
        let side = match (ours(&case), theirs(&case)) {
            (true, false) => Side::Ours,
            (false, true) => Side::Theirs,
            (used, _) => {
                let (yes, no) = agreed.get();
                agreed.set(if used { (yes + 1, no) } else { (yes, no + 1) });
                return Ok(());
            }
        };
        let explanation: Vec<&str> = DIFFERENCES
            .iter()
            .filter(|(_, s, when)| *s == side && when(&case))
            .map(|(why, ..)| *why)
            .collect();
        prop_assert!(
            !explanation.is_empty(),
            "not explained: {:?}",
            outcome(&case.first, case.status, &case.answer, case.later, &case.second, &Profile::default())
        );
        if let [only] = explanation.as_slice() {
            occurred.borrow_mut().insert(*only);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let never: Vec<&str> =
        DIFFERENCES.iter().map(|(why, ..)| *why).filter(|why| !occurred.borrow().contains(why)).collect();
    assert!(never.is_empty(), "explained, but does not occur alone: {never:#?}");
    let (yes, no) = agreed.get();
    assert!(yes > 2_000 && no > 2_000, "both agree often enough to mean something: {yes} and {no}");
}
