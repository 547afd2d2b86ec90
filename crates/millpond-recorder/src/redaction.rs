//! Secrets taken out before they reach the tape.

use millpond_tape::{Recorded, redact};
use std::io;

/// What is taken out.
pub(crate) struct Redaction {
    rules: redact::Rules,
}

impl Redaction {
    pub const fn new(rules: redact::Rules) -> Self {
        Self { rules }
    }

    /// Takes the secrets out; true when there were any.
    ///
    /// # Errors
    /// What the system says of reading content: the exchange must not reach the tape then.
    pub fn apply(&self, recorded: &mut Recorded) -> io::Result<bool> {
        self.rules.exchange(recorded)?;
        Ok(recorded.metadata.contains_key(redact::MARK))
    }
}
