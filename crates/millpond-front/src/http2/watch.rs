//! Watches the frames a client sends go by (RFC 9113 section 4.1): which kinds, and whether a head is only half there.
//!
//! The protocol itself is the `h2` crate's business. It bounds what frames can make it hold; what they may cost in
//! work is bounded here: each frame that carries no message takes from a credit, and what the connection is good for
//! gives back to it.

use super::credit::Credit;
use super::frames::kind::{ACK, CONTINUATION, DATA, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS};
use super::frames::{Found, Frames};
use crate::FrontLimits;
use std::time::Duration;
use tokio::time::Instant;

/// A reset may leave a fetch behind that nobody waits for. It costs no more than that a client may make do without two hundred
/// answers a second, as those do that search through a film or drop what they prefetched.
const RESET_COST: u32 = 2;
/// SETTINGS makes every stream be looked at.
const SETTINGS_COST: u32 = 20;
/// We ping once, when the connection is to be closed: nobody has many answers to give. (`h2` writes a warning for each.)
const PONG_COST: u32 = 200;
/// What a reply gives back: as much as clients ping and update windows for one.
const REPLY_CREDIT: u32 = 4;
/// Bytes sent that give one back: even a client that updates two windows for each frame does so less often.
const BYTES_A_CREDIT: u64 = 1024;

/// What the bytes so far amount to.
#[derive(Debug)]
pub(super) struct Watch {
    frames: Frames,
    /// The frame under way leaves a head unfinished.
    opens: bool,
    /// When the head under way began.
    head_since: Option<Instant>,
    settled: bool,
    credit: Credit,
    bytes_sent: u64,
    flooded: bool,
}

impl Watch {
    /// Begins with `preface` bytes that are no frame.
    pub(super) fn new(preface: usize, limits: &FrontLimits) -> Self {
        Self {
            frames: Frames::new(preface),
            opens: false,
            head_since: None,
            settled: false,
            credit: Credit::new(limits.control_credit, limits.control_rate),
            bytes_sent: 0,
            flooded: false,
        }
    }

    /// Bytes that were read. True when they reset a stream.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> bool {
        let mut reset = false;
        while let Some(found) = self.frames.next(&mut bytes) {
            match found {
                Found::Head { kind, flags, length } => {
                    reset |= kind == RST_STREAM;
                    self.frame(kind, flags, length);
                }
                Found::End => self.after_payload(),
            }
        }
        reset
    }

    /// A frame head is complete.
    fn frame(&mut self, kind: u8, flags: u8, length: u32) {
        match kind {
            HEADERS | CONTINUATION => {
                self.head_since.get_or_insert_with(Instant::now);
                self.opens = flags & END_HEADERS == 0;
            }
            SETTINGS => self.settled = true,
            _ => {}
        }
        let cost = match kind {
            // They are what a connection is for; the windows and the number of streams bound them.
            DATA | HEADERS => 0,
            RST_STREAM => RESET_COST,
            SETTINGS if flags & ACK == 0 => SETTINGS_COST,
            PING if flags & ACK != 0 => PONG_COST,
            _ => 1,
        };
        self.flooded |= cost > 0 && !self.credit.spend(cost);
        if length == 0 {
            self.after_payload();
        }
    }

    fn after_payload(&mut self) {
        if !self.opens {
            self.head_since = None;
        }
    }

    /// So many replies are out.
    pub(super) fn replied(&mut self, replies: u32) {
        self.credit.give(replies.saturating_mul(REPLY_CREDIT));
    }

    /// Bytes were handed to the transport.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes_sent += bytes as u64;
        if self.bytes_sent >= BYTES_A_CREDIT {
            self.credit.give(u32::try_from(self.bytes_sent / BYTES_A_CREDIT).unwrap_or(u32::MAX));
            self.bytes_sent %= BYTES_A_CREDIT;
        }
    }

    /// The credit is used up.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded
    }

    /// The client's SETTINGS have begun to come (RFC 9113 section 3.4).
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// By when the head under way must be complete.
    pub(super) fn head_deadline(&self, timeout: Duration) -> Option<Instant> {
        self.head_since.map(|since| since + timeout)
    }
}
