//! One worker: takes connections, hands each to the front, and sees them out when the server stops.

use super::door::Door;
use super::place::{Place, refuse};
use millpond_exchange::Scheme;
use millpond_front::{ConnInfo, Drain, FrontLimits, serve_connection};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How often gathered access log lines are written, at the latest.
const LOG_INTERVAL: Duration = Duration::from_secs(1);
/// How long accepting pauses when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection taken up while the listener closes may take to send what it was opened for.
const LATE_REQUEST: Duration = Duration::from_millis(50);
/// Clients that are told that there is no place, at one time; beyond these, connections are just closed.
const MOST_REFUSALS: usize = 256;

/// One thread's part.
pub(super) struct Worker {
    pub service: Arc<Door>,
    pub limits: Arc<FrontLimits>,
    pub most: usize,
    pub open: Arc<AtomicUsize>,
    /// Clients that are being told that there is no place.
    pub refused: Arc<AtomicUsize>,
    pub ids: Arc<AtomicU64>,
    /// One for all workers: what a worker fetches may be read by connections of another, so that none ends before all of
    /// them have what they wait for.
    pub drain: Drain,
    pub drain_timeout: Duration,
    pub stopping: watch::Receiver<bool>,
}

impl Worker {
    pub async fn run(mut self, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "a worker cannot use its socket");
                return;
            }
        };
        let mut tick = tokio::time::interval(LOG_INTERVAL);
        let mut stopping = self.stopping.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer, None),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = tick.tick() => self.flush_log(),
                _ = stopping.wait_for(|stop| *stop) => break,
            }
        }
        self.accept_pending(listener);
        self.drain.start();
        if tokio::time::timeout(self.drain_timeout, self.drain.finished()).await.is_err() {
            tracing::warn!(
                connections = self.drain.connections(),
                "connections cut at the end of the drain timeout"
            );
        }
        self.flush_log();
    }

    fn flush_log(&self) {
        if let Some(log) = self.service.log() {
            log.flush();
        }
    }

    /// Takes what the kernel has accepted for a listener that is about to close: to these clients they are connected, and
    /// closing it would reset them.
    fn accept_pending(&mut self, listener: TcpListener) {
        let listener = match listener.into_std() {
            Ok(listener) => listener,
            Err(error) => return tracing::debug!(%error, "pending connections are not taken"),
        };
        // The socket does not block: the first error, as a rule, says that there are no more.
        while let Ok((stream, peer)) = listener.accept() {
            match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                Ok(stream) => self.accept(stream, peer, Some(LATE_REQUEST)),
                Err(error) => tracing::debug!(%error, "a pending connection is not taken"),
            }
        }
    }

    /// Serves a connection. With `patience`, its first request is given that long to come before a shutdown under way closes
    /// the connection as an idle one.
    fn accept(&mut self, stream: TcpStream, peer: SocketAddr, patience: Option<Duration>) {
        let place = Place::take(&self.open);
        if place.count > self.most {
            tracing::warn!(%peer, limit = self.most, "connection refused: limits.connections reached");
            let refusal = Place::take(&self.refused);
            if refusal.count <= MOST_REFUSALS {
                tokio::spawn(async move {
                    refuse(stream).await;
                    drop(refusal);
                });
            }
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
        let info = ConnInfo {
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            peer: Some(peer),
            local: stream.local_addr().ok(),
            scheme: Scheme::Http,
            tunnel: None,
        };
        let (service, limits, signal) =
            (Arc::clone(&self.service), Arc::clone(&self.limits), self.drain.signal());
        tokio::spawn(async move {
            if let Some(patience) = patience {
                // Whether anything came is for the connection itself to find out.
                let _ = tokio::time::timeout(patience, stream.readable()).await;
            }
            let end = serve_connection(stream, info, service, limits, signal).await;
            tracing::trace!(?end, "connection closed");
            drop(place);
        });
    }
}
