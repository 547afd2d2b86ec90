//! An authority of our own.

use super::error::AuthorityError;
use super::read::{self, Loaded};
use super::{OWN, file};
use crate::failure::MintError;
use crate::leaf::{BACKDATED, moment, random_serial};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use std::fs;
use std::path::Path;

/// Ten years, in seconds.
const LIFETIME: i64 = 3650 * 24 * 60 * 60;

/// Loads our own authority in `dir`, or makes it.
pub(super) fn load_or_create(dir: &Path, now: i64) -> Result<Loaded, AuthorityError> {
    let path = dir.join(OWN);
    if let Found::Usable(loaded) = find(&path, now)? {
        return loaded.at(now);
    }
    file::make_dir(dir).map_err(|source| AuthorityError::io("create", dir, source))?;
    let _locked = file::lock(dir).map_err(|source| AuthorityError::io("lock a file in", dir, source))?;
    // Another process may have been quicker: only what is still so under the lock counts.
    match find(&path, now)? {
        Found::Usable(loaded) => return loaded.at(now),
        Found::Expired => set_aside(&path)?,
        Found::Nothing => {}
    }
    let text = make(now).map_err(AuthorityError::Create)?;
    let written = file::write_secret_once(&path, text.as_bytes())
        .map_err(|source| AuthorityError::io("write", &path, source))?;
    if written {
        tracing::info!(file = %path.display(), "made a certificate authority");
    }
    read::load(&path)?.at(now)
}

enum Found {
    Nothing,
    Expired,
    Usable(Box<Loaded>),
}

fn find(path: &Path, now: i64) -> Result<Found, AuthorityError> {
    if !file::exists(path)? {
        return Ok(Found::Nothing);
    }
    let loaded = read::load(path)?;
    Ok(if loaded.is_expired(now) { Found::Expired } else { Found::Usable(Box::new(loaded)) })
}

fn set_aside(path: &Path) -> Result<(), AuthorityError> {
    let aside = path.with_extension("expired.pem");
    fs::rename(path, &aside).map_err(|source| AuthorityError::io("set aside", path, source))?;
    tracing::warn!(
        file = %aside.display(),
        "the certificate authority had expired and was set aside; clients must be told to trust the new one"
    );
    Ok(())
}

/// Key and certificate of a new authority, as PEM.
fn make(now: i64) -> Result<String, MintError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.not_before = moment(now - BACKDATED)?;
    params.not_after = moment(now + LIFETIME)?;
    params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "millpond");
    params.distinguished_name.push(DnType::OrganizationName, "millpond");
    // It signs leaf certificates, never another authority.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
}
