//! A small client for what commands fetch themselves, over the proxy's own way to origins.

use crate::failure::Failure;
use futures_util::StreamExt as _;
use millpond::engine::{FetchLimits, Origin as _, OriginRequest, OriginResponse, Upstream};
use millpond::exchange::{Body, Fields, Frame, RequestHead, ResponseHead, Scheme, url};
use millpond::proxy::{StartError, UpstreamPool, UpstreamTls};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Fetches URLs.
pub(crate) struct Client(UpstreamPool);

/// A whole response.
pub(crate) struct Fetched {
    pub request: RequestHead,
    pub head: ResponseHead,
    /// Bytes of body.
    pub length: u64,
}

impl Client {
    /// A client that trusts the platform's roots and those in `upstream_ca`.
    pub fn new(upstream_ca: Option<&Path>) -> Result<Self, Failure> {
        let tls = UpstreamTls::load(upstream_ca).map_err(StartError::from)?;
        Ok(Self(UpstreamPool::new(tls)))
    }

    /// GETs `url` with these request fields, and reads the body to its end.
    pub async fn get(&self, url: &str, mut fields: Fields) -> Result<Fetched, Failure> {
        let (scheme, authority, path_and_query) =
            url::split(url).map_err(|error| Failure::Usage(format!("{url}: {error}")))?;
        if !fields.contains("host") {
            fields.append("Host", authority).map_err(|error| Failure::Usage(format!("{url}: {error}")))?;
        }
        let mut head = RequestHead::get(authority, path_and_query);
        head.scheme = scheme;
        head.fields = fields;
        let upstream = Upstream { scheme, authority: authority.to_owned(), limits: FetchLimits::default() };
        self.send(upstream, head).await
    }

    /// Sends a request to a server at `address`, whatever the request names, and reads the body to its end.
    pub async fn ask(&self, address: SocketAddr, request: RequestHead) -> Result<Fetched, Failure> {
        let authority = address.to_string();
        self.send(Upstream { scheme: Scheme::Http, authority, limits: FetchLimits::default() }, request).await
    }

    async fn send(&self, upstream: Upstream, head: RequestHead) -> Result<Fetched, Failure> {
        let request = OriginRequest {
            upstream: Arc::new(upstream),
            head: head.clone(),
            body: Body::Empty,
            interim: None,
        };
        let OriginResponse { head: answer, body, .. } =
            self.0.fetch(request).await.map_err(|error| Failure::Fetch(error.to_string()))?;
        let length = read(body).await?;
        Ok(Fetched { request: head, head: answer, length })
    }
}

async fn read(body: Body) -> Result<u64, Failure> {
    let mut frames = body.into_stream();
    let mut length = 0;
    while let Some(frame) = frames.next().await {
        if let Frame::Data(bytes) = frame.map_err(|error| Failure::Fetch(error.to_string()))? {
            length += bytes.len() as u64;
        }
    }
    Ok(length)
}
