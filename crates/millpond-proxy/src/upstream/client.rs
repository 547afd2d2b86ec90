//! The pool of connections to origins: one per worker, one client per upstream.

use super::body::{Outgoing, Progress};
use super::connector::{Alpn, FixedConnector};
use super::counted::{mark_served, was_reused};
use super::error::{classify, origin_error};
use super::message::{checked, from_hyper, listen_for_interim, to_hyper};
use super::places::{Place, Places};
use super::tls::UpstreamTls;
use futures_util::future::BoxFuture;
use http::{Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use millpond_engine::{
    InterimSink, Origin, OriginError, OriginFault, OriginRequest, OriginResponse, Upstream,
};
use millpond_exchange::{Body, Method, RequestHead};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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
    http1: HyperClient,
}

/// Connections to origins, kept alive and shared by the requests of one worker.
pub struct UpstreamPool {
    tls: UpstreamTls,
    limits: PoolLimits,
    places: Places,
    clients: Mutex<HashMap<(String, Duration), Arc<Clients>>>,
}

impl UpstreamPool {
    /// An empty pool that trusts what `tls` trusts, with the usual limits.
    pub fn new(tls: UpstreamTls) -> Self {
        Self::with_limits(tls, PoolLimits::default(), Places::unlimited())
    }

    /// An empty pool; `places` bounds the exchanges under way and is shared by all workers.
    pub fn with_limits(tls: UpstreamTls, limits: PoolLimits, places: Places) -> Self {
        Self { tls, limits, places, clients: Mutex::new(HashMap::new()) }
    }

    fn clients(&self, upstream: &Upstream) -> Result<Arc<Clients>, OriginError> {
        let url = format!("{}://{}/", upstream.scheme, upstream.authority);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // Routes to one origin may differ in their connect timeout, which the connector holds.
        let key = (url, upstream.limits.connect);
        if let Some(found) = clients.get(&key) {
            return Ok(Arc::clone(found));
        }
        let target: Uri = key.0.parse().map_err(|error: http::uri::InvalidUri| {
            origin_error(upstream, OriginFault::Connect, error.to_string())
        })?;
        let made = Arc::new(Clients {
            any: self.build(&target, Alpn::Any, upstream.limits.connect),
            http1: self.build(&target, Alpn::Http1, upstream.limits.connect),
        });
        clients.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn build(&self, target: &Uri, alpn: Alpn, connect: Duration) -> HyperClient {
        let connector = FixedConnector::new(target.clone(), &self.tls, alpn, connect);
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
        let clients = match self.clients(&request.upstream) {
            Ok(clients) => clients,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let places = self.places.clone();
        let limits = self.limits;
        Box::pin(async move {
            let place = places.take(&request.upstream).await?;
            fetch(clients, request, limits, place).await
        })
    }
}

async fn fetch(
    clients: Arc<Clients>,
    request: OriginRequest,
    limits: PoolLimits,
    place: Option<Place>,
) -> Result<OriginResponse, OriginError> {
    let OriginRequest { upstream, head, body, interim } = request;
    let upgrading = head.fields.contains("upgrade");
    // In HTTP/2 the authority we connect to would contradict a Host of the client's (RFC 9113 section 8.3.1).
    let other_host = head.authority != upstream.authority;
    let client = if upgrading || other_host { &clients.http1 } else { &clients.any };
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
    Ok(from_hyper(response, &upstream, place))
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
