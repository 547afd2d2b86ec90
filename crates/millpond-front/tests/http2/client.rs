//! The `h2` crate's client against a [`Script`].

use crate::support::{Client, Script, connect_sized};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{HeaderMap, Method, Request, Response};
use millpond_front::{ConnectionEnd, Drain, FrontLimits};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A connection.
pub struct H2 {
    pub send: SendRequest<Bytes>,
    pub script: Arc<Script>,
    pub server: JoinHandle<ConnectionEnd>,
    pub drain: Drain,
    /// Ends with the connection.
    pub connection: JoinHandle<Result<(), h2::Error>>,
}

/// A reply, its content complete.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub fields: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Got {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub async fn h2() -> H2 {
    h2_with(FrontLimits::default(), &h2::client::Builder::new()).await
}

pub async fn h2_with(limits: FrontLimits, builder: &h2::client::Builder) -> H2 {
    let Client { io, script, server, drain, .. } = connect_sized(limits, 256 * 1024);
    let (send, connection) = builder.handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    H2 { send, script, server, drain, connection }
}

/// A request for `path` on `a.example`.
pub fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://a.example{path}")).body(()).unwrap()
}

pub fn get(path: &str) -> Request<()> {
    request(Method::GET, path)
}

impl H2 {
    /// Sends a head; `ended` when no body follows.
    pub async fn start(&mut self, request: Request<()>, ended: bool) -> (ResponseFuture, SendStream<Bytes>) {
        std::future::poll_fn(|cx| self.send.poll_ready(cx)).await.unwrap();
        self.send.send_request(request, ended).unwrap()
    }

    pub async fn ask(&mut self, request: Request<()>) -> Got {
        let (response, _) = self.start(request, true).await;
        read(response.await.unwrap()).await.unwrap()
    }

    pub async fn get(&mut self, path: &str) -> Got {
        self.ask(get(path)).await
    }

    /// Sends a request with a body in these pieces, then `trailers`.
    pub async fn post(
        &mut self,
        request: Request<()>,
        pieces: &[&'static str],
        trailers: Option<HeaderMap>,
    ) -> Got {
        let (response, mut body) = self.start(request, false).await;
        for piece in pieces {
            body.send_data(Bytes::from_static(piece.as_bytes()), false).unwrap();
        }
        match trailers {
            Some(map) => body.send_trailers(map).unwrap(),
            None => body.send_data(Bytes::new(), true).unwrap(),
        }
        read(response.await.unwrap()).await.unwrap()
    }
}

/// Reads the content; what came of it is lost when it fails.
pub async fn read(response: Response<h2::RecvStream>) -> Result<Got, h2::Error> {
    let (parts, mut recv) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = recv.data().await {
        let data = data?;
        body.extend_from_slice(&data);
        recv.flow_control().release_capacity(data.len()).unwrap();
    }
    let trailers = recv.trailers().await?;
    Ok(Got { status: parts.status.as_u16(), fields: parts.headers, body, trailers })
}

/// The code of a reset.
pub fn reset_of<T: std::fmt::Debug>(result: Result<T, h2::Error>) -> Reason {
    let error = result.unwrap_err();
    assert!(error.is_reset(), "{error}");
    error.reason().unwrap()
}
