//! The handle with which a service sends 1xx responses before its reply (RFC 9110 section 15.2).

use crate::WireHead;
use crate::link::{InterimRefused, Link};
use http::StatusCode;
use millpond_exchange::Fields;
use std::sync::Arc;
use thiserror::Error;

/// Sends interim responses. Cheap to clone; usable from any task.
#[derive(Clone, Debug)]
pub struct Interim {
    link: Arc<Link>,
}

/// Why an interim response was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InterimError {
    /// The status is not 1xx, or is 101, which is a final answer on this connection.
    #[error("{0} is not an interim status")]
    NotInterim(StatusCode),
    /// The reply's head is already being sent.
    #[error("the final response has begun")]
    Late,
    /// The client does not take in what was sent before.
    #[error("too many interim responses wait to be sent")]
    Full,
}

impl Interim {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Queues an interim response with `status` and `fields`. For an HTTP/1.0 client, and for a second 100, nothing
    /// is sent (RFC 9110 section 15.2).
    ///
    /// # Errors
    /// [`InterimError`]; the exchange goes on in every case.
    pub fn send(&self, status: StatusCode, fields: &Fields) -> Result<(), InterimError> {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(InterimError::NotInterim(status));
        }
        let mut head = WireHead::new(status);
        head.copy(fields);
        let mut text = head.into_text();
        text.extend_from_slice(b"\r\n");
        self.link.push_interim(&text, status == StatusCode::CONTINUE).map_err(|refused| match refused {
            InterimRefused::Late => InterimError::Late,
            InterimRefused::Full => InterimError::Full,
        })
    }
}
