//! Looking a request up on tapes: off the worker where that takes long.

use millpond_recorder::{Asked, Found, Miss, MissReason, Tapes};
use millpond_tape::Content;
use std::sync::Arc;

/// Content up to this size that is in memory is hashed by the worker itself, bytes.
const AT_ONCE: u64 = 256 * 1024;

/// What tapes have for `asked`.
pub(super) async fn find(tapes: &Arc<Tapes>, asked: &Asked<'_>) -> Found {
    if !takes_long(asked) {
        return tapes.find(asked);
    }
    let found = elsewhere(tapes, asked, Tapes::find).await;
    found.unwrap_or(Found::Miss(MissReason::Unreadable))
}

/// Tells that no tape answers `asked`, and what is nearest to it: that looks through all of them. `None` only when the server
/// stops at this moment.
pub(super) async fn miss(tapes: &Arc<Tapes>, asked: &Asked<'_>, reason: MissReason) -> Option<Miss> {
    elsewhere(tapes, asked, move |tapes, asked| tapes.miss(asked, reason)).await
}

fn takes_long(asked: &Asked<'_>) -> bool {
    match &asked.content {
        Some(Content::Memory(bytes)) => bytes.len() as u64 > AT_ONCE,
        Some(Content::Held { .. }) => true,
        None => false,
    }
}

/// Does `work` on a thread that may block; `None` when it came to no end.
async fn elsewhere<T: Send + 'static>(
    tapes: &Arc<Tapes>,
    asked: &Asked<'_>,
    work: impl FnOnce(&Tapes, &Asked<'_>) -> T + Send + 'static,
) -> Option<T> {
    let tapes = Arc::clone(tapes);
    let Asked { head, host, port, absolute, ref content } = *asked;
    let (head, host, content) = (head.clone(), host.to_owned(), content.clone());
    let work = move || work(&tapes, &Asked { head: &head, host: &host, port, absolute, content });
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|error| tracing::error!(%error, "a request was not looked up to the end")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millpond_exchange::{RequestHead, Timestamp};
    use millpond_recorder::{Mode, TapeOptions};
    use millpond_tape::ReadAt;
    use std::io;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::time::Duration;

    /// Cannot be read before the other end is dropped.
    struct Gated(Mutex<Receiver<()>>);

    impl ReadAt for Gated {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            if offset == 0 {
                let waited = self.0.lock().unwrap().recv_timeout(Duration::from_secs(10));
                if waited == Err(RecvTimeoutError::Timeout) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Bytes::from_static(b"content").read_at(buf, offset)
        }

        fn len(&self) -> io::Result<u64> {
            Ok(7)
        }
    }

    #[tokio::test]
    async fn content_that_takes_long_to_read_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let options = TapeOptions::new(dir.path(), Mode::ReadOnly);
        let tapes = Tapes::open(options, Timestamp::from_secs(0)).unwrap();
        let head = RequestHead::get("a.example", "/");
        let (open, gate) = channel::<()>();
        let mut asked = Asked::new(&head, None);
        asked.content = Some(Content::raw(Arc::new(Gated(Mutex::new(gate))), 0, 7));
        // On the one thread there is, this goes on only when the look-up has left it.
        let (found, ()) = tokio::join!(find(&tapes, &asked), async move { drop(open) });
        assert!(matches!(found, Found::Miss(MissReason::Unknown)), "{found:?}");
    }
}
