//! Trust towards origins: the platform's roots, SSL_CERT_FILE and SSL_CERT_DIR as found at start, and `--upstream-ca`.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Why trust towards origins could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file given with `--upstream-ca` cannot be used.
    #[error("upstream CA file {path}: {reason}; give a PEM file with at least one certificate")]
    UpstreamCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No trusted roots at all.
    #[error(
        "no trusted root certificates found; install ca-certificates, set SSL_CERT_FILE, or give --upstream-ca ({0})"
    )]
    NoRoots(String),
    /// rustls refused the settings.
    #[error("TLS settings: {0}")]
    Settings(#[from] rustls::Error),
}

/// TLS client settings shared by all connections to origins. Certificates are always verified.
#[derive(Clone)]
pub struct UpstreamTls {
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// Which protocols are offered in the TLS handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpn {
    /// HTTP/2, then HTTP/1.1.
    Any,
    /// HTTP/1.1 alone: a connection that will be upgraded.
    Http1,
}

impl UpstreamTls {
    /// Loads the platform's roots and those in `upstream_ca`.
    ///
    /// # Errors
    /// When `upstream_ca` cannot be read, or when there is no root to trust.
    pub fn load(upstream_ca: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if let Some(path) = upstream_ca {
            add_pem_file(&mut roots, path)?;
        }
        if roots.is_empty() {
            let reasons: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
            return Err(TlsError::NoRoots(reasons.join("; ")));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut any = config.clone();
        any.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { any: Arc::new(any), http1: Arc::new(config) })
    }

    pub(super) fn config(&self, alpn: Alpn) -> Arc<ClientConfig> {
        Arc::clone(match alpn {
            Alpn::Any => &self.any,
            Alpn::Http1 => &self.http1,
        })
    }
}

fn add_pem_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let failed = |reason: String| TlsError::UpstreamCa { path: path.to_owned(), reason };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .map_err(|error| failed(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("holds no certificate".into()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}
