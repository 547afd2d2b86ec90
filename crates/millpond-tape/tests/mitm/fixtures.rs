//! Files that mitmproxy itself wrote, in several versions, and beside each what mitmproxy 12 makes of it (`interop/` has the
//! scripts). `recorded` were recorded by a running mitmproxy, `samples` are flows of every type it has.

use crate::shown;
use crate::{exchanges, written};
use bytes::Bytes;
use millpond_tape::mitm::{Flows, read_messages, read_one};
use millpond_tape::{ConnectionFacts, ReadAt, Recorded};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

pub const ALL: [&str; 7] =
    ["recorded-18", "recorded-19", "recorded-20", "recorded-21", "samples-14", "samples-17", "samples-21"];

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/mitm", name].iter().collect()
}

pub fn tape(name: &str) -> Bytes {
    std::fs::read(path(&format!("{name}.mitm"))).unwrap().into()
}

/// What mitmproxy makes of the flows that are exchanges.
pub fn expected(name: &str) -> Vec<Value> {
    let text = std::fs::read(path(&format!("{name}.json"))).unwrap();
    let [all]: [Vec<Value>; 1] = serde_json::from_slice(&text).unwrap();
    all.into_iter().filter(|flow| flow["type"] == "http").collect()
}

#[track_caller]
pub fn compare(exchanges: &[Recorded], expected: &[Value]) {
    for (exchange, expected) in exchanges.iter().zip(expected) {
        pretty_eq(&shown::flow(exchange), expected);
    }
    assert_eq!(exchanges.len(), expected.len());
}

/// Says which member differs, not all that does not.
#[track_caller]
pub fn pretty_eq(ours: &Value, theirs: &Value) {
    if let (Some(left), Some(right)) = (ours.as_object(), theirs.as_object()) {
        let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(left), names(right));
        left.iter().for_each(|(key, value)| pretty_eq(value, &right[key]));
    }
    assert_eq!(ours, theirs);
}

#[test]
fn every_version_is_read_as_mitmproxy_reads_it() {
    for name in ALL {
        let exchanges = exchanges(tape(name)).unwrap();
        compare(&exchanges, &expected(name));
        assert!(exchanges.len() >= 4, "{name}");
    }
}

#[test]
fn what_was_read_is_written_in_the_newest_version_and_read_again() {
    for name in ALL {
        let again = written(&exchanges(tape(name)).unwrap());
        compare(&exchanges(again).unwrap(), &expected(name));
    }
}

#[test]
fn a_single_flow_is_read_where_it_begins() {
    for name in ALL {
        let source: Arc<dyn ReadAt> = Arc::new(tape(name));
        for read in Flows::new(Arc::clone(&source)) {
            let (at, recorded) = read.unwrap();
            pretty_eq(&shown::flow(&read_one(&source, at).unwrap()), &shown::flow(&recorded));
            let without = Recorded {
                client: ConnectionFacts::default(),
                server: ConnectionFacts::default(),
                ..recorded
            };
            pretty_eq(&shown::flow(&read_messages(&source, at).unwrap()), &shown::flow(&without));
        }
    }
}

#[test]
fn flows_that_are_no_exchanges_are_counted() {
    let mut flows = Flows::new(Arc::new(tape("samples-21")));
    assert_eq!(flows.by_ref().map(Result::unwrap).count(), 5);
    let skipped: Vec<_> = flows.skipped().iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(skipped, [("dns", 1), ("tcp", 1), ("udp", 1)]);
}

#[test]
fn a_response_that_broke_off_is_told_from_one_that_was_not_kept() {
    let exchanges = exchanges(tape("recorded-21")).unwrap();
    let find = |path: &str| exchanges.iter().find(|one| one.request.path == path.as_bytes()).unwrap();
    let (large, cut, socket) = (find("/large"), find("/cut"), find("/socket"));
    assert!(large.response.as_ref().unwrap().content.is_none() && !large.aborted);
    assert!(cut.aborted && cut.error.is_some());
    assert_eq!(socket.websocket.as_ref().unwrap().messages.len(), 4);
    assert_eq!(exchanges.iter().filter(|one| one.aborted).count(), 1);
}
