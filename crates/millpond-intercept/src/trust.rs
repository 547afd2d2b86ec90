//! Whether the client of one connection accepted our certificate.

use rustls::AlertDescription;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// What a client has shown of its trust in our certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The handshake is over and nothing came since. Some clients check the certificate only now.
    Unknown,
    /// It has sent something: it accepted the certificate.
    Accepted,
    /// It said with this alert that it does not accept the certificate.
    Refused(&'static str),
    /// It left without a word: refused, perhaps, or a connection opened in advance and never needed.
    Left,
}

/// Follows one connection: the same answer in every clone.
///
/// A client may refuse a certificate after its side of the handshake is over; the alert, or the close, then comes as the
/// first thing read. So the door asks again when the connection has ended.
#[derive(Clone, Debug, Default)]
pub struct TrustWatch(Arc<AtomicU16>);

const UNKNOWN: u16 = 0;
const ACCEPTED: u16 = 1;
const LEFT: u16 = 2;
/// Added to the number of an alert.
const REFUSED: u16 = 0x100;

impl TrustWatch {
    /// What is known now.
    pub fn trust(&self) -> Trust {
        match self.0.load(Ordering::Acquire) {
            UNKNOWN => Trust::Unknown,
            ACCEPTED => Trust::Accepted,
            LEFT => Trust::Left,
            alert => Trust::Refused(refusal(AlertDescription::from(alert as u8)).unwrap_or("alert")),
        }
    }

    /// The first thing learnt stays.
    fn learn(&self, state: u16) {
        let _ = self.0.compare_exchange(UNKNOWN, state, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn accepted(&self) {
        self.learn(ACCEPTED);
    }

    pub(crate) fn left(&self) {
        self.learn(LEFT);
    }

    pub(crate) fn alerted(&self, alert: AlertDescription) {
        if refusal(alert).is_some() {
            self.learn(REFUSED + u16::from(u8::from(alert)));
        } else {
            self.learn(LEFT);
        }
    }
}

/// The name of an alert that speaks of the certificate (RFC 8446 section 6.2); `None` for all others.
pub(crate) fn refusal(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::BadCertificateStatusResponse => "bad_certificate_status_response",
        AlertDescription::BadCertificateHashValue => "bad_certificate_hash_value",
        _ => return None,
    })
}
