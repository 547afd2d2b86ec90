//! A flow as a whole: where its parts are, whether it can be read here, and what it becomes.

use super::connection::{client, server};
use super::item::{Item, Length, Walker, malformed, tag};
use super::message::{failure, request, response, websocket};
use super::metadata::{metadata, seems_aborted};
use crate::window::Window;
use crate::{ReadAt, Recorded, TapeError};
use std::sync::Arc;

/// The version that is written, and the newest that is read. It changes whenever mitmproxy's flows do, not with mitmproxy.
pub const VERSION: u64 = 21;

/// The oldest version that is read: that of mitmproxy 7.
pub const OLDEST: u64 = 14;

/// How much is read at a time of a flow that does not fit into the window: its bodies are skipped.
const STEP: usize = 8 * 1024;

/// The longest length there is, with its colon.
const LONGEST: usize = 13;

/// A flow that is whole, but for what lies inside.
pub fn outer(
    source: &Arc<dyn ReadAt>,
    window: &mut Window,
    at: u64,
    ahead: usize,
) -> Result<Option<Item>, TapeError> {
    let place = &**source;
    window.set_reach(ahead);
    let head = window.at(place, at, LONGEST)?;
    let (len, digits) = match Length::of(head) {
        Length::Is(len, digits) => (len, digits),
        Length::CutOff if head.is_empty() => return Ok(None),
        Length::CutOff => return Err(TapeError::Torn { at }),
        Length::None if cut_by_zeros(place, at, head)? => return Err(TapeError::Torn { at }),
        Length::None => return Err(malformed(at, "no flow begins here")),
    };
    let start = at + digits as u64;
    let whole = digits as u64 + len + 1;
    if whole <= window.size() as u64 {
        window.at(place, at, whole as usize)?;
    } else {
        window.set_reach(STEP);
    }
    match window.at(place, start + len, 1)?.first() {
        Some(&tag @ tag::DICTIONARY) => Ok(Some(Item { tag, start, len })),
        Some(0) if only_zeros(place, start + len)? => Err(TapeError::Torn { at }),
        Some(_) => Err(malformed(start + len, "no flow ends here")),
        None => Err(torn(place, window, at, start)),
    }
}

