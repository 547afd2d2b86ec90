//! Finds the end of a head or trailer section, each byte looked at once however small the reads are.

use crate::Refusal;

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The empty line has not come yet.
    Partial,
    /// The section ends here: the number of bytes up to and with the empty line.
    Complete(usize),
}

/// Remembers where the last call stopped.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanner {
    /// Everything before it has been looked at.
    seen: usize,
    /// The first byte of the line that `seen` is in.
    line: usize,
    /// Complete lines seen.
    lines: usize,
}

impl Scanner {
    /// Looks at what was added to `bytes` since the last call.
    ///
    /// Every LF must follow a CR. httparse takes a bare LF for a line end as RFC 9112 section 2.2 permits; another
    /// hop may not, and what one hop takes for a field the other would take for a second request.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<Scan, Refusal> {
        for offset in memchr::memchr_iter(b'\n', &bytes[self.seen..]) {
            let feed = self.seen + offset;
            if feed == self.line || bytes[feed - 1] != b'\r' {
                return Err(Refusal::BareLineFeed);
            }
            if feed == self.line + 1 {
                return Ok(Scan::Complete(feed + 1));
            }
            self.line = feed + 1;
            self.lines += 1;
        }
        self.seen = bytes.len();
        Ok(Scan::Partial)
    }

    /// True once the first line is complete.
    pub(crate) fn past_first_line(&self) -> bool {
        self.lines > 0
    }
}
