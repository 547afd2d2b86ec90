//! Finding what JSON strings must escape, eight bytes at a time.

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many bytes at the beginning of `text` stand for themselves in a JSON string: neither quotes, backslashes nor control
/// characters (RFC 8259 section 7).
pub(crate) fn plain_len(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    let words = words.iter().take_while(|word| is_plain(u64::from_le_bytes(**word))).count() * 8;
    let rest = text[words..].iter().take(8);
    words + rest.take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count()
}

/// True when none of the eight bytes needs an escape. May be false where one might not, never the other way round.
const fn is_plain(word: u64) -> bool {
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (below_space | quote | backslash) & HIGHS == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_in_every_place() {
        for byte in 0..=255_u8 {
            for len in 0..20 {
                for at in 0..len {
                    for around in [b'a', 0xff, b' ', b'#'] {
                        let mut text = vec![around; len];
                        text[at] = byte;
                        let plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
                        assert_eq!(plain_len(&text), if plain { len } else { at }, "{byte} at {at} of {len}");
                    }
                }
            }
        }
    }
}
