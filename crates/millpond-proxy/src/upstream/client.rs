//! The pool of connections to origins: one per worker, one client per upstream.

use super::body::{Outgoing, Progress};
use super::connector::FixedConnector;
use super::counted::{mark_served, was_reused};
use super::dial::Dial;
use super::error::{classify, origin_error};
use super::message::{checked, from_hyper, listen_for_interim, to_hyper, without_ours};
use super::places::{Place, Places};
use super::tls::{Alpn, UpstreamTls};
use crate::forward::{Dialer, without_dot};
use futures_util::future::BoxFuture;
use http::{Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use millpond_engine::{
    InterimSink, Origin, OriginError, OriginFault, OriginRequest, OriginResponse, Upstream,
};
use millpond_exchange::{Body, Method, RequestHead};
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// hyper's read buffer may not be smaller, bytes.
const LEAST_BUFFER: usize = 8 * 1024;

type HyperClient = Client<FixedConnector, Outgoing>;

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
    any: HyperClient,
    /// Made when it is needed: hardly any upstream is asked to switch protocols.
    http1: OnceLock<HyperClient>,
    target: Uri,
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
        Self { tls, limits, places, dial: Dial::configured(), clients, verbatim: false }
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

    /// The client for `request`.
    fn client(&self, request: &OriginRequest) -> Result<HyperClient, OriginError> {
        let OriginRequest { upstream, head, .. } = request;
        let clients = self.clients(upstream)?;
        // In HTTP/2 the authority we connect to would contradict a Host of the client's (RFC 9113 section 8.3.1).
        let other_host = head.authority != upstream.authority;
        if !head.fields.contains("upgrade") && !other_host {
            return Ok(clients.any.clone());
        }
        let make = || self.build(&clients.target, Alpn::Http1, upstream.limits.connect);
        Ok(clients.http1.get_or_init(make).clone())
    }

    fn make(&self, url: &str, upstream: &Upstream) -> Result<Arc<Clients>, OriginError> {
        let target: Uri = url.parse().map_err(|error: http::uri::InvalidUri| {
            origin_error(upstream, OriginFault::Connect, error.to_string())
        })?;
        let any = self.build(&target, Alpn::Any, upstream.limits.connect);
        Ok(Arc::new(Clients { any, http1: OnceLock::new(), target }))
    }

    fn build(&self, target: &Uri, alpn: Alpn, connect: Duration) -> HyperClient {
        let connector = FixedConnector::new(target.clone(), self.dial.clone(), &self.tls, alpn, connect);
        Client::builder(TokioExecutor::new())
            .pool_idle_timeout(self.limits.idle_timeout)
            .pool_max_idle_per_host(self.limits.idle)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
            .http1_title_case_headers(true)
            .http1_max_buf_size(self.limits.head_bytes.max(LEAST_BUFFER))
            .http1_max_headers(self.limits.head_fields)
            .http2_adaptive_window(true)
            .http2_max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
            .build(connector)
    }
}

impl Origin for UpstreamPool {
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>> {
        let client = match self.client(&request) {
            Ok(client) => client,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let places = self.places.clone();
        let (limits, verbatim) = (self.limits, self.verbatim);
        Box::pin(async move {
            let place = places.take(&request.upstream).await?;
            fetch(&client, request, limits, verbatim, place).await
        })
    }
}

async fn fetch(
    client: &HyperClient,
    request: OriginRequest,
    limits: PoolLimits,
    verbatim: bool,
    place: Option<Place>,
) -> Result<OriginResponse, OriginError> {
    let OriginRequest { upstream, head, body, interim } = request;
    let upgrading = head.fields.contains("upgrade");
    let again = repeatable(&head, &body).then(|| interim.clone());
    let response = match (send(client, &upstream, &head, body, interim).await, again) {
        (Err(failed), Some(interim)) if failed.on_reused => {
            tracing::debug!(upstream = %failed.error.upstream, "the origin closed an idle connection; asking again");
            send(client, &upstream, &head, Body::Empty, interim).await
        }
        (response, _) => response,
    };
    let response = response.map_err(|failed| failed.error)?;
    checked(&response, upgrading, limits)
        .map_err(|message| origin_error(&upstream, OriginFault::Malformed, message))?;
    let mut response = from_hyper(response, &upstream, place);
    if !verbatim {
        without_ours(&mut response.head.fields);
    }
    Ok(response)
}

/// True when a request may be sent again although it may have arrived (RFC 9110 section 9.2.2).
fn repeatable(head: &RequestHead, body: &Body) -> bool {
    (head.method == Method::GET || head.method == Method::HEAD) && body.length() == Some(0)
}

/// A request that brought no response head.
struct Failed {
    error: OriginError,
    /// It went over a connection that had served others, and that connection ended: the origin may just have closed it
    /// for being idle (RFC 9112 section 9.3.1).
    on_reused: bool,
}

impl From<OriginError> for Failed {
    fn from(error: OriginError) -> Self {
        Self { error, on_reused: false }
    }
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
            Ok(Err(error)) => {
                let on_reused = was_reused(&error);
                let error = classify(upstream, &error);
                return Err(Failed { on_reused: on_reused && error.fault == OriginFault::Closed, error });
            }
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
