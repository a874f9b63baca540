//! What is known when a decision is taken: who we are, who calls, what is
//! called, what was observed so far. Plain data; deciding happens elsewhere.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use pelago_model::{
    ClusterId, GatewayId, Hostname, Locality, NetworkId, SpiffeId, TrustDomain, WorkloadUid,
};
use pelago_svid::VerifiedPeer;

/// The process that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Our cluster.
    pub cluster: ClusterId,
    /// Our trust domain.
    pub trust_domain: TrustDomain,
    /// The network whose addresses we can dial.
    pub network: NetworkId,
    /// Where we run.
    pub locality: Locality,
    /// Ports of this process's own listeners, never delivered to. The mesh's
    /// well-known ports are refused besides.
    pub reserved_ports: BTreeSet<u16>,
}

/// A caller: its identity and the cluster whose intermediate vouched for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The identity.
    pub id: &'a SpiffeId,
    /// The issuing cluster, if the intermediate says one.
    pub issuer_cluster: Option<&'a ClusterId>,
}

impl<'a> From<&'a VerifiedPeer> for Caller<'a> {
    fn from(peer: &'a VerifiedPeer) -> Self {
        Self {
            id: peer.id(),
            issuer_cluster: peer.issuer_cluster(),
        }
    }
}

impl Caller<'_> {
    /// Whether the caller is of our own trust domain and our own cluster. All
    /// others are admitted only to what is exported to them.
    #[must_use]
    pub fn is_of(&self, home: &Home) -> bool {
        *self.id.trust_domain() == home.trust_domain && self.issuer_cluster == Some(&home.cluster)
    }
}

/// What is called, as the caller wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// A service's host name (its own or an alias) and service port.
    Service {
        /// The host name.
        host: Hostname,
        /// The service port.
        port: u16,
    },
    /// An address and port: a service's virtual address, or a workload's own.
    Address(SocketAddr),
}

impl Destination {
    /// The port called.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Service { port, .. } => *port,
            Self::Address(address) => address.port(),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { host, port } => write!(f, "{host}:{port}"),
            Self::Address(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// A call that one of our workloads makes.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// Who we are.
    pub home: &'a Home,
    /// The calling workload.
    pub source: &'a SpiffeId,
    /// What it calls.
    pub destination: &'a Destination,
    /// What this request tried already.
    pub attempted: &'a Attempted,
    /// What was seen to fail lately.
    pub observed: &'a Observed,
}

/// What this process has seen fail lately. It ranks, it never removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Endpoints that failed and whose time out is not over.
    pub ejected: BTreeSet<WorkloadUid>,
    /// Gateways that do not answer.
    pub gateways_down: BTreeSet<GatewayId>,
}

/// What one request has tried already; never tried again by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempted {
    /// Endpoints that failed this request.
    pub endpoints: BTreeSet<WorkloadUid>,
    /// Gateways that failed this request before an endpoint was reached.
    pub gateways: BTreeSet<GatewayId>,
}
