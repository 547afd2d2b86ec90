//! An entry on its way in: the body in memory while it is small, then in a file.
//!
//! What must not live here: what a file looks like (`bodies`), what happens to a finished entry (`pending`, `writer`).

use crate::blocking::blocking;
use crate::bodies::{BodyFault, BodyWriter, CHUNK};
use crate::chunks::Chunks;
use crate::compress;
use crate::disk::Lease;
use crate::error::unavailable;
use crate::file::{Kept, Partial};
use crate::pending::{Fate, Put};
use crate::rows::{INLINE_MOST, check_labels};
use crate::shared::Shared;
use crate::stats::count;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use millpond_exchange::{Fields, Segments};
use millpond_store::{Entry, NewEntry, PartialReader, StoreError, Writer};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes to a file at once, bytes.
const PIECE: usize = 256 << 10;
/// What a reader of the part in memory is given at once, bytes.
const GIVEN: usize = 16 << 10;

/// What is written so far, for those who read it before the commit.
#[derive(Default)]
struct Written {
    /// The file, once there is one.
    file: Option<Partial>,
    /// Bytes of the body that are in the file.
    in_file: u64,
    /// What follows them.
    rest: Vec<u8>,
}

impl Written {
    fn len(&self) -> u64 {
        self.in_file + self.rest.len() as u64
    }
}

/// A [`Writer`] of the store.
pub(crate) struct Draft {
    shared: Arc<Shared>,
    new: NewEntry,
    written: Arc<Mutex<Written>>,
    file: Option<BodyWriter>,
    lease: Lease,
    compress: bool,
    id: u64,
    /// Set while something is being moved to the file, and for good when that fails: a body that lacks something in the
    /// middle must never be committed.
    broken: bool,
}

impl Draft {
    pub(crate) fn open(shared: &Arc<Shared>, mut new: NewEntry) -> Result<Self, StoreError> {
        let limit = shared.options.max_object;
        if let Some(size) = new.announced_len.filter(|size| *size > limit) {
            return Err(StoreError::TooLarge { size, limit });
        }
        check_labels(&new.record)?;
        shared.check_up()?;
        new.head.fields.shrink();
        let lease = Lease::new(&shared.disk);
        let compress = shared.options.compress_from.is_some() && compress::compressible(&new.head);
        let (shared, id) = (Arc::clone(shared), shared.new_id());
        Ok(Self { shared, new, written: Arc::default(), file: None, lease, compress, id, broken: false })
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn append(&mut self, mut chunk: &[u8]) -> Result<(), StoreError> {
        let limit = self.shared.options.max_object;
        let size = self.lock().len().saturating_add(chunk.len() as u64);
        if size > limit {
            self.broken = true;
            return Err(StoreError::TooLarge { size, limit });
        }
        while !chunk.is_empty() {
            let room = {
                let mut written = self.lock();
                let most = if self.file.is_some() {
                    PIECE
                } else {
                    usize::try_from(self.shared.options.inline_limit).unwrap_or(usize::MAX).min(INLINE_MOST)
                };
                let (now, later) = chunk.split_at(chunk.len().min(most.saturating_sub(written.rest.len())));
                written.rest.extend_from_slice(now);
                chunk = later;
                most - written.rest.len().min(most)
            };
            if room == 0 && (self.file.is_some() || !chunk.is_empty()) {
                self.spill().await?;
            }
        }
        Ok(())
    }

    /// Moves what is in memory to the file.
    async fn spill(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.broken = true;
        let rest = self.lock().rest.clone();
        self.make_room(rest.len() as u64).await?;
        let (shared, file) = (Arc::clone(&self.shared), self.file.take());
        let length = rest.len() as u64;
        let (compress, id) = (self.compress, self.id);
        let written = blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => shared.bodies.create(compress, id)?,
            };
            file.write(&rest)?;
            Ok(file)
        })
        .await;
        let file = written.map_err(|error| self.cannot_write(&error))?;
        {
            let mut written = self.lock();
            written.file.get_or_insert_with(|| file.handle());
            written.in_file += length;
            written.rest.clear();
        }
        self.file = Some(file);
        self.broken = false;
        Ok(())
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.broken { Err(unavailable("an earlier write of this body failed")) } else { Ok(()) }
    }

    /// Room on the disk for `bytes` more.
    async fn make_room(&mut self, bytes: u64) -> Result<(), StoreError> {
        // One answer may be overtaken by another body's need; more would mean that the disk is too small for what is
        // written at once.
        for _ in 0..3 {
            if self.lease.grow(bytes) {
                return Ok(());
            }
            if !matches!(self.shared.ask_room(bytes).await, Ok(true)) {
                break;
            }
        }
        if self.lease.grow(bytes) {
            return Ok(());
        }
        count(&self.shared.counters.refused);
        Err(unavailable("there is no room for the body within the limit of the disk"))
    }

    fn cannot_write(&self, error: &io::Error) -> StoreError {
        count(&self.shared.counters.refused);
        unavailable(format!("cannot write the file of a body: {error}"))
    }

    async fn finish(mut self, mut trailers: Fields) -> Result<Arc<Entry>, StoreError> {
        self.check()?;
        trailers.shrink();
        let id = self.id;
        let body_len = self.lock().len();
        let (body, file) = if self.file.is_some() {
            self.spill().await?;
            (None, Some(self.finish_file().await?))
        } else {
            let body = Bytes::copy_from_slice(&self.lock().rest);
            (Some(if body.is_empty() { Segments::default() } else { body.into() }), None)
        };
        let NewEntry { key, record, head, epoch, fresh_until, .. } = self.new;
        let entry = Arc::new(Entry { key, record, head, body, body_len, trailers, id });
        self.shared.accept(Put { entry, fresh_until, file, fate: Fate::default() }, epoch)
    }

    async fn finish_file(&mut self) -> Result<Kept, StoreError> {
        let Some(file) = self.file.take() else { return Err(StoreError::Gone) };
        let lease = std::mem::replace(&mut self.lease, Lease::new(&self.shared.disk));
        let bodies = self.shared.bodies.clone();
        let finished = blocking(move || Kept::finish(bodies, file, lease)).await;
        finished.map_err(|error| self.cannot_write(&error))
    }
}

