//! The walk through everything that a hit passes: the front reads a request off a pipe in memory, the proxy answers it
//! from memory, the front writes the reply, the log takes a line.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use millpond_config::Config;
use millpond_engine::ManualClock;
use millpond_exchange::StatusCode;
use millpond_front::ConnInfo;
use millpond_proxy::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;

use crate::heads::{CONTENT, PATH, REQUEST, START, response};

/// What the pipe holds: more than a request or a reply.
const PIPE: usize = 64 * 1024;

/// A kept connection, the same request each time.
pub fn exchange(times: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("starting the runtime")?.block_on(async {
        let origin = TcpListener::bind(("127.0.0.1", 0)).await.context("starting the origin")?;
        let config = Config::builder()
            .set("listen", "127.0.0.1:0")
            .set("workers", 1)
            .set("origin", format!("http://{}", origin.local_addr()?))
            .set("access_log.console", false)
            .set("access_log.file", "/dev/null")
            .build();
        let config = config.map_err(|errors| anyhow::anyhow!("{errors}"))?.config;
        let clock = Arc::new(ManualClock::new(START));
        let server = Server::bind(&config, clock).context("starting the server")?;
        let (mut client, serving) = tokio::io::duplex(PIPE);
        tokio::spawn(server.serve_connection(serving, ConnInfo::new(1)));
        let answering = tokio::spawn(answer_once(origin));
        let request = request();
        let mut reply = Vec::with_capacity(PIPE);
        ask(&mut client, &request, &mut reply, "MISS").await?;
        answering.await.context("the origin")??;
        for _ in 0..times {
            ask(&mut client, &request, &mut reply, "HIT").await?;
        }
        Ok(())
    })
}

fn request() -> Vec<u8> {
    let mut text = format!("GET {PATH} HTTP/1.1\r\n").into_bytes();
    for (name, value) in REQUEST {
        text.extend([name.as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// Asks, and reads the reply: all of it is there as soon as its content is.
async fn ask(client: &mut DuplexStream, request: &[u8], reply: &mut Vec<u8>, cache: &str) -> Result<()> {
    client.write_all(request).await.context("writing the request")?;
    reply.clear();
    while !reply.ends_with(CONTENT) {
        if client.read_buf(reply).await.context("reading the reply")? == 0 {
            bail!("the reply ends early: {}", String::from_utf8_lossy(reply));
        }
    }
    let head = &reply[..reply.len() - CONTENT.len()];
    ensure!(head.starts_with(b"HTTP/1.1 200"), "the reply is: {}", String::from_utf8_lossy(head));
    let field = format!("X-Cache: {cache}\r\n");
    let found = head.windows(field.len()).any(|part| part == field.as_bytes());
    ensure!(found, "the reply is no {cache}: {}", String::from_utf8_lossy(head));
    Ok(())
}

/// The one request that reaches the origin.
async fn answer_once(origin: TcpListener) -> Result<()> {
    let (mut stream, _) = origin.accept().await.context("accepting")?;
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut asked).await? > 0, "the request ends early");
    }
    let head = response(StatusCode::OK, "public, max-age=600");
    let mut reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", CONTENT.len()).into_bytes();
    for field in head.fields.iter() {
        reply.extend_from_slice(field.name_str().as_bytes());
        reply.extend_from_slice(b": ");
        reply.extend_from_slice(field.value_str().unwrap_or_default().as_bytes());
        reply.extend_from_slice(b"\r\n");
    }
    reply.extend_from_slice(b"\r\n");
    reply.extend_from_slice(CONTENT);
    stream.write_all(&reply).await.context("answering")
}
