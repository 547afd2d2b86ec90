//! The content of a request, read to its end before it is looked up.

use futures_util::StreamExt as _;
use millpond_exchange::{Body, BodyError, Fields, Frame};
use millpond_recorder::Spool;
use millpond_tape::Content;
use std::io;

/// Content that was read to its end.
pub(super) struct Whole {
    pub content: Content,
    pub trailers: Option<Fields>,
}

/// Why content was not read to its end.
pub(super) enum Unread {
    /// The client's doing.
    Client(BodyError),
    /// It could not be kept.
    Disk(io::Error),
}

/// Reads `body` into `spool`.
pub(super) async fn read(body: Body, mut spool: Spool) -> Result<Whole, Unread> {
    let mut trailers = None;
    let mut stream = body.into_stream();
    while let Some(frame) = stream.next().await {
        match frame.map_err(Unread::Client)? {
            Frame::Data(data) => spool.write(&data).map_err(Unread::Disk)?,
            Frame::Trailers(fields) => trailers = Some(fields),
        }
    }
    Ok(Whole { content: spool.into_content(), trailers })
}
