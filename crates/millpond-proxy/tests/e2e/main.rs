//! The proxy end to end: real sockets, origins that misbehave on purpose, a clock that only the test moves.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod access_log;
mod companions;
mod connections;
mod exchange;
mod forward;
mod forwarding;
mod hostile;
mod hostile_http2;
mod hostile_http2_rows;
mod hostile_rows;
mod http2;
mod http2_origins;
mod methods;
mod parts;
mod replies;
mod routing;
mod rules;
mod smuggling;
mod standards;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod unkeyed;

/// The malformed requests of the front's own suite, each sent through the proxy.
#[path = "../../../millpond-front/tests/framing/rows.rs"]
mod rows;

/// What the tests of `rows` call.
pub(crate) fn check(row: &'static rows::Row) -> std::future::Ready<()> {
    smuggling::check(row);
    std::future::ready(())
}
