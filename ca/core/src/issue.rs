//! From a template to a certificate, with the signature made elsewhere.
//!
//! [`to_be_signed`] gives the bytes to sign; whoever holds the key signs them,
//! however long that takes; [`ToBeSigned::assemble`] makes the certificate.
//! This room never sees a private key. Authorities sign with ECDSA P-256 and
//! SHA-256.

use std::sync::{Mutex, PoisonError};

use rcgen::{
    Issuer, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey,
    SubjectPublicKeyInfo,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::template::{Serial, Template, TemplateError, Validity};

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    /// The key being certified (a root).
    ByItself,
    /// The authority with this certificate, DER.
    By(&'a [u8]),
}

/// A certificate but for its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToBeSigned {
    bytes: Vec<u8>,
    validity: Validity,
}

/// Builds the certificate of `spki` (SubjectPublicKeyInfo, DER). It never
/// outlives its issuer: `validity` is cut to the issuer's end.
///
/// # Errors
/// [`IssueError`] when issuer and template do not fit each other.
pub fn to_be_signed(
    template: &Template,
    spki: &[u8],
    validity: Validity,
    serial: Serial,
    signed: Signed<'_>,
) -> Result<ToBeSigned, IssueError> {
    let subject = SubjectPublicKeyInfo::from_der(spki).map_err(|_| IssueError::SubjectKey)?;
    match signed {
        Signed::ByItself => {
            let params = template.params(validity, serial)?;
            let capture = Capture::of(spki)?;
            let issuer = Issuer::from_params(&params, &capture);
            params
                .signed_by(&subject, &issuer)
                .map_err(|_| IssueError::Encoding)?;
            capture.into_tbs(validity)
        }
        Signed::By(certificate) => {
            let (key, not_after) = authority(certificate)?;
            let validity = validity.until(not_after);
            if validity.not_after <= validity.not_before {
                return Err(IssueError::IssuerEnds { not_after });
            }
            let params = template.params(validity, serial)?;
            let capture = Capture::of(&key)?;
            let issuer = Issuer::from_ca_cert_der(&certificate.into(), &capture)
                .map_err(|_| IssueError::Issuer)?;
            params
                .signed_by(&subject, &issuer)
                .map_err(|_| IssueError::Encoding)?;
            capture.into_tbs(validity)
        }
    }
}

impl ToBeSigned {
    /// What to sign: the TBSCertificate, DER (RFC 5280 section 4.1.1.1).
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From when until when, after cutting.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The certificate, DER. `signature` is an ASN.1 ECDSA signature with
    /// SHA-256 over [`Self::bytes`] (RFC 5758 section 3.2).
    #[must_use]
    pub fn assemble(&self, signature: &[u8]) -> Vec<u8> {
        let mut bits = Vec::with_capacity(signature.len() + 1);
        bits.push(0);
        bits.extend_from_slice(signature);
        let mut content = self.bytes.clone();
        content.extend_from_slice(&ECDSA_WITH_SHA256);
        content.extend_from_slice(&der(0x03, &bits));
        der(0x30, &content)
    }
}

/// Why a certificate was not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The key to certify is of no kind we encode.
    #[error("the public key cannot be certified: its kind is not supported")]
    SubjectKey,
    /// The issuer's certificate cannot be read.
    #[error("the issuing authority's certificate cannot be read")]
    Issuer,
    /// The issuer's key is not ECDSA P-256.
    #[error("the issuing authority's key is not ECDSA P-256")]
    IssuerKey,
    /// The issuer's certificate ends before the new one would begin.
    #[error("the issuing authority's certificate ended at {not_after} (Unix seconds)")]
    IssuerEnds {
        /// Its end.
        not_after: u64,
    },
    /// The template could not be filled.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The encoder refused.
    #[error("the certificate could not be encoded: this is a bug")]
    Encoding,
}

/// The issuer's SPKI and the end of its certificate.
fn authority(certificate: &[u8]) -> Result<(Vec<u8>, u64), IssueError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| IssueError::Issuer)?;
    let not_after =
        u64::try_from(parsed.validity().not_after.timestamp()).map_err(|_| IssueError::Issuer)?;
    Ok((parsed.public_key().raw.to_vec(), not_after))
}

/// Stands where the encoder wants a key: it keeps what it is asked to sign and
/// answers with a placeholder that is thrown away.
struct Capture {
    key: SubjectPublicKeyInfo,
    asked: Mutex<Vec<u8>>,
}

impl Capture {
    fn of(spki: &[u8]) -> Result<Self, IssueError> {
        let key = SubjectPublicKeyInfo::from_der(spki).map_err(|_| IssueError::IssuerKey)?;
        if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(IssueError::IssuerKey);
        }
        Ok(Self {
            key,
            asked: Mutex::new(Vec::new()),
        })
    }

    fn into_tbs(self, validity: Validity) -> Result<ToBeSigned, IssueError> {
        let bytes = self
            .asked
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if bytes.is_empty() {
            return Err(IssueError::Encoding);
        }
        Ok(ToBeSigned { bytes, validity })
    }
}

impl PublicKeyData for Capture {
    fn der_bytes(&self) -> &[u8] {
        self.key.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl SigningKey for Capture {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = message.to_vec();
        Ok(vec![0])
    }
}

/// One DER element (X.690 section 8.1).
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let digits = length.get(zeros..).unwrap_or_default();
    let mut out = vec![tag];
    match (content.len(), u8::try_from(digits.len())) {
        (0..0x80, _) => out.push(digits.first().copied().unwrap_or(0)),
        (_, count) => {
            out.push(0x80 | count.unwrap_or(8));
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

/// AlgorithmIdentifier { 1.2.840.10045.4.3.2 } (RFC 5758 section 3.2).
const ECDSA_WITH_SHA256: [u8; 12] = [
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];

#[cfg(test)]
mod tests;
