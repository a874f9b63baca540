//! Whether another cluster may become a peer, judged by what it claims.
//!
//! Both sides use the same checks: the issuer of a token on the joiner's
//! request, the joiner on the answer. What can be judged is judged before a
//! token is redeemed, so that a wrong joiner burns none.

use std::sync::Arc;

use pelago_model::bundle::BundleError;
use pelago_model::token::Pin;
use pelago_model::{
    Bundle, BundleSet, ClusterId, Grant, HostPort, Peer, ServicePattern, SpiffeId, TrustDomain,
};
use pelago_svid::bundle::{AuthorityError, authority};

use crate::caller::Realm;

/// The most gateway addresses of one peer.
pub const MAX_ADDRESSES: usize = 16;
/// The most patterns of one grant list.
pub const MAX_PATTERNS: usize = 256;

/// The most bytes of all roots of one bundle, so that it fits the store.
pub const MAX_BUNDLE: usize = 256 * 1024;

/// What a cluster says of itself when it joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its cluster id.
    pub cluster: ClusterId,
    /// Its controller's identity.
    pub controller: SpiffeId,
    /// Its gateways.
    pub addresses: Vec<HostPort>,
    /// Its roots.
    pub bundle: Bundle,
    /// What it opens to us.
    pub grant: Grant,
}

/// Judges a claim against what we are and whom we know.
///
/// # Errors
/// [`JoinRefusal`] names what does not fit.
pub fn check(
    realm: &Realm,
    peers: &[Peer],
    held: &BundleSet,
    claim: &Claim,
) -> Result<(), JoinRefusal> {
    check_names(
        realm,
        peers,
        &claim.cluster,
        &claim.bundle.trust_domain,
        &claim.controller,
    )?;
    check_limits(claim)?;
    check_bundle(held, &claim.bundle)
}

/// Judges the names alone: what a joiner can do before it dials.
///
/// # Errors
/// [`JoinRefusal`] names what does not fit.
pub fn check_names(
    realm: &Realm,
    peers: &[Peer],
    cluster: &ClusterId,
    domain: &TrustDomain,
    controller: &SpiffeId,
) -> Result<(), JoinRefusal> {
    if *cluster == realm.cluster {
        return Err(JoinRefusal::OurCluster {
            cluster: cluster.clone(),
        });
    }
    if *domain == realm.trust_domain {
        return Err(JoinRefusal::OurTrustDomain {
            trust_domain: domain.clone(),
        });
    }
    let expected = domain.controller(cluster);
    if *controller != expected {
        return Err(JoinRefusal::NotItsController {
            claimed: controller.clone(),
            expected,
        });
    }
    for peer in peers {
        if (peer.cluster == *cluster) != (peer.trust_domain == *domain) {
            return Err(JoinRefusal::OtherPeer {
                cluster: cluster.clone(),
                trust_domain: domain.clone(),
                known_cluster: peer.cluster.clone(),
                known_domain: peer.trust_domain.clone(),
            });
        }
    }
    Ok(())
}

/// Judges the identity that TLS proved against the claimed bundle.
///
/// # Errors
/// [`JoinRefusal::NotProven`] when it is not the claimed controller, issued by
/// the claimed cluster.
pub fn check_proof(
    claim: &Claim,
    id: &SpiffeId,
    issuer: Option<&ClusterId>,
) -> Result<(), JoinRefusal> {
    if *id == claim.controller && issuer == Some(&claim.cluster) {
        return Ok(());
    }
    Err(JoinRefusal::NotProven {
        claimed: claim.controller.clone(),
        shown: id.clone(),
        issuer: issuer.cloned(),
    })
}

/// Judges a cluster that is known already: it comes by roots that are held of
/// it. A token lets a cluster in; it never lets one take the place of another.
///
/// # Errors
/// [`JoinRefusal::OtherRoots`] when one of `roots` is none of those held.
pub fn check_roots(
    held: &BundleSet,
    cluster: &ClusterId,
    domain: &TrustDomain,
    roots: &[Pin],
) -> Result<(), JoinRefusal> {
    let Some(bundle) = held.get(domain) else {
        return Ok(());
    };
    let known: Vec<Pin> = bundle
        .x509_authorities
        .iter()
        .filter_map(|der| pelago_svid::pin(der))
        .collect();
    if roots.iter().all(|root| known.contains(root)) {
        return Ok(());
    }
    Err(JoinRefusal::OtherRoots {
        cluster: cluster.clone(),
        trust_domain: domain.clone(),
    })
}

/// Judges whether the joiner confirms what the token merges.
///
/// # Errors
/// [`JoinRefusal::MergeNotConfirmed`] when the lists differ.
pub fn check_merge(token: &Grant, claim: &Claim) -> Result<(), JoinRefusal> {
    let sorted = |patterns: &[ServicePattern]| {
        let mut patterns = patterns.to_vec();
        patterns.sort();
        patterns
    };
    if sorted(&token.merge) == sorted(&claim.grant.merge) {
        return Ok(());
    }
    Err(JoinRefusal::MergeNotConfirmed {
        token: token.merge.clone(),
        confirmed: claim.grant.merge.clone(),
    })
}

impl Claim {
    /// The peer this claim makes, with what *we* grant to it.
    #[must_use]
    pub fn peer(&self, grant: Grant) -> Peer {
        Peer {
            cluster: self.cluster.clone(),
            trust_domain: self.bundle.trust_domain.clone(),
            controller: self.controller.clone(),
            addresses: self.addresses.clone(),
            grant,
        }
    }
}

