//! Tapes that end too early, are damaged, or are none.

use crate::{exchanges, fixtures, made, written};
use bytes::Bytes;
use millpond_tape::mitm::{Flows, read_one, tail};
use millpond_tape::{ReadAt, TapeError};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::sync::Arc;

/// A tape of three small flows, and where each begins; the last number is where the tape ends.
fn tape() -> (Bytes, Vec<u64>) {
    let tape = fixtures::tape("samples-21");
    let mut flows = Flows::new(Arc::new(tape.clone()));
    let mut begins: Vec<u64> = flows.by_ref().take(3).map(|read| read.unwrap().0).collect();
    begins.push(flows.position());
    (tape.slice(..flows.position() as usize), begins)
}

#[test]
fn wherever_a_tape_is_torn_what_lies_before_is_whole() {
    let (tape, begins) = tape();
    assert_eq!((begins[0], begins[3]), (0, tape.len() as u64));
    for cut in 0..=tape.len() {
        let source: Arc<dyn ReadAt> = Arc::new(tape.slice(..cut));
        let whole = begins.iter().filter(|begin| **begin <= cut as u64).count() - 1;
        let kept = begins[whole];
        let mut flows = Flows::new(Arc::clone(&source));
        assert_eq!(flows.by_ref().take(whole).map(Result::unwrap).count(), whole, "cut at {cut}");
        match flows.next() {
            None => assert_eq!(kept, cut as u64),
            Some(Err(TapeError::Torn { at })) => assert_eq!(at, kept, "cut at {cut}"),
            other => panic!("cut at {cut}: {other:?}"),
        }
        assert!(flows.next().is_none());
        assert_eq!(tail(&source).unwrap(), kept, "cut at {cut}");
        assert!(matches!(read_one(&source, kept), Err(TapeError::Torn { at }) if at == kept), "cut at {cut}");
    }
}

#[test]
fn zeros_at_the_end_are_a_tear_too() {
    let (tape, begins) = tape();
    for cut in [0, begins[1], begins[1] + 1, begins[2] - 1, begins[3]] {
        for zeros in [1, 20, 10_000] {
            let mut torn = tape[..cut as usize].to_vec();
            torn.resize(torn.len() + zeros, 0);
            let whole = begins.iter().rev().find(|begin| **begin <= cut).unwrap();
            let source: Arc<dyn ReadAt> = Arc::new(Bytes::from(torn));
            assert_eq!(tail(&source).unwrap(), *whole, "cut at {cut}, {zeros} zeros");
        }
    }
}

#[test]
fn a_wrong_length_is_damage_and_not_a_tear() {
    let (tape, begins) = tape();
    let at = begins[1] as usize;
    for digit in *b"0123456789" {
        let mut damaged = tape.to_vec();
        if damaged[at] == digit {
            continue;
        }
        damaged[at] = digit;
        let source: Arc<dyn ReadAt> = Arc::new(Bytes::from(damaged));
        assert!(matches!(tail(&source), Err(TapeError::Malformed { .. })), "{}", char::from(digit));
        assert!(matches!(read_one(&source, at as u64), Err(TapeError::Malformed { .. })));
    }
}

#[test]
fn what_is_no_flow_is_malformed() {
    for text in [
        "x",
        "4:true!",
        "0:}",
        "2:[]}",
        "13:7:version;1:1#}",
        "0000000000000:}",
        ":}",
        "-1:}",
        "1 :x,",
        "5:0:~~~}",
        "99999:x}",
        "4:1:1#}",
        "18:7:version;2:21#1:}}",
        "999999999999999:",
        "1:,,",
    ] {
        let error = exchanges(text.to_owned()).unwrap_err();
        assert!(matches!(error, TapeError::Malformed { .. } | TapeError::Torn { .. }), "{text}: {error}");
        assert!(
            text.starts_with("99999:x") || matches!(error, TapeError::Malformed { .. }),
            "{text}: {error}"
        );
    }
}

#[test]
fn versions_that_are_not_read_are_named() {
    let message = |version: &str| {
        let inside = format!("4:type;4:http;7:version;{version}");
        exchanges(format!("{}:{inside}}}", inside.len())).unwrap_err().to_string()
    };
    assert!(message("2:22#").contains("version 22"), "{}", message("2:22#"));
    for (version, name) in [("2:13#", "version 13"), ("1:4#", "version 4"), ("9:1:0#2:18#]", "mitmproxy 3")] {
        let message = message(version);
        assert!(message.contains(name) && message.contains("mitmdump -nr"), "{message}");
    }
}

#[test]
fn no_damage_to_a_byte_takes_the_reader_down() {
    let tape = fixtures::tape("recorded-21");
    let tape = &tape[..tape.len().min(4000)];
    for at in 0..tape.len() {
        for byte in [0, b'0', b'9', b':', b'}', b']', tape[at] ^ 1, tape[at].wrapping_add(1)] {
            let mut damaged = tape.to_vec();
            damaged[at] = byte;
            let _ = exchanges(damaged);
        }
    }
}

proptest! {
    #[test]
    fn noise_takes_nobody_down(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = exchanges(noise.clone());
        let inside = [b"7:version;2:21#4:type;4:http;7:request;", &noise[..]].concat();
        let _ = exchanges([format!("{}:", inside.len()).as_bytes(), &inside, b"}"].concat());
    }

    #[test]
    fn noise_of_the_right_letters_takes_nobody_down(noise in "([0-9]{1,2}:[a-z]{0,3}[,;#^!~\\]}]){0,30}") {
        let _ = exchanges(noise.clone());
        let inside = format!("7:version;2:21#4:type;4:http;8:metadata;{}:{noise}}}", noise.len());
        let _ = exchanges(format!("{}:{inside}}}", inside.len()));
    }
}

#[test]
fn a_tape_torn_in_a_body_that_is_written_apart() {
    let mut runner = TestRunner::deterministic();
    let mut exchange = made::exchange().new_tree(&mut runner).unwrap().current();
    exchange.request.content = Some(Bytes::from(vec![b'7'; 200_000]).into());
    let tape = Bytes::from(written(&[exchange.clone(), exchange]));
    let half = tape.len() as u64 / 2;
    for cut in (1..tape.len()).step_by(997) {
        let source: Arc<dyn ReadAt> = Arc::new(tape.slice(..cut));
        let kept = if cut as u64 >= half { half } else { 0 };
        assert_eq!(tail(&source).unwrap(), kept, "cut at {cut}");
    }
}
