//! What a leaf certificate says, by the rules of the X509-SVID standard.
//!
//! A [`Leaf`] is well formed, nothing more: nobody vouched for it yet, so it never decides
//! anything. Verification is [`crate::verify()`].

use std::sync::Arc;

use pelago_model::SpiffeId;
use pelago_model::token::Pin;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::bundle::{has_whole_extensions, seconds};
use crate::pin::of_spki;

/// A well-formed X.509-SVID leaf. Unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The identity it claims.
    pub id: SpiffeId,
    /// Start of validity, Unix seconds.
    pub not_before: u64,
    /// End of validity, Unix seconds.
    pub not_after: u64,
    /// Its SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub pin: Pin,
    /// Its serial number, big-endian.
    pub serial: Vec<u8>,
}

/// Which rule a leaf breaks (numbers are sections of the X509-SVID standard).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Not one DER certificate.
    #[error("the leaf is not exactly one X.509 certificate in DER")]
    Malformed,
    /// Section 2: not exactly one URI SAN.
    #[error("the leaf has {found} URI SANs, an X.509-SVID has exactly one")]
    UriCount {
        /// How many it has.
        found: usize,
    },
    /// Section 2: the URI is no SPIFFE ID.
    #[error("the leaf's URI SAN is no SPIFFE ID")]
    BadId(#[source] pelago_model::IdError),
    /// Section 5.2: the ID has no path.
    #[error("the leaf's SPIFFE ID {id} has no path; only a signing authority may have that")]
    RootPath {
        /// The ID.
        id: SpiffeId,
    },
    /// RFC 5280 section 4.1.2.6: with an empty subject the SAN must be critical.
    #[error("the leaf has an empty subject and a SAN that is not critical")]
    SanNotCritical,
    /// Section 4.1: a leaf is no CA.
    #[error("the leaf is a CA: present a leaf instead")]
    IsCa,
    /// Section 4.3: keyUsage missing or not critical.
    #[error("the leaf's keyUsage is missing or not critical")]
    KeyUsageNotCritical,
    /// Section 4.3: without digitalSignature.
    #[error("the leaf's keyUsage lacks digitalSignature")]
    MayNotSign,
    /// Section 4.3: keyCertSign or cRLSign on a leaf.
    #[error("the leaf's keyUsage has keyCertSign or cRLSign, which only a CA may have")]
    SignsCertificates,
    /// Section 4.4: an extendedKeyUsage without both TLS roles.
    #[error("the leaf's extendedKeyUsage lacks serverAuth or clientAuth; both or none are needed")]
    ExtendedKeyUsage,
}

/// Reads one certificate as an X.509-SVID leaf.
///
/// # Errors
/// [`LeafError`] names the rule it breaks; never panics, whatever the bytes.
pub fn leaf(certificate: &[u8]) -> Result<Leaf, LeafError> {
    let (rest, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| LeafError::Malformed)?;
    if !rest.is_empty() || !has_whole_extensions(&certificate) {
        return Err(LeafError::Malformed);
    }
    let id = only_id(&certificate)?;
    check_usage(&certificate)?;
    Ok(Leaf {
        id,
        not_before: seconds(certificate.validity().not_before),
        not_after: seconds(certificate.validity().not_after),
        spki: certificate.public_key().raw.to_vec(),
        pin: of_spki(certificate.public_key().raw),
        serial: certificate.raw_serial().to_vec(),
    })
}

/// Splits certificates written one after the other, as the Workload API writes chains and bundles.
/// At most [`MAX_CERTIFICATES`] of them.
///
/// # Errors
/// [`SplitError`] when there are too many, or the bytes are not certificates end to end.
pub fn split(concatenated: &[u8]) -> Result<Vec<Arc<[u8]>>, SplitError> {
    let mut rest = concatenated;
    let mut certificates = Vec::new();
    while !rest.is_empty() {
        if certificates.len() == MAX_CERTIFICATES {
            return Err(SplitError::TooMany);
        }
        let malformed = SplitError::Malformed {
            at: concatenated.len() - rest.len(),
        };
        let (after, _) = X509Certificate::from_der(rest).map_err(|_| malformed.clone())?;
        let (one, after) = rest
            .split_at_checked(rest.len() - after.len())
            .ok_or(malformed)?;
        certificates.push(Arc::from(one));
        rest = after;
    }
    Ok(certificates)
}

/// Why bytes are not a list of certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Not a certificate.
    #[error("there is no X.509 certificate in DER at byte {at}")]
    Malformed {
        /// Where it should begin.
        at: usize,
    },
    /// More than any chain or bundle holds.
    #[error("there are more than {MAX_CERTIFICATES} certificates")]
    TooMany,
}

/// The most certificates [`split`] reads: a full bundle.
pub const MAX_CERTIFICATES: usize = pelago_model::Bundle::MAX_AUTHORITIES;

fn only_id(certificate: &X509Certificate<'_>) -> Result<SpiffeId, LeafError> {
    let san = certificate
        .subject_alternative_name()
        .map_err(|_| LeafError::Malformed)?
        .ok_or(LeafError::UriCount { found: 0 })?;
    let mut uris = Vec::new();
    for name in &san.value.general_names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            // A name the parser could not read may hide a second URI.
            GeneralName::Invalid(..) => return Err(LeafError::Malformed),
            _ => {}
        }
    }
    let [uri] = uris.as_slice() else {
        return Err(LeafError::UriCount { found: uris.len() });
    };
    let id = SpiffeId::parse(uri).map_err(LeafError::BadId)?;
    if id.path().is_empty() {
        return Err(LeafError::RootPath { id });
    }
    if certificate.subject().iter_rdn().next().is_none() && !san.critical {
        return Err(LeafError::SanNotCritical);
    }
    Ok(id)
}

fn check_usage(certificate: &X509Certificate<'_>) -> Result<(), LeafError> {
    let malformed = |_| LeafError::Malformed;
    let constraints = certificate.basic_constraints().map_err(malformed)?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(LeafError::IsCa);
    }
    let usage = certificate
        .key_usage()
        .map_err(malformed)?
        .filter(|usage| usage.critical)
        .ok_or(LeafError::KeyUsageNotCritical)?;
    if usage.value.key_cert_sign() || usage.value.crl_sign() {
        return Err(LeafError::SignsCertificates);
    }
    if !usage.value.digital_signature() {
        return Err(LeafError::MayNotSign);
    }
    let extended = certificate.extended_key_usage().map_err(malformed)?;
    if extended.is_some_and(|usage| !usage.value.server_auth || !usage.value.client_auth) {
        return Err(LeafError::ExtendedKeyUsage);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
