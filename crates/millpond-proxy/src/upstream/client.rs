//! The pool of connections to origins: one per worker, one client per upstream.

use super::body::{Outgoing, Progress};
use super::connector::FixedConnector;
use super::counted::mark_served;
use super::dial::Dial;
use super::error::origin_error;
use super::lanes::{EXCHANGES, Lanes, OnLane};
use super::message::{checked, from_hyper, listen_for_interim, to_hyper, without_ours};
use super::places::{Held, Place, Places};
use super::repeat::{Again, Failed};
use super::tls::{Alpn, UpstreamTls};
use crate::forward::{Dialer, Names, without_dot};
use futures_util::future::BoxFuture;
use http::{Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use millpond_engine::{
    FetchLimits, InterimSink, Origin, OriginError, OriginFault, OriginRequest, OriginResponse, Upstream,
};
use millpond_exchange::{Body, RequestHead};
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// hyper's read buffer may not be smaller, bytes.
const LEAST_BUFFER: usize = 8 * 1024;

/// The least time for an answer to a PING.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// What an origin may send of one HTTP/2 response before anybody reads it, bytes (RFC 9113 section 5.2). The window of a connection
/// has room for that of every exchange on it: a response that is read slowly, or not at all, holds up no other.
const STREAM_WINDOW: u32 = 512 * 1024;

pub(super) type HyperClient = Client<FixedConnector, Outgoing>;

/// Bounds on the connections to one upstream.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Unused connections kept open, for each worker.
    pub idle: usize,
    /// How long an unused connection is kept open.
    pub idle_timeout: Duration,
    /// The largest response head, bytes.
    pub head_bytes: usize,
    /// The most fields in a response head.
    pub head_fields: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { idle: 64, idle_timeout: Duration::from_secs(60), head_bytes: 64 * 1024, head_fields: 128 }
    }
}

/// Clients of one upstream: the usual one, and one that speaks HTTP/1.1 alone for requests that switch protocols.
struct Clients {
    any: Lanes,
    /// Made when it is needed: hardly any upstream is asked to switch protocols.
    http1: OnceLock<HyperClient>,
    target: Uri,
}

/// Over which connections a request goes.
struct Way {
    client: HyperClient,
    /// Held to the end of the exchange, where several exchanges share a connection.
    lane: Option<OnLane>,
    clients: Arc<Clients>,
}

/// Connections to origins, kept alive and shared by the requests of one worker.
pub struct UpstreamPool {
    tls: UpstreamTls,
    limits: PoolLimits,
    places: Places,
    dial: Dial,
    clients: Kept,
    /// Responses keep all of their fields.
    verbatim: bool,
}

/// The clients of the upstreams asked of late.
enum Kept {
    /// Those of every upstream: there are as many as the configuration names.
    All(Mutex<HashMap<ClientKey, Arc<Clients>>>),
    /// Those of a bounded number of upstreams, where clients think of these. With the others their unused connections go.
    Some(Cache<ClientKey, Arc<Clients>>),
}

/// URL of the upstream, and the connect timeout: routes to one origin may differ in it, and the connector holds it.
type ClientKey = (String, Duration);

/// Upstreams whose connections a worker keeps, where clients choose them.
const UPSTREAMS: usize = 1024;

impl UpstreamPool {
    /// An empty pool that trusts what `tls` trusts, with the usual limits.
    pub fn new(tls: UpstreamTls) -> Self {
        Self::with_limits(tls, PoolLimits::default(), Places::unlimited())
    }

    /// An empty pool; `places` bounds the exchanges under way and is shared by all workers.
    pub fn with_limits(tls: UpstreamTls, limits: PoolLimits, places: Places) -> Self {
        let clients = Kept::All(Mutex::default());
        Self { tls, limits, places, dial: Dial::configured(Names::system()), clients, verbatim: false }
    }

    /// The same, names being looked up with `names`, which may be shared with others.
    pub(crate) fn resolving(self, names: Names) -> Self {
        Self { dial: Dial::configured(names), ..self }
    }

    /// The same for upstreams that clients choose: connections are made by `dialer`, which checks each, and only those of a bounded
    /// number of upstreams are kept.
    pub(crate) fn dialing(self, dialer: Arc<Dialer>) -> Self {
        Self { dial: Dial::Guarded(dialer), clients: Kept::Some(Cache::new(UPSTREAMS)), ..self }
    }

    /// The same for recordings: responses keep the fields in which this proxy would say something of its own.
    pub(crate) fn verbatim(self) -> Self {
        Self { verbatim: true, ..self }
    }

    fn clients(&self, upstream: &Upstream) -> Result<Arc<Clients>, OriginError> {
        // A dot at the end of a name is not part of what certificates are made out for.
        let authority = without_dot(&upstream.authority);
        let key = (format!("{}://{authority}/", upstream.scheme), upstream.limits.connect);
        match &self.clients {
            Kept::All(clients) => {
                let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = clients.get(&key) {
                    return Ok(Arc::clone(found));
                }
                let made = self.make(&key.0, upstream)?;
                clients.insert(key, Arc::clone(&made));
                Ok(made)
            }
            Kept::Some(clients) => clients.get_or_insert_with(&key, || self.make(&key.0, upstream)),
        }
    }

