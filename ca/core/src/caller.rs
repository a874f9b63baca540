//! Who calls: a verified identity read as a part of ours or a peer.
//!
//! Classification looks at the verified ID *and* the verified issuing cluster:
//! an ID that names our cluster but was issued by another is nobody.

use std::fmt;

use pelago_model::spiffe::Part;
use pelago_model::{ClusterId, Name, PartKind, Peer, SpiffeId, TrustDomain};

/// Who we are: fixed at first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// Our cluster.
    pub cluster: ClusterId,
    /// Our trust domain.
    pub trust_domain: TrustDomain,
}

impl Realm {
    /// Our controller's identity.
    #[must_use]
    pub fn controller(&self) -> SpiffeId {
        self.trust_domain.controller(&self.cluster)
    }
}

/// A verified caller, by class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A node or gateway of our cluster.
    Part {
        /// Which kind.
        kind: PartKind,
        /// Its name.
        name: Name,
    },
    /// The controller of a peer.
    Peer {
        /// The peer's cluster.
        cluster: ClusterId,
    },
}

impl Caller {
    /// The class of a verified caller.
    ///
    /// # Errors
    /// [`Stranger`] for everyone who has no business on the trust stream.
    pub fn classify<'a>(
        realm: &Realm,
        peers: impl IntoIterator<Item = &'a Peer>,
        id: &SpiffeId,
        issuer: Option<&ClusterId>,
    ) -> Result<Self, Stranger> {
        let stranger = || Stranger {
            id: id.clone(),
            issuer: issuer.cloned(),
        };
        if *id.trust_domain() == realm.trust_domain && issuer == Some(&realm.cluster) {
            return match id.part() {
                Some(Part::Named {
                    kind,
                    cluster,
                    name,
                }) if cluster == realm.cluster.as_str() => Ok(Self::Part {
                    kind,
                    name: Name::parse(name).map_err(|_| stranger())?,
                }),
                _ => Err(stranger()),
            };
        }
        peers
            .into_iter()
            .find(|peer| peer.controller == *id && issuer == Some(&peer.cluster))
            .map(|peer| Self::Peer {
                cluster: peer.cluster.clone(),
            })
            .ok_or_else(stranger)
    }

    /// The name under which acknowledgements are kept: `node.vm1`,
    /// `gateway.gw1` or `peer.west`.
    #[must_use]
    pub fn observer(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { kind, name } => write!(f, "{}.{name}", kind.as_str()),
            Self::Peer { cluster } => write!(f, "peer.{cluster}"),
        }
    }
}

/// A verified caller that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{id} is neither a node or gateway of this cluster nor the controller of a peer: \
     nodes enrol with `pelago node token`, clusters join with `pelago peer token`"
)]
pub struct Stranger {
    /// Who it is.
    pub id: SpiffeId,
    /// Which cluster issued its certificate.
    pub issuer: Option<ClusterId>,
}

#[cfg(test)]
mod tests;
