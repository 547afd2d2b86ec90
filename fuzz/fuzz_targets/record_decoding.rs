//! Any bytes as what a persistent store keeps of record, head and trailers: decoding must not panic or take more memory
//! than in proportion, and what is decoded can be written again, as valid as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_exchange::{Fields, is_token_byte, is_value_byte};
use millpond_store::codec::{VERSION, decode, encode};

fn check(fields: &Fields) {
    for field in fields.iter() {
        assert!(!field.name.is_empty() && field.name.iter().all(|b| is_token_byte(*b)), "a name is a token");
        assert!(field.value.iter().all(|b| is_value_byte(*b)), "a value can be sent");
        assert_eq!(field.value.trim_ascii(), field.value);
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(facts) = decode(input) else { return };
    assert_eq!(input.first(), Some(&VERSION));
    check(&facts.head.fields);
    check(&facts.trailers);
    assert!(facts.head.reason_phrase().bytes().all(is_value_byte), "a reason phrase can be sent");
    let memory = facts.head.fields.memory() + facts.trailers.memory() + facts.record.memory();
    assert!(memory <= 64 * (input.len() + 16), "{memory} bytes out of {}", input.len());
    let written = encode(&facts.record, &facts.head, &facts.trailers);
    assert_eq!(decode(&written), Ok(facts));
});
