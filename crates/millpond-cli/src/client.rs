//! A small client for what commands fetch themselves, over the proxy's own way to origins.

use crate::failure::Failure;
use futures_util::StreamExt as _;
use millpond::engine::{
    FetchLimits, Origin as _, OriginError, OriginFault, OriginRequest, OriginResponse, Upstream,
};
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

/// A request that brought no response.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// What happened.
    pub message: String,
    /// A guard does not let it be sent.
    pub refused: bool,
}

impl From<OriginError> for Unanswered {
    fn from(error: OriginError) -> Self {
        let refused = matches!(error.fault, OriginFault::Refused | OriginFault::Loop);
        Self { message: error.to_string(), refused }
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        Self::Fetch(unanswered.message)
    }
}

impl Client {
    /// A client with this way to origins.
    pub const fn over(pool: UpstreamPool) -> Self {
        Self(pool)
    }

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
        Ok(self.fetch(request).await?)
    }

    /// Sends `request`, and reads the body of the answer to its end.
    pub async fn fetch(&self, request: OriginRequest) -> Result<Fetched, Unanswered> {
        Fetched::read(self.0.fetch(request).await?).await
    }
}

impl Fetched {
    /// Reads the body of a response to its end.
    pub async fn read(OriginResponse { head, body, .. }: OriginResponse) -> Result<Self, Unanswered> {
        let mut frames = body.into_stream();
        let (mut length, mut beginning) = (0, Vec::new());
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|error| Unanswered { message: error.to_string(), refused: false })?;
            if let Frame::Data(bytes) = frame {
                length += bytes.len() as u64;
                beginning.extend_from_slice(&bytes[..bytes.len().min(KEPT - beginning.len())]);
            }
        }
        Ok(Self { head, length, beginning })
    }
}
