//! A set of hashes that may say yes where the answer is no, and never the other way round: a Bloom filter in blocks, so
//! that a question costs one line of the processor's cache.
//!
//! What must not live here: what the hashes are of.

use std::sync::atomic::{AtomicU32, Ordering};

/// Bits for each hash there is room for: about one no in two hundred is missed.
const BITS: u64 = 16;
/// Bits of a block.
const BLOCK: u64 = 256;
/// The most bytes of one filter. Where there are more than eight million hashes, more of the noes are missed.
pub(super) const LARGEST: u64 = 16 << 20;

/// Odd numbers that choose a bit of each word (those of the Parquet format).
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// One block: a bit of each word is set for a hash.
#[derive(Default)]
#[repr(align(32))]
struct Block([AtomicU32; 8]);

/// The set. Written by one thread, read by all.
pub(super) struct Bloom(Box<[Block]>);

impl Bloom {
    /// With room for `hashes`.
    pub(super) fn new(hashes: u64) -> Self {
        let blocks = (hashes.saturating_mul(BITS) / BLOCK).clamp(1, LARGEST * 8 / BLOCK);
        Self((0..blocks).map(|_| Block::default()).collect())
    }

    pub(super) fn add(&self, hash: u64) {
        // Whoever must see it meets a lock, or a flag stored later, first; and nobody else writes.
        for (word, bit) in self.block(hash).0.iter().zip(bits(hash)) {
            word.store(word.load(Ordering::Relaxed) | bit, Ordering::Relaxed);
        }
    }

    /// False when the hash was never added.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        self.block(hash).0.iter().zip(bits(hash)).all(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn block(&self, hash: u64) -> &Block {
        // The upper half chooses the block, evenly, and the lower one the bits in it.
        let at = ((hash >> 32) * self.0.len() as u64) >> 32;
        &self.0[at as usize]
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        size_of_val(&*self.0) as u64
    }
}

fn bits(hash: u64) -> impl Iterator<Item = u32> {
    SALTS.into_iter().map(move |salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;
    use twox_hash::XxHash3_64;

    fn hash(number: u64) -> u64 {
        XxHash3_64::oneshot(&number.to_le_bytes())
    }

    #[test]
    fn what_was_added_is_never_denied_and_little_else_is_affirmed() {
        let bloom = Bloom::new(50_000);
        (0..50_000).for_each(|number| bloom.add(hash(number)));
        assert!((0..50_000).all(|number| bloom.may_have(hash(number))));
        let wrong = (50_000..150_000).filter(|number| bloom.may_have(hash(*number))).count();
        assert!(wrong < 1_000, "{wrong} of 100,000");
    }

    #[test]
    fn memory_is_bounded() {
        assert_eq!(Bloom::new(0).bytes(), BLOCK / 8);
        assert_eq!(Bloom::new(1 << 20).bytes(), 2 << 20);
        assert_eq!(Bloom::new(u64::MAX).bytes(), LARGEST);
    }
}
