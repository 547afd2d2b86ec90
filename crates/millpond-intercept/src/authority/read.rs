//! An authority's file: its key and its certificate.

use super::error::AuthorityError;
use super::signer::Signer;
use crate::leaf::{self, moment};
use crate::name::CertName;
use rcgen::Issuer;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// How large a file may be. Real ones have a few KiB.
const LARGEST: u64 = 1024 * 1024;

/// What a file holds, checked.
pub(super) struct Loaded {
    pub(super) path: PathBuf,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    pub(super) issuer: Issuer<'static, Signer>,
    pub(super) facts: Facts,
}

/// What its certificate says of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) subject: String,
    /// In seconds since 1970, as the next.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

/// Reads the key and the certificate in `path`, whatever their times say.
pub(super) fn load(path: &Path) -> Result<Loaded, AuthorityError> {
    parse(path, &read(path)?)
}

impl Loaded {
    pub(super) fn is_expired(&self, now: i64) -> bool {
        now >= self.facts.not_after
    }

    /// Itself, if it can be used at this time.
    pub(super) fn at(self, now: i64) -> Result<Self, AuthorityError> {
        if self.is_expired(now) {
            let what = format!("expired on {}", super::shown(self.facts.not_after));
            return Err(AuthorityError::file(&self.path, what));
        }
        if now < self.facts.not_before {
            tracing::warn!(
                file = %self.path.display(),
                begins = %super::shown(self.facts.not_before),
                "the certificate authority is not valid yet; is the clock right?"
            );
        }
        Ok(self)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    let failed = |source| AuthorityError::io("read", path, source);
    let about = fs::metadata(path).map_err(failed)?;
    if about.len() > LARGEST {
        return Err(AuthorityError::file(path, "is far too large for a key and a certificate"));
    }
    if about.permissions().mode() & 0o077 != 0 {
        tracing::warn!(
            file = %path.display(),
            "other users may read the key of the certificate authority; chmod 600 keeps it from them"
        );
    }
    fs::read(path).map_err(failed)
}

fn parse(path: &Path, text: &[u8]) -> Result<Loaded, AuthorityError> {
    let wrong = |what: String| AuthorityError::file(path, what);
    let key = PrivateKeyDer::from_pem_slice(text)
        .map_err(|error| wrong(format!("holds no private key that can be read ({error})")))?;
    let mut certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(format!("holds a certificate that cannot be read ({error})")))?;
    if certificates.is_empty() {
        return Err(wrong("holds no certificate".into()));
    }
    let certificate = certificates.remove(0);
    let signer =
        Signer::new(&key).map_err(|error| wrong(format!("holds a key that cannot be used ({error})")))?;
    let facts = facts(&certificate, &signer).map_err(|what| wrong(what.into()))?;
    let self_signed = is_self_signed(&certificate);
    let issuer = Issuer::from_ca_cert_der(&certificate, signer)
        .map_err(|error| wrong(format!("holds a certificate that cannot be used ({error})")))?;
    let intermediates = if self_signed {
        Vec::new()
    } else {
        let rest = certificates.into_iter().filter(|other| !is_self_signed(other));
        std::iter::once(certificate.clone()).chain(rest).collect()
    };
    check_name(&certificate, &issuer).map_err(|what| wrong(what.into()))?;
    Ok(Loaded { path: path.to_owned(), certificate, intermediates, issuer, facts })
}

/// Checks that `certificate` is that of an authority whose key `signer` is.
fn facts(certificate: &CertificateDer<'_>, signer: &Signer) -> Result<Facts, &'static str> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| "holds a certificate that cannot be read")?;
    if parsed.public_key().subject_public_key.as_ref() != signer.public() {
        return Err("holds a key and a certificate that do not belong together");
    }
    let basic = parsed.basic_constraints().map_err(|_| "holds a certificate that cannot be read")?;
    if !basic.is_some_and(|basic| basic.value.ca) {
        return Err("holds a certificate that is not that of an authority (CA:TRUE)");
    }
    let usage = parsed.key_usage().map_err(|_| "holds a certificate that cannot be read")?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err("holds a certificate that may not sign others (keyCertSign)");
    }
    // What writes names would not survive such a one.
    if parsed.subject().iter().any(|part| part.iter().next().is_none()) {
        return Err("holds a certificate with an invalid subject");
    }
    Ok(Facts {
        subject: parsed.subject().to_string(),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
    })
}

/// Checks with one certificate that the issuer is written as the authority is named: to the byte, as clients compare.
fn check_name(
    certificate: &CertificateDer<'_>,
    issuer: &Issuer<'static, Signer>,
) -> Result<(), &'static str> {
    const FAILED: &str = "holds a certificate whose name cannot be repeated in others";
    let name = CertName::parse("localhost").map_err(|_| FAILED)?;
    let at = moment(0).map_err(|_| FAILED)?;
    let probe = leaf::params(&name, &[1], at, at).map_err(|_| FAILED)?;
    let probe = probe.signed_by(issuer.key(), issuer).map_err(|_| "holds a key that does not sign")?;
    let (_, probe) = X509Certificate::from_der(probe.der()).map_err(|_| FAILED)?;
    let (_, own) = X509Certificate::from_der(certificate).map_err(|_| FAILED)?;
    if probe.issuer().as_raw() == own.subject().as_raw() { Ok(()) } else { Err(FAILED) }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.issuer().as_raw() == parsed.subject().as_raw())
}

/// The first certificate in `text`.
pub(super) fn first_certificate(text: &[u8]) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(text).ok()
}
