//! East-west gateways: how another network is entered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, IdError, Internable, Interner, Name, NetworkId};
use crate::net::HostPort;
use crate::spiffe::SpiffeId;
use crate::workload::Standing;

/// A gateway's key, written `<cluster>/<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayId {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Its name there.
    pub name: Name,
}

impl GatewayId {
    /// Parses `<cluster>/<name>`.
    ///
    /// # Errors
    /// [`IdError`] when a part is missing or malformed.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (cluster, name) = text
            .split_once('/')
            .ok_or_else(|| IdError::new("gateway", text, "<cluster>/<name>"))?;
        Ok(Self {
            cluster: ClusterId::parse(cluster)?,
            name: Name::parse(name)?,
        })
    }
}

/// One gateway of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Cluster and name.
    pub id: GatewayId,
    /// The network it opens.
    pub network: NetworkId,
    /// The identity its TLS must show.
    pub identity: SpiffeId,
    /// Where it listens; tried in order, names resolved again.
    pub addresses: Vec<HostPort>,
    /// What the lease of its source says.
    pub standing: Standing,
}

impl Internable for GatewayId {
    fn share(&mut self, interner: &mut Interner) {
        self.cluster.share(interner);
        self.name.share(interner);
    }
}

impl TryFrom<String> for GatewayId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<GatewayId> for String {
    fn from(id: GatewayId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.name)
    }
}

impl fmt::Debug for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
