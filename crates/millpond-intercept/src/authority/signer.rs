//! The authority's key as rcgen signs with it.
//!
//! rcgen with ring reads keys in PKCS #8 only; mitmproxy and OpenSSL also write the older forms (`RSA PRIVATE KEY`,
//! `EC PRIVATE KEY`). rustls reads them all, so the key is rustls's.

use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey, SubjectPublicKeyInfo};
use rustls::SignatureScheme;
use rustls_pki_types::PrivateKeyDer;
use std::sync::Arc;

/// The kinds of keys, each with the one scheme its certificates are signed by.
static KINDS: [(SignatureScheme, &SignatureAlgorithm, &str); 4] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256, "ECDSA P-256"),
    (SignatureScheme::ECDSA_NISTP384_SHA384, &rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA P-384"),
    (SignatureScheme::RSA_PKCS1_SHA256, &rcgen::PKCS_RSA_SHA256, "RSA"),
    (SignatureScheme::ED25519, &rcgen::PKCS_ED25519, "Ed25519"),
];

/// An authority's key.
pub(crate) struct Signer {
    key: Arc<dyn rustls::sign::SigningKey>,
    public: SubjectPublicKeyInfo,
    scheme: SignatureScheme,
    algorithm: &'static SignatureAlgorithm,
    kind: &'static str,
}

impl Signer {
    /// The key in `der`; the error says what is wrong with it.
    pub(super) fn new(der: &PrivateKeyDer<'_>) -> Result<Self, String> {
        let key = rustls::crypto::ring::sign::any_supported_type(der).map_err(|error| error.to_string())?;
        let public = key.public_key().ok_or("its public half is not known")?;
        let public = SubjectPublicKeyInfo::from_der(&public).map_err(|error| error.to_string())?;
        let (scheme, algorithm, kind) = KINDS
            .iter()
            .find(|(scheme, _, _)| key.choose_scheme(&[*scheme]).is_some())
            .ok_or("keys of this kind are not supported")?;
        Ok(Self { key, public, scheme: *scheme, algorithm, kind })
    }

    /// The bits of the public key, to be compared with those in a certificate.
    pub(super) fn public(&self) -> &[u8] {
        self.public.der_bytes()
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer = self.key.choose_scheme(&[self.scheme]).ok_or(rcgen::Error::RemoteKeyError)?;
        signer.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
