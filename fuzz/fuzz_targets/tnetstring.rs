//! Any bytes as a tape of mitmproxy's flows: reading must not panic nor hold more than in proportion, the end of the last
//! whole flow lies within the tape, and what was read is the same after writing and reading it again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_tape::mitm::{Flows, MitmWriter, read_messages, read_one, tail};
use millpond_tape::{Content, ReadAt, Recorded};
use std::sync::Arc;

fn content(content: Option<&Content>) -> Option<Vec<u8>> {
    content.map(|content| content.to_bytes(1 << 20).expect("it lies there").expect("it is small").to_vec())
}

/// What an exchange is, without the names that are made up when it has none.
fn comparable(exchange: &Recorded) -> String {
    let (request, response) = (&exchange.request, exchange.response.as_ref());
    let bodies = (content(request.content.as_ref()), content(response.and_then(|r| r.content.as_ref())));
    let fields: Vec<_> = request.fields.iter().chain(response.iter().flat_map(|r| r.fields.iter())).collect();
    format!("{:?} {bodies:?} {fields:?} {:?} {:?}", request, response, exchange.websocket)
}

fuzz_target!(|input: &[u8]| {
    let source: Arc<dyn ReadAt> = Arc::new(bytes::Bytes::copy_from_slice(input));
    if let Ok(whole) = tail(&source) {
        assert!(whole <= input.len() as u64);
    }
    let mut writer = MitmWriter::new(Vec::new());
    let mut read = Vec::new();
    for exchange in Flows::new(Arc::clone(&source)) {
        let Ok((at, exchange)) = exchange else { break };
        let again = read_one(&source, at).expect("it was read just now");
        assert_eq!(comparable(&again), comparable(&exchange));
        assert_eq!(comparable(&read_messages(&source, at).expect("the same")), comparable(&exchange));
        writer.append(&exchange).expect("what was read can be written");
        read.push(exchange);
    }
    let written: Arc<dyn ReadAt> = Arc::new(bytes::Bytes::from(writer.into_inner()));
    let again: Vec<Recorded> =
        Flows::new(written).map(|read| read.expect("what was written can be read").1).collect();
    assert_eq!(again.len(), read.len());
    for (before, after) in read.iter().zip(&again) {
        // An opcode that there is not is written as another.
        let mut before = before.clone();
        for message in before.websocket.iter_mut().flat_map(|websocket| &mut websocket.messages) {
            message.opcode = if matches!(message.opcode, 0..=2 | 8..=10) { message.opcode } else { 2 };
        }
        assert_eq!(comparable(&before), comparable(after));
    }
});
