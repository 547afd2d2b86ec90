//! The setting `always_validate`: what is stored is used only with the origin's word (the meaning of no-cache, RFC 9111
//! section 5.2.2.4), given as an option.

use crate::common::{Lines, Table, at, get, outcome, response, store};
use millpond_policy::{Profile, Reason, RequestFacts, StaleCause, stale_on_error};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const CONFIRM: &str = "validate always-validate";

fn asking() -> Profile {
    Profile { always_validate: true, ..Profile::default() }
}

#[test]
fn every_use_asks_the_origin() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, Lines<'_>, i64, &str)] = &[
        ("5.2.2.4", "fresh", &[("Cache-Control", "max-age=60")], &[], 1, CONFIRM),
        ("5.2.2.4", "fresh, and immutable", &[("Cache-Control", "max-age=60, immutable")], &[], 1, CONFIRM),
        ("5.2.2.4", "stale", &[("Cache-Control", "max-age=60")], &[], 61, CONFIRM),
        ("5.2.2.4", "a validator and nothing else", &[("ETag", "\"a\"")], &[], 1, CONFIRM),
        ("5861 3", "within stale-while-revalidate", &[("Cache-Control", "max-age=60, stale-while-revalidate=60")], &[], 61, CONFIRM),
        ("5.2.1.2", "the request's max-stale", &[("Cache-Control", "max-age=60")], &[("Cache-Control", "max-stale")], 61, CONFIRM),
        ("5.2.2.4", "the response's own no-cache is named first", &[("Cache-Control", "no-cache"), ("ETag", "\"a\"")], &[], 1, "validate response-no-cache"),
        ("3", "what is not storable stays so", &[("Cache-Control", "no-store")], &[], 1, "refused no-store"),
        ("3", "nor what could never be confirmed", &[], &[], 1, "refused no-freshness"),
        ("3", "a cookie set stays out", &[("Set-Cookie", "a=b"), ("ETag", "\"a\"")], &[], 1, "refused set-cookie"),
    ];
    let mut table = Table::default();
    for (section, what, lines, second, later, expected) in rows {
        table.row(section, what, outcome(&[], 200, lines, *later, second, &asking()), expected);
    }
    table.finish();
}

#[test]
fn beside_other_options() {
    let with = |change: &dyn Fn(&mut Profile)| {
        let mut profile = asking();
        change(&mut profile);
        profile
    };
    let reload: Lines<'_> = &[("Cache-Control", "no-cache")];
    #[rustfmt::skip]
    let rows: &[(&str, Profile, Lines<'_>, Lines<'_>, &str)] = &[
        ("force_cache stores, and still asks", with(&|p| p.force_cache = Some(MINUTE)), &[("Cache-Control", "no-cache, no-store")], &[], CONFIRM),
        ("default_ttl stores, and still asks", with(&|p| p.default_ttl = Some(MINUTE)), &[], &[], CONFIRM),
        ("ignore_client_reload is about clients", with(&|p| p.ignore_client_reload = true), &[("ETag", "\"a\"")], reload, CONFIRM),
        ("stale_while_revalidate gives way", with(&|p| p.stale_while_revalidate = Some(MINUTE)), &[("Cache-Control", "max-age=0"), ("ETag", "\"a\"")], &[], CONFIRM),
        ("offline asks nobody", with(&|p| p.offline = true), &[("Cache-Control", "max-age=60")], &[], "fresh 59"),
        ("what an option keeps is not for users", with(&|p| p.default_ttl = Some(MINUTE)), &[], &[("Cookie", "a=b")], "unusable user-request"),
    ];
    let mut table = Table::default();
    for (what, profile, lines, second, expected) in rows {
        table.row("option", what, outcome(&[], 200, lines, 1, second, profile), expected);
    }
    let profile = Profile { always_validate: false, ..asking() };
    let lines: Lines<'_> = &[("Cache-Control", "max-age=60")];
    table.row("option", "off, nothing of it is left", outcome(&[], 200, lines, 1, &[], &profile), "fresh 59");
    table.finish();
}

/// No answer of the origin is not its word. Only a window that somebody named lets what is stored answer then.
#[test]
fn when_the_origin_fails() {
    const GONE: StaleCause = StaleCause::Unreachable;
    const BROKEN: StaleCause = StaleCause::Status(503);
    let configured = Profile { stale_if_error: Some(MINUTE), ..asking() };
    let patient =
        Profile { stale_when_slow: Some(MINUTE), stale_when_slow_max: Duration::MAX, ..configured.clone() };
    #[rustfmt::skip]
    let rows: &[(&str, &Profile, &str, Lines<'_>, StaleCause, i64, &str)] = &[
        ("5.2.2.4", &asking(), "max-age=60", &[], GONE, 1, "none"),
        ("5.2.2.4", &asking(), "max-age=60", &[], GONE, 61, "none"),
        ("5.2.2.4", &asking(), "max-age=60", &[], BROKEN, 1, "none"),
        ("5861 4", &asking(), "max-age=60, stale-if-error=60", &[], GONE, 61, "stale-if-error"),
        ("5861 4", &asking(), "max-age=60", &[("Cache-Control", "stale-if-error=60")], BROKEN, 61, "stale-if-error"),
        ("5861 4", &configured, "max-age=60", &[], GONE, 120, "stale-if-error"),
        ("5861 4", &configured, "max-age=60", &[], BROKEN, 120, "stale-if-error"),
        ("5861 4", &configured, "max-age=60", &[], GONE, 121, "none"),
        ("5.2.1.4", &configured, "max-age=60", &[("Cache-Control", "no-cache")], GONE, 61, "none"),
        ("4.2.4", &configured, "max-age=60, must-revalidate", &[], GONE, 61, "none"),
        ("4.2.4", &configured, "max-age=60, no-cache", &[], GONE, 61, "none"),
        ("5.2.2.4", &patient, "max-age=60", &[], StaleCause::Slow, 61, "none"),
    ];
    let mut table = Table::default();
    for (index, (section, profile, directives, second, cause, later, expected)) in rows.iter().enumerate() {
        let lines = [("Cache-Control", *directives), ("ETag", "\"a\"")];
        let record = store(&get(&[]), &response(200, &lines), profile).expect("storable").record;
        let facts = RequestFacts::of(&get(second));
        let found = stale_on_error(&record, &facts, at(*later), profile, *cause);
        table.row(section, &index.to_string(), found.map_or("none", Reason::as_str), expected);
    }
    table.finish();
}
