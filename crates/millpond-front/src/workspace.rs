//! Buffers kept per thread, so that an idle connection holds none and a hit allocates none.

use crate::Request;
use bytes::BytesMut;
use std::cell::RefCell;
use std::thread::LocalKey;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Buffers of each kind kept for reuse by each thread.
const KEPT: usize = 32;
/// A larger buffer than this goes back to the allocator.
const LARGEST: usize = 32 * 1024;
/// Output of an HTTP/2 connection that is gathered before it is written.
pub(crate) const OUTPUT: usize = 128 * 1024;
/// Buffers for that kept by each thread: they are needed only between two writes, or while a client takes nothing.
const OUTPUTS_KEPT: usize = 8;
/// What one read asks for.
const READ: usize = 16 * 1024;
/// With less room than this the buffer is moved or grown before a read.
const ROOM: usize = 4 * 1024;

thread_local! {
    static HEADS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static OUTPUTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    // Boxed: a workspace is handed from the pool to a connection and back at every request.
    #[expect(clippy::vec_box, reason = "moved between owners as a pointer")]
    static WORKSPACES: RefCell<Vec<Box<Workspace>>> = const { RefCell::new(Vec::new()) };
}

/// What a connection needs while a request is on its way.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Bytes read and not yet taken.
    pub(crate) input: BytesMut,
    /// The request being read; its buffers are used again for the next.
    pub(crate) request: Request,
}

impl Workspace {
    /// One of the pool, with nothing in it.
    pub(crate) fn take() -> Box<Self> {
        WORKSPACES.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            Box::new(Self { input: BytesMut::with_capacity(READ), request: Request::blank() })
        })
    }

    /// Back to the pool, the content forgotten.
    pub(crate) fn give(mut self: Box<Self>) {
        self.input.clear();
        if self.input.capacity() > LARGEST || self.request.head.fields.memory() > LARGEST {
            return;
        }
        let _ = WORKSPACES.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(self);
            }
        });
    }

    /// Reads once; 0 at the end of the stream.
    pub(crate) fn poll_read<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<usize>> {
        if self.input.capacity() - self.input.len() < ROOM {
            self.input.reserve(READ);
        }
        let read = std::pin::pin!(io.read_buf(&mut self.input));
        std::future::Future::poll(read, cx)
    }
}

/// An empty buffer for a response head.
pub(crate) fn take_vec() -> Vec<u8> {
    HEADS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(1024))
}

/// Keeps `buffer` for later.
pub(crate) fn give_vec(buffer: Vec<u8>) {
    give(&HEADS, buffer, LARGEST, KEPT);
}

/// An empty buffer for output that is gathered.
pub(crate) fn take_output() -> Vec<u8> {
    OUTPUTS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(READ))
}

/// Keeps `buffer` for later.
pub(crate) fn give_output(buffer: Vec<u8>) {
    give(&OUTPUTS, buffer, OUTPUT, OUTPUTS_KEPT);
}

fn give(pool: &'static LocalKey<RefCell<Vec<Vec<u8>>>>, mut buffer: Vec<u8>, largest: usize, kept: usize) {
    if buffer.capacity() == 0 || buffer.capacity() > largest {
        return;
    }
    buffer.clear();
    // `try_with`: a buffer may be dropped while the thread ends.
    let _ = pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < kept {
            pool.push(buffer);
        }
    });
}
