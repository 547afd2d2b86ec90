//! The certificates made so far, each with the TLS settings that show it.

use crate::accept::{Now, Options};
use crate::authority::Authority;
use crate::failure::MintError;
use crate::leaf::Leaf;
use crate::name::CertName;
use quick_cache::sync::Cache;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The application protocols offered, best first. HTTP/1.0 is what some clients ask for when told to speak it.
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// Makes certificates on request, each once, and keeps a bounded number of them.
pub(crate) struct Certificates {
    authority: Arc<Authority>,
    now: Now,
    /// The settings but for the certificate: those of all hosts share the keys of session tickets.
    settings: ServerConfig,
    kept: Cache<CertName, Arc<Kept>>,
    minted: AtomicU64,
}

struct Kept {
    config: Arc<ServerConfig>,
    renew_at: i64,
}

impl Certificates {
    pub(crate) fn new(authority: Arc<Authority>, options: Options) -> Result<Self, MintError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut settings = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        // Many short connections of one client need not sign anything again (RFC 8446 section 2.2).
        settings.ticketer = rustls::crypto::ring::Ticketer::new()?;
        let protocols = if options.http2 { &PROTOCOLS[..] } else { &PROTOCOLS[1..] };
        settings.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let kept = Cache::new(options.certificates.max(1));
        Ok(Self { authority, now: options.now, settings, kept, minted: AtomicU64::new(0) })
    }

    /// The settings that show a certificate for `name`. Whoever asks while it is being made waits for it.
    pub(crate) async fn config(&self, name: &CertName) -> Result<Arc<ServerConfig>, MintError> {
        let now = crate::leaf::seconds((self.now)())?;
        loop {
            let kept = self.kept.get_or_insert_async(name, async { self.make(name, now) }).await?;
            if now < kept.renew_at {
                return Ok(Arc::clone(&kept.config));
            }
            // Only what is due: another connection may have renewed it meanwhile.
            self.kept.remove_if(name, |kept| now >= kept.renew_at);
        }
    }

    fn make(&self, name: &CertName, now: i64) -> Result<Arc<Kept>, MintError> {
        let leaf = Leaf::mint(&self.authority, name, now)?;
        self.minted.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%name, serial = %leaf.serial, "certificate made");
        let key = CertifiedKey::new(leaf.chain, leaf.key);
        let mut config = self.settings.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
        Ok(Arc::new(Kept { config: Arc::new(config), renew_at: leaf.renew_at }))
    }

    pub(crate) fn minted(&self) -> u64 {
        self.minted.load(Ordering::Relaxed)
    }

    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("minted", &self.minted())
            .field("kept", &self.kept())
            .finish_non_exhaustive()
    }
}
