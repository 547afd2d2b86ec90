//! A small client for what commands fetch themselves, over the proxy's own way to origins.

use crate::failure::Failure;
use futures_util::StreamExt as _;
use millpond::engine::{FetchLimits, Origin as _, OriginRequest, OriginResponse, Upstream};
use millpond::exchange::{Body, Frame, RequestHead, ResponseHead, Scheme};
use millpond::proxy::{StartError, UpstreamPool, UpstreamTls};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a body that are kept: a problem report is shorter.
const KEPT: usize = 4096;

/// Fetches URLs.
pub(crate) struct Client(UpstreamPool);

/// A whole response.
pub(crate) struct Fetched {
    pub head: ResponseHead,
    /// Bytes of body.
    pub length: u64,
    /// The first of them, at most [`KEPT`].
    pub beginning: Vec<u8>,
}

impl Client {
    /// A client that trusts the platform's roots and those in `upstream_ca`.
    pub fn new(upstream_ca: Option<&Path>) -> Result<Self, Failure> {
        let tls = UpstreamTls::load(upstream_ca).map_err(StartError::from)?;
        Ok(Self(UpstreamPool::new(tls)))
    }

    /// Sends a request to a server at `address`, whatever the request names, and reads the body to its end.
    pub async fn ask(&self, address: SocketAddr, request: RequestHead) -> Result<Fetched, Failure> {
        let authority = address.to_string();
        self.send(Upstream { scheme: Scheme::Http, authority, limits: FetchLimits::default() }, request).await
    }

    /// Sends a request to `upstream`, whatever the request names, and reads the body to its end.
    pub async fn send(&self, upstream: Upstream, head: RequestHead) -> Result<Fetched, Failure> {
        let request = OriginRequest { upstream: Arc::new(upstream), head, body: Body::Empty, interim: None };
        let OriginResponse { head: answer, body, .. } =
            self.0.fetch(request).await.map_err(|error| Failure::Fetch(error.to_string()))?;
        let (length, beginning) = read(body).await?;
        Ok(Fetched { head: answer, length, beginning })
    }
}

async fn read(body: Body) -> Result<(u64, Vec<u8>), Failure> {
    let mut frames = body.into_stream();
    let (mut length, mut beginning) = (0, Vec::new());
    while let Some(frame) = frames.next().await {
        if let Frame::Data(bytes) = frame.map_err(|error| Failure::Fetch(error.to_string()))? {
            length += bytes.len() as u64;
            beginning.extend_from_slice(&bytes[..bytes.len().min(KEPT - beginning.len())]);
        }
    }
    Ok((length, beginning))
}
