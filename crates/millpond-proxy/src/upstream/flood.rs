//! Watches what an origin sends over HTTP/2 go by: frames that carry no part of a message cost work, and nothing else bounds
//! how many there are (RFC 9113 section 10.5).

use millpond_front::frame_kind::{CONTINUATION, DATA, HEADERS};
use millpond_front::{Credit, Found, Frames};
use std::io;

/// How many such frames there may be, beside those that responses and our own bytes pay for, and how many of them each second gives back.
/// No origin comes near it: they ping and update windows for what they are sent.
const FRAMES: u32 = 10_000;
const FRAMES_A_SECOND: u32 = 1_000;
/// Bytes of content, in either direction, that pay for one.
const BYTES_A_FRAME: u64 = 1024;

pub(super) struct Flood {
    frames: Frames,
    credit: Credit,
    /// Bytes of content that have not paid for a frame yet.
    content: u64,
}

impl Flood {
    pub(super) fn new() -> Self {
        Self { frames: Frames::new(0), credit: Credit::new(FRAMES, FRAMES_A_SECOND), content: 0 }
    }

    /// Bytes that were read.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(found) = self.frames.next(&mut bytes) {
            let Found::Head { kind, length, .. } = found else { continue };
            match kind {
                DATA => self.moved(length as usize),
                HEADERS => self.credit.give(1),
                // `h2` bounds how many there are of one head.
                CONTINUATION => {}
                _ if self.credit.spend(1) => {}
                _ => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "too many frames that carry no message",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Bytes that were written, or came as content.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.content += bytes as u64;
        if self.content >= BYTES_A_FRAME {
            self.credit.give(u32::try_from(self.content / BYTES_A_FRAME).unwrap_or(u32::MAX));
            self.content %= BYTES_A_FRAME;
        }
    }
}
