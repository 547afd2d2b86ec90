//! The form of a story for people: lines, each with a name.

use std::fmt::Write as _;

/// Lines, each with a name and what it says.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// A line of its own.
    pub fn row(&mut self, name: &str, value: impl AsRef<str>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:<10} {}", value.as_ref());
    }

    /// A line that belongs to the row above it.
    pub fn detail(&mut self, name: &str, value: impl AsRef<str>) {
        let _ = writeln!(self.0, "  {name:<13} {}", value.as_ref());
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}
