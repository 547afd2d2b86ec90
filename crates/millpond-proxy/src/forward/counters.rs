//! What tunnels did, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since start, shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    open: AtomicU64,
    opened: AtomicU64,
    intercepted: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    distrusted: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Tunnels {
    /// Counts a tunnel that goes unread, until what comes back is dropped.
    pub fn open(&self) -> OpenTunnel<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        OpenTunnel(self)
    }

    /// Counts a tunnel whose inside is read.
    pub fn intercepted(&self) {
        self.intercepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a CONNECT whose target is refused.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a CONNECT whose target could not be connected to.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a client that did not accept a certificate of ours.
    pub fn distrusted(&self) {
        self.distrusted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes on their way to a target.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes on their way back.
    pub fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Names and values.
    pub fn figures(&self) -> [(&'static str, u64); 8] {
        [
            ("open", &self.open),
            ("opened", &self.opened),
            ("intercepted", &self.intercepted),
            ("refused", &self.refused),
            ("failed", &self.failed),
            ("distrusted", &self.distrusted),
            ("sent_bytes", &self.sent),
            ("received_bytes", &self.received),
        ]
        .map(|(name, value)| (name, value.load(Ordering::Relaxed)))
    }
}

/// A tunnel that is counted as open.
pub(crate) struct OpenTunnel<'a>(&'a Tunnels);

impl Drop for OpenTunnel<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
