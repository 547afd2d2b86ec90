//! A list of entries, as a lookup gives it.

use crate::Entry;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// An immutable list of entries. Cloning it is cheap. Most keys have one entry, which needs no list of its own: a hit
/// comes from the cache to the entry without a detour.
#[derive(Clone, Default)]
pub struct Entries(pub(crate) Form);

/// How many there are. A list is behind one word, so that the memory tier can keep it in two, with all it notes of a key.
#[derive(Clone, Default)]
pub(crate) enum Form {
    #[default]
    None,
    One(Arc<Entry>),
    Many(Arc<Vec<Arc<Entry>>>),
}

impl Deref for Entries {
    type Target = [Arc<Entry>];

    fn deref(&self) -> &[Arc<Entry>] {
        match &self.0 {
            Form::None => &[],
            Form::One(entry) => std::slice::from_ref(entry),
            Form::Many(list) => list,
        }
    }
}

impl From<&[Arc<Entry>]> for Entries {
    fn from(list: &[Arc<Entry>]) -> Self {
        list.to_vec().into()
    }
}

impl From<Vec<Arc<Entry>>> for Entries {
    fn from(mut list: Vec<Arc<Entry>>) -> Self {
        if list.len() > 1 {
            list.shrink_to_fit();
            return Self(Form::Many(Arc::new(list)));
        }
        Self(list.pop().map_or(Form::None, Form::One))
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
