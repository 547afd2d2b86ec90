//! Names of files: 128 random bits in hexadecimal, and where a file of that name lies.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Hexadecimal digits of a name.
const DIGITS: usize = 32;
/// Those of them that name the directory.
pub(super) const SHARD_DIGITS: usize = 2;

/// Makes names that nobody else makes: a keyed hash of a counter, the key of which is random.
#[derive(Default)]
pub(super) struct Names {
    key: RandomState,
    last: AtomicU64,
}

impl Names {
    pub(super) fn next(&self) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let half = |which: u8| self.key.hash_one((number, which));
        format!("{:016x}{:016x}", half(0), half(1))
    }
}

/// True for what [`Names`] may have made.
pub(super) fn is_name(name: &str) -> bool {
    name.len() == DIGITS && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where the body `name` lies in the directory of bodies `dir`. `None` for what is not the name of a body: names come
/// from the database, and must not lead elsewhere.
pub(crate) fn path_in(dir: &Path, name: &str) -> Option<PathBuf> {
    is_name(name).then(|| dir.join(&name[..SHARD_DIGITS]).join(name))
}
