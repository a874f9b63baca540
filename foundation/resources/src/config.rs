//! What a reader must know of its cluster to turn names into identities.

use pelago_model::{ClusterId, Name, Namespace, NetworkId, SpiffeId, TrustDomain};

/// The cluster whose resources are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its id; workload uids begin with it.
    pub cluster: ClusterId,
    /// The trust domain of its identities.
    pub trust_domain: TrustDomain,
    /// The network of workloads that name none.
    pub network: NetworkId,
    /// Policies here speak of the whole mesh (Istio's `istio-system`).
    pub root_namespace: Namespace,
}

impl Context {
    /// The identity of one of our nodes.
    pub(crate) fn node(&self, name: &Name) -> SpiffeId {
        self.trust_domain
            .part(pelago_model::PartKind::Node, &self.cluster, name)
    }
}
