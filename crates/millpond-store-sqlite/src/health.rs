//! Whether a store works.

/// Whether a [`crate::SqliteStore`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It reads and writes.
    Up,
    /// Every operation is refused at once; it is tried again now and then.
    Down {
        /// Why, and what to do about it.
        reason: String,
    },
}
