//! Pins: how a token names a root it has not seen yet.

use pelago_model::token::Pin;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 section 2.4); `None` when the bytes
/// are not exactly one certificate.
#[must_use]
pub fn pin(certificate: &[u8]) -> Option<Pin> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    rest.is_empty()
        .then(|| of_spki(certificate.public_key().raw))
}

/// The pin of a SubjectPublicKeyInfo in DER.
pub(crate) fn of_spki(spki: &[u8]) -> Pin {
    Pin(Sha256::digest(spki).into())
}
