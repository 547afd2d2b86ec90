//! The deviations from the RFC, each a field of the profile and each visible in a reason.

use crate::common::{Lines, Table, at, get, outcome, private, response, store, times, verdict};
use millpond_exchange::Admission;
use millpond_policy::{Basis, Profile, RequestFacts, admit, freshness_lifetime, reuse, time_to_live};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// (what, request fields, status, response fields, outcome at once)
type Row<'a> = (&'a str, Lines<'a>, u16, Lines<'a>, &'a str);

fn check(rows: &[Row<'_>], profile: &Profile) {
    let mut table = Table::default();
    for (what, request, status, lines, expected) in rows {
        table.row("option", what, outcome(request, *status, lines, 0, &[], profile), expected);
    }
    table.finish();
}

#[test]
fn default_ttl() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("nothing said", &[], 200, &[], "fresh 60"),
        ("any success", &[], 201, &[], "fresh 60"),
        ("not an error", &[], 404, &[], "refused no-freshness"),
        ("not a redirect", &[], 302, &[], "refused status-not-default"),
        ("in place of the heuristic", &[], 200, &[("Last-Modified", "@-9000")], "fresh 60"),
        ("a validator is no freshness", &[], 200, &[("ETag", "\"a\"")], "fresh 60"),
        ("a stated lifetime counts", &[], 200, &[("Cache-Control", "max-age=5")], "fresh 5"),
        ("stated to be stale", &[], 200, &[("Cache-Control", "max-age=0")], "refused never-fresh"),
        ("forbidden stays forbidden", &[], 200, &[("Cache-Control", "no-store")], "refused no-store"),
        ("private stays private", &[], 200, &[("Cache-Control", "private")], "refused private"),
        ("no-cache stays no-cache", &[], 200, &[("Cache-Control", "no-cache")], "refused never-fresh"),
        ("Pragma stays no-cache", &[], 200, &[("Pragma", "no-cache")], "refused never-fresh"),
        ("Vary: * stays", &[], 200, &[("Vary", "*")], "refused vary-any"),
        ("with a cookie set", &[], 200, &[("Set-Cookie", "a=b")], "refused set-cookie"),
        ("for a user", &[("Cookie", "a=b")], 200, &[], "refused user-request"),
        ("for the user of a key", &[("X-Api-Key", "k")], 200, &[], "refused user-request"),
        ("for the user of a token", &[("PRIVATE-TOKEN", "k")], 200, &[], "refused user-request"),
        ("for a user, with a validator", &[("Cookie", "a=b")], 200, &[("ETag", "\"a\"")], "validate stale"),
        ("for an authorised user", &[("Authorization", "x")], 200, &[], "refused authorization"),
        ("partial", &[], 206, &[], "refused partial"),
    ];
    check(rows, &Profile { default_ttl: Some(MINUTE), ..Profile::default() });
    let forever = Profile { default_ttl: Some(Duration::MAX), ..Profile::default() };
    assert_eq!(outcome(&[], 200, &[], 1_000_000_000, &[], &forever), "fresh 3294967295");
}

#[test]
fn force_cache() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("nothing said", &[], 200, &[], "fresh 60"),
        ("no-store", &[], 200, &[("Cache-Control", "no-store")], "fresh 60"),
        ("no-cache", &[], 200, &[("Cache-Control", "no-cache")], "fresh 60"),
        ("private", &[], 200, &[("Cache-Control", "private, max-age=0")], "fresh 60"),
        ("Pragma", &[], 200, &[("Pragma", "no-cache")], "fresh 60"),
        ("Expires in the past", &[], 200, &[("Expires", "0")], "fresh 60"),
        ("a stated lifetime", &[], 200, &[("Cache-Control", "max-age=5")], "fresh 60"),
        ("a redirect", &[], 302, &[], "fresh 60"),
        ("an error", &[], 404, &[("Last-Modified", "@-9000")], "refused error-status"),
        ("the least of errors", &[], 400, &[("Cache-Control", "max-age=9")], "refused error-status"),
        ("an error that is fresh", &[], 500, &[("Cache-Control", "max-age=9")], "refused error-status"),
        ("Vary: * stays", &[], 200, &[("Vary", "*")], "refused vary-any"),
        ("with a cookie set", &[], 200, &[("Set-Cookie", "a=b")], "refused set-cookie-refused"),
        ("with a cookie set, fresh by itself", &[], 200, &[("Set-Cookie", "a=b"), ("Cache-Control", "max-age=5")], "fresh 5"),
        ("for a user", &[("Authorization", "x")], 200, &[("Cache-Control", "max-age=5")], "refused user-request"),
        ("for a user, shared by the standards", &[("Authorization", "x")], 200, &[("Cache-Control", "public, max-age=5")], "fresh 5"),
        ("request no-store", &[("Cache-Control", "no-store")], 200, &[], "refused request-no-store"),
    ];
    check(rows, &Profile { force_cache: Some(MINUTE), ..Profile::default() });
}

