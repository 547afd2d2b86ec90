//! The one place where errors become responses: `application/problem+json` (RFC 9457) with the request's id.

use millpond_engine::{EngineError, OriginError, OriginFault};
use millpond_exchange::{Body, BodyErrorKind, ResponseHead, StatusCode};
use millpond_policy::CacheStatus;

/// An error as a client sees it.
pub(crate) struct Problem {
    pub status: StatusCode,
    /// A short name of the kind, a token.
    pub kind: &'static str,
    /// What happened, whose fault it is, what to do.
    pub detail: String,
    /// What the cache did, where it came that far.
    pub cache_status: Option<Box<CacheStatus<'static>>>,
    /// Fields beside the usual.
    pub fields: Vec<(&'static str, String)>,
}

impl Problem {
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), cache_status: None, fields: Vec::new() }
    }

    /// The response: head and body.
    pub fn response(&self, request_id: &str) -> (ResponseHead, Body) {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = serde_json::json!({
            "type": format!("urn:millpond:problem:{}", self.kind),
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "request_id": request_id,
        });
        let mut head = ResponseHead::new(self.status);
        let standard = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")];
        let extra = self.fields.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in standard.into_iter().chain(extra) {
            if let Err(error) = head.fields.append(name, value) {
                tracing::warn!(name, %error, "field left out of a problem report");
            }
        }
        (head, Body::from_bytes(format!("{body}\n")))
    }
}

/// What strangers may read of a failure: its kind and the way out. Addresses and names of origins are for the log, so where the
/// words of the layers below may hold them, others stand in their place.
fn told(error: &OriginError) -> &str {
    match error.fault {
        OriginFault::Connect => {
            "no connection to it could be made; it is down, out of reach, or its name is unknown"
        }
        OriginFault::Tls if error.message.contains("--upstream-ca") => {
            "nobody here vouches for its TLS certificate; name its authority with --upstream-ca FILE"
        }
        OriginFault::Tls if error.message.contains("basicConstraints") => {
            "its TLS certificate is that of an authority (CA:TRUE), not one for a server; make one with \
             basicConstraints=CA:FALSE, or have the authority sign one for the server"
        }
        OriginFault::Tls => {
            "its TLS handshake failed, or its certificate is not valid for its name and this time"
        }
        _ => &error.message,
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Origin { error, status, .. }
                if matches!(error.fault, OriginFault::Refused | OriginFault::Loop) =>
            {
                let detail = format!("This target is refused: {}.", error.message);
                let looped = error.fault == OriginFault::Loop;
                let code = if looped { StatusCode::LOOP_DETECTED } else { StatusCode::FORBIDDEN };
                let kind = error.fault.as_str();
                Self { cache_status: Some(status), ..Self::new(code, kind, detail) }
            }
            EngineError::Origin { error, must_validate, status } => {
                let late = matches!(error.fault, OriginFault::Timeout | OriginFault::NoOrigin);
                // RFC 9111 section 5.2.2.2 wants 504 where must-revalidate stands between the client and what is stored.
                let code =
                    if late || must_validate { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
                let detail = format!(
                    "The origin did not answer as it should: {}. The server's log has more.",
                    told(&error)
                );
                Self { cache_status: Some(status), ..Self::new(code, error.fault.as_str(), detail) }
            }
            EngineError::Request(error) => {
                let (status, kind) = match error.kind {
                    BodyErrorKind::Timeout => (StatusCode::REQUEST_TIMEOUT, "request-body-timeout"),
                    _ => (StatusCode::BAD_REQUEST, "request-body-malformed"),
                };
                Self::new(status, kind, "The request's content did not come to its end.")
            }
            EngineError::NotCached { reason, status } => {
                let detail = format!(
                    "The request may only be answered from the cache, and it has no usable response: {}",
                    reason.explain()
                );
                Self {
                    cache_status: Some(status),
                    ..Self::new(StatusCode::GATEWAY_TIMEOUT, "not-cached", detail)
                }
            }
        }
    }
}
