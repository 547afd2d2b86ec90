//! Asking a running server, and what it says.

use super::member::{Member, members};
use crate::client::{Client, Fetched, Unanswered};
use crate::failure::Failure;
use millpond::engine::{FetchLimits, OriginRequest, Upstream};
use millpond::exchange::{Body, RequestHead, Scheme, url};
use millpond::proxy::explain::{Door, through_proxy};
use std::sync::Arc;

/// What a forward proxy answers to a request that does not name its target in full.
const NOT_FOR_A_PROXY: &str = "urn:millpond:problem:not-a-proxy-request";

/// What a server answered.
pub(super) struct Asked {
    /// `scheme://authority` of the server.
    pub server: String,
    /// It was asked as a forward proxy.
    pub as_proxy: bool,
    /// Whether it was let fetch.
    pub fetch: bool,
    /// The status.
    pub status: u16,
    /// Bytes of body.
    pub length: u64,
    /// The Age field, seconds.
    pub age: Option<u64>,
    /// What each cache on the way says.
    pub members: Vec<Member>,
    /// What the server says of a failure of its own.
    pub problem: Option<String>,
}

impl Asked {
    /// What the server itself says: of several of its kind, the one that was asked comes last.
    pub fn own(&self) -> Option<&Member> {
        self.members.iter().rev().find(|member| member.is_own())
    }

    /// True when the answer came from its cache.
    pub fn hits(&self) -> bool {
        self.own().is_some_and(|member| member.says("hit"))
    }
}

/// A question to a server.
pub(super) struct Question<'a> {
    /// The URL of the server.
    pub via: &'a str,
    /// The request for a server that stands for the host it names.
    pub head: RequestHead,
    /// The request for a forward proxy, where there is a whole URL to ask for.
    pub whole: Option<RequestHead>,
    /// The content of either.
    pub content: Body,
    /// The server may fetch.
    pub fetch: bool,
    /// What the server is by its configuration.
    pub door: Door,
}

impl Question<'_> {
    /// Asks a server, and unless it may, forbids it to fetch. One that says it is a forward proxy is asked again as one.
    pub async fn ask(self, client: &Client) -> Result<Asked, Failure> {
        let Self { via, head, whole, content, fetch, door } = self;
        let wrong = |error: url::UrlError| Failure::Usage(format!("--via {via}: {error}"));
        let (scheme, authority, _) = url::split(via).map_err(wrong)?;
        let server = Server { scheme, authority, fetch };
        let proxied = whole.filter(|_| scheme == Scheme::Http);
        let told = |fetched: &Fetched, as_proxy| server.told(fetched, as_proxy);
        match proxied {
            Some(whole) if door == Door::Forward => Ok(told(&server.proxied(whole, content).await?, true)),
            None if door == Door::Forward => {
                let why = "a forward proxy is asked over http, and for a whole URL";
                Err(Failure::Usage(format!("--via {via}: {why}")))
            }
            proxied => {
                let again = copy(&content);
                let fetched = server.own(client, head, content).await?;
                match proxied.filter(|_| problem(&fetched).is_some_and(|(kind, _)| kind == NOT_FOR_A_PROXY)) {
                    Some(whole) => Ok(told(&server.proxied(whole, again).await?, true)),
                    None => Ok(told(&fetched, false)),
                }
            }
        }
    }
}

/// The same content once more: it is in memory.
fn copy(content: &Body) -> Body {
    match content {
        Body::Memory(segments) => Body::Memory(segments.clone()),
        Body::Empty | Body::Stream { .. } => Body::Empty,
    }
}

/// A server that is asked.
#[derive(Clone, Copy)]
struct Server<'a> {
    scheme: Scheme,
    authority: &'a str,
    fetch: bool,
}

impl Server<'_> {
    /// Asks it for what it stands for itself.
    async fn own(self, client: &Client, head: RequestHead, body: Body) -> Result<Fetched, Unanswered> {
        let authority = self.authority.to_owned();
        let upstream = Upstream { scheme: self.scheme, authority, limits: FetchLimits::default() };
        client.fetch(self.request(upstream, head, body)).await
    }

    /// Asks it as a forward proxy.
    async fn proxied(self, head: RequestHead, body: Body) -> Result<Fetched, Unanswered> {
        let authority = head.authority.clone();
        let upstream = Upstream { scheme: head.scheme, authority, limits: FetchLimits::default() };
        Fetched::read(through_proxy(self.authority, self.request(upstream, head, body)).await?).await
    }

    fn request(self, upstream: Upstream, mut head: RequestHead, body: Body) -> OriginRequest {
        if !self.fetch {
            // Valid: both are constant.
            let _ = head.fields.append("Cache-Control", "only-if-cached");
        }
        OriginRequest { upstream: Arc::new(upstream), head, body, interim: None }
    }

    fn told(self, fetched: &Fetched, as_proxy: bool) -> Asked {
        let fields = &fetched.head.fields;
        Asked {
            server: format!("{}://{}", self.scheme, self.authority),
            as_proxy,
            fetch: self.fetch,
            status: fetched.head.status.as_u16(),
            length: fetched.length,
            age: fields.get_str("age").and_then(|age| age.parse().ok()),
            members: members(fields),
            problem: problem(fetched).map(|(_, detail)| detail),
        }
    }
}

/// The type of a problem report (RFC 9457), and its detail in a form fit for a terminal.
fn problem(fetched: &Fetched) -> Option<(String, String)> {
    let content_type = fetched.head.fields.get_str("content-type");
    content_type.filter(|found| found.starts_with("application/problem+json"))?;
    let report: serde_json::Value = serde_json::from_slice(&fetched.beginning).ok()?;
    let text = |name| report.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let detail = text("detail").chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    Some((text("type").to_owned(), detail))
}
