//! The certificate authority of this user: one for every command, so that clients come to trust one.

use crate::failure::Failure;
use millpond::config::Config;
use millpond::engine::{Clock as _, SystemClock};
use millpond::intercept::{Authority, environment};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

/// The authority; made, where there is none.
pub(crate) fn open(config: &Config) -> Result<Authority, Failure> {
    let dir = config.ca_dir().ok_or(Failure::NoCaDirectory)?;
    let now = u64::try_from(SystemClock.now().as_millis()).unwrap_or(0);
    Ok(Authority::load_or_create(&dir, UNIX_EPOCH + Duration::from_millis(now))?)
}

/// The files that clients are given.
pub(crate) struct Trusted {
    /// All that is to be trusted.
    pub bundle: PathBuf,
    /// The authority's own certificate.
    pub certificate: PathBuf,
}

impl Trusted {
    /// Writes them where they are missing or out of date.
    pub fn write(config: &Config) -> Result<Self, Failure> {
        let authority = open(config)?;
        let bundle = authority.bundle(config.upstream_ca.as_deref())?;
        Ok(Self { bundle, certificate: authority.certificate_path().to_owned() })
    }

    /// The variables that send clients through `proxy` and make them trust it.
    pub fn variables(&self, proxy: &str, no_proxy: &str) -> Vec<(&'static str, String)> {
        environment::variables(proxy, &self.bundle, &self.certificate, no_proxy)
    }
}
