//! The way of a request from a client to the engine, told without a server.
//!
//! What must not live here: rules. Routes, guards, pass rules and what becomes of the request's fields are asked of the
//! functions that serve requests.

mod door;
mod rule;

pub use crate::upstream::through_proxy;
pub use door::{Closed, Door, way_out};
pub use rule::{Changed, Ruled};

use crate::limit::watched;
use crate::pass::pass_reason;
use crate::problem::Problem;
use crate::rewrite::{Sender, client_host, for_origin, steered};
use crate::route::{Route, RouteTable};
use crate::service::{asks_for_upgrade, find_route, last_hop, said_scheme};
use millpond_config::Config;
use millpond_engine::Exchange;
use millpond_exchange::url::normalise_path_and_query;
use millpond_exchange::{Body, Method, RequestHead, Scheme, StatusCode};
use millpond_front::TargetForm;
use thiserror::Error;

/// The identifier of the request, where an origin is asked.
const REQUEST_ID: &str = "explain";

/// A request as a route hands it to the engine.
pub struct Routed {
    /// The name of the route.
    pub route: String,
    /// The origin that is asked, `scheme://authority`.
    pub origin: String,
    /// It comes through a tunnel (CONNECT) whose TLS is opened.
    pub in_tunnel: bool,
    /// The rule of the route that decides about its path, if one does.
    pub rule: Option<Ruled>,
    /// The request for the engine.
    pub exchange: Exchange,
}

/// Why the cache never sees a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unrouted {
    /// The server answers by itself.
    #[error("{detail}")]
    Answered {
        /// The status of the answer.
        status: StatusCode,
        /// A short name of the kind of answer, as in its problem report.
        kind: &'static str,
        /// What the client is told.
        detail: String,
    },
    /// It is said within a tunnel that is passed on unread.
    #[error("{host} is reached through a tunnel (CONNECT) whose TLS is not opened: {by}")]
    Tunnelled {
        /// The host.
        host: String,
        /// What decides that.
        by: Closed,
    },
}

impl Unrouted {
    /// The status of the answer, where the server makes one.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Tunnelled { .. } => None,
        }
    }

    /// A short name of the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Answered { kind, .. } => kind,
            Self::Tunnelled { .. } => "tunnelled",
        }
    }
}

impl From<Problem> for Unrouted {
    fn from(problem: Problem) -> Self {
        let Problem { status, kind, detail, .. } = problem;
        Self::Answered { status, kind, detail }
    }
}

/// What a server with `config` makes of a request, received at `door`. For [`Door::Serve`] it comes over a connection of the
/// server's own listener, and where `trusted_proxies` are configured, from one of these; for [`Door::Forward`] its head has the
/// scheme and authority of the URL. Content is in memory.
///
/// # Errors
/// [`Unrouted`] when the cache never sees it.
pub fn routed(
    config: &Config,
    door: Door,
    received: &RequestHead,
    content: Body,
) -> Result<Routed, Unrouted> {
    let mut head = received.clone();
    head.path_and_query = normalise_path_and_query(&received.path_and_query).into_owned();
    let (table, form, in_tunnel) = match door {
        Door::Serve => {
            head.scheme = Scheme::Http;
            (RouteTable::new(config), TargetForm::Origin, false)
        }
        Door::Forward => {
            let in_tunnel = door::admitted(config, &head)?;
            (RouteTable::forwarding(config), TargetForm::Absolute, in_tunnel)
        }
    };
    let route = find_route(&table, &head, form)?;
    if let Some(answer) = last_hop(&head) {
        return Err(answer.into());
    }
    let length = content.length();
    let content = watched(content, length, route.request_body)?.body;
    let exchange = exchange(config, route, &head, content);
    let upstream = &exchange.context.upstream;
    Ok(Routed {
        route: route.name.to_string(),
        origin: format!("{}://{}", upstream.scheme, upstream.authority),
        in_tunnel,
        rule: rule::of(config, door, route, &head.path_and_query),
        exchange,
    })
}

/// As the service makes it of a request.
fn exchange(config: &Config, route: &Route, head: &RequestHead, content: Body) -> Exchange {
    // The peers of a forward proxy are its clients, who are trusted with nothing.
    let trusted = !config.trusted_proxies.is_empty() && !route.forwards;
    let client_scheme = said_scheme(head).filter(|_| trusted);
    let upgrade = asks_for_upgrade(head);
    let keys_content = route.context.keys_content(&head.method);
    let pass = pass_reason(route, head, &head.path_and_query).or_else(|| steered(head, keys_content));
    let sender = Sender {
        peer: None,
        trusted,
        scheme: client_scheme.unwrap_or(head.scheme),
        request_id: REQUEST_ID,
        accepts_trailers: false,
        has_content: content.length() != Some(0),
        keys_content,
        shareable: pass.is_none() && (keys_content || matches!(head.method, Method::GET | Method::HEAD)),
    };
    Exchange {
        head: for_origin(route, head, &sender, upgrade),
        body: content,
        context: route.context_for(head),
        pass,
        upgrade,
        client_scheme,
        client_host: client_host(route, head),
        interim: None,
    }
}
