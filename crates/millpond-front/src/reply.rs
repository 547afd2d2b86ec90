//! What a service answers.

use crate::{Upgraded, WireHead};
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, ResponseHead};
use std::fmt;

/// Takes over a connection after a 101, or a 2xx to CONNECT; the connection ends with the future.
pub type UpgradeHandler = Box<dyn FnOnce(Upgraded) -> BoxFuture<'static, ()> + Send>;

/// A final response.
///
/// Content is dropped where the protocol has none (HEAD, 204, 304). A streamed body that ends early or with an error
/// cuts the connection: the client must be able to tell. One longer than announced is cut to its length.
pub struct Reply<L> {
    /// Status and fields, in wire form.
    pub head: WireHead,
    /// The content.
    pub body: Body,
    /// For HEAD and 304: the Content-Length a GET would have had. Without it the length of a `body` that is not
    /// `Empty` counts for HEAD; a 304 announces nothing.
    pub announce: Option<u64>,
    /// Close the connection after this reply.
    pub close: bool,
    /// With status 101 (or 2xx to CONNECT): takes the connection over.
    pub upgrade: Option<UpgradeHandler>,
    /// Handed back in [`crate::Service::finished`].
    pub log: L,
}

impl<L> Reply<L> {
    /// A reply of `head` and `body`.
    pub fn new(head: impl Into<WireHead>, body: Body, log: L) -> Self {
        Self { head: head.into(), body, announce: None, close: false, upgrade: None, log }
    }

    /// A reply that hands the connection over to `handler`; `head` has status 101 and an Upgrade field, or answers
    /// CONNECT with 2xx.
    pub fn upgrade(head: &ResponseHead, handler: UpgradeHandler, log: L) -> Self {
        Self { upgrade: Some(handler), ..Self::new(head, Body::Empty, log) }
    }
}

impl<L> fmt::Debug for Reply<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.head.status())
            .field("body", &self.body)
            .field("upgrade", &self.upgrade.is_some())
            .finish_non_exhaustive()
    }
}
