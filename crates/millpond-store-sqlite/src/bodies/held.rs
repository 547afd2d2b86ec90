//! Files that have lost their names and still take room, because somebody of this process has them open.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files this process has open, and what those without a name take. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Files>);

#[derive(Debug, Default)]
struct Files {
    open: Mutex<HashMap<Box<str>, Open>>,
    /// Bytes of those that are gone.
    gone: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    /// How many have it open.
    many: usize,
    /// What it takes, from when on its name is gone.
    gone: u64,
}

/// Somebody has a file open. To be had before it is opened, so that a removal in between is seen.
#[derive(Debug)]
pub(super) struct Holding {
    files: Held,
    name: Box<str>,
}

impl Held {
    /// What they take, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.gone.load(Ordering::Acquire)
    }

    pub(super) fn open(&self, name: &str) -> Holding {
        self.lock().entry(name.into()).or_default().many += 1;
        Holding { files: self.clone(), name: name.into() }
    }

    /// The file `name` of `bytes` has no name any longer.
    pub(super) fn is_gone(&self, name: &str, bytes: u64) {
        if let Some(open) = self.lock().get_mut(name).filter(|open| open.gone == 0) {
            open.gone = bytes;
            self.0.gone.fetch_add(bytes, Ordering::AcqRel);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Open>> {
        // Nothing between two changes can panic.
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut files = self.files.lock();
        let Some(open) = files.get_mut(&self.name) else { return };
        open.many -= 1;
        if open.many == 0 {
            self.files.0.gone.fetch_sub(open.gone, Ordering::AcqRel);
            files.remove(&self.name);
        }
    }
}
