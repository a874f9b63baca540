//! Verification: from presented certificates to a [`VerifiedPeer`].
//!
//! The one place where an identity becomes believed. It selects the bundle by the leaf's own
//! trust domain, never pools roots, and believes an issuer extension only from the verified path.
//! It never asks who the peer was expected to be, except in [`verify_pinned`].

use pelago_model::spiffe::Part;
use pelago_model::token::Pin;
use pelago_model::{BundleSet, ClusterId, Reason, SpiffeId, TrustDomain};
use rustls_pki_types::CertificateDer;

use crate::bundle::AuthorityError;
use crate::path::{Issued, Root, validate};
use crate::x509::{LeafError, leaf};

pub use crate::path::{PathError, Usage};

/// The most certificates a chain may present.
pub const MAX_CHAIN: usize = 8;
/// The most bytes a chain may present.
pub const MAX_CHAIN_BYTES: usize = 64 * 1024;

/// A peer whose identity was proven. Only verification makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPeer {
    id: SpiffeId,
    issuer_cluster: Option<ClusterId>,
    authority: Pin,
    key: Pin,
    not_after: u64,
}

impl VerifiedPeer {
    /// Who it is.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The cluster whose CA issued it; absent matches no cluster grant.
    #[must_use]
    pub const fn issuer_cluster(&self) -> Option<&ClusterId> {
        self.issuer_cluster.as_ref()
    }

    /// The root that vouches for it: SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub const fn authority(&self) -> Pin {
        self.authority
    }

    /// The leaf's own key: SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub const fn key(&self) -> Pin {
        self.key
    }

    /// When its leaf expires, Unix seconds.
    #[must_use]
    pub const fn not_after(&self) -> u64 {
        self.not_after
    }
}

/// Why a peer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No certificate at all.
    #[error("the peer presented no certificate")]
    NoCertificate,
    /// More certificates or bytes than any real chain.
    #[error(
        "the peer presented {certificates} certificates of {bytes} bytes, at most {MAX_CHAIN} of {MAX_CHAIN_BYTES} are read"
    )]
    ChainTooLarge {
        /// How many certificates.
        certificates: usize,
        /// Their bytes together.
        bytes: usize,
    },
    /// The leaf is no X.509-SVID.
    #[error("the peer's leaf is no X.509-SVID")]
    Leaf(#[source] LeafError),
    /// No bundle of the leaf's trust domain.
    #[error("no bundle of trust domain {trust_domain} is held: federate with it first")]
    UnknownTrustDomain {
        /// The leaf's trust domain.
        trust_domain: TrustDomain,
    },
    /// The bundle holds no root that is valid now.
    #[error("the bundle of trust domain {trust_domain} holds no root that is valid now")]
    NoValidRoot {
        /// The leaf's trust domain.
        trust_domain: TrustDomain,
    },
    /// No path, or one that may not issue this.
    #[error("{id} is not vouched for")]
    Path {
        /// The ID the leaf claims.
        id: SpiffeId,
        /// Why not.
        #[source]
        source: PathError,
    },
    /// A reserved ID of a cluster that another (or no) cluster's CA issued.
    #[error(
        "{id} claims a part of another cluster than the one that issued it ({})",
        .issuer_cluster.as_ref().map_or("none named", ClusterId::as_str)
    )]
    ClaimsOtherCluster {
        /// The ID the leaf claims.
        id: SpiffeId,
        /// The issuing cluster.
        issuer_cluster: Option<ClusterId>,
    },
    /// No presented certificate is one the token pins.
    #[error(
        "none of the presented certificates is a root that the token pins: check the address, or ask for a new token"
    )]
    NotPinned,
    /// The pinned root cannot be one.
    #[error("the pinned root cannot be used as one")]
    BadPinnedRoot(#[source] AuthorityError),
    /// Another identity than the token names.
    #[error("expected {expected}, found {found}")]
    WrongIdentity {
        /// Who was expected.
        expected: SpiffeId,
        /// Who is there.
        found: SpiffeId,
    },
}

impl VerifyError {
    /// The stable code for logs and metrics.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoCertificate => Reason::NoIdentity,
            Self::UnknownTrustDomain { .. } => Reason::UnknownTrustDomain,
            Self::WrongIdentity { .. } => Reason::WrongIdentity,
            _ => Reason::BadCertificate,
        }
    }
}

