//! Work that may wait for the disk, apart from the threads that answer requests.
//!
//! What must not live here: the work.

use std::io;

/// Runs `work` where it may block.
///
/// # Errors
/// What `work` says, or that it did not come to an end.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}
