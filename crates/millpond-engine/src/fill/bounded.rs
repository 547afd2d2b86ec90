//! A route's own bound on what is stored, over that of the store.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use millpond_exchange::Fields;
use millpond_store::{Entry, PartialReader, StoreError, Writer};
use std::sync::Arc;

/// `writer`, which takes at most `limit` bytes.
///
/// # Errors
/// [`StoreError::TooLarge`] when more is announced.
pub(super) fn bounded(
    writer: Box<dyn Writer>,
    announced: Option<u64>,
    limit: Option<u64>,
) -> Result<Box<dyn Writer>, StoreError> {
    let Some(limit) = limit else { return Ok(writer) };
    match announced {
        Some(size) if size > limit => Err(StoreError::TooLarge { size, limit }),
        // The fill ends a body that outgrows its announced length.
        Some(_) => Ok(writer),
        None => Ok(Box::new(Bounded { inner: writer, limit, size: 0 })),
    }
}

struct Bounded {
    inner: Box<dyn Writer>,
    limit: u64,
    size: u64,
}

impl Writer for Bounded {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        let size = self.size + chunk.len() as u64;
        if size > self.limit {
            return Box::pin(std::future::ready(Err(StoreError::TooLarge { size, limit: self.limit })));
        }
        self.size = size;
        self.inner.write(chunk)
    }

    fn reader(&self) -> Arc<dyn PartialReader> {
        self.inner.reader()
    }

    fn commit(self: Box<Self>, trailers: Fields) -> BoxFuture<'static, Result<Arc<Entry>, StoreError>> {
        self.inner.commit(trailers)
    }
}
