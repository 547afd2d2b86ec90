//! What is written is read again, at every size that matters.

use super::*;
use proptest::prelude::*;

#[test]
fn bodies_of_all_sizes_and_kinds_come_back() {
    let (_parent, bodies) = bodies();
    let sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 3 * CHUNK + 12_345];
    for length in sizes {
        for content in [noise(length), text(length), mixed(length)] {
            for compress in [false, true] {
                let kept = keep(&bodies, &content, compress, ID);
                assert_eq!(kept.len, length as u64);
                assert_eq!(kept.stored_len, fs::metadata(path(&bodies, &kept)).expect("a file").len());
                assert_eq!(kept.table.len(), 1 + 12 * length.div_ceil(CHUNK));
                assert!(read(&bodies, &kept, ID).expect("it reads") == content, "{length}, {compress}");
            }
        }
    }
}

#[test]
fn only_what_gets_smaller_is_compressed() {
    let (_parent, bodies) = bodies();
    let length = 2 * CHUNK;
    assert_eq!(keep(&bodies, &text(length), false, ID).stored_len, length as u64);
    assert_eq!(keep(&bodies, &noise(length), true, ID).stored_len, length as u64);
    assert!(keep(&bodies, &text(length), true, ID).stored_len < length as u64 / 4);
    let half = keep(&bodies, &mixed(length), true, ID).stored_len;
    assert!((CHUNK as u64 + 1..CHUNK as u64 * 5 / 4).contains(&half), "{half}");
}

#[test]
fn the_table_stays_readable_for_later_versions() {
    // Layout 1 to the byte: it lies in databases.
    let (_parent, bodies) = bodies();
    let kept = keep(&bodies, b"twelve bytes", true, 7);
    assert_eq!(kept.table, [1, 12, 0, 0, 0, 0xab, 0xd7, 0x4b, 0x14, 0x40, 0x4c, 0xcd, 0x6c]);
    assert_eq!(fs::read(path(&bodies, &kept)).expect("a file"), b"twelve bytes");
}

#[test]
fn names_differ_and_spread() {
    let (_parent, bodies) = bodies();
    let names: std::collections::BTreeSet<_> = (0..200).map(|_| keep(&bodies, b"", false, ID).name).collect();
    assert_eq!(names.len(), 200);
    let shards: std::collections::BTreeSet<_> = names.iter().map(|name| &name[..2]).collect();
    assert!(shards.len() > 50, "{}", shards.len());
}

#[test]
fn a_chunk_that_is_not_there_is_an_error() {
    let (_parent, bodies) = bodies();
    let kept = keep(&bodies, b"one chunk", false, ID);
    let reader = bodies.reader(&kept.name, &kept.table, kept.len, ID).expect("it opens");
    assert_eq!(reader.len(), 9);
    assert!(matches!(reader.chunk(1), Err(BodyFault::Damaged(_))));
    assert!(matches!(reader.chunk(u64::MAX), Err(BodyFault::Damaged(_))));
}

#[test]
fn a_body_stays_readable_while_it_is_removed() {
    let (_parent, bodies) = bodies();
    let content = text(CHUNK + 1);
    let kept = keep(&bodies, &content, true, ID);
    let reader = bodies.reader(&kept.name, &kept.table, kept.len, ID).expect("it opens");
    bodies.remove(&kept.name).expect("it goes");
    assert_eq!(read_range(&reader, 0..kept.len).expect("it reads"), content);
    assert!(matches!(read(&bodies, &kept, ID), Err(BodyFault::Missing)));
    bodies.remove(&kept.name).expect("nothing to do");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ranges_are_what_they_name(start in 0u64..900_000, length in 0u64..900_000, whole in 0usize..800_000) {
        let (_parent, bodies) = bodies();
        let content = mixed(whole);
        let kept = keep(&bodies, &content, true, ID);
        let reader = bodies.reader(&kept.name, &kept.table, kept.len, ID).expect("it opens");
        let (from, to) = (whole.min(start as usize), whole.min((start + length) as usize));
        let read = read_range(&reader, start..start + length).expect("it reads");
        prop_assert!(read == content[from..to]);
        let backwards = std::ops::Range { start: start + 1, end: start };
        prop_assert_eq!(reader.chunks_for(backwards).count(), 0);
        prop_assert!(reader.chunks_for(0..u64::MAX).all(|(_, part)| !part.is_empty() && part.end <= CHUNK));
    }
}
