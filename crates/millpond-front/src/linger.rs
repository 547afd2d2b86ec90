//! After the reply: taking in what the client still sends, so that it is not met with a reset.

use crate::Transport;
use crate::connection::Connection;
use crate::incoming::{Incoming, Piece};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

impl<IO: Transport> Connection<IO> {
    /// Reads the rest of a request body that nobody wants; false when that is too much, too slow or not possible.
    pub(crate) async fn drain_body(&mut self, incoming: &mut Incoming) -> bool {
        let deadline = Instant::now() + self.limits.linger_timeout;
        let mut left = self.limits.drain_bytes;
        poll_fn(|cx| self.poll_drain_body(incoming, &mut left, deadline, cx)).await
    }

    fn poll_drain_body(
        &mut self,
        incoming: &mut Incoming,
        left: &mut u64,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        let limits = Arc::clone(&self.limits);
        loop {
            match incoming.next(self.input(), &limits) {
                Ok(Piece::End(_)) => return Poll::Ready(true),
                Ok(Piece::Data(data)) if data.len() as u64 <= *left => *left -= data.len() as u64,
                Ok(Piece::Data(_)) | Err(_) => return Poll::Ready(false),
                Ok(Piece::More) => match self.poll_read(cx) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => {
                        ready!(self.timer.poll(cx, deadline));
                        return Poll::Ready(false);
                    }
                },
            }
        }
    }

    /// Closes our direction, then reads and throws away a bounded amount until the client closes its own (RFC 9112
    /// section 9.6): a reset sent on unread data could make the client lose the reply.
    pub(crate) async fn linger(&mut self) {
        let deadline = Instant::now() + self.limits.linger_timeout;
        let mut left = self.limits.linger_bytes;
        poll_fn(|cx| {
            // An error means that there is nobody to linger for.
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(()),
                Poll::Ready(Err(_)) => {
                    left = 0;
                    Poll::Ready(())
                }
                Poll::Pending => self.timer.poll(cx, deadline),
            }
        })
        .await;
        poll_fn(|cx| {
            while left > 0 {
                self.input().clear();
                match self.poll_read(cx) {
                    Poll::Ready(Ok(0) | Err(_)) => break,
                    Poll::Ready(Ok(read)) => left = left.saturating_sub(read as u64),
                    Poll::Pending => {
                        ready!(self.timer.poll(cx, deadline));
                        break;
                    }
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Closes our direction and leaves.
    pub(crate) async fn shut_down(&mut self) {
        let deadline = Instant::now() + self.limits.linger_timeout;
        poll_fn(|cx| match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => self.timer.poll(cx, deadline),
        })
        .await;
    }
}
