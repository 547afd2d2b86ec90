//! The proxy under test, on a port the system chose, told the time by the test.

use super::{Client, Origin, Reply};
use millpond_config::{Config, SettingValue};
use millpond_engine::ManualClock;
use millpond_exchange::Timestamp;
use millpond_proxy::{Names, Running, Server, StartError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-01T00:00:00Z, where the clock of every test stands at first.
pub const START: i64 = 1_767_225_600_000;

/// A configuration in the making.
pub struct Setup(millpond_config::Builder);

/// A proxy in front of `origin`, with one worker and no log.
pub fn proxy(origin: &Origin) -> Setup {
    Setup::new().set("origin", url_of(origin))
}

/// `http://address` of an origin.
pub fn url_of(origin: &Origin) -> String {
    format!("http://{}", origin.address)
}

impl Setup {
    /// One worker, no log, no origin yet.
    pub fn new() -> Self {
        let builder = Config::builder();
        Self(builder.set("listen", "127.0.0.1:0").set("workers", 1).set("access_log.console", false))
    }

    pub fn set(self, path: &str, value: impl Into<SettingValue>) -> Self {
        Self(self.0.set(path, value))
    }

    pub fn preset(self, name: &str) -> Self {
        Self(self.0.preset(name))
    }

    /// A configuration file with this text.
    pub fn file(self, text: &str) -> Self {
        Self(self.0.file_text("test.toml", text))
    }

    pub fn try_start(self) -> Result<Proxy, StartError> {
        self.try_start_with(Names::system())
    }

    /// In front of origins whose names are resolved with `names`.
    pub fn try_start_with(self, names: Names) -> Result<Proxy, StartError> {
        let resolved = self.0.build().unwrap_or_else(|errors| panic!("{errors}"));
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(START)));
        let running = Server::bind_with(&resolved.config, Arc::clone(&clock) as _, names)?.start()?;
        Ok(Proxy { address: running.local_addr(), running: Some(running), clock })
    }

    /// A forward proxy, for which every name is `127.0.0.1`.
    pub fn forward(self) -> Proxy {
        self.try_forward(names(|_| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A forward proxy that resolves names with `names`.
    pub fn try_forward(self, names: Names) -> Result<Proxy, StartError> {
        let resolved = self.0.build().unwrap_or_else(|errors| panic!("{errors}"));
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(START)));
        let server = Server::bind_forward_with(&resolved.config, Arc::clone(&clock) as _, names)?;
        let running = server.start()?;
        Ok(Proxy { address: running.local_addr(), running: Some(running), clock })
    }

    pub fn start(self) -> Proxy {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A resolver that is told what to say.
pub fn names(say: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Names {
    Names::with(move |name| std::future::ready(Ok(say(&name))))
}

/// A running proxy; stopped when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    pub running: Option<Running>,
    pub clock: Arc<ManualClock>,
}

impl Proxy {
    pub async fn client(&self) -> Client {
        Client::to(self.address).await
    }

    /// A GET over a connection of its own.
    pub async fn get(&self, target: &str) -> Reply {
        self.client().await.get(target).await
    }

    /// A GET with further field lines over a connection of its own.
    pub async fn get_with(&self, target: &str, more: &str) -> Reply {
        self.client().await.ask("GET", target, more).await
    }

    /// One of the process's figures.
    pub fn figure(&self, name: &str) -> u64 {
        let figures = self.running.as_ref().unwrap().figures();
        figures.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}: {figures:?}")).1
    }

    pub fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.running.as_ref().unwrap().stop();
    }

    /// Waits until every worker has ended.
    pub async fn stopped(mut self) {
        let running = self.running.take().unwrap();
        super::soon(tokio::task::spawn_blocking(move || running.wait())).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop();
        }
    }
}
