//! Services: names with ports that workloads serve.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, IdError, Internable, Interner, Namespace, NetworkId};
use crate::net::{Hostname, PortKey};
use crate::spiffe::TrustDomain;

/// A service's key, written `<namespace>/<host name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceKey {
    /// The namespace it belongs to.
    pub namespace: Namespace,
    /// Its host name in this cluster.
    pub host: Hostname,
}

impl ServiceKey {
    /// Parses `<namespace>/<host name>`.
    ///
    /// # Errors
    /// [`IdError`] when a part is missing or malformed.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (namespace, host) = text
            .split_once('/')
            .ok_or_else(|| IdError::new("service key", text, "<namespace>/<host name>"))?;
        Ok(Self {
            namespace: Namespace::parse(namespace)?,
            host: Hostname::parse(host)?,
        })
    }
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Namespace and host name.
    pub key: ServiceKey,
    /// The ports it serves.
    pub ports: BTreeMap<PortKey, ServicePort>,
    /// Other host names for it, such as `web.shop.svc.east.mesh`.
    pub aliases: Vec<Hostname>,
    /// Virtual addresses, each in its network.
    pub addresses: Vec<(NetworkId, IpAddr)>,
    /// The cluster that defines it: ours, or the peer it was exported by.
    pub cluster: ClusterId,
    /// Who may call it from another cluster or trust domain. Nobody else is
    /// admitted before a policy is even asked.
    pub exported_to: BTreeSet<Audience>,
    /// How endpoints are chosen by place.
    pub spread: Spread,
    /// Whether a failed connect moves to the next endpoint.
    pub failover: bool,
}

/// One port of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServicePort {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// `appProtocol`, if it is told.
    pub app_protocol: Option<String>,
}

/// How endpoints are chosen by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// The nearest first: own network and zone, region, then elsewhere.
    Nearest,
    /// All endpoints alike (`pelago.dev/locality: spread`).
    Everywhere,
}

/// A cluster and the trust domain that must vouch for its callers. Both must
/// match the verified peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Audience {
    /// The cluster, as the issuing intermediate is signed for it.
    pub cluster: ClusterId,
    /// The trust domain of the caller's identity.
    pub trust_domain: TrustDomain,
}

impl Internable for ServiceKey {
    fn share(&mut self, interner: &mut Interner) {
        self.namespace.share(interner);
        self.host.share(interner);
    }
}

impl TryFrom<String> for ServiceKey {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<ServiceKey> for String {
    fn from(key: ServiceKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.host)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
