//! `millpond explain`: what becomes of a request, and why, by the store, by a running server and by the origin.
//!
//! What must not live here: decisions about requests; these are asked of the engine and the proxy.

mod json;
mod member;
mod origin;
mod server;
mod store;
mod text;
mod words;

use super::target::request;
use super::{print, runtime};
use crate::args::ExplainArgs;
use crate::client::Client;
use crate::failure::Failure;
use millpond::config::Config;
use millpond::engine::explain::Decision;
use millpond::exchange::{Method, RequestHead, url};
use millpond::proxy::explain::{Unrouted, routed};
use origin::Answered;
use server::Asked;
use std::process::ExitCode;
use store::Looked;

/// Explains one request.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let mut settings = args.common.settings();
    settings.set_some("--origin", "origin", args.origin.clone());
    let mut config = settings.resolve()?.config;
    crate::logging::start(config.log);
    let url = args.url.as_deref().or(args.via.as_deref()).unwrap_or_default();
    let unconfigured = config.routes().is_empty();
    if unconfigured && args.via.is_none() {
        config.origin = Some(own_origin(url)?);
    }
    let head = head(url, args, &config)?;
    let mut story = Story::new(url, &head);
    if unconfigured && args.via.is_some() {
        story.unknown = true;
    } else {
        story.look(&config, &head)?;
    }
    let client = || Client::new(config.upstream_ca.as_deref());
    if let Some(via) = &args.via {
        story.server = Some(runtime()?.block_on(server::ask(&client()?, via, head, args.fetch))?);
    } else if let Some(routed) = story.routed.as_ref().filter(|routed| asks_origin(args, routed)) {
        story.origin = Some(runtime()?.block_on(origin::ask(&client()?, routed))?);
    }
    print(&if args.json { format!("{:#}\n", json::of(&story)) } else { text::of(&story) })?;
    Ok(if story.hits() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that is to be told.
struct Story {
    url: String,
    method: Method,
    /// What the configuration and the store make of the request, if a route takes it.
    routed: Option<Looked>,
    /// Why no route does.
    unrouted: Option<Unrouted>,
    /// The configuration names no origin, so that nothing is known of the server but what it says.
    unknown: bool,
    server: Option<Asked>,
    origin: Option<Answered>,
}

impl Story {
    fn new(url: &str, head: &RequestHead) -> Self {
        let (url, method) = (url.to_owned(), head.method.clone());
        Self { url, method, routed: None, unrouted: None, unknown: false, server: None, origin: None }
    }

    fn look(&mut self, config: &Config, head: &RequestHead) -> Result<(), Failure> {
        match routed(config, head) {
            Ok(routed) if routed.exchange.context.keys_content(&head.method) => {
                let why = "the content of such a request is part of its key, and is not read here";
                return Err(Failure::Usage(format!("--method {}: {why}", head.method)));
            }
            Ok(routed) => self.routed = Some(store::look(config, routed)?),
            Err(unrouted) => self.unrouted = Some(unrouted),
        }
        Ok(())
    }

    /// Whether the request, or the next one after it, is answered from the cache. The server knows best.
    fn hits(&self) -> bool {
        if let Some(server) = &self.server {
            return server.hits();
        }
        let stored = self.routed.as_ref().is_some_and(|looked| {
            looked.explained().is_some_and(|explained| matches!(explained.decision, Decision::Serve { .. }))
        });
        stored || self.origin.as_ref().is_some_and(Answered::serves_next)
    }
}

/// Like a server, the command asks the origin where nothing stored answers and something could be kept.
fn asks_origin(args: &ExplainArgs, looked: &Looked) -> bool {
    if args.fetch || args.no_fetch {
        return args.fetch;
    }
    match &looked.would_be().decision {
        Decision::Fetch(fetch) => !fetch.past,
        Decision::Serve { .. } | Decision::Refuse(_) => false,
    }
}

/// The origin that a URL names.
fn own_origin(text: &str) -> Result<millpond::config::OriginUrl, Failure> {
    let (scheme, authority, _) =
        url::split(text).map_err(|error| Failure::Usage(format!("{text}: {error}")))?;
    let origin = format!("{scheme}://{authority}");
    origin.parse().map_err(|error| Failure::Usage(format!("{text}: its origin {error}")))
}

/// The request as a client would send it.
fn head(url: &str, args: &ExplainArgs, config: &Config) -> Result<RequestHead, Failure> {
    let mut head = request(url, &config.routes())?;
    head.method = Method::from_bytes(args.method.as_bytes())
        .map_err(|_| Failure::Usage(format!("--method {}: that is not a method", args.method)))?;
    if (args.fetch || args.via.is_some()) && !matches!(head.method, Method::GET | Method::HEAD) {
        let why = "only GET and HEAD are sent; leave out --fetch and --via";
        return Err(Failure::Usage(format!("--method {}: {why}", head.method)));
    }
    for (index, line) in args.fields.iter().enumerate() {
        // The line may be a secret: it is not repeated.
        let wrong = |why: &str| Failure::Usage(format!("--field {}: {why}; write 'Name: value'", index + 1));
        let (name, value) = line.split_once(':').ok_or_else(|| wrong("there is no colon"))?;
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("host") {
            value.clone_into(&mut head.authority);
            head.fields.remove("host");
        }
        head.fields.append(name, value).map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(head)
}