    /// The way of `request`.
    fn way(&self, request: &OriginRequest) -> Result<Way, OriginError> {
        let OriginRequest { upstream, head, .. } = request;
        let clients = self.clients(upstream)?;
        // In HTTP/2 the authority we connect to would contradict a Host of the client's (RFC 9113 section 8.3.1).
        let other_host = head.authority != upstream.authority;
        let make = |alpn| self.build(&clients.target, alpn, upstream);
        if !head.fields.contains("upgrade") && !other_host {
            let (client, lane) = clients.any.next(|| make(Alpn::Any));
            return Ok(Way { client, lane: Some(lane), clients });
        }
        let client = clients.http1.get_or_init(|| make(Alpn::Http1)).clone();
        Ok(Way { client, lane: None, clients })
    }

    fn make(&self, url: &str, upstream: &Upstream) -> Result<Arc<Clients>, OriginError> {
        let target: Uri = url.parse().map_err(|error: http::uri::InvalidUri| {
            origin_error(upstream, OriginFault::Connect, error.to_string())
        })?;
        let any = Lanes::new(self.build(&target, Alpn::Any, upstream));
        Ok(Arc::new(Clients { any, http1: OnceLock::new(), target }))
    }

    fn build(&self, target: &Uri, alpn: Alpn, upstream: &Upstream) -> HyperClient {
        let FetchLimits { connect, first_byte, .. } = upstream.limits;
        let connector = FixedConnector::new(target.clone(), self.dial.clone(), &self.tls, alpn, connect);
        // Over a connection that is dead without a word every request would wait in vain.
        let patience = (first_byte / 3).max(LEAST_PATIENCE);
        Client::builder(TokioExecutor::new())
            .pool_idle_timeout(self.limits.idle_timeout)
            .pool_max_idle_per_host(self.limits.idle)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
            .http1_title_case_headers(true)
            .http1_max_buf_size(self.limits.head_bytes.max(LEAST_BUFFER))
            .http1_max_headers(self.limits.head_fields)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(STREAM_WINDOW * EXCHANGES)
            .http2_keep_alive_interval(patience)
            .http2_keep_alive_timeout(patience)
            .http2_max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
            .build(connector)
    }
}

impl Origin for UpstreamPool {
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>> {
        let way = match self.way(&request) {
            Ok(way) => way,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let places = self.places.clone();
        let (limits, verbatim) = (self.limits, self.verbatim);
        Box::pin(async move {
            let place = places.take(&request.upstream).await?;
            fetch(way, request, limits, verbatim, place).await
        })
    }
}

async fn fetch(
    way: Way,
    request: OriginRequest,
    limits: PoolLimits,
    verbatim: bool,
    place: Option<Place>,
) -> Result<OriginResponse, OriginError> {
    let OriginRequest { upstream, head, body, interim } = request;
    let upgrading = head.fields.contains("upgrade");
    let mut again = Again::new(&head, &body);
    let mut sent = send(&way.client, &upstream, &head, body, interim.clone()).await;
    let response = loop {
        let failed = match sent {
            Ok(response) => break response,
            Err(failed) => failed,
        };
        let Some(body) = again.after(&failed) else { return Err(failed.error) };
        tracing::debug!(error = %failed.error, "asking again");
        sent = send(&way.client, &upstream, &head, body, interim.clone()).await;
    };
    way.clients.any.answered(response.version());
    checked(&response, upgrading, limits)
        .map_err(|message| origin_error(&upstream, OriginFault::Malformed, message))?;
    let held = Held::new(place, way.lane);
    let mut response = from_hyper(response, &upstream, Some(held));
    if !verbatim {
        without_ours(&mut response.head.fields);
    }
    Ok(response)
}

async fn send(
    client: &HyperClient,
    upstream: &Upstream,
    head: &RequestHead,
    body: Body,
    interim: Option<InterimSink>,
) -> Result<Response<Incoming>, Failed> {
    let progress = Progress::new();
    let mut message = to_hyper(upstream, head, body, &progress)
        .map_err(|error| origin_error(upstream, OriginFault::Malformed, error.to_string()))?;
    if let Some(interim) = interim {
        listen_for_interim(&mut message, interim);
    }
    within(client.request(message), &progress, upstream).await
}

/// Awaits the response head, but no longer than `first_byte` after the origin was last given something.
async fn within(
    sending: hyper_util::client::legacy::ResponseFuture,
    progress: &Progress,
    upstream: &Upstream,
) -> Result<Response<Incoming>, Failed> {
    // The connection phase has its own limit; it lies before the first byte we send.
    let limit = upstream.limits.first_byte + upstream.limits.connect;
    let mut sending = std::pin::pin!(sending);
    let mut deadline = Instant::now() + limit;
    loop {
        match tokio::time::timeout_at(deadline, &mut sending).await {
            Ok(Ok(response)) => {
                mark_served(&response);
                return Ok(response);
            }
            Ok(Err(error)) => return Err(Failed::new(upstream, &error)),
            Err(_) => {}
        }
        let now = Instant::now();
        deadline = progress.origin_since().unwrap_or(now) + limit;
        if deadline <= now {
            let message = format!("no response head within {:?}", upstream.limits.first_byte);
            return Err(origin_error(upstream, OriginFault::Timeout, message).into());
        }
    }
}
