//! Another cluster, as an operator let it in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, IdError, Name, Namespace};
use crate::net::HostPort;
use crate::spiffe::{SpiffeId, TrustDomain};

/// Another cluster's controller and what was granted to it. The store keeps it
/// under `peer/<cluster>`; the CA writes it, federation acts on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The peer's cluster id.
    pub cluster: ClusterId,
    /// The trust domain that vouches for it.
    pub trust_domain: TrustDomain,
    /// The exact identity its controller must show.
    pub controller: SpiffeId,
    /// Where its gateways listen; used to dial it.
    pub addresses: Vec<HostPort>,
    /// What may pass.
    pub grant: Grant,
}

/// What may pass between us and a peer, seen from us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// Services of ours that are exported to the peer (those that also carry
    /// a `ServiceExport`).
    pub export: Vec<ServicePattern>,
    /// Services whose endpoints of both clusters are merged under our own
    /// name; they are exported and accepted too.
    pub merge: Vec<ServicePattern>,
}

impl Grant {
    /// Whether our service may be shown to the peer.
    #[must_use]
    pub fn exports(&self, namespace: &str, name: &str) -> bool {
        self.export
            .iter()
            .chain(&self.merge)
            .any(|pattern| pattern.covers(namespace, name))
    }

    /// Whether the peer's service of that name joins ours.
    #[must_use]
    pub fn merges(&self, namespace: &str, name: &str) -> bool {
        self.merge
            .iter()
            .any(|pattern| pattern.covers(namespace, name))
    }
}

/// `<namespace>/<name>` or `<namespace>/*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServicePattern {
    namespace: Namespace,
    name: Option<Name>,
}

impl ServicePattern {
    /// Parses `<namespace>/<name>` or `<namespace>/*`. A whole mesh cannot be
    /// granted by one pattern.
    ///
    /// # Errors
    /// [`IdError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::new("service", text, "<namespace>/<name> or <namespace>/*");
        let (namespace, name) = text.split_once('/').ok_or_else(bad)?;
        Ok(Self {
            namespace: Namespace::parse(namespace).map_err(|_| bad())?,
            name: match name {
                "*" => None,
                name => Some(Name::parse(name).map_err(|_| bad())?),
            },
        })
    }

    /// Whether the pattern covers that service.
    #[must_use]
    pub fn covers(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_str() == namespace
            && self.name.as_ref().is_none_or(|own| own.as_str() == name)
    }
}

impl TryFrom<String> for ServicePattern {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for ServicePattern {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl From<ServicePattern> for String {
    fn from(pattern: ServicePattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for ServicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}",
            self.namespace,
            self.name.as_ref().map_or("*", Name::as_str)
        )
    }
}

impl fmt::Debug for ServicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
