//! What is compressed, and what is refused.

use super::*;
use proptest::prelude::*;

fn head(fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new(200.try_into().expect("a status"));
    for (name, value) in fields {
        head.fields.append(name, value).expect("a valid field");
    }
    head
}

#[test]
fn the_types_are_in_order_for_the_search() {
    assert!(TYPES.is_sorted());
}

#[test]
fn text_is_compressible_and_what_is_compressed_already_is_not() {
    let yes = [
        "text/html",
        "Text/HTML; charset=utf-8",
        "text/css",
        "application/json",
        "application/json;charset=UTF-8",
        "application/problem+json",
        "image/svg+xml",
        "application/wasm",
        " application/xml ;q=1",
        "font/ttf",
    ];
    for value in yes {
        assert!(compressible(&head(&[("Content-Type", value)])), "{value}");
    }
    let no = [
        "image/png",
        "video/mp4",
        "application/zip",
        "application/gzip",
        "font/woff2",
        "json",
        "",
        "textile/x",
    ];
    for value in no {
        assert!(!compressible(&head(&[("Content-Type", value)])), "{value}");
    }
    assert!(!compressible(&head(&[])));
}

#[test]
fn a_content_coding_is_left_alone() {
    let with = |coding| compressible(&head(&[("Content-Type", "text/html"), ("Content-Encoding", coding)]));
    assert!(!with("gzip"));
    assert!(!with("br, gzip"));
    assert!(!with("identity, gzip"));
    assert!(with("identity"));
    assert!(with(""));
    let twice =
        [("Content-Type", "text/html"), ("Content-Encoding", "identity"), ("content-encoding", "zstd")];
    assert!(!compressible(&head(&twice)));
}

#[test]
fn what_saves_less_than_a_tenth_is_not_kept() {
    assert_eq!(compress(b""), None);
    assert_eq!(compress(b"short"), None);
    let noise = noise(10_000);
    assert_eq!(compress(&noise), None);
    // Noise with just enough, and just not enough, that repeats.
    for (repeated, worth) in [(800, false), (1_300, true)] {
        let mut content = noise.clone();
        content[10_000 - repeated..].fill(b'a');
        assert_eq!(compress(&content).is_some(), worth, "{repeated}");
        assert!(compress(&content).is_none_or(|kept| kept.len() <= 9_000));
    }
}

#[test]
fn a_frame_that_is_not_of_the_noted_length_is_refused() {
    let content = vec![b'a'; 5_000];
    let kept = compress(&content).expect("it repeats");
    assert_eq!(decompress(&kept, 5_000).as_deref(), Ok(&*content));
    for other in [0, 1, 4_999, 5_001, 1 << 20, usize::MAX] {
        assert_eq!(decompress(&kept, other), Err(DecompressError::Length), "{other}");
    }
    assert!(decompress(b"", 0).is_err());
    assert!(decompress(b"not a frame", 10).is_err());
    // A frame that does not say how long its content is, as streams write them.
    let streamed = zstd::stream::encode_all(&content[..], LEVEL).expect("it encodes");
    assert_eq!(decompress(&streamed, 5_000), Err(DecompressError::Length));
    // Two frames one after the other hold more than the first announces.
    let twice = [&kept[..], &kept[..]].concat();
    assert!(decompress(&twice, 5_000).is_err());
    assert!(decompress(&twice, 10_000).is_err());
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

proptest! {
    #[test]
    fn what_is_compressed_comes_back(piece in proptest::collection::vec(any::<u8>(), 1..200), times in 1usize..200) {
        let content = piece.repeat(times);
        if let Some(kept) = compress(&content) {
            prop_assert!(kept.len() * 10 <= content.len() * 9);
            prop_assert_eq!(decompress(&kept, content.len()), Ok(content));
        }
    }

    #[test]
    fn any_bytes_give_the_noted_length_or_an_error(kept in proptest::collection::vec(any::<u8>(), 0..300), len in 0usize..100_000) {
        if let Ok(content) = decompress(&kept, len) {
            prop_assert_eq!(content.len(), len);
        }
    }

    #[test]
    fn a_flipped_bit_gives_the_noted_length_or_an_error(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let content = b"some words, and some words again; ".repeat(100);
        let mut kept = compress(&content).expect("it repeats");
        *at.get_mut(&mut kept[..]) ^= 1 << bit;
        if let Ok(content) = decompress(&kept, content.len()) {
            prop_assert_eq!(content.len(), 3_400);
        }
    }
}