#[test]
fn force_cache_where_the_key_names_the_user() {
    let profile = Profile { force_cache: Some(MINUTE), ..Profile::default() };
    let request = get(&[("Authorization", "x")]);
    let facts = RequestFacts::of(&request);
    let answer = response(200, &[("Cache-Control", "private")]);
    let admitted = admit(&request, &facts, &answer, times(0), Some("ann"), &profile).expect("storable");
    assert_eq!(admitted.record.admission, Admission::ForceCache);
    assert_eq!(freshness_lifetime(&admitted.record, &profile).basis, Basis::ForceCache);
}

#[test]
fn negative_ttl() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("named", &[], 404, &[], "fresh 60"),
        ("named, not cacheable by default", &[], 500, &[], "fresh 60"),
        ("not named", &[], 502, &[], "refused status-not-default"),
        ("named, though RFC 6585 forbids it", &[], 429, &[], "fresh 60"),
        ("a success cannot be named", &[], 200, &[], "refused no-freshness"),
        ("a stated lifetime counts", &[], 404, &[("Cache-Control", "max-age=5")], "fresh 5"),
        ("forbidden stays forbidden", &[], 404, &[("Cache-Control", "no-store")], "refused no-store"),
        ("for a user", &[("Cookie", "a=b")], 404, &[], "refused user-request"),
    ];
    let negative_ttl = vec![(404, MINUTE), (500, MINUTE), (200, MINUTE), (429, MINUTE)];
    check(rows, &Profile { negative_ttl: negative_ttl.clone(), ..Profile::default() });
    let forced = Profile { negative_ttl, force_cache: Some(MINUTE * 2), ..Profile::default() };
    assert_eq!(
        outcome(&[], 404, &[], 0, &[], &forced),
        "fresh 60",
        "the one way for errors under force_cache"
    );
}

/// Lifetimes are computed from recorded facts: options act on what is already stored.
#[test]
fn options_act_on_stored_responses() {
    let with = |default_ttl, force_cache| Profile { default_ttl, force_cache, ..Profile::default() };
    let none = Profile::default();
    let judged = |lines: Lines<'_>, stored_under: &Profile, now_under: &Profile| {
        let record = store(&get(&[]), &response(200, lines), stored_under).expect("storable").record;
        verdict(reuse(&record, &RequestFacts::default(), at(0), now_under))
    };
    let minute = with(Some(MINUTE), None);
    let hour = with(Some(MINUTE * 60), None);
    let forced = with(None, Some(MINUTE));
    let nothing: Lines<'_> = &[];
    let dated: Lines<'_> = &[("Last-Modified", "@-1000")];
    assert_eq!(judged(nothing, &minute, &hour), "fresh 3600", "a longer TTL");
    assert_eq!(judged(nothing, &minute, &none), "unusable override-off");
    assert_eq!(
        judged(nothing, &forced, &minute),
        "unusable override-off",
        "another option does not vouch for it"
    );
    assert_eq!(judged(nothing, &minute, &forced), "fresh 60", "force_cache would have stored it too");
    assert_eq!(judged(dated, &minute, &none), "fresh 100", "the standards admit it as well");
    assert_eq!(judged(dated, &none, &forced), "fresh 60");
}

