//! A list of entries, as a lookup gives it.

use crate::Entry;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// An immutable list of entries. Cloning it is cheap. Most keys have one entry, which needs no list of its own: a hit
/// comes from the cache to the entry without a detour.
#[derive(Clone)]
pub struct Entries(Form);

#[derive(Clone)]
enum Form {
    One(Arc<Entry>),
    Other(Arc<[Arc<Entry>]>),
}

impl Entries {
    /// True when `other` is this list, or has the same single entry.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::One(one), Form::One(other)) => Arc::ptr_eq(one, other),
            (Form::Other(list), Form::Other(other)) => Arc::ptr_eq(list, other),
            _ => false,
        }
    }
}

impl Deref for Entries {
    type Target = [Arc<Entry>];

    fn deref(&self) -> &[Arc<Entry>] {
        match &self.0 {
            Form::One(entry) => std::slice::from_ref(entry),
            Form::Other(list) => list,
        }
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self(Form::Other(Arc::default()))
    }
}

impl From<&[Arc<Entry>]> for Entries {
    fn from(list: &[Arc<Entry>]) -> Self {
        match list {
            [one] => Self(Form::One(Arc::clone(one))),
            list => Self(Form::Other(list.into())),
        }
    }
}

impl From<Vec<Arc<Entry>>> for Entries {
    fn from(list: Vec<Arc<Entry>>) -> Self {
        match <[_; 1]>::try_from(list) {
            Ok([one]) => Self(Form::One(one)),
            Err(list) => Self(Form::Other(list.into())),
        }
    }
}

impl FromIterator<Arc<Entry>> for Entries {
    fn from_iter<T: IntoIterator<Item = Arc<Entry>>>(list: T) -> Self {
        list.into_iter().collect::<Vec<_>>().into()
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
