//! What one cluster shows another: services, endpoints and gateways, without
//! addresses of workloads.

use serde::{Deserialize, Serialize};

use crate::id::{Name, Namespace, NetworkId};
use crate::net::{HostPort, Hostname, Locality, PortKey};
use crate::service::ServicePort;
use crate::spiffe::SpiffeId;
use crate::workload::{Health, WorkloadUid};

/// A service with its endpoints, as its exporter shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedService {
    /// The namespace of the service in the exporter's cluster.
    pub namespace: Namespace,
    /// The name of the service.
    pub name: Name,
    /// The exporter's own host name: what CONNECT and SNI carry.
    pub host: Hostname,
    /// Its ports.
    pub ports: Vec<(PortKey, ServicePort)>,
    /// Its endpoints.
    pub endpoints: Vec<ExportedEndpoint>,
}

/// One endpoint of an exported service. It has no address: its network is
/// entered by gateways only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedEndpoint {
    /// Unique in the exporter's cluster.
    pub uid: WorkloadUid,
    /// The identity its TLS shows.
    pub identity: SpiffeId,
    /// The network whose gateways lead to it.
    pub network: NetworkId,
    /// Where it runs.
    pub locality: Locality,
    /// Relative share of requests.
    pub weight: u32,
    /// What its health checks say.
    pub health: Health,
}

/// A gateway, as its cluster shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedGateway {
    /// Its name in the exporter's cluster.
    pub name: Name,
    /// The network it opens.
    pub network: NetworkId,
    /// The identity its TLS shows.
    pub identity: SpiffeId,
    /// Where it listens.
    pub addresses: Vec<HostPort>,
}
