//! RFC 9111 section 4.3.3: which answers that are not stored end the use of what they were asked about.

use crate::common::{Table, at, get, response, store, verdict};
use millpond_exchange::StatusCode;
use millpond_policy::{
    Profile, Reason, RequestFacts, StaleCause, is_withdrawn, reuse, select, stale_on_error, withdrawn,
    withdraws,
};

#[test]
fn answers_that_take_back() {
    #[rustfmt::skip]
    let rows: &[(&str, u16, Reason, bool)] = &[
        ("gone", 410, Reason::NoStore, true),
        ("not found, and without a lifetime", 404, Reason::NoFreshness, true),
        ("forbidden", 403, Reason::StatusNotDefault, true),
        ("for one user", 200, Reason::Private, true),
        ("Vary: *", 200, Reason::VaryAny, true),
        ("a cookie", 200, Reason::SetCookie, true),
        ("stale at once", 200, Reason::NeverFresh, true),
        ("a part, to a question about the whole", 206, Reason::NoStore, true),
        ("too large to be stored", 200, Reason::ObjectTooLarge, true),
        ("the store is out of reach", 200, Reason::StoreUnavailable, false),
        ("the request forbids storing", 200, Reason::RequestNoStore, false),
        ("for who sent Authorization", 200, Reason::Authorization, false),
        ("for who sent a cookie", 200, Reason::UserRequest, false),
        ("a precondition of this request", 412, Reason::RequestSpecific, false),
        ("a malformed part", 206, Reason::ContentRange, false),
        ("the request is malformed", 400, Reason::StatusNotDefault, false),
        ("too many requests", 429, Reason::StatusNeverStored, false),
        ("a server error", 500, Reason::StatusNotDefault, false),
        ("an unknown server error", 599, Reason::StatusNotDefault, false),
    ];
    let mut table = Table::default();
    for (what, status, reason, expected) in rows {
        let status = StatusCode::from_u16(*status).expect("a status");
        table.row("4.3.3", what, withdraws(status, *reason).to_string(), expected.to_string());
    }
    table.finish();
}

#[test]
fn what_is_taken_back_answers_nothing() {
    let lines = [("Cache-Control", "max-age=60, stale-while-revalidate=600, stale-if-error=600")];
    let kept = store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").record;
    let gone = withdrawn(&kept, at(1));
    let facts = RequestFacts::default();
    let offline = Profile { offline: true, ..Profile::default() };
    assert!(is_withdrawn(&gone) && !is_withdrawn(&kept));
    for profile in [Profile::default(), offline] {
        assert_eq!(verdict(reuse(&gone, &facts, at(2), &profile)), "unusable withdrawn");
        let stale = |cause| stale_on_error(&gone, &facts, at(2), &profile, cause);
        assert_eq!((stale(StaleCause::Unreachable), stale(StaleCause::Status(500))), (None, None));
    }
    assert_eq!(select([&gone].into_iter(), &get(&[]).fields, None), None);
    assert_eq!(select([&gone, &kept].into_iter(), &get(&[]).fields, None), Some(1));
}
