//! The way of a request from a client to the engine, told without a server.
//!
//! What must not live here: rules. Routes, pass rules and what becomes of the request's fields are asked of the functions that
//! serve requests.

use crate::pass::pass_reason;
use crate::rewrite::{Sender, for_origin, steered};
use crate::route::{NoRoute, RouteTable};
use crate::service::{asks_for_upgrade, said_scheme};
use millpond_config::Config;
use millpond_engine::Exchange;
use millpond_exchange::url::normalise_path_and_query;
use millpond_exchange::{Body, Method, RequestHead, Scheme, StatusCode};
use thiserror::Error;

/// The identifier of the request, where an origin is asked.
const REQUEST_ID: &str = "explain";

/// A request as a route hands it to the engine.
pub struct Routed {
    /// The name of the route.
    pub route: String,
    /// The origin of the route, `scheme://authority`.
    pub origin: String,
    /// The request for the engine.
    pub exchange: Exchange,
}

/// Why no route takes a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unrouted {
    /// No route serves this host.
    #[error("no route is configured for the host {0:?}")]
    Host(String),
    /// A route serves the host, but none the path.
    #[error("no route is configured for this path")]
    Path,
    /// The method is never forwarded.
    #[error("the method {0} is not forwarded")]
    Method(Method),
}

impl Unrouted {
    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

/// What a server with `config` makes of a request without content, received over a connection of its own listener. Where
/// `trusted_proxies` are configured, it counts as coming from one.
///
/// # Errors
/// [`Unrouted`] when no route takes it.
pub fn routed(config: &Config, received: &RequestHead) -> Result<Routed, Unrouted> {
    let mut head = RequestHead { scheme: Scheme::Http, ..received.clone() };
    head.path_and_query = normalise_path_and_query(&received.path_and_query).into_owned();
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(Unrouted::Method(head.method));
    }
    let table = RouteTable::new(config);
    let route = table.find(&head.authority, &head.path_and_query).map_err(|none| match none {
        NoRoute::Host => Unrouted::Host(head.authority.clone()),
        NoRoute::Path => Unrouted::Path,
    })?;
    let trusted = !config.trusted_proxies.is_empty();
    let client_scheme = said_scheme(&head).filter(|_| trusted);
    let upgrade = asks_for_upgrade(&head);
    let keys_content = route.context.keys_content(&head.method);
    let pass =
        pass_reason(route, &head, &head.path_and_query).or_else(|| steered(route, &head, keys_content));
    let sender = Sender {
        peer: None,
        trusted,
        scheme: client_scheme.unwrap_or(head.scheme),
        request_id: REQUEST_ID,
        accepts_trailers: false,
        has_content: false,
        keys_content,
        shareable: pass.is_none() && (keys_content || matches!(head.method, Method::GET | Method::HEAD)),
    };
    let exchange = Exchange {
        head: for_origin(route, &head, &sender, upgrade),
        body: Body::Empty,
        context: route.context_for(&head),
        pass,
        upgrade,
        client_scheme,
        interim: None,
    };
    let upstream = &route.context.upstream;
    let origin = format!("{}://{}", upstream.scheme, upstream.authority);
    Ok(Routed { route: route.name.to_string(), origin, exchange })
}