/// What only an option keeps fresh is no answer for a request that names its user, although an anonymous one stored it.
#[test]
fn options_do_not_share_with_users() {
    for name in millpond_exchange::CREDENTIAL_FIELDS {
        assert!(name.ends_with("key") || name.ends_with("token"), "{name} would not be looked for");
        assert!(RequestFacts::of(&get(&[(name, "1")])).names_user(), "{name}");
    }
    assert!(!RequestFacts::of(&get(&[("Connection", "x"), ("X-Key", "1")])).names_user());
    let user = RequestFacts::of(&get(&[("Apikey", "1")]));
    let judged = |lines: Lines<'_>, profile: &Profile| {
        let record = store(&get(&[]), &response(200, lines), profile).expect("storable").record;
        verdict(reuse(&record, &user, at(0), profile))
    };
    let default_ttl = Profile { default_ttl: Some(MINUTE), ..Profile::default() };
    let forced = Profile { force_cache: Some(MINUTE), ..Profile::default() };
    assert_eq!(judged(&[], &default_ttl), "unusable user-request");
    assert_eq!(judged(&[("Cache-Control", "max-age=5")], &forced), "unusable user-request");
    assert_eq!(
        judged(&[("Cache-Control", "max-age=5")], &default_ttl),
        "fresh 5",
        "the origin itself says so"
    );
}

#[test]
fn refuse_set_cookie() {
    let rows: &[Row<'_>] = &[
        (
            "fresh",
            &[],
            200,
            &[("Cache-Control", "max-age=60"), ("Set-Cookie", "a=b")],
            "refused set-cookie-refused",
        ),
        ("without a cookie", &[], 200, &[("Cache-Control", "max-age=60")], "fresh 60"),
    ];
    check(rows, &Profile { refuse_set_cookie: true, ..Profile::default() });
}

#[test]
fn heuristics_can_be_turned_off() {
    let profile = Profile { heuristic_fraction: 0.0, ..Profile::default() };
    assert_eq!(outcome(&[], 200, &[("Last-Modified", "@-1000")], 0, &[], &profile), "validate stale");
    let wild = Profile { heuristic_fraction: f32::NAN, ..Profile::default() };
    assert_eq!(outcome(&[], 200, &[("Last-Modified", "@-1000")], 0, &[], &wild), "validate stale");
}

#[test]
fn ignore_client_reload() {
    let profile = Profile { ignore_client_reload: true, ..Profile::default() };
    let lines = [("Cache-Control", "max-age=60")];
    let mut table = Table::default();
    for (request, expected) in [
        (("Cache-Control", "no-cache"), "fresh 55"),
        (("Cache-Control", "max-age=0"), "fresh 55"),
        (("Pragma", "no-cache"), "fresh 55"),
        (("Cache-Control", "max-age=1"), "validate request-max-age"),
        (("Cache-Control", "min-fresh=56"), "validate request-min-fresh"),
    ] {
        table.row("option", request.1, outcome(&[], 200, &lines, 5, &[request], &profile), expected);
    }
    let refused = outcome(&[("Cache-Control", "no-store")], 200, &lines, 5, &[], &profile);
    table.row("option", "no-store is no reload", refused, "refused request-no-store");
    table.finish();
}

#[test]
fn offline() {
    let profile = Profile { offline: true, ..Profile::default() };
    let lines = [("Cache-Control", "max-age=60, must-revalidate")];
    assert_eq!(outcome(&[], 200, &lines, 5, &[("Cache-Control", "no-cache")], &profile), "fresh 55");
    assert_eq!(outcome(&[], 200, &lines, 500, &[], &profile), "stale stale-offline -440");
    assert_eq!(outcome(&[], 200, &lines, 60, &[], &profile), "stale stale-offline 0");
}

#[test]
fn a_shared_cache_does_not_use_private_entries() {
    let request = get(&[]);
    let facts = RequestFacts::of(&request);
    let answer = response(200, &[("Cache-Control", "private, max-age=60")]);
    let record =
        admit(&request, &facts, &answer, times(0), Some("ann"), &private()).expect("storable").record;
    assert_eq!(verdict(reuse(&record, &facts, at(0), &private())), "fresh 60");
    assert_eq!(verdict(reuse(&record, &facts, at(0), &Profile::default())), "unusable private-entry");
}

#[test]
fn soft_purge() {
    let lines = [("Cache-Control", "max-age=60, stale-while-revalidate=30")];
    let mut record = store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").record;
    record.stale_from = Some(at(10));
    let judged = |later| verdict(reuse(&record, &RequestFacts::default(), at(later), &Profile::default()));
    assert_eq!(judged(9), "fresh 51", "not yet");
    assert_eq!(judged(10), "refresh stale-while-revalidate 0", "at once");
    assert_eq!(judged(20), "refresh stale-while-revalidate -10", "staleness counts from the purge");
    assert_eq!(judged(41), "validate soft-purged");
    assert_eq!(judged(100), "validate soft-purged");
    assert_eq!(time_to_live(&record, at(20), &Profile::default()), -10);
}
