//! The certificate authority: a folder with a key, its certificate and what clients are given of it.
//!
//! The folder has mitmproxy's layout. `mitmproxy-ca.pem` (key and certificate) is used where it is there, so that clients
//! which trust a mitmproxy already need not trust a second authority. Else it is our own `millpond-ca.pem`, made with
//! first use.

mod bundle;
mod create;
mod error;
mod file;
mod read;
mod signer;

pub use bundle::BundleError;
pub use error::AuthorityError;

use crate::leaf::{moment, seconds};
use file::write_public;
use rcgen::Issuer;
use rustls_pki_types::CertificateDer;
use signer::Signer;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// mitmproxy's key and certificate.
const MITMPROXY: &str = "mitmproxy-ca.pem";
/// mitmproxy's certificate alone.
const MITMPROXY_CERT: &str = "mitmproxy-ca-cert.pem";
/// Our own key and certificate.
const OWN: &str = "millpond-ca.pem";
/// The certificate of whichever authority it is, where mitmproxy has not written it already.
const CERT: &str = "millpond-ca-cert.pem";
/// All that clients are to trust.
const BUNDLE: &str = "millpond-ca-bundle.pem";

/// How long before its end an authority is worth a warning, in seconds.
const WARNED: i64 = 30 * 24 * 60 * 60;

/// A certificate authority, ready to sign.
pub struct Authority {
    dir: PathBuf,
    key_path: PathBuf,
    certificate_path: PathBuf,
    pem: String,
    certificate: CertificateDer<'static>,
    /// The certificates between ours and the root, where ours is none.
    intermediates: Vec<CertificateDer<'static>>,
    issuer: Issuer<'static, Signer>,
    facts: read::Facts,
}

/// What there is to say of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The file with the key.
    pub key_path: PathBuf,
    /// The file with the certificate alone: what clients are to trust.
    pub certificate_path: PathBuf,
    /// Its name, such as `CN=millpond, O=millpond`.
    pub subject: String,
    /// The kind of its key, such as `ECDSA P-256`.
    pub key: &'static str,
    /// The SHA-256 fingerprint of its certificate, as browsers and `openssl x509 -fingerprint` show it.
    pub fingerprint: String,
    /// When it begins, such as `2026-01-31T00:00:00Z`.
    pub not_before: String,
    /// When it ends.
    pub not_after: String,
}

impl Authority {
    /// Takes the authority in the folder `dir`, or makes a new one there.
    ///
    /// Processes that start at the same time get the same authority. An authority of our own that has expired is set aside
    /// and replaced: nothing works with it any more.
    ///
    /// # Errors
    /// [`AuthorityError`], which says what is wrong with which file, and how to mend it.
    pub fn load_or_create(dir: &Path, now: SystemTime) -> Result<Self, AuthorityError> {
        let dir = std::path::absolute(dir).map_err(|source| AuthorityError::io("find", dir, source))?;
        let now = seconds(now).map_err(AuthorityError::Create)?;
        let mitmproxy = dir.join(MITMPROXY);
        let loaded = if file::exists(&mitmproxy)? {
            read::load(&mitmproxy)?.at(now)?
        } else {
            create::load_or_create(&dir, now)?
        };
        Self::new(dir, loaded, now)
    }

    fn new(dir: PathBuf, loaded: read::Loaded, now: i64) -> Result<Self, AuthorityError> {
        let pem = bundle::pem(&loaded.certificate);
        let certificate_path = certificate_path(&dir, &loaded, &pem)?;
        if loaded.facts.not_after - now < WARNED {
            tracing::warn!(
                file = %loaded.path.display(),
                "the certificate authority expires within thirty days; clients will have to trust a new one then"
            );
        }
        Ok(Self {
            dir,
            key_path: loaded.path,
            certificate_path,
            pem,
            certificate: loaded.certificate,
            intermediates: loaded.intermediates,
            issuer: loaded.issuer,
            facts: loaded.facts,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file with the certificate alone, for clients that add one authority to those they trust.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The certificate as DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// Writes the bundle of all that clients are to trust, for those whose list it replaces: the platform's roots
    /// (`SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set), those in the file `upstream_ca`, and this authority. The file in
    /// the folder is replaced in one step, and left alone where it holds this already.
    ///
    /// # Errors
    /// [`BundleError`] when `upstream_ca` cannot be read or the bundle not be written.
    pub fn bundle(&self, upstream_ca: Option<&Path>) -> Result<PathBuf, BundleError> {
        bundle::write(&self.dir.join(BUNDLE), upstream_ca, &self.certificate)
    }

    /// What there is to say of it.
    pub fn summary(&self) -> Summary {
        Summary {
            key_path: self.key_path.clone(),
            certificate_path: self.certificate_path.clone(),
            subject: self.facts.subject.clone(),
            key: self.issuer.key().kind(),
            fingerprint: bundle::fingerprint(&self.certificate),
            not_before: shown(self.facts.not_before),
            not_after: shown(self.facts.not_after),
        }
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, Signer> {
        &self.issuer
    }

    pub(crate) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// In seconds since 1970.
    pub(crate) fn not_before(&self) -> i64 {
        self.facts.not_before
    }

    /// In seconds since 1970.
    pub(crate) fn not_after(&self) -> i64 {
        self.facts.not_after
    }
}

impl fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("dir", &self.dir)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// The file with the certificate alone: mitmproxy's where it is of this authority, else one of ours.
fn certificate_path(dir: &Path, loaded: &read::Loaded, pem: &str) -> Result<PathBuf, AuthorityError> {
    let theirs = dir.join(MITMPROXY_CERT);
    if loaded.path.ends_with(MITMPROXY)
        && fs::read(&theirs)
            .is_ok_and(|text| read::first_certificate(&text) == Some(loaded.certificate.clone()))
    {
        return Ok(theirs);
    }
    let ours = dir.join(CERT);
    write_public(&ours, pem.as_bytes()).map_err(|source| AuthorityError::io("write", &ours, source))?;
    Ok(ours)
}

fn shown(seconds: i64) -> String {
    moment(seconds)
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}
