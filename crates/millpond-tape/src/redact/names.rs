//! Lists of names.

use std::sync::Arc;

/// Names that are compared without regard to the case of ASCII letters: who writes `apiKey` means `apikey` as well. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(Arc<[Box<[u8]>]>);

impl Names {
    pub(crate) fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut names: Vec<Box<[u8]>> =
            names.into_iter().map(|name| name.as_ref().to_ascii_lowercase().into_bytes().into()).collect();
        names.sort();
        names.dedup();
        Self(names.into())
    }

    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// True when the name of a parameter is on the list, or one of those that brackets make it of: `password` is in
    /// `user[password]` and in `password[]`.
    pub(crate) fn has_param(&self, name: &[u8]) -> bool {
        self.has(name) || name.split(|byte| matches!(byte, b'[' | b']')).any(|part| self.has(part))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In lower case, in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(|name| &**name)
    }
}
