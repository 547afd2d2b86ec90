//! `millpond explain`: what becomes of a request, and why, by the store, by a running server and by the origin.
//!
//! What must not live here: decisions about requests; these are asked of the engine and the proxy.

mod asked;
mod content;
mod json;
mod member;
mod origin;
mod page;
mod response;
mod server;
mod store;
mod text;
mod words;

use super::{print, runtime};
use crate::args::explain::ExplainArgs;
use crate::client::{Client, Unanswered};
use crate::failure::Failure;
use asked::{head, own_origin, settled};
use content::Content;
use millpond::config::Config;
use millpond::engine::explain::{Decision, Fetch};
use millpond::exchange::{Method, RequestHead};
use millpond::proxy::explain::{Door, Unrouted, routed, way_out};
use origin::Answered;
use server::Asked;
use std::process::ExitCode;
use store::Looked;

/// Explains one request.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let (mut config, door) = settled(args)?;
    crate::logging::start(config.log);
    let url = args.url.as_deref().or(args.via.as_deref()).unwrap_or_default();
    let unconfigured = door == Door::Serve && config.routes().is_empty();
    if unconfigured && args.via.is_none() {
        config.origin = Some(own_origin(url)?);
    }
    let content = Content::of(args, &config)?;
    let head = head(url, args, door, &config, content.as_ref())?;
    let mut story = Story::new(url, &head, door, content);
    if unconfigured && args.via.is_some() {
        story.unknown = true;
    } else {
        story.look(&config, &head);
    }
    story.ask(args, &config, head)?;
    print(&if args.json { format!("{:#}\n", json::of(&story)) } else { text::of(&story) })?;
    Ok(if story.hits() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that is known of a request.
struct Story {
    url: String,
    method: Method,
    door: Door,
    content: Option<Content>,
    /// The request on its route.
    routed: Option<Looked>,
    /// Why the cache never sees it.
    unrouted: Option<Unrouted>,
    /// The configuration names no origin, so that nothing is known of the server but what it says.
    unknown: bool,
    server: Option<Asked>,
    origin: Option<Result<Answered, Unanswered>>,
}

impl Story {
    fn new(url: &str, head: &RequestHead, door: Door, content: Option<Content>) -> Self {
        Self {
            url: url.to_owned(),
            method: head.method.clone(),
            door,
            content,
            routed: None,
            unrouted: None,
            unknown: false,
            server: None,
            origin: None,
        }
    }

    fn look(&mut self, config: &Config, head: &RequestHead) {
        let content = self.content.as_ref().map(Content::body).unwrap_or_default();
        match routed(config, self.door, head, content) {
            Ok(routed) => self.routed = Some(store::look(config, routed)),
            Err(unrouted) => self.unrouted = Some(unrouted),
        }
    }

    /// Asks the server, or like a server the origin where nothing stored answers and something could be kept.
    fn ask(&mut self, args: &ExplainArgs, config: &Config, head: RequestHead) -> Result<(), Failure> {
        if let Some(via) = &args.via {
            let client = Client::new(config.upstream_ca.as_deref())?;
            let whole = asked::whole(args, self.content.as_ref())?;
            let content = self.content.as_ref().map(Content::body_to_send).transpose()?.unwrap_or_default();
            let question = server::Question { via, head, whole, content, fetch: args.fetch, door: self.door };
            self.server = Some(runtime()?.block_on(question.ask(&client))?);
        } else if let Some(routed) = self.routed.as_ref().filter(|routed| asks_origin(args, routed)) {
            let client = Client::over(way_out(config, self.door)?);
            self.origin = Some(runtime()?.block_on(origin::ask(&client, routed)));
        }
        Ok(())
    }

    /// What would be fetched, where that is so.
    fn fetch(&self) -> Option<&Fetch> {
        match &self.routed.as_ref()?.would_be().decision {
            Decision::Fetch(fetch) => Some(fetch),
            Decision::Serve { .. } | Decision::Refuse(_) => None,
        }
    }

    /// The reason for which something stored answers in place of an origin that could not be asked.
    fn stands_in(&self) -> Option<millpond::policy::Reason> {
        let unreachable = matches!(&self.origin, Some(Err(unanswered)) if !unanswered.refused);
        let selected = self.fetch().filter(|_| unreachable)?.validates?;
        self.routed.as_ref()?.would_be().variants.get(selected)?.unreachable
    }

    /// Whether the request, or the next one after it, is answered from the cache. The server knows best.
    fn hits(&self) -> bool {
        if let Some(server) = &self.server {
            return server.hits();
        }
        let stored = self.routed.as_ref().is_some_and(|looked| {
            looked.explained().is_some_and(|explained| matches!(explained.decision, Decision::Serve { .. }))
        });
        let kept = matches!(&self.origin, Some(Ok(answered)) if answered.serves_next());
        stored || kept || self.stands_in().is_some()
    }
}

/// Nothing but GET and HEAD goes to an origin.
fn asks_origin(args: &ExplainArgs, looked: &Looked) -> bool {
    if args.fetch || args.no_fetch {
        return args.fetch;
    }
    match &looked.would_be().decision {
        Decision::Fetch(fetch) => !fetch.past && matches!(fetch.sent.method, Method::GET | Method::HEAD),
        Decision::Serve { .. } | Decision::Refuse(_) => false,
    }
}
