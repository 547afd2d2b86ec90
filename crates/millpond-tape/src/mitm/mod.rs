//! mitmproxy's flows: tnetstrings one behind the other. Version 21 is written; versions 14 to 21 are read, which are those
//! of mitmproxy 7 to 12.
//!
//! Bodies stay where they are: besides them an exchange may have 16 MiB, and no more than that is held. Everything that
//! [`Recorded`] has comes back, what mitmproxy has no place for from the metadata (`millpond_aborted`, `millpond_timing`).
//! Not kept of mitmproxy's own flows: that a flow was held back (`intercepted`), its state before a person changed it
//! (`backup`), and the flow label and scope of IPv6 addresses.

mod backwards;
mod connection;
mod flow;
mod item;
mod message;
mod metadata;
mod tail;
mod writer;

use self::flow::{Kind, Parts, outer};
use self::item::{Item, Length, Walker, malformed};
use crate::window::Window;
use crate::{ReadAt, Recorded, Tape, TapeError};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use tail::tail;
pub use writer::MitmWriter;

/// How much is read at a time, bytes.
const WINDOW: usize = 128 * 1024;

/// How much is read at a time where a single flow is wanted, bytes.
const SINGLE: usize = 8 * 1024;

/// The most types of flows that are counted apart.
const TYPES: usize = 16;

/// Whether what begins with `bytes` may be flows: it does with a length.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    !matches!(Length::of(bytes), Length::None)
}

/// Reads the exchanges of `source`. Flows about anything else are passed over; [`Flows`] counts them.
pub fn reader(source: Arc<dyn ReadAt>) -> Tape {
    Box::new(Flows::new(source))
}

/// Reads the one flow that begins at byte `at`.
///
/// # Errors
/// When none begins there, or it is not of HTTP; see [`Flows`].
pub fn read_one(source: &Arc<dyn ReadAt>, at: u64) -> Result<Recorded, TapeError> {
    single(source, at, Parts::recorded)
}

/// Reads the one flow that begins at byte `at` as [`read_one`] does, but leaves out its connections, which takes half the
/// time: what a replay needs.
///
/// # Errors
/// As with [`read_one`].
pub fn read_messages(source: &Arc<dyn ReadAt>, at: u64) -> Result<Recorded, TapeError> {
    single(source, at, |parts, walker, flow| parts.without_connections().recorded(walker, flow))
}

fn single(
    source: &Arc<dyn ReadAt>,
    at: u64,
    read: impl FnOnce(&Parts, &mut Walker<'_>, Item) -> Result<Recorded, TapeError>,
) -> Result<Recorded, TapeError> {
    let mut window = Window::new(SINGLE);
    let flow = outer(source, &mut window, at, SINGLE)?.ok_or(TapeError::Torn { at })?;
    let mut walker = Walker::new(source, &mut window, at);
    let parts = Parts::find(&mut walker, flow)?;
    match parts.kind(&mut walker, flow)? {
        Kind::Exchange => read(&parts, &mut walker, flow),
        Kind::Other(_) => Err(malformed(at, "a flow that is no exchange")),
    }
}

/// The exchanges of a tape in order, each with the byte it begins at. After an error there is nothing more:
/// [`TapeError::Torn`] where the tape ends in the middle of a flow, [`TapeError::Malformed`] where it is damaged,
/// [`TapeError::TooNew`] where a newer mitmproxy wrote it.
pub struct Flows {
    source: Arc<dyn ReadAt>,
    window: Window,
    at: u64,
    skipped: BTreeMap<String, u64>,
    ended: bool,
}

impl Flows {
    /// The exchanges of `source`.
    pub fn new(source: Arc<dyn ReadAt>) -> Self {
        Self::starting_at(source, 0)
    }

    /// The exchanges of `source` from byte `at` on, where a flow begins.
    pub fn starting_at(source: Arc<dyn ReadAt>, at: u64) -> Self {
        Self { source, window: Window::new(WINDOW), at, skipped: BTreeMap::new(), ended: false }
    }

    /// How many flows were passed over so far because they are not of HTTP, by their type: `tcp`, `udp`, `dns`.
    pub const fn skipped(&self) -> &BTreeMap<String, u64> {
        &self.skipped
    }

    /// Where the next flow begins.
    pub const fn position(&self) -> u64 {
        self.at
    }

    fn read(&mut self) -> Result<Option<(u64, Recorded)>, TapeError> {
        loop {
            let at = self.at;
            let Some(flow) = outer(&self.source, &mut self.window, at, WINDOW)? else { return Ok(None) };
            let mut walker = Walker::new(&self.source, &mut self.window, at);
            let parts = Parts::find(&mut walker, flow)?;
            match parts.kind(&mut walker, flow)? {
                Kind::Exchange => {
                    let recorded = parts.recorded(&mut walker, flow)?;
                    self.at = flow.end();
                    return Ok(Some((at, recorded)));
                }
                Kind::Other(kind) => self.skip(kind),
            }
            self.at = flow.end();
        }
    }

    fn skip(&mut self, kind: String) {
        let known = kind.len() <= 32 && (self.skipped.len() < TYPES || self.skipped.contains_key(&kind));
        *self.skipped.entry(if known { kind } else { "other".to_owned() }).or_default() += 1;
    }
}

impl Iterator for Flows {
    type Item = Result<(u64, Recorded), TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read().transpose();
        self.ended = !matches!(read, Some(Ok(_)));
        read
    }
}
