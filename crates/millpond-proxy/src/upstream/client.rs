//! The pool of connections to origins: one per worker, one client per upstream.

use super::body::{Outgoing, Progress, from_header_map, incoming, to_header_map};
use super::connector::{Alpn, FixedConnector};
use super::error::{classify, origin_error};
use super::hop::strip_connection_fields;
use super::tls::UpstreamTls;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use millpond_engine::{
    InterimSink, Origin, OriginError, OriginFault, OriginRequest, OriginResponse, Tunnel, Upgrade, Upstream,
};
use millpond_exchange::{Body, RequestHead, ResponseHead};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an idle connection to an origin is kept. Below the 5 s after which Node.js closes one, so that a request seldom
/// meets a connection that the origin is just closing.
const IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept for each upstream and worker.
const MAX_IDLE: usize = 256;
/// The largest response head taken from an origin, bytes; hyper's read buffer has the same bound.
const MAX_HEAD: usize = 64 * 1024;
/// The largest number of fields in a response head.
const MAX_FIELDS: usize = 128;

type HyperClient = Client<FixedConnector, Outgoing>;

/// Clients of one upstream: the usual one, and one that speaks HTTP/1.1 alone for requests that switch protocols.
struct Clients {
    any: HyperClient,
    http1: HyperClient,
}

/// Connections to origins, kept alive and shared by the requests of one worker.
pub struct UpstreamPool {
    tls: UpstreamTls,
    clients: Mutex<HashMap<String, Arc<Clients>>>,
}

impl UpstreamPool {
    /// An empty pool that trusts what `tls` trusts.
    pub fn new(tls: UpstreamTls) -> Self {
        Self { tls, clients: Mutex::new(HashMap::new()) }
    }

    fn clients(&self, upstream: &Upstream) -> Result<Arc<Clients>, OriginError> {
        let url = format!("{}://{}/", upstream.scheme, upstream.authority);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = clients.get(&url) {
            return Ok(Arc::clone(found));
        }
        let target: Uri = url.parse().map_err(|error: http::uri::InvalidUri| {
            origin_error(upstream, OriginFault::Connect, error.to_string())
        })?;
        let made = Arc::new(Clients {
            any: self.build(&target, Alpn::Any, upstream.limits.connect),
            http1: self.build(&target, Alpn::Http1, upstream.limits.connect),
        });
        clients.insert(url, Arc::clone(&made));
        Ok(made)
    }

    fn build(&self, target: &Uri, alpn: Alpn, connect: Duration) -> HyperClient {
        let connector = FixedConnector::new(target.clone(), &self.tls, alpn, connect);
        Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
            .http1_title_case_headers(true)
            .http1_max_buf_size(MAX_HEAD)
            .http1_max_headers(MAX_FIELDS)
            .http2_adaptive_window(true)
            .http2_max_header_list_size(MAX_HEAD as u32)
            .build(connector)
    }
}

impl Origin for UpstreamPool {
    fn fetch(&self, request: OriginRequest) -> BoxFuture<'static, Result<OriginResponse, OriginError>> {
        let clients = match self.clients(&request.upstream) {
            Ok(clients) => clients,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        Box::pin(fetch(clients, request))
    }
}

async fn fetch(clients: Arc<Clients>, request: OriginRequest) -> Result<OriginResponse, OriginError> {
    let OriginRequest { upstream, head, body, interim } = request;
    let progress = Progress::new();
    let upgrading = head.fields.contains("upgrade");
    let outgoing = Outgoing::new(body, progress.clone());
    let mut message = to_hyper(&head, outgoing)
        .map_err(|error| origin_error(&upstream, OriginFault::Malformed, error.to_string()))?;
    if let Some(interim) = interim {
        listen_for_interim(&mut message, interim);
    }
    let client = if upgrading { &clients.http1 } else { &clients.any };
    let sending = client.request(message);
    let response = within(sending, &progress, &upstream).await?;
    Ok(from_hyper(response, &upstream))
}

/// Awaits the response head, but no longer than `first_byte` after the origin was last given something.
async fn within(
    sending: hyper_util::client::legacy::ResponseFuture,
    progress: &Progress,
    upstream: &Upstream,
) -> Result<Response<Incoming>, OriginError> {
    // The connection phase has its own limit; it lies before the first byte we send.
    let limit = upstream.limits.first_byte + upstream.limits.connect;
    let mut sending = std::pin::pin!(sending);
    let mut deadline = Instant::now() + limit;
    loop {
        match tokio::time::timeout_at(deadline, &mut sending).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => return Err(classify(upstream, &error)),
            Err(_) => {}
        }
        let now = Instant::now();
        deadline = progress.origin_since().unwrap_or(now) + limit;
        if deadline <= now {
            let message = format!("no response head within {:?}", upstream.limits.first_byte);
            return Err(origin_error(upstream, OriginFault::Timeout, message));
        }
    }
}

fn to_hyper(head: &RequestHead, body: Outgoing) -> Result<Request<Outgoing>, http::Error> {
    let uri = if head.path_and_query == "*" { "*".to_owned() } else { head.url() };
    let uri = if uri == "*" { format!("{}://{}", head.scheme, head.authority) } else { uri };
    let mut message = Request::builder().method(head.method.clone()).uri(uri).body(body)?;
    *message.headers_mut() = to_header_map(&head.fields);
    Ok(message)
}

fn listen_for_interim(message: &mut Request<Outgoing>, interim: InterimSink) {
    hyper::ext::on_informational(message, move |response| {
        let mut head = ResponseHead::new(response.status());
        head.fields = from_header_map(response.headers());
        strip_connection_fields(&mut head.fields);
        interim(head);
    });
}

fn from_hyper(mut response: Response<Incoming>, upstream: &Upstream) -> OriginResponse {
    let upgrade = (response.status() == StatusCode::SWITCHING_PROTOCOLS)
        .then(|| take_upgrade(hyper::upgrade::on(&mut response)));
    let (parts, incoming_body) = response.into_parts();
    let mut head = ResponseHead::new(parts.status);
    head.version = parts.version;
    head.reason = parts
        .extensions
        .get::<hyper::ext::ReasonPhrase>()
        .and_then(|reason| std::str::from_utf8(reason.as_bytes()).ok())
        .map(Into::into);
    head.fields = from_header_map(&parts.headers);
    if upgrade.is_none() {
        strip_connection_fields(&mut head.fields);
    }
    let body = if upgrade.is_some() { Body::Empty } else { incoming(incoming_body, upstream.limits.between_reads) };
    OriginResponse { head, body, upgrade }
}

fn take_upgrade(on_upgrade: hyper::upgrade::OnUpgrade) -> Upgrade {
    Box::pin(async move {
        let upgraded = on_upgrade.await.map_err(io::Error::other)?;
        Ok(Box::new(TokioIo::new(upgraded)) as Box<dyn Tunnel>)
    })
}
