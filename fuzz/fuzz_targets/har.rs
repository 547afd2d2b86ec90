//! Any bytes as an archive and as a JSON tape: no panic, bodies as long as they say, and what is read once says the same
//! when it is written and read again.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use millpond_tape::{Format, Recorded, Tape, har, json, writer};
use std::io::Read as _;
use std::sync::Arc;

fn all(tape: Tape) -> Vec<Recorded> {
    tape.map_while(Result::ok).map(|(_, exchange)| exchange).collect()
}

/// The body of the response; whatever is announced must be there.
fn body(exchange: &Recorded) -> Option<Vec<u8>> {
    let content = exchange.response.as_ref()?.content.as_ref()?;
    let mut found = Vec::new();
    // A string with bytes that are not UTF-8 is one that the reader may refuse; it must not be shorter in silence.
    content.reader().read_to_end(&mut found).ok()?;
    assert_eq!(found.len() as u64, content.len());
    Some(found)
}

fn again(format: Format, exchanges: &[Recorded]) -> Vec<Recorded> {
    let mut to = Vec::new();
    let mut tape = writer(format, &mut to);
    exchanges.iter().for_each(|exchange| tape.write(exchange).expect("writing to memory"));
    tape.finish().expect("writing to memory");
    let source = Arc::new(Bytes::from(to));
    let read = if format == Format::Har { har::reader(source) } else { json::reader(source) };
    read.map(|item| item.expect("what was written is read").1).collect()
}

fuzz_target!(|input: &[u8]| {
    let source = Arc::new(Bytes::copy_from_slice(input));
    for exchanges in [all(har::reader(source.clone())), all(json::reader(source))] {
        for format in [Format::Json, Format::Har] {
            let found = again(format, &exchanges);
            assert_eq!(found.len(), exchanges.len());
            if format == Format::Json {
                for (one, other) in exchanges.iter().zip(&found) {
                    assert_eq!(body(one), body(other));
                    assert_eq!(one.request.fields, other.request.fields);
                    assert_eq!(one.metadata, other.metadata);
                }
            }
        }
    }
});
