//! A single request to a forward proxy, over a connection of its own. The pool is for origins: it names no target in full.

use super::body::Progress;
use super::client::PoolLimits;
use super::error::origin_error;
use super::message::{checked, from_hyper, to_hyper};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use millpond_engine::{OriginError, OriginFault, OriginRequest, OriginResponse, Upstream};
use millpond_exchange::Scheme;
use std::fmt::Display;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sends `request` in absolute-form (RFC 9112 section 3.2.2) to the forward proxy at `proxy`, host and port. The connection is
/// not protected: what is asked for over https is said to the proxy in the clear.
///
/// # Errors
/// What went wrong between here and the proxy.
pub async fn through_proxy(proxy: &str, request: OriginRequest) -> Result<OriginResponse, OriginError> {
    let OriginRequest { upstream, head, body, .. } = request;
    let limits = upstream.limits;
    let server = Upstream { scheme: Scheme::Http, authority: proxy.to_owned(), limits };
    let failed = |fault, error: &dyn Display| origin_error(&server, fault, error.to_string());
    let message = to_hyper(&upstream, &head, body, &Progress::new())
        .map_err(|error| failed(OriginFault::Malformed, &error))?;
    let stream = timeout(limits.connect, TcpStream::connect(with_port(proxy)))
        .await
        .map_err(|late| failed(OriginFault::Timeout, &late))?
        .map_err(|error| failed(OriginFault::Connect, &error))?;
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(OriginFault::Closed, &error))?;
    // Ends with the exchange; how it ended, the exchange tells.
    tokio::spawn(connection);
    let response = timeout(limits.first_byte, sender.send_request(message))
        .await
        .map_err(|late| failed(OriginFault::Timeout, &late))?
        .map_err(|error| failed(OriginFault::Closed, &error))?;
    checked(&response, false, PoolLimits::default())
        .map_err(|error| failed(OriginFault::Malformed, &error))?;
    Ok(from_hyper(response, &upstream, None))
}

/// The port that http has where `authority` names none (RFC 9110 section 4.2.1).
fn with_port(authority: &str) -> String {
    match authority.rsplit_once(':') {
        Some((_, port)) if !port.contains(']') => authority.to_owned(),
        _ => format!("{authority}:{}", Scheme::Http.default_port()),
    }
}
