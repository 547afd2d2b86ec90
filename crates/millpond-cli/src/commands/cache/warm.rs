//! `millpond cache warm`: fetches URLs the way clients would, through a server of our own.

use super::{Cache, lines_of};
use crate::args::cache::WarmArgs;
use crate::client::{Client, Fetched};
use crate::commands::progress::Progress;
use crate::commands::target::request;
use crate::commands::{print, runtime};
use crate::failure::Failure;
use futures_util::StreamExt as _;
use millpond::config::Config;
use millpond::engine::SystemClock;
use millpond::exchange::{Method, RequestHead};
use millpond::proxy::Server;
use serde_json::json;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

/// How often a response on its way into the store is asked for again.
const MOST_ASKED: u32 = 1000;

/// Fetches every URL of the file.
pub(super) fn run(args: &WarmArgs) -> Result<ExitCode, Failure> {
    let mut settings = args.common.settings();
    settings.set_some("--origin", "origin", args.origin.clone());
    settings.assign(&["listen=127.0.0.1:0".to_owned(), "access_log.format=off".to_owned()]);
    settings.resolve()?.require_origin()?;
    let cache = Cache::named_by(&settings)?;
    let lines = lines_of(&args.file)?;
    let routes = cache.config.routes();
    let requests = lines
        .iter()
        .map(|line| Ok((line.as_str(), request(line, &routes)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let summary = fetch_all(&cache.config, requests, usize::from(args.concurrency))?;
    let Summary { fetched, fresh, not_kept, failed } = summary;
    print(&if args.json {
        let all = json!({ "fetched": fetched, "fresh": fresh, "not_kept": not_kept, "failed": failed });
        format!("{all:#}\n")
    } else {
        format!("Fetched {fetched}, already fresh {fresh}, not kept {not_kept}, failed {failed}.\n")
    })?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Clone, Copy, Default)]
struct Summary {
    fetched: u64,
    fresh: u64,
    not_kept: u64,
    failed: u64,
}

/// What became of one URL.
enum Outcome {
    Fetched,
    Fresh,
    NotKept(String),
    Failed(String),
}

fn fetch_all(
    config: &Config,
    requests: Vec<(&str, RequestHead)>,
    concurrency: usize,
) -> Result<Summary, Failure> {
    let running = Server::bind(config, Arc::new(SystemClock))?.start()?;
    let address = running.local_addr();
    let client = Client::new(None)?;
    let mut summary = Summary::default();
    let mut progress = Progress::new("fetched");
    let all = requests.len() as u64;
    runtime()?.block_on(async {
        let fetches = requests.into_iter().map(|(line, request)| {
            let client = &client;
            async move { (line, fetch(client, address, request).await) }
        });
        let mut outcomes = futures_util::stream::iter(fetches).buffer_unordered(concurrency);
        let mut done = 0;
        while let Some((line, outcome)) = outcomes.next().await {
            done += 1;
            progress.at(done, all);
            match outcome {
                Outcome::Fetched => summary.fetched += 1,
                Outcome::Fresh => summary.fresh += 1,
                Outcome::NotKept(why) => {
                    summary.not_kept += 1;
                    eprintln!("{line}: fetched, but not kept: {why}");
                }
                Outcome::Failed(why) => {
                    summary.failed += 1;
                    eprintln!("{line}: {why}");
                }
            }
        }
    });
    running.stop();
    // Also writes out what the store has taken.
    running.wait();
    Ok(summary)
}

async fn fetch(client: &Client, address: SocketAddr, request: RequestHead) -> Outcome {
    let fetched = match client.ask(address, request.clone()).await {
        Ok(fetched) => fetched,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let status = fetched.head.status;
    if status.is_client_error() || status.is_server_error() {
        return Outcome::Failed(format!("answered {status}"));
    }
    if says(&fetched, "hit") {
        return Outcome::Fresh;
    }
    if !says(&fetched, "stored") && !says(&fetched, "collapsed") {
        return Outcome::NotKept(status_of(&fetched).to_owned());
    }
    match kept(client, address, &request).await {
        Ok(true) => Outcome::Fetched,
        Ok(false) => Outcome::NotKept("the store did not take it".to_owned()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Whether the response is in the cache. The last byte of a body may come a moment before it is; until then whoever asks
/// joins the fetch that is ending.
async fn kept(client: &Client, address: SocketAddr, request: &RequestHead) -> Result<bool, Failure> {
    let head = RequestHead { method: Method::HEAD, ..request.clone() };
    for _ in 0..MOST_ASKED {
        let answer = client.ask(address, head.clone()).await?;
        if !says(&answer, "collapsed") {
            return Ok(says(&answer, "hit"));
        }
    }
    Ok(false)
}

/// Whether Cache-Status has this parameter.
fn says(fetched: &Fetched, parameter: &str) -> bool {
    status_of(fetched).split(';').any(|part| part.trim() == parameter)
}

fn status_of(fetched: &Fetched) -> &str {
    fetched.head.fields.get_str("cache-status").unwrap_or("no Cache-Status")
}
