//! `millpond cache warm`: fetches URLs the way clients would, through a server of our own.

use super::Cache;
use super::named::{Line, lines_of};
use crate::args::cache::WarmArgs;
use crate::client::{Client, Fetched};
use crate::commands::progress::Progress;
use crate::commands::target::request_of_route;
use crate::commands::{print, runtime, terminal};
use crate::failure::Failure;
use futures_util::StreamExt as _;
use millpond::config::Config;
use millpond::engine::SystemClock;
use millpond::exchange::{Method, RequestHead};
use millpond::proxy::{Running, Server};
use serde_json::json;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often, and how far apart, it is looked whether the last responses are committed: two seconds in all.
const MOST_LOOKS: u32 = 1000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Fetches every URL of the file.
pub(super) fn run(args: &WarmArgs) -> Result<ExitCode, Failure> {
    let mut settings = args.common.settings();
    settings.set_some("--origin", "origin", args.origin.clone());
    settings.assign(&["listen=127.0.0.1:0".to_owned(), "access_log.format=off".to_owned()]);
    settings.resolve()?.require_origin()?;
    let cache = Cache::named_by(&settings)?;
    let (requests, wrong) = requests_of(&lines_of(&args.file)?, &cache.config);
    let Summary { fetched, fresh, not_kept, failed } =
        fetch_all(&cache.config, requests, usize::from(args.concurrency))?;
    let failed = failed + wrong;
    print(&if args.json {
        let all = json!({ "fetched": fetched, "fresh": fresh, "not_kept": not_kept, "failed": failed });
        format!("{all:#}\n")
    } else {
        format!("Fetched {fetched}, already fresh {fresh}, not kept {not_kept}, failed {failed}.\n")
    })?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A URL to fetch, by its name in messages.
struct Wanted {
    name: String,
    request: RequestHead,
}

/// The request for each line, and how many lines ask for nothing that the configuration knows. Those are told.
fn requests_of(lines: &[Line], config: &Config) -> (Vec<Wanted>, u64) {
    let routes = config.routes();
    let (mut requests, mut wrong) = (Vec::new(), 0);
    for line in lines {
        let request = if line.valid {
            request_of_route(&line.text, &routes).map_err(|why| why.to_string())
        } else {
            Err("it is not UTF-8".to_owned())
        };
        match request {
            Ok(request) => {
                let name = terminal::plain(&line.text).into_owned();
                requests.push(Wanted { name, request });
            }
            Err(why) => {
                eprintln!("{}", line.wrong(&why));
                wrong += 1;
            }
        }
    }
    (requests, wrong)
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
    /// The answer was on its way into the cache when its head was sent.
    Storing {
        /// By this request's own fetch, not by one that it joined.
        own: bool,
    },
    Kept,
    Fresh,
    NotKept(String),
    Failed(String),
}

fn fetch_all(config: &Config, wanted: Vec<Wanted>, concurrency: usize) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    let mut storing = Vec::new();
    let all = wanted.len() as u64;
    let mut progress = Progress::new("fetched");
    let mut done = 0;
    ask_all(config, concurrency, wanted, fetch, |wanted, outcome| {
        done += 1;
        progress.at(done, all);
        match outcome {
            Outcome::Storing { .. } => storing.push(wanted),
            outcome => summary.add(&wanted, outcome),
        }
    })?;
    drop(progress);
    if storing.is_empty() {
        return Ok(summary);
    }
    // `stored` was said before the body had come (RFC 9211 section 2.5): whether the store has taken that is seen once the
    // server has written everything out. Nothing is fetched to find out.
    let offline = Config { offline: true, ..config.clone() };
    ask_all(&offline, concurrency, storing, kept, |wanted, outcome| summary.add(&wanted, outcome))?;
    Ok(summary)
}

/// Asks a server of our own for each, and waits until it has written out what its store has taken.
fn ask_all<F: Future<Output = Outcome>>(
    config: &Config,
    concurrency: usize,
    all: Vec<Wanted>,
    ask: impl Fn(Arc<Client>, SocketAddr, RequestHead) -> F,
    mut done: impl FnMut(Wanted, Outcome),
) -> Result<(), Failure> {
    let running = Server::bind(config, Arc::new(SystemClock))?.start()?;
    let address = running.local_addr();
    let client = Arc::new(Client::new(None)?);
    runtime()?.block_on(async {
        let asked = all.into_iter().map(|wanted| {
            let outcome = ask(Arc::clone(&client), address, wanted.request.clone());
            async move { (wanted, outcome.await) }
        });
        let mut outcomes = futures_util::stream::iter(asked).buffer_unordered(concurrency);
        let mut promised = 0;
        while let Some((wanted, outcome)) = outcomes.next().await {
            promised += u64::from(matches!(outcome, Outcome::Storing { own: true }));
            done(wanted, outcome);
        }
        committed(&running, promised).await;
    });
    running.stop();
    running.wait();
    Ok(())
}

/// Waits until as many responses are committed, or have failed to be, as were said to be on their way: a client may have the
/// last byte a moment before the store does, and a server that stops waits for its clients alone.
async fn committed(running: &Running, promised: u64) {
    for _ in 0..MOST_LOOKS {
        let counters = running.counters();
        if counters.stored + counters.fills_cut + counters.store_failures >= promised {
            return;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

impl Summary {
    fn add(&mut self, wanted: &Wanted, outcome: Outcome) {
        let name = &wanted.name;
        match outcome {
            Outcome::Storing { .. } | Outcome::Kept => self.fetched += 1,
            Outcome::Fresh => self.fresh += 1,
            Outcome::NotKept(why) => {
                self.not_kept += 1;
                eprintln!("{name}: fetched, but not kept: {}", terminal::plain(&why));
            }
            Outcome::Failed(why) => {
                self.failed += 1;
                eprintln!("{name}: {}", terminal::plain(&why));
            }
        }
    }
}

async fn fetch(client: Arc<Client>, address: SocketAddr, request: RequestHead) -> Outcome {
    let fetched = match client.ask(address, request).await {
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
    let own = says(&fetched, "stored");
    if own || says(&fetched, "collapsed") {
        return Outcome::Storing { own };
    }
    Outcome::NotKept(status_of(&fetched).to_owned())
}

/// Whether what was fetched is in the cache.
async fn kept(client: Arc<Client>, address: SocketAddr, request: RequestHead) -> Outcome {
    match client.ask(address, RequestHead { method: Method::HEAD, ..request }).await {
        Ok(answer) if says(&answer, "hit") => Outcome::Kept,
        Ok(_) => Outcome::NotKept("the store did not take it".to_owned()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Whether Cache-Status has this parameter.
fn says(fetched: &Fetched, parameter: &str) -> bool {
    status_of(fetched).split(';').any(|part| part.trim() == parameter)
}

fn status_of(fetched: &Fetched) -> &str {
    fetched.head.fields.get_str("cache-status").unwrap_or("no Cache-Status")
}
