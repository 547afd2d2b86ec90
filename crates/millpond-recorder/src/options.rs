//! What a directory of tapes is opened with.

use crate::Mode;
use millpond_tape::Format;
use millpond_tape::index::Repeat;
use millpond_tape::matching::MatchRules;
use millpond_tape::redact;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the answer to a request that no tape has looks like, where nothing may be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissBody {
    /// A problem report (RFC 9457), which names the nearest recorded request.
    #[default]
    Problem,
    /// The text `Cache miss for <url>`.
    Text,
}

/// What a directory of tapes is opened with.
#[derive(Clone, Debug)]
pub struct TapeOptions {
    /// The directory that is recorded to.
    pub dir: PathBuf,
    /// The directory whose tapes answer; `dir` where unset.
    pub read_dir: Option<PathBuf>,
    /// What is answered from tapes, and what is recorded.
    pub mode: Mode,
    /// The format of what is recorded.
    pub format: Format,
    /// What makes a request the same as a recorded one; with it (`redact`) the secrets that are kept off the tape.
    pub rules: MatchRules,
    /// Take secrets out of responses too. Where unset: in mode `write_only`, but not in `read_write`, since a client that
    /// is answered from the tape needs what the response said.
    pub redact_responses: Option<bool>,
    /// What is answered when every recorded answer to a request was given.
    pub repeat: Repeat,
    /// The status of the answer to a request that no tape has, where nothing may be fetched.
    pub miss_status: u16,
    /// What that answer looks like.
    pub miss_body: MissBody,
    /// Record when each piece of a response came, and answer at that pace.
    pub timing: bool,
    /// What a power cut may lose of a recording.
    pub sync_interval: Duration,
}

impl TapeOptions {
    /// The usual options for `dir` in `mode`.
    pub fn new(dir: impl Into<PathBuf>, mode: Mode) -> Self {
        Self {
            dir: dir.into(),
            read_dir: None,
            mode,
            format: Format::default(),
            rules: MatchRules { redact: Some(redact::Rules::default()), ..MatchRules::default() },
            redact_responses: None,
            repeat: Repeat::default(),
            miss_status: 504,
            miss_body: MissBody::default(),
            timing: false,
            sync_interval: Duration::from_secs(1),
        }
    }

    /// What is taken out of exchanges before they reach the tape.
    pub fn redaction(&self) -> Option<redact::Rules> {
        let responses = self.redact_responses.unwrap_or(self.mode == Mode::WriteOnly);
        self.rules.redact.clone().map(|rules| rules.with_responses(responses))
    }

    /// The directory whose tapes answer.
    pub fn read_dir(&self) -> &Path {
        self.read_dir.as_deref().unwrap_or(&self.dir)
    }
}