/// Verifies a presented chain (leaf first) against the bundle of its own trust domain at `now`
/// (Unix seconds). Roots of other domains are never used; an empty bundle trusts no one.
///
/// # Errors
/// [`VerifyError`] says which rule failed; never panics, whatever the bytes.
pub fn verify(
    chain: &[CertificateDer<'_>],
    bundles: &BundleSet,
    usage: Usage,
    now: u64,
) -> Result<VerifiedPeer, VerifyError> {
    let leaf = read(chain)?;
    let trust_domain = leaf.id.trust_domain();
    let bundle = bundles
        .get(trust_domain)
        .ok_or_else(|| VerifyError::UnknownTrustDomain {
            trust_domain: trust_domain.clone(),
        })?;
    let roots: Vec<Root<'_>> = bundle
        .x509_authorities
        .iter()
        .filter_map(|der| Root::new(der, now))
        .collect();
    if roots.is_empty() {
        return Err(VerifyError::NoValidRoot {
            trust_domain: trust_domain.clone(),
        });
    }
    believe(chain, &roots, leaf, usage, now)
}

/// Verifies a server by pins alone, for the first contact with a token: one of the presented
/// certificates after the leaf must be a root with a pinned key, the chain must verify to it,
/// and the leaf must be exactly `expected`.
///
/// # Errors
/// [`VerifyError`]; send no secret then.
pub fn verify_pinned(
    chain: &[CertificateDer<'_>],
    pins: &[Pin],
    expected: &SpiffeId,
    now: u64,
) -> Result<VerifiedPeer, VerifyError> {
    let leaf = read(chain)?;
    let mut why = VerifyError::NotPinned;
    let mut roots = Vec::new();
    for der in chain.iter().skip(1) {
        if !crate::pin(der).is_some_and(|pin| pins.contains(&pin)) {
            continue;
        }
        match (crate::bundle::authority(der), Root::new(der, now)) {
            (Ok(_), Some(root)) => roots.push(root),
            (Ok(_), None) => {
                why = VerifyError::NoValidRoot {
                    trust_domain: expected.trust_domain().clone(),
                }
            }
            (Err(error), _) => why = VerifyError::BadPinnedRoot(error),
        }
    }
    if roots.is_empty() {
        return Err(why);
    }
    let peer = believe(chain, &roots, leaf, Usage::Server, now)?;
    if peer.id != *expected {
        return Err(VerifyError::WrongIdentity {
            expected: expected.clone(),
            found: peer.id,
        });
    }
    Ok(peer)
}

fn read(chain: &[CertificateDer<'_>]) -> Result<crate::Leaf, VerifyError> {
    let first = chain.first().ok_or(VerifyError::NoCertificate)?;
    let bytes = chain.iter().map(|der| der.len()).sum();
    if chain.len() > MAX_CHAIN || bytes > MAX_CHAIN_BYTES {
        return Err(VerifyError::ChainTooLarge {
            certificates: chain.len(),
            bytes,
        });
    }
    leaf(first).map_err(VerifyError::Leaf)
}

fn believe(
    chain: &[CertificateDer<'_>],
    roots: &[Root<'_>],
    leaf: crate::Leaf,
    usage: Usage,
    now: u64,
) -> Result<VerifiedPeer, VerifyError> {
    let Issued { cluster, authority } =
        validate(chain, roots, &leaf.id, usage, now).map_err(|source| VerifyError::Path {
            id: leaf.id.clone(),
            source,
        })?;
    let claimed = leaf.id.part();
    let issued = cluster.as_ref().map(ClusterId::as_str);
    let foreign = claimed
        .as_ref()
        .map(Part::cluster)
        .is_some_and(|c| Some(c) != issued);
    if foreign || (leaf.id.is_reserved() && claimed.is_none()) {
        return Err(VerifyError::ClaimsOtherCluster {
            id: leaf.id,
            issuer_cluster: cluster,
        });
    }
    Ok(VerifiedPeer {
        id: leaf.id,
        issuer_cluster: cluster,
        authority,
        key: leaf.pin,
        not_after: leaf.not_after,
    })
}

#[cfg(test)]
mod tests;
