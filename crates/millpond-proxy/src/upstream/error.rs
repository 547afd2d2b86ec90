//! hyper's errors in our words.

use crate::forward::{DialError, Refused};
use hyper_util::client::legacy::connect::Connected;
use millpond_engine::{OriginError, OriginFault, Upstream};
use std::error::Error;
use std::io;

/// Says what a failed request means: whose fault, and which phase.
pub(super) fn classify(upstream: &Upstream, error: &hyper_util::client::legacy::Error) -> OriginError {
    if let Some(refused) = chain(error).find_map(|cause| cause.downcast_ref::<Refused>()) {
        let fault = if *refused == Refused::Ourselves { OriginFault::Loop } else { OriginFault::Refused };
        return origin_error(upstream, fault, refused.to_string());
    }
    let mut message = describe(error);
    if let Some(way_out) = chain(error).find_map(tls_error).and_then(way_out) {
        message.push_str(way_out);
    }
    origin_error(upstream, fault_of(error), message)
}

/// What whoever runs the server can do about `error`.
fn way_out(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => Some(
            " (TLS: nobody here vouches for its certificate; name its authority with --upstream-ca FILE)",
        ),
        // The verifier's own error, for which rustls has no name.
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            Some(
                " (TLS: its certificate is that of an authority, basicConstraints=CA:TRUE, which no server may show as its own; \
                 make one with basicConstraints=CA:FALSE, or have the authority sign one for the server)",
            )
        }
        _ => None,
    }
}

/// The TLS error that `cause` is, or wraps: the layers below put it into an [`io::Error`], some of them twice.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = cause;
    loop {
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        cause = cause.downcast_ref::<io::Error>()?.get_ref()?;
    }
}

/// An [`OriginError`] about `upstream`.
pub(super) fn origin_error(upstream: &Upstream, fault: OriginFault, message: String) -> OriginError {
    OriginError { fault, upstream: format!("{}://{}", upstream.scheme, upstream.authority), message }
}

fn fault_of(error: &hyper_util::client::legacy::Error) -> OriginFault {
    for cause in chain(error) {
        if tls_error(cause).is_some() {
            return OriginFault::Tls;
        }
        if cause.downcast_ref::<DialError>().is_some_and(DialError::is_unresolved) {
            return OriginFault::Timeout;
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
            return OriginFault::Timeout;
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout) {
            return OriginFault::Timeout;
        }
        if is_malformed_in_itself(cause) {
            return OriginFault::Malformed;
        }
    }
    if error.is_connect() { OriginFault::Connect } else { OriginFault::Closed }
}

/// What came was not HTTP, in either version of it.
pub(super) fn is_malformed(error: &hyper::Error) -> bool {
    chain(error).any(is_malformed_in_itself)
}

fn is_malformed_in_itself(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
        // Found out here: what the origin reports about us it sends as a reset or a GOAWAY of its own.
        || cause.downcast_ref::<h2::Error>().is_some_and(h2::Error::is_library)
}

/// True when the origin has said, or it is known here, that it did nothing about the request, so that it may be sent again whatever it
/// asks for (RFC 9113 section 8.7).
pub(super) fn is_unprocessed(error: &hyper_util::client::legacy::Error) -> bool {
    let http2 = error.connect_info().is_some_and(Connected::is_negotiated_h2);
    chain(error).any(|cause| {
        let refused = cause.downcast_ref::<h2::Error>().is_some_and(|error| {
            let reset = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            // `h2` tells those streams alone of a GOAWAY that lie beyond the last one that it names.
            error.is_remote() && (reset || error.is_go_away())
        });
        // Not sent, since the connection was closing by then.
        refused || http2 && cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
    })
}

/// True when the origin ended this exchange alone: its connection is sound.
pub(super) fn is_reset(error: &hyper_util::client::legacy::Error) -> bool {
    chain(error).any(|cause| cause.downcast_ref::<h2::Error>().is_some_and(h2::Error::is_reset))
}

/// The whole chain of causes in one line.
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if parts.last().is_none_or(|last| !last.ends_with(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}
