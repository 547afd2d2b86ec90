//! Finds the frames in bytes that go by (RFC 9113 section 4.1), without a look at what is in them.

const FRAME_HEAD: usize = 9;

/// The kinds of frames that are told apart, and their flags (RFC 9113 section 6).
pub mod kind {
    /// DATA
    pub const DATA: u8 = 0;
    /// HEADERS
    pub const HEADERS: u8 = 1;
    /// RST_STREAM
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS
    pub const SETTINGS: u8 = 4;
    /// PING
    pub const PING: u8 = 6;
    /// CONTINUATION
    pub const CONTINUATION: u8 = 9;
    /// The flag ACK, of SETTINGS and PING.
    pub const ACK: u8 = 0x1;
    /// The flag END_HEADERS, of HEADERS and CONTINUATION.
    pub const END_HEADERS: u8 = 0x4;
}

/// How far a run of frames has come.
#[derive(Clone, Debug)]
pub struct Frames {
    head: [u8; FRAME_HEAD],
    /// Bytes of `head` that have come.
    have: usize,
    /// Bytes until the next frame head.
    skip: usize,
}

/// What [`Frames::next`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The head of a frame; a payload of `length` bytes follows.
    Head {
        /// One of [`kind`], or another.
        kind: u8,
        /// The flags.
        flags: u8,
        /// Bytes of payload.
        length: u32,
    },
    /// The last byte of a payload.
    End,
}

impl Frames {
    /// Begins with `preface` bytes that are no frame.
    pub const fn new(preface: usize) -> Self {
        Self { head: [0; FRAME_HEAD], have: 0, skip: preface }
    }

    /// The next thing to be found in `bytes`, which is left with what comes behind it; `None` when there is nothing more.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Found> {
        if self.skip > 0 {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            *bytes = &bytes[passed..];
            return (self.skip == 0).then_some(Found::End);
        }
        let taken = (FRAME_HEAD - self.have).min(bytes.len());
        self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
        self.have += taken;
        *bytes = &bytes[taken..];
        if self.have < FRAME_HEAD {
            return None;
        }
        self.have = 0;
        let [a, b, c, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = length as usize;
        Some(Found::Head { kind, flags, length })
    }
}
