//! Reading chunks of body files: by a few threads at a time, once for all who want the same chunk, and with a bound on what
//! readers hold.
//!
//! What must not live here: what a file looks like (`bodies`).

use crate::blocking::blocking;
use crate::bodies::BodyFault;
use bytes::Bytes;
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Semaphore;

/// How many files are opened or chunks read at a time. Each thread that reads has an allocator's heap of its own, which keeps
/// what it once took: a thread for every reader would hold many times what they read.
const AT_A_TIME: usize = 4;
/// How many of the chunks lately read are remembered: 2 MiB. Readers of one body mostly follow each other closely.
const REMEMBERED: usize = 8;
/// Bytes of chunks that readers may hold together before each gets small copies instead. Slow readers keep what they were
/// given, and there may be thousands of them.
const HELD_AT_MOST: u64 = 16 << 20;
/// How many buffers wait for the next chunks: memory that one thread takes and another gives back stays with the former's
/// heap, and would have to be got from the system again and again.
const SPARE: usize = 2 * AT_A_TIME;
/// What a reader is given then, bytes; the chunk is read again for the next piece, unless it is remembered.
const SMALL: usize = 16 << 10;

/// A chunk: the id of its entry, and its number.
pub(crate) type Name = (u64, u64);

/// The chunks that somebody holds, and the turns to read more.
#[derive(Debug)]
pub(crate) struct Chunks {
    turns: Semaphore,
    live: Mutex<Live>,
    memory: Arc<Memory>,
}

#[derive(Debug, Default)]
struct Live {
    recent: VecDeque<Chunk>,
    all: HashMap<Name, Weak<Held>, RandomState>,
    /// How many names there are when those that nobody holds are forgotten.
    clear_at: usize,
}

/// What chunks take.
#[derive(Debug, Default)]
struct Memory {
    /// Bytes that somebody holds.
    held: AtomicU64,
    /// Buffers for the next chunks.
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Memory {
    fn buffer(&self) -> Vec<u8> {
        lock(&self.spare).pop().unwrap_or_default()
    }
}

/// The content of a chunk, shared by its readers.
type Chunk = Arc<Held>;

/// Content that counts while anybody holds it.
#[derive(Debug)]
struct Held {
    content: Vec<u8>,
    memory: Arc<Memory>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.content.len() as u64, Ordering::Relaxed);
        let mut spare = lock(&self.memory.spare);
        if spare.len() < SPARE {
            spare.push(mem::take(&mut self.content));
        }
    }
}

/// What a reader holds of a chunk.
struct Share(Chunk);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.0.content
    }
}

impl Default for Chunks {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_A_TIME), live: Mutex::default(), memory: Arc::default() }
    }
}

impl Chunks {
    /// The bytes `part` of the chunk `name`, or the first of them: at least one, where `part` is not empty and within the
    /// chunk. Where nobody holds the chunk, `read` brings it.
    ///
    /// # Errors
    /// What `read` says.
    pub(crate) async fn get(
        &self,
        name: Name,
        part: Range<usize>,
        read: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, BodyFault> + Send + 'static,
    ) -> Result<Bytes, BodyFault> {
        let chunk = match self.find(name) {
            Some(chunk) => chunk,
            None => self.read(name, read).await?,
        };
        let length = chunk.content.len();
        let part = part.start.min(length)..part.end.min(length);
        if self.memory.held.load(Ordering::Relaxed) > HELD_AT_MOST {
            let end = part.end.min(part.start + SMALL);
            return Ok(Bytes::copy_from_slice(&chunk.content[part.start..end]));
        }
        Ok(Bytes::from_owner(Share(chunk)).slice(part))
    }

    /// Runs `work` on the files when it is its turn.
    ///
    /// # Errors
    /// What `work` says.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BodyFault> + Send + 'static,
    ) -> Result<T, BodyFault> {
        // Nobody closes the semaphore.
        let _turn = self.turns.acquire().await;
        blocking(work).await
    }

    async fn read(
        &self,
        name: Name,
        read: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, BodyFault> + Send + 'static,
    ) -> Result<Chunk, BodyFault> {
        // Nobody closes the semaphore.
        let _turn = self.turns.acquire().await;
        // Another reader may have had its turn in between.
        if let Some(chunk) = self.find(name) {
            return Ok(chunk);
        }
        let buffer = self.memory.buffer();
        let content = blocking(move || read(buffer)).await?;
        self.memory.held.fetch_add(content.len() as u64, Ordering::Relaxed);
        let chunk = Arc::new(Held { content, memory: Arc::clone(&self.memory) });
        let mut live = lock(&self.live);
        if live.all.len() >= live.clear_at {
            live.all.retain(|_, chunk| chunk.strong_count() > 0);
            live.clear_at = (2 * live.all.len()).max(4 * REMEMBERED);
        }
        live.all.insert(name, Arc::downgrade(&chunk));
        let kept = live.recent.len().min(REMEMBERED - 1);
        // Dropped when the lock is released: what nobody else holds gives its buffer back.
        let old = live.recent.split_off(kept);
        live.recent.push_front(Arc::clone(&chunk));
        drop((live, old));
        Ok(chunk)
    }

    fn find(&self, name: Name) -> Option<Chunk> {
        let mut live = lock(&self.live);
        let found = live.all.get(&name).map(Weak::upgrade)?;
        if found.is_none() {
            live.all.remove(&name);
        }
        found
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as a reader of files says it")]
    fn chunk(fill: u8) -> Result<Vec<u8>, BodyFault> {
        Ok(vec![fill; 256 << 10])
    }

    #[tokio::test]
    async fn a_chunk_that_somebody_holds_is_not_read_again() {
        let chunks = Chunks::default();
        let first = chunks.get((1, 0), 0..4, |_| chunk(1)).await.unwrap();
        let again = chunks.get((1, 0), 2..6, |_| panic!("it is held")).await.unwrap();
        assert_eq!((&first[..], again.len()), (&[1u8; 4][..], 4));
        for number in 1..=REMEMBERED as u64 {
            chunks.get((1, number), 0..1, |_| chunk(2)).await.unwrap();
        }
        chunks.get((1, 0), 0..1, |_| panic!("no longer remembered, but held")).await.unwrap();
        drop((first, again));
        assert_eq!(chunks.get((1, 0), 0..1, |_| chunk(3)).await.unwrap()[0], 3, "nobody had it any more");
    }

    #[tokio::test]
    async fn readers_hold_no_more_than_they_may() {
        let chunks = Chunks::default();
        let mut pieces = Vec::new();
        for number in 0..1_000 {
            let piece = chunks.get((1, number), 0..256 << 10, |_| chunk(7)).await.unwrap();
            assert!(!piece.is_empty());
            pieces.push(piece);
        }
        let held = chunks.memory.held.load(Ordering::Relaxed);
        assert!(held <= HELD_AT_MOST + (REMEMBERED as u64 + 1) * (256 << 10), "{held}");
        let small = pieces.iter().filter(|piece| piece.len() == SMALL).count();
        assert!(small > 800, "{small} of them are copies");
        drop(pieces);
        assert!(lock(&chunks.live).all.len() < 1_100);
        let piece = chunks.get((2, 0), 0..256 << 10, |_| chunk(7)).await.unwrap();
        assert_eq!(piece.len(), 256 << 10, "there is room again");
    }
}
