//! Why a handshake failed, and whose fault that is.

use crate::name::{CertName, InvalidName};
use crate::trust::refusal;
use std::io;
use std::time::Duration;
use thiserror::Error;

/// Why no TLS connection with a client came about.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The client says that it does not accept our certificate: it does not trust our authority, or it accepts one
    /// certificate only (pinning).
    #[error("the client refused our certificate for {name} (TLS alert {alert})")]
    Refused {
        /// What the certificate was for.
        name: CertName,
        /// The alert, as RFC 8446 names it.
        alert: &'static str,
    },
    /// The client closed the connection when it had our certificate, without an alert: it may have refused it, or not have
    /// needed the connection any more, as one that opens two at a time and keeps the faster.
    #[error("the client left when it had our certificate for {name}, and did not say why")]
    Left {
        /// What the certificate was for.
        name: CertName,
    },
    /// The client closed the connection before it had said which host it wanted.
    #[error("the client left before its TLS handshake began")]
    Closed,
    /// What the client sent is not TLS 1.2 or 1.3, or breaks the rules of it.
    #[error("the client's TLS cannot be understood: {0}")]
    Protocol(rustls::Error),
    /// Of the application protocols that the client offers (ALPN), none is HTTP/2 or HTTP/1.
    #[error("the client offers no application protocol that we speak (HTTP/2 or HTTP/1.1)")]
    NoCommonProtocol,
    /// The handshake was not over in time.
    #[error("the TLS handshake was not over after {0:?}")]
    Timeout(Duration),
    /// The connection failed.
    #[error("the connection failed during the TLS handshake: {0}")]
    Io(io::Error),
    /// No certificate can be made for the host.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The certificate could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
}

/// Whose fault a failed handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client does not trust our authority: it must be told to, or the host be tunnelled.
    Trust,
    /// The client does what we cannot serve.
    Client,
    /// The network, or a client that went away or is too slow.
    Connection,
    /// Ours.
    Ours,
}

impl AcceptError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused { .. } => Fault::Trust,
            Self::Protocol(_) | Self::NoCommonProtocol | Self::Name(_) => Fault::Client,
            Self::Left { .. } | Self::Closed | Self::Timeout(_) | Self::Io(_) => Fault::Connection,
            Self::Mint(_) => Fault::Ours,
        }
    }

    /// `error` as it came before the client had seen a certificate.
    pub(crate) fn before_certificate(error: io::Error) -> Self {
        match tls_error(&error) {
            Some(tls) => Self::Protocol(tls.clone()),
            None if is_close(&error) => Self::Closed,
            None => Self::Io(error),
        }
    }

    /// `error` as it came when the certificate for `name` was on its way.
    pub(crate) fn after_certificate(error: io::Error, name: &CertName) -> Self {
        match tls_error(&error) {
            Some(rustls::Error::NoApplicationProtocol) => Self::NoCommonProtocol,
            Some(rustls::Error::AlertReceived(alert)) => match refusal(*alert) {
                Some(alert) => Self::Refused { name: name.clone(), alert },
                None => Self::Protocol(rustls::Error::AlertReceived(*alert)),
            },
            Some(tls) => Self::Protocol(tls.clone()),
            // A client that closes with our flight unread sends a reset.
            None if is_close(&error) => Self::Left { name: name.clone() },
            None => Self::Io(error),
        }
    }
}

/// The error of rustls within an error of its stream.
pub(crate) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected)
}

/// Why a certificate could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MintError {
    /// The certificate authority is past its end.
    #[error("the certificate authority has expired; start again to have a new one made, or renew it")]
    AuthorityExpired,
    /// The certificate could not be written or signed.
    #[error("a certificate could not be signed: {0}")]
    Sign(#[from] rcgen::Error),
    /// rustls does not take what was made.
    #[error("TLS settings for a certificate: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The clock stands outside the years that a certificate can name.
    #[error("the clock stands at a time that no certificate can name")]
    Clock,
}
