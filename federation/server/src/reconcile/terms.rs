//! How peers are treated.

use std::time::Duration;

use pelago_federation_core::import::Limits;
use pelago_model::{ClusterId, Peer, TrustDomain};

/// How peers are treated.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Who we are: no peer is.
    pub(crate) cluster: ClusterId,
    pub(crate) trust_domain: TrustDomain,
    pub(crate) limits: Limits,
    /// From demoted to withdrawn.
    pub(crate) withdrawal: Duration,
}

impl Terms {
    /// Whether the record under `id` can be a peer: it is another cluster of
    /// another domain, and its controller is the one of that cluster.
    pub(super) fn admits(&self, id: &str, peer: &Peer) -> bool {
        id == peer.cluster.as_str()
            && peer.cluster != self.cluster
            && peer.trust_domain != self.trust_domain
            && peer.controller == peer.trust_domain.controller(&peer.cluster)
    }
}
