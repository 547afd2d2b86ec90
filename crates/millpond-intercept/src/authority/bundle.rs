//! The bundle of all that clients are to trust.

use super::file::write_public;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why there is no bundle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file with further authorities cannot be used.
    #[error("{path}: {reason}; give a PEM file with at least one certificate")]
    UpstreamCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The bundle could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Writes the bundle to `path`. Its order is always the same, and ours comes last.
pub(super) fn write(
    path: &Path,
    upstream_ca: Option<&Path>,
    own: &CertificateDer<'static>,
) -> Result<PathBuf, BundleError> {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "not among the trusted roots");
    }
    let mut trusted: BTreeSet<Vec<u8>> = native.certs.iter().map(|root| root.to_vec()).collect();
    if let Some(file) = upstream_ca {
        trusted.extend(further(file)?.iter().map(|root| root.to_vec()));
    }
    trusted.remove(own.as_ref());
    let mut text: String = trusted.iter().map(|root| pem(root)).collect();
    text.push_str(&pem(own));
    write_public(path, text.as_bytes())
        .map_err(|source| BundleError::Write { path: path.to_owned(), source })?;
    Ok(path.to_owned())
}

fn further(file: &Path) -> Result<Vec<CertificateDer<'static>>, BundleError> {
    let failed = |reason: String| BundleError::UpstreamCa { path: file.to_owned(), reason };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(|error| failed(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() { Err(failed("it holds no certificate".into())) } else { Ok(certificates) }
}

/// `certificate` as PEM (RFC 7468 section 5).
pub(super) fn pem(certificate: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(certificate);
    let mut text = String::with_capacity(encoded.len() + encoded.len() / 64 + 64);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// The SHA-256 fingerprint, as `AB:CD:…`.
pub(super) fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}