impl Writer for Draft {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.append(&chunk).await })
    }

    fn reader(&self) -> Arc<dyn PartialReader> {
        let (written, chunks) = (Arc::clone(&self.written), Arc::clone(&self.shared.chunks));
        Arc::new(DraftReader { written, chunks, id: self.id })
    }

    fn commit(self: Box<Self>, trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>> {
        Box::pin(self.finish(trailers))
    }
}

/// Reads a body in the making; holds on to what is there, also when it was aborted.
struct DraftReader {
    written: Arc<Mutex<Written>>,
    chunks: Arc<Chunks>,
    id: u64,
}

/// Where a reader of a draft finds what it wants.
enum Found {
    Memory(Bytes),
    File(Partial),
}

impl DraftReader {
    /// What is in memory from `offset` on, or the file it has to be read from.
    fn look(&self, offset: u64) -> Found {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if offset >= written.len() {
            return Found::Memory(Bytes::new());
        }
        match &written.file {
            Some(file) if offset < written.in_file => Found::File(file.clone()),
            _ => {
                let rest = &written.rest[(offset - written.in_file) as usize..];
                Found::Memory(Bytes::copy_from_slice(&rest[..rest.len().min(GIVEN)]))
            }
        }
    }

    async fn read_file(&self, file: Partial, offset: u64) -> Result<Bytes, BodyFault> {
        if let Some(bytes) = file.read_memory(offset) {
            return Ok(bytes);
        }
        let (number, start) = (offset / CHUNK as u64, (offset % CHUNK as u64) as usize);
        let read = move |buffer| file.chunk_into(number, buffer).map_err(BodyFault::from);
        self.chunks.get((self.id, number), start..CHUNK, read).await
    }
}

impl PartialReader for DraftReader {
    fn read_at(&self, offset: u64) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        Box::pin(async move {
            match self.look(offset) {
                Found::Memory(bytes) => Ok(bytes),
                Found::File(file) => {
                    let read = self.read_file(file, offset).await;
                    read.map_err(|error| unavailable(format!("cannot read the file of a body: {error}")))
                }
            }
        })
    }
}
