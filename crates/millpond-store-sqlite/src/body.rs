//! The body of an entry as a stream of checked pieces.
//!
//! What must not live here: what a file looks like (`bodies`).

use crate::bodies::{BodyFault, BodyReader};
use crate::chunks::Chunks;
use crate::error::unavailable;
use crate::rows::{self, Place};
use crate::shared::Shared;
use bytes::Bytes;
use futures_util::stream;
use millpond_exchange::{Body, BodyError, BodyErrorKind, Frame};
use millpond_store::{Entry, StoreError};
use rusqlite::OptionalExtension;
use std::ops::Range;
use std::sync::Arc;

/// Where the body of an entry lies.
struct Located {
    row: Option<i64>,
    name: String,
    table: Vec<u8>,
}

/// Opens the body of `entry`, or the part `range` of it.
pub(crate) async fn read(
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    range: Option<Range<u64>>,
) -> Result<Body, StoreError> {
    if let Some(body) = &entry.body {
        let body = range.map_or_else(|| body.clone(), |range| body.slice(range));
        return Ok(if body.is_empty() { Body::Empty } else { Body::Memory(body) });
    }
    shared.check_up()?;
    let range = range.unwrap_or(0..entry.body_len);
    let range = range.start.min(entry.body_len)..range.end.min(entry.body_len);
    let located = locate(shared, entry)?.ok_or(StoreError::Gone)?;
    if range.start >= range.end {
        return Ok(Body::Empty);
    }
    let (row, length) = (located.row, range.end - range.start);
    let id = entry.id;
    let fault = match open(shared, located, entry, range).await {
        Ok((reading, first)) => {
            let source = Source { shared: Arc::clone(shared), row, id, reading, first };
            let stream = Box::pin(stream::unfold(Some(source), Source::step));
            return Ok(Body::Stream { stream, length: Some(length) });
        }
        Err(fault) => fault,
    };
    match fault {
        BodyFault::Io(_) => Err(unavailable(fault.to_string())),
        BodyFault::Missing => {
            drop_entry(shared, row, id);
            Err(StoreError::Gone)
        }
        BodyFault::Damaged(_) => {
            drop_entry(shared, row, id);
            Err(StoreError::Corrupt(fault.to_string()))
        }
    }
}

/// Opens a file and reads the first piece, so that what is wrong with them is known before a head is sent.
async fn open(
    shared: &Arc<Shared>,
    located: Located,
    entry: &Entry,
    range: Range<u64>,
) -> Result<(Reading, Piece), BodyFault> {
    let (bodies, id, whole) = (shared.bodies.clone(), entry.id, entry.body_len);
    let opened = shared.chunks.in_turn(move || bodies.reader(&located.name, &located.table, whole, id));
    let reader = opened.await?;
    let mut reading = Reading { reader: Arc::new(reader), id, left: range };
    let first = reading.piece(&shared.chunks).await;
    match first {
        Some(Err(fault)) => Err(fault),
        first => Ok((reading, first)),
    }
}

/// A body being read from its file.
struct Reading {
    reader: Arc<BodyReader>,
    id: u64,
    /// What is still to be given.
    left: Range<u64>,
}

impl Reading {
    /// The next piece.
    async fn piece(&mut self, chunks: &Chunks) -> Piece {
        let (number, part) = self.reader.chunks_for(self.left.clone()).next()?;
        let reader = Arc::clone(&self.reader);
        let piece =
            chunks.get((self.id, number), part, move |buffer| reader.chunk_into(number, buffer)).await;
        let moved = piece.as_ref().map_or(0, Bytes::len) as u64;
        self.left.start += moved;
        Some(piece)
    }
}

fn locate(shared: &Shared, entry: &Entry) -> Result<Option<Located>, StoreError> {
    let waiting = { shared.lock().overlay.file_of(entry) };
    if let Some(put) = waiting
        && let Some(file) = &put.file
    {
        let (name, table) = (file.name().to_owned(), file.table().to_vec());
        return Ok(Some(Located { row: None, name, table }));
    }
    let place = Place::of(&entry.key);
    let found = shared.pool.with(|connection| {
        let mut statement = connection.prepare_cached(
            "SELECT seq, file, body, body_sum FROM entry
             WHERE url = ? AND key_hash = ? AND key IS ? AND id = ? AND file IS NOT NULL",
        )?;
        let row = statement.query_row((&place.url, place.hash, place.key, entry.id as i64), |row| {
            let located = Located { row: row.get(0)?, name: row.get(1)?, table: row.get(2)? };
            Ok((located, row.get::<_, i64>(3)?))
        });
        row.optional()
    });
    match found {
        Ok(Some((located, sum))) if rows::body_sum(entry.id, &located.table) != sum => {
            drop_entry(shared, located.row, entry.id);
            Err(StoreError::Corrupt("the table of a body's chunks does not match its sum".to_owned()))
        }
        Ok(Some((located, _))) => {
            shared.uses.note(entry.id, located.row.unwrap_or_default());
            Ok(Some(located))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            shared.read_failed(&error);
            Err(unavailable(format!("cannot read the store's file: {error}")))
        }
    }
}

/// The row of an entry whose body is not what was written has to go.
fn drop_entry(shared: &Shared, row: Option<i64>, id: u64) {
    if let Some(seq) = row {
        shared.drop_row(rows::Broken { seq, id });
    }
}

type Piece = Option<Result<Bytes, BodyFault>>;

/// What the stream of a body draws from. Nothing is read ahead: a reader that does not read holds one piece.
struct Source {
    shared: Arc<Shared>,
    row: Option<i64>,
    id: u64,
    reading: Reading,
    first: Piece,
}

impl Source {
    /// One step of the stream. After an error there is nothing more.
    async fn step(this: Option<Self>) -> Option<(Result<Frame, BodyError>, Option<Self>)> {
        let mut this = this?;
        let piece = match this.first.take() {
            Some(first) => first,
            None => this.reading.piece(&this.shared.chunks).await?,
        };
        match piece {
            Ok(bytes) => Some((Ok(Frame::Data(bytes)), Some(this))),
            Err(fault) => {
                if !matches!(fault, BodyFault::Io(_)) {
                    drop_entry(&this.shared, this.row, this.id);
                }
                Some((Err(store_error(&fault)), None))
            }
        }
    }
}

fn store_error(error: &dyn std::fmt::Display) -> BodyError {
    BodyError::new(BodyErrorKind::Store, format!("the stored body cannot be read on: {error}"))
}
