//! The forward proxy: clients name the origin.

mod guards;
mod interception;
mod names;
mod requests;
mod tunnels;

use crate::support::{Client, Proxy, Reply, Setup};
use std::net::SocketAddr;

/// A forward proxy for which every name of the internet may be `127.0.0.1`.
fn forward() -> Setup {
    Setup::new().set("forward.private_addresses", true)
}

/// A GET of `http://HOST:PORT/path`, the port being that of `origin`.
async fn get(proxy: &Proxy, host: &str, origin: SocketAddr, path: &str, more: &str) -> Reply {
    ask(proxy, "GET", &format!("http://{host}:{}{path}", origin.port()), more).await
}

async fn ask(proxy: &Proxy, method: &str, url: &str, more: &str) -> Reply {
    Client::to(proxy.address).await.ask(method, url, more).await
}
