//! `millpond demo`: origin and proxy in one, and a few requests that show what a cache does.

use super::door::{Signals, announce};
use super::{print, runtime};
use crate::args::DemoArgs;
use crate::demo_origin;
use crate::failure::Failure;
use crate::settings::Settings;
use millpond::engine::SystemClock;
use millpond::proxy::{Running, Server};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Shows the demonstration, then stays up until a signal.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let origin = runtime
        .block_on(demo_origin::start())
        .map_err(|error| Failure::System { what: "cannot start the sample origin", error })?;
    let mut settings = Settings::new(None, None);
    settings.set("demo", "origin", format!("http://{origin}"));
    settings.set("demo", "store", "memory".to_owned());
    settings.set("demo", "access_log.console", "false".to_owned());
    settings.set_some("--listen", "listen", args.listen.clone());
    let config = settings.resolve()?.config;
    crate::logging::start(config.log);
    let server = Server::bind(&config, Arc::new(SystemClock))?;
    announce(&server)?;
    let running = server.start()?;
    runtime.block_on(show(&running))?;
    if !args.once {
        let signals = Signals::listen(&runtime)?;
        print(&format!(
            "\nStill here. Try:  curl -i http://{}/products\nCtrl-C ends it.\n",
            running.local_addr()
        ))?;
        runtime.block_on(signals.wait(&running));
    }
    running.stop();
    running.wait();
    Ok(ExitCode::SUCCESS)
}

async fn show(running: &Running) -> Result<(), Failure> {
    let take = async |path: &str, what: &str| -> Result<(), Failure> {
        let started = Instant::now();
        let head = get(running.local_addr(), path)
            .await
            .map_err(|error| Failure::System { what: "cannot ask the proxy", error })?;
        print(&line(path, what, started.elapsed(), &head))
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

/// The head of the response to a GET, as it came over the wire: what any client would see.
async fn get(proxy: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(proxy).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {proxy}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let text = String::from_utf8_lossy(&response);
    Ok(text.split("\r\n\r\n").next().unwrap_or_default().to_owned())
}

fn line(path: &str, what: &str, took: Duration, head: &str) -> String {
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("-", |(_, value)| value)
    };
    let millis = took.as_secs_f64() * 1000.0;
    format!("{path:<10} {what:<34} {millis:>6.1} ms  {:<5} {}\n", field("x-cache"), field("cache-status"))
}
