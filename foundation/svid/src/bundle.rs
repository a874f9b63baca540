//! Authorities: what may enter a bundle as an X.509 root.
//!
//! Judged once, at import (and again before each use for its validity, which
//! [`crate::verify()`] does). Nothing here trusts anything.

use pelago_model::token::Pin;
use pelago_model::{SpiffeId, TrustDomain};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::der::is_one;
use crate::pin::of_spki;

/// An X.509 authority as its certificate describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The trust domain in its URI SAN, if it has one (SPIFFE says it should).
    pub trust_domain: Option<TrustDomain>,
    /// Start of validity, Unix seconds.
    pub not_before: u64,
    /// End of validity, Unix seconds.
    pub not_after: u64,
    /// SHA-256 of its public key.
    pub pin: Pin,
}

impl Authority {
    /// Whether it is valid at `now` (Unix seconds).
    #[must_use]
    pub const fn is_valid_at(&self, now: u64) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// Why a certificate cannot be an authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Not one DER certificate.
    #[error("an authority must be exactly one X.509 certificate in DER")]
    Malformed,
    /// Not a CA.
    #[error("the certificate is no CA (basicConstraints cA is not true): give the root instead")]
    NotACa,
    /// May not sign certificates.
    #[error("the CA's keyUsage lacks keyCertSign: re-issue it with keyCertSign")]
    MayNotSign,
    /// Carries URI name constraints.
    #[error(
        "the CA carries URI name constraints, which our verifier cannot honour: re-issue it without them; the trust domain is enforced by the bundle it is in"
    )]
    UriNameConstraints,
    /// Several URI SANs, or one that is no trust domain's ID.
    #[error(
        "the CA's URI SAN {uri:?} is not spiffe://<trust domain>: re-issue it with that or none"
    )]
    BadUri {
        /// The URI, cut to 256 characters.
        uri: String,
    },
}

/// Judges a certificate that is to become an authority.
///
/// # Errors
/// [`AuthorityError`] names what is wrong; never panics, whatever the bytes.
pub fn authority(certificate: &[u8]) -> Result<Authority, AuthorityError> {
    let (rest, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| AuthorityError::Malformed)?;
    if !rest.is_empty() {
        return Err(AuthorityError::Malformed);
    }
    check_ca(&certificate)?;
    Ok(Authority {
        trust_domain: trust_domain(&certificate)?,
        not_before: seconds(certificate.validity().not_before),
        not_after: seconds(certificate.validity().not_after),
        pin: of_spki(certificate.public_key().raw),
    })
}

/// cA true, keyCertSign, no URI name constraints: for roots and for intermediates.
pub(crate) fn check_ca(certificate: &X509Certificate<'_>) -> Result<(), AuthorityError> {
    if !has_whole_extensions(certificate) {
        return Err(AuthorityError::Malformed);
    }
    let malformed = |_| AuthorityError::Malformed;
    let constraints = certificate.basic_constraints().map_err(malformed)?;
    if !constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(AuthorityError::NotACa);
    }
    let usage = certificate.key_usage().map_err(malformed)?;
    if !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
        return Err(AuthorityError::MayNotSign);
    }
    // Constraints that cannot be read might be anything.
    let Some(constraints) = certificate.name_constraints().map_err(malformed)? else {
        return Ok(());
    };
    let lists = [
        &constraints.value.permitted_subtrees,
        &constraints.value.excluded_subtrees,
    ];
    let mut subtrees = lists.into_iter().flatten().flatten();
    if subtrees.any(|subtree| matches!(subtree.base, GeneralName::URI(_))) {
        return Err(AuthorityError::UriNameConstraints);
    }
    Ok(())
}

/// Whether the standard's own extensions (RFC 5280 section 4.2.1) are each one DER value: what
/// stands behind it would be read by one parser and not by another.
pub(crate) fn has_whole_extensions(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().all(|extension| {
        let standard = extension.oid.as_bytes().starts_with(ID_CE);
        !standard || is_one(extension.value)
    })
}

/// `2.5.29`
const ID_CE: &[u8] = &[0x55, 0x1d];

/// The trust domain of a CA's URI SAN. The X509-SVID standard's own example ends in a slash
/// (`spiffe://example.com/`), so that is tolerated.
fn trust_domain(certificate: &X509Certificate<'_>) -> Result<Option<TrustDomain>, AuthorityError> {
    let san = certificate
        .subject_alternative_name()
        .map_err(|_| AuthorityError::Malformed)?;
    let mut domain = None;
    for name in san.iter().flat_map(|san| &san.value.general_names) {
        let GeneralName::URI(uri) = name else {
            continue;
        };
        let id = SpiffeId::parse(uri.strip_suffix('/').unwrap_or(uri)).ok();
        match id.filter(|id| id.path().is_empty() && domain.is_none()) {
            Some(id) => domain = Some(id.trust_domain().clone()),
            None => {
                return Err(AuthorityError::BadUri {
                    uri: uri.chars().take(256).collect(),
                });
            }
        }
    }
    Ok(domain)
}

/// Unix seconds of a certificate's time; before 1970 is 0.
pub(crate) fn seconds(time: x509_parser::time::ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
