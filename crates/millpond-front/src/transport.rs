//! What a connection runs over.

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

/// A two-way byte stream under a connection.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// While `on`, closing the stream must reset it, in whatever way it comes to be closed: by [`serve_connection`], by
    /// dropping its future, by the end of the process.
    ///
    /// Asked for around content that only the end of the connection delimits (RFC 9112 section 6.3): closed in good order, half of it
    /// would pass for the whole. A stream without a reset has nothing to do.
    ///
    /// [`serve_connection`]: crate::serve_connection
    fn reset_on_close(&mut self, on: bool) {
        let _ = on;
    }
}

impl Transport for TcpStream {
    fn reset_on_close(&mut self, on: bool) {
        // SO_LINGER with no time makes a close a reset.
        let linger = on.then_some(std::time::Duration::ZERO);
        if let Err(error) = socket2::SockRef::from(&*self).set_linger(linger) {
            tracing::debug!(%error, "SO_LINGER not set");
        }
    }
}

impl Transport for DuplexStream {}

impl Transport for Box<dyn Transport> {
    fn reset_on_close(&mut self, on: bool) {
        (**self).reset_on_close(on);
    }
}
