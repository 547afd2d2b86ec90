//! Request identifiers: unique across processes, cheap to make.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes identifiers of 32 hexadecimal digits: 16 drawn once for the worker, 16 counted up from a drawn start.
pub(crate) struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub fn new() -> Self {
        // The standard library's hasher is seeded from the system's randomness.
        Self {
            prefix: RandomState::new().hash_one(0u8),
            next: AtomicU64::new(RandomState::new().hash_one(1u8)),
        }
    }

    pub fn next(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(32);
        for half in [self.prefix, count] {
            for shift in (0..16).rev() {
                id.push(char::from(DIGITS[(half >> (shift * 4)) as usize & 15]));
            }
        }
        id
    }
}
