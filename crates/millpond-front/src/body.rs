//! The request body as the service sees it.

use crate::link::Link;
use futures_core::Stream;
use millpond_exchange::{BodyError, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Pulls frames through the link; nothing is read from the socket before it is polled. Usable from any task.
pub(crate) struct RequestBody {
    link: Arc<Link>,
}

impl RequestBody {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

impl Stream for RequestBody {
    type Item = Result<Frame, BodyError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.link.poll_frame(cx)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.link.abandon();
    }
}
