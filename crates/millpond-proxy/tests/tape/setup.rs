//! A proxy that records or replays, and what its tapes hold.

use crate::support::{Origin, Proxy, url_of};
use millpond_config::{Config, SettingValue};
use millpond_engine::ManualClock;
use millpond_exchange::Timestamp;
use millpond_proxy::{Server, tape_options};
use millpond_recorder::{Mode, Tapes};
use millpond_tape::{Content, ReadAt, Recorded};
use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// A running proxy with its tapes.
pub struct Taping {
    pub proxy: Proxy,
    pub tapes: Arc<Tapes>,
}

impl Deref for Taping {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}

impl Taping {
    /// Stops it, and ends its recording.
    pub async fn ended(self) {
        self.proxy.stop();
        let Self { proxy, tapes } = self;
        proxy.stopped().await;
        tapes.close();
    }
}

pub fn taping(dir: &Path, mode: Mode) -> Taping {
    taping_with(dir, mode, &[])
}

/// With further settings.
pub fn taping_with(dir: &Path, mode: Mode, settings: &[(&str, SettingValue)]) -> Taping {
    let mut builder = Config::builder()
        .set("listen", "127.0.0.1:0")
        .set("workers", 1)
        .set("access_log.console", false)
        .set("tape.dir", dir.to_str().unwrap())
        .set("intercept.ca_dir", dir.join("ca").to_str().unwrap())
        .set("tape.mode", mode.as_str());
    for (path, value) in settings {
        builder = builder.set(path, value.clone());
    }
    let config = builder.build().unwrap_or_else(|errors| panic!("{errors}")).config;
    let start = Timestamp::from_millis(1_767_225_600_000);
    let clock = Arc::new(ManualClock::new(start));
    let tapes = Tapes::open(tape_options(&config, Mode::ReadWrite).unwrap(), start).unwrap();
    let server = Server::bind_tape(&config, Arc::clone(&clock) as _, Arc::clone(&tapes)).unwrap();
    let running = server.start().unwrap();
    let proxy = Proxy { address: running.local_addr(), running: Some(running), clock };
    Taping { proxy, tapes }
}

/// The URL of `path` at an origin, as a client of a proxy asks for it.
pub fn at(origin: &Origin, path: &str) -> String {
    format!("{}{path}", url_of(origin))
}

/// The exchanges on all recordings of a directory.
pub fn on_tape(dir: &Path) -> Vec<Recorded> {
    let Ok(listed) = std::fs::read_dir(dir.join("sessions")) else { return Vec::new() };
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "mitm"));
    paths.sort();
    let open = |path| -> Arc<dyn ReadAt> { Arc::new(File::open(path).unwrap()) };
    paths
        .into_iter()
        .flat_map(|path| millpond_tape::open(open(path)).unwrap())
        .map(|item| item.unwrap().1)
        .collect()
}

pub fn text(content: Option<&Content>) -> Option<String> {
    content.map(|content| String::from_utf8(content.to_bytes(u64::MAX).unwrap().unwrap().to_vec()).unwrap())
}

/// The content of an exchange's response.
pub fn content(exchange: &Recorded) -> Option<String> {
    text(exchange.response.as_ref().and_then(|response| response.content.as_ref()))
}
