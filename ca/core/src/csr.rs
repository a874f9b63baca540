//! Certificate requests (PKCS#10, RFC 2986), of which only the key is believed.
//!
//! Names, extensions and attributes that a request asks for are never read: the
//! certificate comes from a template. What is checked is that the requester
//! holds the key (the self-signature) and that the key is worth certifying.

use pelago_model::token::Pin;
use sha2::{Digest as _, Sha256};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

/// The largest request in bytes.
pub const MAX_REQUEST: usize = 16 * 1024;

/// A public key whose holder asked for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedKey {
    spki: Vec<u8>,
}

impl RequestedKey {
    /// Reads the key of a request, DER. The size and kind of the key are judged
    /// before its signature is computed, so that a huge key costs nothing.
    ///
    /// # Errors
    /// [`CsrError`] for what is no request, a key not worth certifying, or a
    /// requester that does not hold it.
    pub fn read(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > MAX_REQUEST {
            return Err(CsrError::TooLarge { size: der.len() });
        }
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
        if !rest.is_empty() {
            return Err(CsrError::Malformed);
        }
        let info = &request.certification_request_info.subject_pki;
        check_key(info)?;
        let signature = &request.signature_algorithm.algorithm;
        if *signature == OID_PKCS1_SHA1WITHRSA || *signature == OID_SHA1_WITH_RSA {
            return Err(CsrError::WeakSignature);
        }
        // The key below is the one that this call has verified with.
        request
            .verify_signature()
            .map_err(|_| CsrError::NotTheirKey)?;
        Ok(Self {
            spki: info.raw.to_vec(),
        })
    }

    /// The SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of [`Self::spki`].
    #[must_use]
    pub fn pin(&self) -> Pin {
        Pin(Sha256::digest(&self.spki).into())
    }
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Longer than any honest request.
    #[error("the certificate request has {size} bytes; at most {MAX_REQUEST} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not DER of a certificate request.
    #[error("the certificate request is not valid PKCS#10 DER (RFC 2986)")]
    Malformed,
    /// A kind of key we do not certify.
    #[error(
        "the key's kind is not accepted: use ECDSA P-256 or P-384, Ed25519, or RSA 2048 to 4096"
    )]
    KeyKind,
    /// An RSA key too small to be safe or too large to be quick.
    #[error("the RSA key has {bits} bits; 2048 to 4096 are accepted")]
    RsaSize {
        /// Its size in bits.
        bits: usize,
    },
    /// An RSA exponent that is not used honestly.
    #[error("the RSA key's public exponent is not accepted: use 65537")]
    RsaExponent,
    /// Signed with SHA-1.
    #[error("the certificate request is signed with SHA-1: use SHA-256 or better")]
    WeakSignature,
    /// The self-signature does not verify.
    #[error("the certificate request is not signed by its own key")]
    NotTheirKey,
}

fn check_key(info: &SubjectPublicKeyInfo<'_>) -> Result<(), CsrError> {
    let kind = &info.algorithm.algorithm;
    if *kind == OID_SIG_ED25519 {
        return if info.subject_public_key.data.len() == 32 {
            Ok(())
        } else {
            Err(CsrError::KeyKind)
        };
    }
    if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = info.algorithm.parameters.as_ref();
        let curve = curve.and_then(|any| any.as_oid().ok());
        let size = match curve {
            Some(curve) if curve == OID_EC_P256 => 32,
            Some(curve) if curve == OID_NIST_EC_P384 => 48,
            _ => return Err(CsrError::KeyKind),
        };
        // Uncompressed points only (RFC 5480 section 2.2): 04 || x || y.
        let point = &info.subject_public_key.data;
        let uncompressed = point.first() == Some(&4) && point.len() == 2 * size + 1;
        return if uncompressed {
            Ok(())
        } else {
            Err(CsrError::KeyKind)
        };
    }
    if *kind == OID_PKCS1_RSAENCRYPTION {
        return match info.parsed() {
            Ok(PublicKey::RSA(key)) => check_rsa(&key),
            _ => Err(CsrError::KeyKind),
        };
    }
    Err(CsrError::KeyKind)
}

fn check_rsa(key: &RSAPublicKey<'_>) -> Result<(), CsrError> {
    let modulus: &[u8] = key.modulus;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros).map_or(0, |byte| byte.leading_zeros());
    let bits = ((modulus.len() - zeros) * 8).saturating_sub(usize::try_from(first).unwrap_or(0));
    if !(2048..=4096).contains(&bits) {
        return Err(CsrError::RsaSize { bits });
    }
    match key.try_exponent() {
        Ok(65537) => Ok(()),
        _ => Err(CsrError::RsaExponent),
    }
}

#[cfg(test)]
mod tests;
