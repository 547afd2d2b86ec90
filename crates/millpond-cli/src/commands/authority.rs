//! The certificate authority of this user: one for every command, so that clients come to trust one.

use crate::failure::Failure;
use millpond::config::Config;
use millpond::engine::{Clock as _, SystemClock};
use millpond::intercept::{Authority, environment};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

/// Its directory within the cache directory.
const DIR: &str = "ca";

/// The directory: as set, else in the cache directory, also where nothing is kept there but this.
pub(crate) fn dir(config: &Config) -> Result<PathBuf, Failure> {
    if let Some(dir) = &config.intercept.ca_dir {
        return Ok(dir.clone());
    }
    let cache_dir = config.cache_dir.clone().or_else(users_cache_dir);
    cache_dir.map(|dir| dir.join(DIR)).ok_or(Failure::NoCaDirectory)
}

/// The cache directory of the user, by the XDG Base Directory Specification, which says to ignore relative paths.
fn users_cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("millpond"))
}

/// The authority; made, where there is none.
pub(crate) fn open(config: &Config) -> Result<Authority, Failure> {
    let now = u64::try_from(SystemClock.now().as_millis()).unwrap_or(0);
    Ok(Authority::load_or_create(&dir(config)?, UNIX_EPOCH + Duration::from_millis(now))?)
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
