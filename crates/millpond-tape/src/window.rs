//! What was last read of a place, so that small steps through it cost no call to the system each.

use crate::ReadAt;
use std::io;

/// A part of a place, as it was read last.
pub struct Window {
    buf: Box<[u8]>,
    /// The byte of the place that `buf` begins with.
    start: u64,
    filled: usize,
    /// How much is read at a time.
    reach: usize,
}

impl Window {
    /// A window of `size` bytes, empty yet.
    pub fn new(size: usize) -> Self {
        Self { buf: vec![0; size].into_boxed_slice(), start: 0, filled: 0, reach: size }
    }

    /// The most it can show at once, bytes.
    pub const fn size(&self) -> usize {
        self.buf.len()
    }

    /// From here on reads no more than `reach` bytes at a time, unless more are asked for.
    pub fn set_reach(&mut self, reach: usize) {
        self.reach = reach.min(self.buf.len());
    }

    /// The bytes from `at` on: `least` or more of them, fewer only where the place ends or the window is smaller.
    ///
    /// # Errors
    /// What the system says.
    #[inline]
    pub fn at(&mut self, source: &dyn ReadAt, at: u64, least: usize) -> io::Result<&[u8]> {
        let from = at.wrapping_sub(self.start);
        if from <= self.filled as u64 && self.filled - from as usize >= least {
            return Ok(&self.buf[from as usize..self.filled]);
        }
        self.fill(source, at, least)
    }

    fn fill(&mut self, source: &dyn ReadAt, at: u64, least: usize) -> io::Result<&[u8]> {
        let (least, most) = (least.min(self.buf.len()), self.reach.max(least).min(self.buf.len()));
        self.start = at;
        self.filled = 0;
        while self.filled < least {
            match source.read_at(&mut self.buf[self.filled..most], at.saturating_add(self.filled as u64)) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buf[..self.filled])
    }
}
