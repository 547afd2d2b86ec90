//! Request bodies on their way: the bound on their size, and what was wrong with one that did not come to its end.

use crate::problem::Problem;
use futures_util::StreamExt as _;
use millpond_exchange::{Body, BodyError, BodyErrorKind, Frame, StatusCode};
use std::sync::{Arc, OnceLock};

/// Tells why a body ended before its end while it was passed on: then the exchange failed through the client, not the origin.
#[derive(Clone, Default)]
pub(crate) struct BodyFault(Arc<OnceLock<BodyErrorKind>>);

impl BodyFault {
    /// The report for the client, if its body is what failed.
    pub fn problem(&self) -> Option<Problem> {
        let (status, kind, detail) = match self.0.get()? {
            BodyErrorKind::TooLarge => return Some(too_large()),
            BodyErrorKind::Timeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request-body-timeout",
                "The request body did not come to its end in time.",
            ),
            _ => (
                StatusCode::BAD_REQUEST,
                "request-body-malformed",
                "The request body is not framed as HTTP demands.",
            ),
        };
        Some(Problem::new(status, kind, detail))
    }
}

/// A body that is watched while it passes.
pub(crate) struct Watched {
    pub body: Body,
    pub fault: BodyFault,
}

/// Bounds `body` to `limit` bytes and watches for its errors; refuses at once what announces more.
pub(crate) fn watched(body: Body, announced: Option<u64>, limit: Option<u64>) -> Result<Watched, Problem> {
    let fault = BodyFault::default();
    if announced.zip(limit).is_some_and(|(length, limit)| length > limit) {
        return Err(too_large());
    }
    let Body::Stream { stream, length } = body else { return Ok(Watched { body, fault }) };
    let noted = fault.clone();
    let mut taken = 0u64;
    let stream = stream.map(move |frame| {
        let frame = frame.and_then(|frame| within(frame, &mut taken, limit));
        if let Err(error) = &frame {
            // Only the first error counts.
            let _ = noted.0.set(error.kind);
        }
        frame
    });
    Ok(Watched { body: Body::Stream { stream: Box::pin(stream), length }, fault })
}

fn within(frame: Frame, taken: &mut u64, limit: Option<u64>) -> Result<Frame, BodyError> {
    if let (Frame::Data(bytes), Some(limit)) = (&frame, limit) {
        *taken += bytes.len() as u64;
        if *taken > limit {
            return Err(BodyError::new(BodyErrorKind::TooLarge, format!("request body over {limit} bytes")));
        }
    }
    Ok(frame)
}

/// 413 (RFC 9110 section 15.5.14).
pub(crate) fn too_large() -> Problem {
    let detail = "The request body is larger than limits.request_body allows.";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request-body-too-large", detail)
}
