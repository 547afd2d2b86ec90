//! Several HTTP/2 connections to one upstream, where one would be too few.
//!
//! hyper's pool makes one for all requests. But an origin bounds the exchanges on it (RFC 9113 section 5.1.2), and whoever reads
//! slowly holds one of these places, and a share of the connection's window, for as long as he likes: enough of them would keep
//! everybody else waiting.

use super::client::HyperClient;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Exchanges on one connection before another is made: fewer than any usual origin allows.
pub(super) const EXCHANGES: u32 = 64;
/// Connections. Beyond these they are shared by more exchanges.
const LANES: usize = 8;

/// The clients of one upstream, each with a pool, and so with an HTTP/2 connection, of its own.
pub(super) struct Lanes {
    lanes: Mutex<Vec<Lane>>,
    /// The upstream speaks HTTP/2. Over HTTP/1.1 every exchange has a connection of its own anyway.
    http2: AtomicBool,
}

struct Lane {
    client: HyperClient,
    /// One more reference for each exchange.
    exchanges: Arc<()>,
}

/// Held by an exchange until the last byte of its response.
pub(super) struct OnLane {
    _exchange: Arc<()>,
}

impl Lane {
    fn new(client: HyperClient) -> Self {
        Self { client, exchanges: Arc::new(()) }
    }

    fn exchanges(&self) -> usize {
        Arc::strong_count(&self.exchanges) - 1
    }

    fn enter(&self) -> (HyperClient, OnLane) {
        (self.client.clone(), OnLane { _exchange: Arc::clone(&self.exchanges) })
    }
}

impl Lanes {
    pub(super) fn new(first: HyperClient) -> Self {
        Self { lanes: Mutex::new(vec![Lane::new(first)]), http2: AtomicBool::new(false) }
    }

    /// Takes note of the version a response came in.
    pub(super) fn answered(&self, version: http::Version) {
        if version == http::Version::HTTP_2 && !self.http2.load(Ordering::Relaxed) {
            self.http2.store(true, Ordering::Relaxed);
        }
    }

    /// The client for the next exchange; `make` makes another.
    pub(super) fn next(&self, make: impl FnOnce() -> HyperClient) -> (HyperClient, OnLane) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let least = lanes.iter().enumerate().min_by_key(|(_, lane)| lane.exchanges()).map_or(0, |(at, _)| at);
        let free = lanes.iter().position(|lane| lane.exchanges() < EXCHANGES as usize);
        if free.is_none() && lanes.len() < LANES && self.http2.load(Ordering::Relaxed) {
            lanes.push(Lane::new(make()));
            return lanes[lanes.len() - 1].enter();
        }
        lanes[free.unwrap_or(least)].enter()
    }
}
