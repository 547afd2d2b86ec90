//! Requests that are not answered by the service, each with its reason, and the reply they get.

use crate::WireHead;
use http::StatusCode;
use thiserror::Error;

/// Why the front answered a request itself, always with an error; over HTTP/1.1 also with a close.
///
/// The text of each is safe to show: it repeats nothing the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// The request line is not `method SP target SP version CRLF` (RFC 9112 section 3).
    #[error("the request line is malformed")]
    RequestLine,
    /// A line ends in LF without CR; RFC 9112 section 2.2 lets a recipient accept it, and smugglers count on it.
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    /// Whitespace before the colon, an empty or invalid name, a folded line, a control byte (RFC 9112 section 5).
    #[error("a field line is malformed")]
    FieldLine,
    /// The target has bytes that no URI has, or a form that does not go with the method (RFC 9112 section 3.2).
    #[error("the request target is malformed")]
    Target,
    /// Host is missing, repeated or not a host (RFC 9112 section 3.2).
    #[error("the Host field is missing, repeated or malformed")]
    Host,
    /// Content-Length is repeated or not a number (RFC 9112 section 6.3).
    #[error("the Content-Length field is repeated or malformed")]
    ContentLength,
    /// Transfer-Encoding does not end in one `chunked`, or the client is HTTP/1.0 (RFC 9112 section 6.1).
    #[error("the Transfer-Encoding field is malformed")]
    TransferEncoding,
    /// Content-Length together with Transfer-Encoding (RFC 9112 section 6.1).
    #[error("both Content-Length and Transfer-Encoding are present")]
    TwoFramings,
    /// CONNECT with a body, which has no meaning (RFC 9110 section 9.3.6).
    #[error("a CONNECT request announces content")]
    ConnectBody,
    /// A transfer coding other than chunked (RFC 9112 section 6.1).
    #[error("only the chunked transfer coding is understood")]
    Coding,
    /// The head is larger, or has more fields, than the limits allow.
    #[error("the request head is too large")]
    HeadTooLarge,
    /// The target is longer than the limits allow.
    #[error("the request target is too long")]
    TargetTooLong,
    /// An expectation other than 100-continue (RFC 9110 section 10.1.1).
    #[error("the expectation cannot be met")]
    Expectation,
    /// A request line of HTTP/2 or later, or of a version before 1.0.
    #[error("this HTTP version is not spoken here")]
    Version,
    /// The head did not arrive in time.
    #[error("the request head did not arrive in time")]
    HeadTimeout,
    /// CONNECT over HTTP/2 (RFC 9113 section 8.5), which is not offered: a stream is no connection to hand over.
    #[error("tunnels are not opened over HTTP/2")]
    Tunnel,
    /// An HTTP/2 frame that violates the protocol; the connection ends with a GOAWAY (RFC 9113 section 5.4.1).
    #[error("the HTTP/2 framing is violated")]
    Frame,
    /// More frames without a message, or more resets, than the limits allow; the connection ends with ENHANCE_YOUR_CALM.
    #[error("too many HTTP/2 control frames")]
    Flood,
    /// The service answered with something that cannot be sent, such as a 1xx as the final response.
    #[error("the reply could not be sent")]
    BadReply,
}

impl Refusal {
    /// The status the client gets.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Coding | Self::Tunnel => StatusCode::NOT_IMPLEMENTED,
            Self::Flood => StatusCode::TOO_MANY_REQUESTS,
            Self::BadReply => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// A short stable name, for logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestLine => "request-line",
            Self::BareLineFeed => "bare-line-feed",
            Self::FieldLine => "field-line",
            Self::Target => "target",
            Self::Host => "host",
            Self::ContentLength => "content-length",
            Self::TransferEncoding => "transfer-encoding",
            Self::TwoFramings => "two-framings",
            Self::ConnectBody => "connect-body",
            Self::Coding => "coding",
            Self::HeadTooLarge => "head-too-large",
            Self::TargetTooLong => "target-too-long",
            Self::Expectation => "expectation",
            Self::Version => "version",
            Self::HeadTimeout => "head-timeout",
            Self::Tunnel => "tunnel",
            Self::Frame => "frame",
            Self::Flood => "flood",
            Self::BadReply => "bad-reply",
        }
    }

    /// The head of the answer, and its content.
    pub(crate) fn answer(self, request_id: Option<&str>) -> (WireHead, String) {
        let mut head = WireHead::new(self.status());
        // A constant, and valid. An identifier that cannot be sent is left out; the service's own are no such.
        let _ = head.push("Content-Type", "application/problem+json");
        if let Some(id) = request_id {
            let _ = head.push("X-Request-Id", id);
        }
        (head, self.problem(request_id))
    }

    /// The problem document (RFC 9457) that explains it.
    fn problem(self, request_id: Option<&str>) -> String {
        let (status, title) = (self.status(), self.status().canonical_reason().unwrap_or("Error"));
        let mut text = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{},\"detail\":\"{self}\"",
            status.as_u16()
        );
        if let Some(id) = request_id {
            // The identifier is the service's own; quoting is for the case that it is not.
            text.push_str(",\"request_id\":\"");
            text.extend(id.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\'));
            text.push('"');
        }
        text.push_str("}\n");
        text
    }
}
