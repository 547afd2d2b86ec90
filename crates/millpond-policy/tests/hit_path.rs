//! The hit path takes no memory from the allocator. A test program of its own, since the counter sees every thread; that of
//! the test runner is one, which is why the fewest of several times count.

use millpond_exchange::{RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond_policy::{
    CacheStatus, Evaluate, Profile, RangeAnswer, RequestFacts, Times, Verdict, admit, current_age,
    precondition, range, reuse, select,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn nothing_is_allocated() {
    let now = Timestamp::from_secs(1_800_000_000);
    let profile = Profile::default();
    let lines = [
        ("Host", "example.com"),
        ("Accept-Encoding", "gzip, deflate, br;q=0.9"),
        ("Accept-Language", "en-GB, en;q=0.5"),
        ("Foo", "1 , 2"),
        ("User-Agent", "curl/8"),
        ("Cache-Control", "max-age=30, max-stale=\"5\""),
        ("Cookie", "a=b"),
        ("Range", "bytes=0-9"),
        ("If-Range", "\"a\""),
        ("If-None-Match", "\"b\", \"c\""),
    ];
    let request = RequestHead { fields: lines.into_iter().collect(), ..RequestHead::get("example.com", "/") };
    let mut response = ResponseHead::new(StatusCode::OK);
    let vary = "Accept-Encoding, Accept-Language, Foo, User-Agent, Absent";
    response.fields =
        [("Cache-Control", "max-age=60"), ("ETag", "\"a\""), ("Vary", vary)].into_iter().collect();
    let times = Times { request_time: now, response_time: now };
    let admitted = admit(&request, &RequestFacts::of(&request), &response, times, None, &profile);
    let record = admitted.expect("storable").record;
    let mut text = Vec::with_capacity(200);

    let mut fewest = usize::MAX;
    for _ in 0..10 {
        text.clear();
        let region = Region::new(COUNTING);
        let facts = RequestFacts::of(&request);
        let selected = select([&record].into_iter(), &request.fields, None);
        let verdict = reuse(&record, &facts, now, &profile);
        let evaluated = precondition(&record, &facts, &request.fields);
        let part = range(&request.fields, &facts, 100, &record);
        let age = current_age(&record, now);
        CacheStatus { hit: true, ttl: Some(60), ..CacheStatus::default() }.write(&mut text);
        let change = region.change();

        fewest = fewest.min(change.allocations + change.reallocations);
        assert_eq!((selected, verdict, age), (Some(0), Verdict::Fresh { ttl: 60 }, 0));
        assert_eq!((evaluated, part), (Evaluate::Send, RangeAnswer::Part(0..10)));
    }
    assert_eq!(fewest, 0);
}
