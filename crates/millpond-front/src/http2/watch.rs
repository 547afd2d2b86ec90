//! Watches the frames a client sends go by (RFC 9113 section 4.1): which kinds, and whether a head is only half there.
//!
//! The protocol itself is the `h2` crate's business. It bounds what frames can make it hold; what they may cost in
//! work is bounded here: each frame that carries no message takes from a credit, and what the connection is good for
//! gives back to it.

use crate::FrontLimits;
use std::time::Duration;
use tokio::time::Instant;

const FRAME_HEAD: usize = 9;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// A reset may leave a fetch behind that nobody waits for; SETTINGS makes every stream be looked at.
const RESET_COST: u32 = 5;
const SETTINGS_COST: u32 = 10;
/// We ping once, when the connection is to be closed: nobody has many answers to give. (`h2` writes a warning for each.)
const PONG_COST: u32 = 100;
/// What a reply gives back: as much as clients ping and update windows for one.
const REPLY_CREDIT: u32 = 4;
/// Bytes sent that give one back: even a client that updates two windows for each frame does so less often.
const BYTES_A_CREDIT: u64 = 1024;

/// What the bytes so far amount to.
#[derive(Debug)]
pub(super) struct Watch {
    head: [u8; FRAME_HEAD],
    /// Bytes of `head` that have come.
    have: usize,
    /// Bytes until the next frame head.
    skip: usize,
    /// The frame under way leaves a head unfinished.
    opens: bool,
    /// When the head under way began.
    head_since: Option<Instant>,
    settled: bool,
    credit: u32,
    most: u32,
    rate: u32,
    refilled: Instant,
    bytes_sent: u64,
    flooded: bool,
}

impl Watch {
    /// Begins with `preface` bytes that are no frame.
    pub(super) fn new(preface: usize, limits: &FrontLimits) -> Self {
        Self {
            head: [0; FRAME_HEAD],
            have: 0,
            skip: preface,
            opens: false,
            head_since: None,
            settled: false,
            credit: limits.control_credit,
            most: limits.control_credit,
            rate: limits.control_rate,
            refilled: Instant::now(),
            bytes_sent: 0,
            flooded: false,
        }
    }

    /// Bytes that were read.
    pub(super) fn received(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = &bytes[passed..];
                self.after_payload();
                continue;
            }
            let taken = (FRAME_HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == FRAME_HEAD {
                self.have = 0;
                self.frame();
            }
        }
    }

    /// A frame head is complete.
    fn frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
        match kind {
            HEADERS | CONTINUATION => {
                self.head_since.get_or_insert_with(Instant::now);
                self.opens = flags & END_HEADERS == 0;
            }
            SETTINGS => self.settled = true,
            _ => {}
        }
        self.spend(match kind {
            // DATA and HEADERS are what a connection is for; the windows and the number of streams bound them.
            0 | HEADERS => 0,
            RST_STREAM => RESET_COST,
            SETTINGS if flags & ACK == 0 => SETTINGS_COST,
            PING if flags & ACK != 0 => PONG_COST,
            _ => 1,
        });
        self.after_payload();
    }

    fn after_payload(&mut self) {
        if self.skip == 0 && !self.opens {
            self.head_since = None;
        }
    }

    fn spend(&mut self, cost: u32) {
        if self.credit < cost {
            self.refill(Instant::now());
        }
        match self.credit.checked_sub(cost) {
            Some(left) => self.credit = left,
            None => self.flooded = true,
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled);
        let earned = passed.as_millis().saturating_mul(u128::from(self.rate)) / 1000;
        if earned > 0 {
            self.give(u32::try_from(earned).unwrap_or(u32::MAX));
            self.refilled = now;
        }
    }

    fn give(&mut self, credit: u32) {
        self.credit = self.credit.saturating_add(credit).min(self.most);
    }

    /// So many replies are out.
    pub(super) fn replied(&mut self, replies: u32) {
        self.give(replies.saturating_mul(REPLY_CREDIT));
    }

    /// Bytes were handed to the transport.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes_sent += bytes as u64;
        if self.bytes_sent >= BYTES_A_CREDIT {
            self.give(u32::try_from(self.bytes_sent / BYTES_A_CREDIT).unwrap_or(u32::MAX));
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
