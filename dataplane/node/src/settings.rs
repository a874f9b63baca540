//! What a node or gateway is told, checked: plain data, whatever it runs on.

use std::net::SocketAddr;
use std::path::PathBuf;

use pelago_model::{HostPort, Locality, Name, PartKind};

/// The settings of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name, the one its token was made for.
    pub name: Name,
    /// Its network's name in its cluster.
    pub network: Name,
    /// Where it runs; unknown if empty.
    pub locality: Locality,
    /// Where the controller answers, directly or through a gateway; tried in order.
    pub controller: Vec<HostPort>,
    /// What it is.
    pub part: Part,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// Where health is served.
    pub health: SocketAddr,
}

/// What a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Agent and proxy beside workloads.
    Node {
        /// Where calls for its workloads come in by HBONE.
        hbone: SocketAddr,
        /// Where its workloads ask by SOCKS5; absent without capture.
        socks: Option<SocketAddr>,
        /// The Workload API's socket.
        socket: PathBuf,
    },
    /// An east-west gateway.
    Gateway {
        /// The one port.
        listen: SocketAddr,
        /// Where other clusters reach that port.
        advertise: Vec<HostPort>,
    },
}

impl Part {
    /// The kind in its SPIFFE ID and in its token.
    #[must_use]
    pub const fn kind(&self) -> PartKind {
        match self {
            Self::Node { .. } => PartKind::Node,
            Self::Gateway { .. } => PartKind::Gateway,
        }
    }

    /// Where other clusters reach it; nowhere unless it is a gateway.
    #[must_use]
    pub fn advertise(&self) -> &[HostPort] {
        match self {
            Self::Node { .. } => &[],
            Self::Gateway { advertise, .. } => advertise,
        }
    }
}
