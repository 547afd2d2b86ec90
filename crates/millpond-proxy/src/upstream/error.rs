//! hyper's errors in our words.

use millpond_engine::{OriginError, OriginFault, Upstream};
use std::error::Error;
use std::io;

/// Says what a failed request means: whose fault, and which phase.
pub(super) fn classify(upstream: &Upstream, error: &hyper_util::client::legacy::Error) -> OriginError {
    let fault = fault_of(error);
    origin_error(upstream, fault, describe(error))
}

/// An [`OriginError`] about `upstream`.
pub(super) fn origin_error(upstream: &Upstream, fault: OriginFault, message: String) -> OriginError {
    OriginError { fault, upstream: format!("{}://{}", upstream.scheme, upstream.authority), message }
}

fn fault_of(error: &hyper_util::client::legacy::Error) -> OriginFault {
    for cause in chain(error) {
        if cause.downcast_ref::<rustls::Error>().is_some() {
            return OriginFault::Tls;
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if io.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some()) {
                return OriginFault::Tls;
            }
            if io.kind() == io::ErrorKind::TimedOut {
                return OriginFault::Timeout;
            }
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return OriginFault::Malformed;
        }
    }
    if error.is_connect() { OriginFault::Connect } else { OriginFault::Closed }
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
