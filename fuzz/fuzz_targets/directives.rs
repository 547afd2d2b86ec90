//! Any field lines in a request and a response: reading directives, judging, and reusing must not panic, and nothing is
//! fresh when it must not be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_exchange::{Fields, RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond_policy::directives::{ResponseDirectives, each_directive};
use millpond_policy::{Profile, RequestFacts, Times, admit, dates, reuse};

/// `Name: value` lines; those that are no fields are left out. The first empty line ends the section.
fn fields(text: &[u8]) -> Fields {
    text.split(|b| *b == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|b| *b == b':')?;
            Some((&line[..colon], &line[colon + 1..]))
        })
        .collect()
}

fuzz_target!(|input: &[u8]| {
    let [status, age, rest @ ..] = input else { return };
    let middle = rest.windows(2).position(|two| two == b"\n\n").unwrap_or(rest.len());
    let (asked, answered) = rest.split_at(middle);
    each_directive(rest, |directive| {
        let _ = (directive.text(), directive.seconds());
    });
    let _ = ResponseDirectives::parse([asked, answered].into_iter());
    if let Some(date) = dates::parse_date(answered) {
        assert_eq!(
            dates::parse_date(dates::format_date(date).as_bytes()),
            Some(date),
            "a date survives formatting"
        );
    }
    let mut request = RequestHead::get("a.example", "/");
    request.fields = fields(asked);
    let mut response = ResponseHead::new(StatusCode::OK);
    response.status = StatusCode::from_u16(200 + u16::from(*status)).unwrap_or(StatusCode::OK);
    response.fields = fields(answered);
    let facts = RequestFacts::of(&request);
    let now = Timestamp::from_secs(1_767_225_600);
    let times = Times { request_time: now, response_time: now };
    let profile = Profile::default();
    if let Ok(admitted) = admit(&request, &facts, &response, times, None, &profile) {
        let later = now.saturating_add(std::time::Duration::from_secs(1 << (age % 40)));
        let _ = reuse(&admitted.record, &facts, later, &profile);
    }
});