/// Whether nothing but zeros comes from `at` on: the system had made room for a flow when the power went.
fn only_zeros(source: &dyn ReadAt, mut at: u64) -> Result<bool, TapeError> {
    let mut buf = [0; 4096];
    loop {
        match source.read_at(&mut buf, at)? {
            0 => return Ok(true),
            read if buf[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            read => at += read as u64,
        }
    }
}

/// Whether nothing but zeros follows on the digits of a length that `head`, from `at` on, begins with.
fn cut_by_zeros(source: &dyn ReadAt, at: u64, head: &[u8]) -> Result<bool, TapeError> {
    let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Ok(head.get(digits) == Some(&0) && only_zeros(source, at + digits as u64)?)
}

/// Why the flow that begins at `flow` goes on behind the end of the tape: it is torn, unless its length is wrong, which
/// shows when something of it ends where it should not.
fn torn(source: &dyn ReadAt, window: &mut Window, flow: u64, start: u64) -> TapeError {
    let mut at = start;
    let mut look = || -> Result<TapeError, TapeError> {
        loop {
            let head = window.at(source, at, LONGEST)?;
            match Length::of(head) {
                Length::Is(len, digits) => at = at.saturating_add(digits as u64 + len + 1),
                Length::CutOff => return Ok(TapeError::Torn { at: flow }),
                Length::None if cut_by_zeros(source, at, head)? => return Ok(TapeError::Torn { at: flow }),
                Length::None => return Ok(malformed(flow, "a flow whose length is not that of what it has")),
            }
        }
    };
    look().unwrap_or_else(|error| error)
}

/// What a flow is about.
pub enum Kind {
    /// HTTP.
    Exchange,
    /// `tcp`, `udp`, `dns`, or what future versions may have.
    Other(String),
}

/// Where the parts of a flow lie.
#[derive(Clone, Copy, Default)]
pub struct Parts {
    version: Option<Item>,
    kind: Option<Item>,
    id: Option<Item>,
    error: Option<Item>,
    client: Option<Item>,
    server: Option<Item>,
    is_replay: Option<Item>,
    marked: Option<Item>,
    metadata: Option<Item>,
    comment: Option<Item>,
    created: Option<Item>,
    request: Option<Item>,
    response: Option<Item>,
    websocket: Option<Item>,
}

impl Parts {
    /// Finds the parts of `flow`. What is null passes for missing, and what has no place in [`Recorded`] is passed over:
    /// that it was held back (`intercepted`), and how it was before a person changed it (`backup`).
    pub fn find(walker: &mut Walker<'_>, flow: Item) -> Result<Self, TapeError> {
        let mut parts = Self::default();
        walker.entries(flow, |_, key, value| {
            let place = match key {
                b"version" => &mut parts.version,
                b"type" => &mut parts.kind,
                b"id" => &mut parts.id,
                b"error" => &mut parts.error,
                b"client_conn" => &mut parts.client,
                b"server_conn" => &mut parts.server,
                b"is_replay" => &mut parts.is_replay,
                b"marked" => &mut parts.marked,
                b"metadata" => &mut parts.metadata,
                b"comment" => &mut parts.comment,
                b"timestamp_created" => &mut parts.created,
                b"request" => &mut parts.request,
                b"response" => &mut parts.response,
                b"websocket" => &mut parts.websocket,
                _ => return Ok(()),
            };
            *place = Some(value).filter(|value| !value.is_null());
            Ok(())
        })?;
        Ok(parts)
    }

    /// The same without its connections.
    pub fn without_connections(&self) -> Self {
        Self { client: None, server: None, ..*self }
    }

    /// What the flow is about, if its version is read here.
    pub fn kind(&self, walker: &mut Walker<'_>, flow: Item) -> Result<Kind, TapeError> {
        let version = self.version.ok_or_else(|| malformed(flow.start, "a dictionary that is no flow"))?;
        let old = "mitmproxy 7 or later makes it a newer one: mitmdump -nr OLD -w NEW";
        if version.tag == tag::LIST {
            return Err(malformed(flow.start, format!("a flow of mitmproxy 3 or older; {old}")));
        }
        match walker.integer(version)? {
            OLDEST..=VERSION => {}
            found @ 0..OLDEST => {
                let what = format!("a flow of version {found}, and {OLDEST} to {VERSION} are read; {old}");
                return Err(malformed(flow.start, what));
            }
            found => return Err(TapeError::TooNew { found, known: VERSION }),
        }
        let kind = self.kind.ok_or_else(|| malformed(flow.start, "a flow without a type"))?;
        if walker.is(kind, b"http")? {
            return Ok(Kind::Exchange);
        }
        Ok(Kind::Other(walker.text(kind)?))
    }

    /// What an exchange becomes.
    pub fn recorded(&self, walker: &mut Walker<'_>, flow: Item) -> Result<Recorded, TapeError> {
        let missing = || malformed(flow.start, "a flow without a request");
        let mut recorded =
            Recorded { request: request(walker, self.request.ok_or_else(missing)?)?, ..Recorded::default() };
        let text = |walker: &mut Walker<'_>, item: Option<Item>| match item {
            Some(item) => walker.text(item),
            None => Ok(String::new()),
        };
        recorded.id = text(walker, self.id)?;
        recorded.comment = text(walker, self.comment)?;
        recorded.marked = text(walker, self.marked)?;
        recorded.is_replay = self.is_replay.map(|item| walker.text(item)).transpose()?;
        recorded.response = self.response.map(|item| response(walker, item)).transpose()?;
        recorded.websocket = self.websocket.map(|item| websocket(walker, item)).transpose()?;
        recorded.error = self.error.map(|item| failure(walker, item)).transpose()?;
        recorded.client = self.client.map(|item| client(walker, item)).transpose()?.unwrap_or_default();
        recorded.server = self.server.map(|item| server(walker, item)).transpose()?.unwrap_or_default();
        let created = self.created.map(|item| walker.float(item)).transpose()?;
        recorded.created = created.unwrap_or(recorded.request.started);
        recorded.aborted = seems_aborted(&recorded);
        if let Some(item) = self.metadata {
            metadata(walker, item, &mut recorded)?;
        }
        Ok(recorded)
    }
}
