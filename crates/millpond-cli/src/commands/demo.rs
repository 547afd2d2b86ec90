//! `millpond demo`: origin and proxy in one, and a few requests that show what a cache does.

use super::serve::{Signals, announce};
use super::{print, runtime};
use crate::args::DemoArgs;
use crate::client::{Client, Fetched};
use crate::demo_origin;
use crate::failure::Failure;
use crate::settings::Settings;
use millpond::engine::SystemClock;
use millpond::proxy::{Running, Server};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shows the demonstration, then stays up until a signal.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let origin = runtime
        .block_on(demo_origin::start())
        .map_err(|error| Failure::System { what: "cannot start the sample origin", error })?;
    let mut settings = Settings::new(None, None);
    settings.set("demo", "origin", format!("http://{origin}"));
    settings.set("demo", "access_log.console", "false".to_owned());
    settings.set_some("--listen", "listen", args.listen.clone());
    let config = settings.resolve()?.config;
    crate::logging::start(&config.log);
    let server = Server::bind(&config, Arc::new(SystemClock))?;
    announce(&server)?;
    let running = server.start()?;
    runtime.block_on(show(&running))?;
    if !args.once {
        print(&format!("\nStill here. Try:  curl -i http://{}/products\nCtrl-C ends it.\n", running.local_addr()))?;
        runtime.block_on(Signals::listen(&runtime)?.wait(&running));
    }
    running.stop();
    running.wait();
    Ok(ExitCode::SUCCESS)
}

async fn show(running: &Running) -> Result<(), Failure> {
    let client = Client::new(None)?;
    let base = format!("http://{}", running.local_addr());
    let take = async |path: &str, what: &str| -> Result<(), Failure> {
        let started = Instant::now();
        let fetched = client.get(&format!("{base}{path}")).await?;
        print(&line(path, what, started.elapsed(), &fetched))
    };
    print(&format!("The sample origin takes {} ms for every answer.\n\n", demo_origin::DELAY.as_millis()))?;
    print(&format!("{:<10} {:<34} {:>9}  {:<5} Cache-Status\n", "GET", "what happens", "time", ""))?;
    take("/products", "nothing stored: asks the origin").await?;
    take("/products", "fresh: answered from memory").await?;
    tokio::time::sleep(Duration::from_secs(demo_origin::MAX_AGE + 1)).await;
    take("/products", "stale: answered, refreshed behind").await?;
    tokio::time::sleep(demo_origin::DELAY * 2).await;
    take("/products", "fresh again").await?;
    take("/menu", "nothing stored: asks the origin").await?;
    take("/menu", "must be validated: origin says 304").await
}

fn line(path: &str, what: &str, took: Duration, fetched: &Fetched) -> String {
    let field = |name: &str| fetched.head.fields.get_str(name).unwrap_or("-").to_owned();
    let millis = took.as_secs_f64() * 1000.0;
    format!("{path:<10} {what:<34} {millis:>6.1} ms  {:<5} {}\n", field("x-cache"), field("cache-status"))
}
