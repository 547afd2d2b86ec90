//! millpond inside the test: real sockets, and a clock of the test's choice.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use millpond::config::{Builder, Config};
use millpond::engine::{Clock, CountersSnapshot};
use millpond::proxy::{Running, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy, stopped when dropped.
pub struct Proxy(Option<Running>);

impl Proxy {
    /// A proxy in front of `origin`, with `settings` as the command line would give them.
    pub fn start(origin: &str, settings: &[(&str, &str)], clock: Arc<dyn Clock>) -> Self {
        let values =
            settings.iter().fold(Config::builder(), |builder, (path, value)| builder.set(path, *value));
        Self::build(values.set("origin", origin), clock)
    }

    /// A proxy with this text for its configuration file.
    pub fn with_file(text: &str, clock: Arc<dyn Clock>) -> Self {
        Self::build(Config::builder().file_text("millpond.toml", text), clock)
    }

    fn build(builder: Builder, clock: Arc<dyn Clock>) -> Self {
        let config =
            builder.set("listen", "127.0.0.1:0").set("access_log.format", "off").build().unwrap().config;
        Self(Some(Server::bind(&config, clock).unwrap().start().unwrap()))
    }

    pub fn address(&self) -> SocketAddr {
        self.0.as_ref().unwrap().local_addr()
    }

    pub fn counters(&self) -> CountersSnapshot {
        self.0.as_ref().unwrap().counters()
    }

    /// Waits until what happened satisfies `enough`.
    pub fn wait_until(&self, what: &str, enough: impl Fn(&CountersSnapshot) -> bool) {
        let started = Instant::now();
        while !enough(&self.counters()) {
            assert!(started.elapsed() < PATIENCE, "{what} did not happen: {:?}", self.counters());
            std::thread::yield_now();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.stop();
            running.wait();
        }
    }
}
