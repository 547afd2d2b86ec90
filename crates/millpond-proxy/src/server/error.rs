//! Why a proxy could not be started.

use crate::upstream::TlsError;
use millpond_intercept::{AuthorityError, MintError};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// Why a proxy could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is nothing to be a proxy for.
    #[error("no origin: give --origin URL, or a [[route]] with an origin in the configuration file")]
    NoOrigin,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}{}", hint(error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The access log cannot be written.
    #[error("cannot open the access log {}: {error}", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Strangers could use the listener as their own proxy.
    #[error(
        "{address} can be reached from other machines, and whoever reaches it could use it as their own proxy: name the \
         hosts that may be asked for (forward.allow), listen on a loopback address, or say that it is open to all \
         (forward.open_to_all = true)"
    )]
    OpenToAll {
        /// The address.
        address: SocketAddr,
    },
    /// TLS is to be opened, and there is no directory for the certificate authority.
    #[error(
        "TLS connections are to be opened, and there is no directory for the certificate authority that this takes: give \
         intercept.ca_dir, or a cache_dir to keep it in"
    )]
    NoAuthorityDir,
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// TLS towards clients cannot be set up.
    #[error(transparent)]
    Intercept(#[from] MintError),
    /// Trust towards origins cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no more threads or timers.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or choose another with --listen (short form: --port)"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege: choose a higher one with --listen"
        }
        io::ErrorKind::AddrNotAvailable => "; the address does not belong to this machine",
        _ => "",
    }
}
