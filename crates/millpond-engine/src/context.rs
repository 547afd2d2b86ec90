//! What the engine is told about the route a request takes, and the request itself.

use crate::content::Content;
use crate::origin::{InterimSink, Upstream};
use millpond_exchange::{Body, Method, QueryRules, RequestHead, Scheme};
use millpond_policy::{Profile, Reason};
use std::sync::Arc;

/// How requests of one route are treated.
#[derive(Clone, Debug)]
pub struct Context {
    /// Which cache this is, deviations included.
    pub profile: Profile,
    /// What the route does to queries before they become part of the key.
    pub query: QueryRules,
    /// Where requests go.
    pub upstream: Arc<Upstream>,
    /// Names, in lower case, of request fields the door changes on the way. An entry that varies on one of them is
    /// never chosen on the fast path, which sees the request before those changes.
    pub rewritten: Vec<Box<str>>,
    /// The largest body that is stored for this route, bytes; the store may have a smaller limit of its own.
    pub object_limit: Option<u64>,
    /// When a request for a part of something not stored brings the whole into the store.
    pub range_fill: RangeFill,
    /// Requests whose content is part of the key.
    pub content_keys: ContentKeys,
}

impl Context {
    /// True when the content of a request with `method` is part of its key: always for QUERY (RFC 10008 section 2.7), for
    /// POST where the route says so. Such a request is looked up and stored as a GET is.
    pub fn keys_content(&self, method: &Method) -> bool {
        match method.as_str() {
            "QUERY" => true,
            "POST" => self.content_keys.post != CachePost::Off,
            _ => false,
        }
    }
}

/// Which requests have their content in the key, beside QUERY, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentKeys {
    /// POST.
    pub post: CachePost,
    /// The longest content, bytes; a request with more goes past the cache.
    pub limit: u64,
}

impl Default for ContentKeys {
    fn default() -> Self {
        Self { post: CachePost::Off, limit: 1024 * 1024 }
    }
}

/// Whether a POST may be answered from the cache, by a stored answer to the same content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachePost {
    /// No.
    #[default]
    Off,
    /// Every POST: the route answers lookups only.
    Any,
    /// Those with GraphQL queries and nothing else ([`millpond_policy::is_graphql_query`]).
    Graphql,
}

/// When a request for a part of something not stored brings the whole into the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RangeFill {
    /// Never: parts are stored as they come.
    Off,
    /// With the second such request, where the whole is known to have at most [`millpond_policy::RANGE_FILL_MAX`] bytes.
    #[default]
    Second,
    /// With the first.
    First,
}

/// The parts of a target URI that make the key, before normalisation.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Scheme.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: &'a str,
    /// Path and query.
    pub path_and_query: &'a str,
    /// The scheme the client used towards a trusted proxy in front of this one, where it is not this listener's: origins
    /// answer by it (a redirect to https), so it belongs to the key.
    pub client_scheme: Option<Scheme>,
}

/// A request for the engine to answer.
pub struct Exchange {
    /// The head as it would go to the origin: target, Host and fields already rewritten by the route,
    /// connection-specific fields removed.
    pub head: RequestHead,
    /// The body.
    pub body: Body,
    /// The route.
    pub context: Arc<Context>,
    /// Why this request must not touch the cache, if the route says so.
    pub pass: Option<Reason>,
    /// The client asks to switch protocols.
    pub upgrade: bool,
    /// As [`Target::client_scheme`].
    pub client_scheme: Option<Scheme>,
    /// The host that the client names, in normal form, where it is not the target's: an origin is told of it with a POST and
    /// the like, and not with a request whose answer everybody may get. What it answers then is kept for those who name the
    /// same host.
    pub client_host: Option<Box<str>>,
    /// Who wants to hear of 1xx responses.
    pub interim: Option<InterimSink>,
}

/// A request that the store may answer: a GET or HEAD without content, or one whose content is part of the key. Unlike an
/// [`Exchange`] it can be shared.
pub(crate) struct Asked {
    pub head: RequestHead,
    pub context: Arc<Context>,
    pub client_scheme: Option<Scheme>,
    /// As [`Exchange::client_host`].
    pub client_host: Option<Box<str>>,
    pub interim: Option<InterimSink>,
    /// The content, where it is part of the key.
    pub content: Option<Arc<Content>>,
}

impl From<Exchange> for Asked {
    fn from(exchange: Exchange) -> Self {
        let Exchange { head, context, client_scheme, client_host, interim, .. } = exchange;
        Self { head, context, client_scheme, client_host, interim, content: None }
    }
}
