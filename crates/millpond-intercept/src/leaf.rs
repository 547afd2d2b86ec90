//! A certificate for one host.

use crate::authority::Authority;
use crate::failure::MintError;
use crate::name::CertName;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::sign::SigningKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

const DAY: i64 = 24 * 60 * 60;

/// How far back a certificate begins: for clients whose clock is behind.
pub(crate) const BACKDATED: i64 = 2 * DAY;

/// From now to the end. With what lies before, less than the 398 days that clients allow at most.
const LIFETIME: i64 = 365 * DAY;

/// How long before its end a certificate is made anew.
const RENEWED: i64 = 30 * DAY;

/// A certificate and its key.
pub(crate) struct Leaf {
    /// The certificate, and behind it those that lead to the authority's root, without that.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<dyn SigningKey>,
    /// When it is to be made anew, in seconds since 1970.
    pub(crate) renew_at: i64,
    /// For the log.
    pub(crate) serial: String,
}

impl Leaf {
    /// Makes a certificate for `name`, with a key of its own.
    pub(crate) fn mint(authority: &Authority, name: &CertName, now: i64) -> Result<Self, MintError> {
        let (begin, end) = (authority.not_before(), authority.not_after());
        if now >= end {
            return Err(MintError::AuthorityExpired);
        }
        let not_before = (now - BACKDATED).max(begin);
        let not_after = (now + LIFETIME).min(end);
        // Where the authority itself ends first, making another one would gain nothing.
        let renew_at = if not_after == end { end } else { not_after - RENEWED };
        let serial = random_serial()?;
        let key = KeyPair::generate()?;
        let params = params(name, &serial, moment(not_before)?, moment(not_after)?)?;
        let certificate = params.signed_by(&key, authority.issuer())?;
        let mut chain = vec![CertificateDer::from(certificate)];
        chain.extend(authority.intermediates().iter().cloned());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self { chain, key: any_ecdsa_type(&key)?, renew_at, serial: hex(&serial) })
    }
}

pub(crate) fn params(
    name: &CertName,
    serial: &[u8],
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Result<CertificateParams, MintError> {
    let mut params = CertificateParams::default();
    params.not_before = not_before;
    params.not_after = not_after;
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.subject_alt_names = vec![match name {
        CertName::Dns(name) => SanType::DnsName(name.to_string().try_into()?),
        CertName::Ip(address) => SanType::IpAddress(*address),
    }];
    // The host stands in the alternative name alone: a common name is too short for some, and long out of use (RFC 9525
    // section 6.3). Some clients do not bear an empty subject.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "millpond");
    // Writes a subject key identifier, too.
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// 128 random bits: clients refuse two certificates of one issuer with the same serial number (RFC 5280 section 4.1.2.2).
pub(crate) fn random_serial() -> Result<[u8; 16], getrandom::Error> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    Ok(serial)
}

/// Seconds since 1970.
pub(crate) fn seconds(now: SystemTime) -> Result<i64, MintError> {
    let since = now.duration_since(UNIX_EPOCH).map_err(|_| MintError::Clock)?;
    i64::try_from(since.as_secs()).map_err(|_| MintError::Clock)
}

/// The moment a certificate names for these seconds since 1970.
pub(crate) fn moment(seconds: i64) -> Result<OffsetDateTime, MintError> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| MintError::Clock)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