/// Why a cluster was not let in. Nothing was redeemed or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// It claims to be us.
    #[error(
        "the joining cluster claims the id {cluster:?}, which is this cluster's own: every cluster needs an id of its own (`cluster:` in its configuration, fixed at first start)"
    )]
    OurCluster {
        /// The id.
        cluster: ClusterId,
    },
    /// It claims our trust domain.
    #[error(
        "the joining cluster claims the trust domain {trust_domain}, which is this cluster's own: sharing one arrives with the next release; give each cluster a trust domain of its own and federate"
    )]
    OurTrustDomain {
        /// The domain.
        trust_domain: TrustDomain,
    },
    /// Its controller's ID does not follow from cluster and domain.
    #[error(
        "the controller claims to be {claimed}, but its cluster and trust domain say {expected}"
    )]
    NotItsController {
        /// As claimed.
        claimed: SpiffeId,
        /// As it must be.
        expected: SpiffeId,
    },
    /// Its cluster or domain belongs to a peer we have.
    #[error(
        "cluster {cluster} with trust domain {trust_domain} was claimed, but peer {known_cluster} with trust domain {known_domain} is known here: if the peer was replaced, remove it first (`pelago peer remove {known_cluster}`)"
    )]
    OtherPeer {
        /// As claimed.
        cluster: ClusterId,
        /// As claimed.
        trust_domain: TrustDomain,
        /// The peer it collides with.
        known_cluster: ClusterId,
        /// That peer's domain.
        known_domain: TrustDomain,
    },
    /// A known cluster by roots that are not held of it.
    #[error(
        "peer {cluster} ({trust_domain}) is known here by other roots: if it was built anew, remove it first (`pelago peer remove {cluster}`), then join again; otherwise somebody claims to be it"
    )]
    OtherRoots {
        /// The peer.
        cluster: ClusterId,
        /// Its trust domain.
        trust_domain: TrustDomain,
    },
    /// TLS proved somebody else.
    #[error(
        "the TLS certificate shows {shown} (issued by {}), not {claimed} as claimed",
        .issuer.as_ref().map_or("no cluster", ClusterId::as_str)
    )]
    NotProven {
        /// As claimed.
        claimed: SpiffeId,
        /// As proven.
        shown: SpiffeId,
        /// The cluster that issued it.
        issuer: Option<ClusterId>,
    },
    /// No address, or too many.
    #[error(
        "{count} gateway addresses were told; 1 to {MAX_ADDRESSES} are allowed (`advertise:` in the controller's configuration)"
    )]
    Addresses {
        /// How many.
        count: usize,
    },
    /// Too many patterns.
    #[error("a grant has {count} patterns; at most {MAX_PATTERNS} are allowed per list")]
    Patterns {
        /// How many.
        count: usize,
    },
    /// The joiner did not confirm the merges.
    #[error(
        "the token merges {} and the joiner confirmed {}: both sides must agree",
        listed(.token),
        listed(.confirmed)
    )]
    MergeNotConfirmed {
        /// As the token says.
        token: Vec<ServicePattern>,
        /// As the joiner says.
        confirmed: Vec<ServicePattern>,
    },
    /// The bundle may not take the place of the one held.
    #[error("the bundle was refused")]
    Bundle(#[source] BundleError),
    /// More roots than fit the store.
    #[error("the bundle has {bytes} bytes of roots; at most {MAX_BUNDLE} are kept")]
    BundleSize {
        /// Their size.
        bytes: usize,
    },
    /// A root in the bundle is none.
    #[error("a root in the bundle of {trust_domain} was refused")]
    Authority {
        /// The bundle's domain.
        trust_domain: TrustDomain,
        /// Why.
        #[source]
        source: AuthorityError,
    },
    /// A root in the bundle names another domain.
    #[error("a root in the bundle of {trust_domain} says that it is of {named}")]
    ForeignRoot {
        /// The bundle's domain.
        trust_domain: TrustDomain,
        /// The root's.
        named: TrustDomain,
    },
}

fn listed(patterns: &[ServicePattern]) -> String {
    if patterns.is_empty() {
        return "nothing".to_owned();
    }
    let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn check_limits(claim: &Claim) -> Result<(), JoinRefusal> {
    let count = claim.addresses.len();
    if !(1..=MAX_ADDRESSES).contains(&count) {
        return Err(JoinRefusal::Addresses { count });
    }
    for list in [&claim.grant.export, &claim.grant.merge] {
        if list.len() > MAX_PATTERNS {
            return Err(JoinRefusal::Patterns { count: list.len() });
        }
    }
    Ok(())
}

/// Judges a bundle offered from outside against those held: the domain, the
/// sequence, the limits, and every root by itself.
///
/// # Errors
/// [`JoinRefusal::Bundle`], [`JoinRefusal::Authority`] or
/// [`JoinRefusal::ForeignRoot`]; the one held stays.
pub fn check_bundle(held: &BundleSet, offered: &Bundle) -> Result<(), JoinRefusal> {
    let bytes: usize = offered.x509_authorities.iter().map(|der| der.len()).sum();
    if bytes > MAX_BUNDLE {
        return Err(JoinRefusal::BundleSize { bytes });
    }
    let mut set = held.clone();
    set.accept(Arc::new(offered.clone()))
        .map_err(JoinRefusal::Bundle)?;
    for der in &offered.x509_authorities {
        let root = authority(der).map_err(|source| JoinRefusal::Authority {
            trust_domain: offered.trust_domain.clone(),
            source,
        })?;
        // A root that names its domain belongs in that bundle and no other.
        if let Some(named) = root
            .trust_domain
            .filter(|named| *named != offered.trust_domain)
        {
            return Err(JoinRefusal::ForeignRoot {
                trust_domain: offered.trust_domain.clone(),
                named,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
