//! A recorded response, ready to be sent.

use crate::MissReason;
use crate::heads::response_head;
use millpond_exchange::{Fields, ResponseHead};
use millpond_policy::remove_connection_fields;
use millpond_tape::{Chunk, Content, Recorded};

/// Content up to this size is brought into memory, bytes.
const IN_MEMORY: u64 = 256 * 1024;
/// What an answer takes beside its fields and content, about, bytes.
const OVERHEAD: usize = 512;

/// A recorded response, ready to be sent.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The head, without fields that belong to one connection, and without Content-Length.
    pub head: ResponseHead,
    /// The content, as it was sent: with its content codings.
    pub content: Content,
    /// The trailers.
    pub trailers: Option<Fields>,
    /// The Content-Length of the head, for where no content is sent (HEAD, 304).
    pub announce: Option<u64>,
    /// When the pieces of the content came.
    pub timing: Vec<Chunk>,
}

impl Answer {
    /// The answer that `recorded` has.
    ///
    /// # Errors
    /// Why it has none that could be sent.
    pub(super) fn of(recorded: Recorded) -> Result<Self, MissReason> {
        let Some(response) = recorded.response.filter(|_| !recorded.aborted) else {
            return Err(MissReason::BrokenOff);
        };
        let mut head = response_head(&response).ok_or(MissReason::Unreadable)?;
        if head.status.is_informational() {
            return Err(MissReason::Switched);
        }
        let announce = head.fields.get_str("content-length").and_then(|value| value.parse().ok());
        let content = match response.content {
            Some(content) => in_memory(content).map_err(|_| MissReason::Unreadable)?,
            // Nothing was there to be recorded.
            None if is_bodiless(&recorded.request.method, response.status) => Content::empty(),
            None => return Err(MissReason::NoContent),
        };
        remove_connection_fields(&mut head.fields);
        head.fields.remove("content-length");
        head.fields.shrink();
        let trailers = response.trailers.map(|lines| lines.iter().collect::<Fields>());
        let trailers = trailers.filter(|trailers| !trailers.is_empty());
        Ok(Self { head, content, trailers, announce, timing: recorded.timing })
    }

    /// Bytes of memory it takes.
    pub(super) fn memory(&self) -> u64 {
        let content = match &self.content {
            Content::Memory(bytes) => bytes.len(),
            Content::Held { .. } => 0,
        };
        let trailers = self.trailers.as_ref().map_or(0, Fields::memory);
        let timing = size_of_val(self.timing.as_slice());
        (OVERHEAD + self.head.fields.memory() + trailers + timing + content) as u64
    }
}

fn in_memory(content: Content) -> std::io::Result<Content> {
    Ok(content.to_bytes(IN_MEMORY)?.map_or(content, Content::Memory))
}

/// RFC 9110 section 6.4.1: responses that have no content whatever their fields say.
pub(super) fn is_bodiless(method: &[u8], status: u16) -> bool {
    method == b"HEAD" || matches!(status, 204 | 205 | 304)
}
