//! Walks through keys and rules: pure functions, no engine.

use std::hint::black_box;

use anyhow::{Result, bail, ensure};
use millpond_exchange::{KeyParts, QueryRules, ResponseHead, Scheme, StatusCode};
use millpond_policy::{
    Admitted, Profile, RequestFacts, Stored, Times, Validated, conditional_request, validated,
};

use crate::heads::{HOST, PATH, START, request, response};

/// The parts of a target become a key.
pub fn key(times: u64) -> Result<()> {
    let query = QueryRules::default();
    let mut bytes = 0;
    for _ in 0..times {
        let parts = KeyParts::new(Scheme::Http, black_box(HOST), black_box(PATH)).with_query(&query);
        bytes += black_box(parts.to_buf()).as_bytes().len() as u64;
    }
    ensure!(bytes > times * PATH.len() as u64, "the keys are too short");
    Ok(())
}

/// A response is parsed and may be stored.
pub fn admit(times: u64) -> Result<()> {
    let (request, profile) = (request(PATH), Profile::default());
    let facts = RequestFacts::of(&request);
    let response = response(StatusCode::OK, "public, max-age=600, stale-while-revalidate=60");
    for _ in 0..times {
        admitted(black_box(&request), &facts, black_box(&response), &profile)?;
    }
    Ok(())
}

fn admitted(
    request: &millpond_exchange::RequestHead,
    facts: &RequestFacts,
    response: &ResponseHead,
    profile: &Profile,
) -> Result<Admitted> {
    let times = Times { request_time: START, response_time: START };
    match millpond_policy::admit(request, facts, response, times, None, profile) {
        Ok(admitted) => Ok(black_box(admitted)),
        Err(reason) => bail!("not storable: {}", reason.as_str()),
    }
}

/// A 304 is judged, and the stored head updated by it.
pub fn freshen(times: u64) -> Result<()> {
    let (request, profile) = (request(PATH), Profile::default());
    let facts = RequestFacts::of(&request);
    let first = response(StatusCode::OK, "public, max-age=600");
    let Admitted { record, head, .. } = admitted(&request, &facts, &first, &profile)?;
    let confirmed = response(StatusCode::NOT_MODIFIED, "public, max-age=900");
    let at = Times { request_time: START, response_time: START };
    for _ in 0..times {
        let mut sent = black_box(&request).clone();
        let Some(fields) = conditional_request(std::iter::empty(), Some(&record), &sent.fields) else {
            bail!("there is no validator");
        };
        sent.fields = fields;
        let stored = [Stored { record: &record, head: &head }];
        let judged = validated(&stored, Some(0), &sent, &facts, black_box(&confirmed), at, &profile);
        ensure!(matches!(black_box(judged), Validated::Freshen(_)), "the 304 fits nothing");
    }
    Ok(())
}
