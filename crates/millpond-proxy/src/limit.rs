//! The bound on request bodies.

use crate::problem::Problem;
use futures_util::StreamExt as _;
use millpond_exchange::{Body, BodyError, BodyErrorKind, Frame, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells that a body went past its bound while it was passed on.
#[derive(Clone, Default)]
pub(crate) struct Exceeded(Arc<AtomicBool>);

impl Exceeded {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that ends with an error past its bound.
pub(crate) struct Limited {
    pub body: Body,
    pub exceeded: Exceeded,
}

/// Bounds `body` to `limit` bytes; refuses at once what announces more.
pub(crate) fn limited(body: Body, announced: Option<u64>, limit: Option<u64>) -> Result<Limited, Problem> {
    let exceeded = Exceeded::default();
    let Some(limit) = limit else { return Ok(Limited { body, exceeded }) };
    match announced {
        Some(length) if length > limit => return Err(too_large()),
        Some(_) => return Ok(Limited { body, exceeded }),
        None => {}
    }
    let flag = exceeded.clone();
    let mut taken = 0u64;
    let stream = body.into_stream().map(move |frame| {
        if let Ok(Frame::Data(bytes)) = &frame {
            taken += bytes.len() as u64;
            if taken > limit {
                flag.0.store(true, Ordering::Relaxed);
                return Err(BodyError::new(BodyErrorKind::TooLarge, format!("request body over {limit} bytes")));
            }
        }
        frame
    });
    Ok(Limited { body: Body::from_stream(stream), exceeded })
}

/// 413 (RFC 9110 section 15.5.14).
pub(crate) fn too_large() -> Problem {
    let detail = "The request body is larger than limits.request_body allows.";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request-body-too-large", detail)
}
