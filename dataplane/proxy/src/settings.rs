//! What a proxy is told when it is made: who it is, where it listens, what its
//! limits are. Plain data from the checked configuration.

use std::net::SocketAddr;
use std::time::Duration;

use pelago_dataplane_policy::Home;
use pelago_model::{HostPort, SpiffeId};

/// The settings of one proxy.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our cluster, trust domain, network and place.
    pub home: Home,
    /// Our own identity: a node's or a gateway's.
    pub own_id: SpiffeId,
    /// What we do.
    pub role: Role,
    /// Connections a worker serves at once, and requests inside of them; more
    /// are closed at once. One party may take half.
    pub connections: usize,
}

/// What a proxy does, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Beside workloads: takes their calls and delivers to them.
    Node {
        /// Where calls come in by HBONE.
        hbone: Option<SocketAddr>,
        /// Where our workloads ask by SOCKS5; only processes of this host may.
        socks: Option<SocketAddr>,
    },
    /// At the edge of a network: the one port for other clusters and for VMs.
    Gateway {
        /// Where it listens.
        listen: SocketAddr,
        /// The controller that control streams are spliced to; tried in order.
        controller: Vec<HostPort>,
    },
}

/// Connections a worker serves at once, unless told otherwise; as many requests.
pub const CONNECTIONS: usize = 10_000;
/// The part of them, one in so many, that one address may take whose callers
/// are not verified (yet).
pub(crate) const STRANGERS: usize = 4;
/// The part of them, one in so many, that one party may take.
pub(crate) const PARTIES: usize = 2;
/// The longest a TCP connection to the next hop may take.
pub(crate) const DIAL: Duration = Duration::from_secs(1);
/// The longest one attempt may take, from dial to 200.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(3);
/// The most attempts of one request.
pub(crate) const ATTEMPTS: u32 = 5;
/// The longest a delivery to a workload's own port may take to connect.
pub(crate) const DELIVER: Duration = Duration::from_secs(2);
