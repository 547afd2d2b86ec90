//! A client that speaks HTTP/2 with prior knowledge.

use super::{Proxy, soon};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// One connection to the proxy.
pub struct Http2 {
    pub send: SendRequest<Bytes>,
    pub connection: JoinHandle<Result<(), h2::Error>>,
}

/// A reply, its content complete.
#[derive(Debug)]
pub struct Reply2 {
    pub status: u16,
    pub fields: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Reply2 {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status, X-Cache and content.
    pub fn brief(&self) -> (u16, &str, String) {
        (self.status, self.get("x-cache").unwrap_or("-"), self.text())
    }
}

/// A request without fields for `a.example`.
pub fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://a.example{path}")).body(()).unwrap()
}

/// The same with fields.
pub fn request_with(method: &str, path: &str, fields: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = request(method, path);
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

impl Http2 {
    pub async fn to(proxy: &Proxy) -> Self {
        Self::over(soon(TcpStream::connect(proxy.address)).await.unwrap()).await
    }

    /// Over a connection that both sides know to be HTTP/2.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (send, connection) = soon(h2::client::handshake(stream)).await.unwrap();
        Self { send, connection: tokio::spawn(connection) }
    }

    /// Sends a head; `ended` when no body follows.
    pub async fn start(&mut self, request: Request<()>, ended: bool) -> (ResponseFuture, SendStream<Bytes>) {
        soon(poll_fn(|cx| self.send.poll_ready(cx))).await.unwrap();
        self.send.send_request(request, ended).unwrap()
    }

    pub async fn ask(&mut self, request: Request<()>) -> Reply2 {
        let (response, _) = self.start(request, true).await;
        read(soon(response).await.unwrap()).await.unwrap()
    }

    pub async fn get(&mut self, path: &str) -> Reply2 {
        self.ask(request("GET", path)).await
    }
}

/// Reads the content of a response.
pub async fn read(response: Response<RecvStream>) -> Result<Reply2, h2::Error> {
    let (parts, mut recv) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = soon(recv.data()).await {
        let data = data?;
        body.extend_from_slice(&data);
        recv.flow_control().release_capacity(data.len()).unwrap();
    }
    let trailers = soon(recv.trailers()).await?;
    Ok(Reply2 { status: parts.status.as_u16(), fields: parts.headers, body, trailers })
}
