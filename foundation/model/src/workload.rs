//! Workloads and the services they serve.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, IdError, Internable, Interner, Name, Namespace, NetworkId, text_id};
use crate::net::{Hostname, Locality, PortKey};
use crate::service::ServiceKey;
use crate::spiffe::SpiffeId;

text_id!(
    /// A workload's unique id, `<cluster>/<source>/<kind>/<namespace>/<name>`
    /// (Istio writes it the same way; the source may be empty).
    WorkloadUid, "workload uid", "1 to 512 printable ASCII characters without spaces", is_uid
);

/// One workload: something with an identity that runs somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Unique across the mesh; begins with the cluster.
    pub uid: WorkloadUid,
    /// Its name in its namespace.
    pub name: Name,
    /// Its namespace.
    pub namespace: Namespace,
    /// The identity its TLS must show.
    pub identity: SpiffeId,
    /// The cluster whose controller vouches for it.
    pub cluster: ClusterId,
    /// The network its addresses belong to.
    pub network: NetworkId,
    /// Its addresses, both families; empty when only a gateway reaches it.
    pub addresses: Vec<IpAddr>,
    /// How it is spoken to.
    pub tunnel: Tunnel,
    /// Where it runs.
    pub locality: Locality,
    /// Relative share of requests; 0 takes none while others can.
    pub weight: u32,
    /// What its health checks say.
    pub health: Health,
    /// What the lease of its source says.
    pub standing: Standing,
    /// The node that serves it, if one of ours does.
    pub node: Option<SpiffeId>,
    /// The services it serves.
    pub endpoints: BTreeMap<ServiceKey, Endpoint>,
    /// Labels that policies select by.
    pub labels: BTreeMap<String, String>,
}

/// A workload's share in one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The exporter's own host name for the service: what CONNECT carries
    /// between clusters.
    pub host: Hostname,
    /// Service port to the workload's own port (they are equal behind a
    /// gateway, which knows the real one).
    pub ports: BTreeMap<PortKey, u16>,
}

/// How a workload is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tunnel {
    /// HBONE to this port of its addresses (15008 unless said otherwise).
    Hbone(u16),
}

/// What health checks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Serves.
    Healthy,
    /// Is asked only when nothing healthy is left.
    Unhealthy,
}

/// What the lease of a source says of what it told (design: only transitions
/// enter the snapshot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// The source answers.
    Fresh,
    /// The source has gone silent: ranked after everything fresh.
    Demoted,
    /// Silent for long: the last rank, never removal.
    Withdrawn,
}

impl Internable for Workload {
    fn share(&mut self, interner: &mut Interner) {
        self.uid.share(interner);
        self.name.share(interner);
        self.namespace.share(interner);
        self.identity.share(interner);
        self.cluster.share(interner);
        self.network.share(interner);
        if let Some(node) = &mut self.node {
            node.share(interner);
        }
        let endpoints = std::mem::take(&mut self.endpoints);
        self.endpoints = endpoints
            .into_iter()
            .map(|(mut key, mut endpoint)| {
                key.share(interner);
                endpoint.host.share(interner);
                (key, endpoint)
            })
            .collect();
    }
}

fn is_uid(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
