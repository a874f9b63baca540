//! Resources by name, and the difference between two snapshots.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::authz::{Policy, PolicyKey};
use crate::gateway::{Gateway, GatewayId};
use crate::hash::Version;
use crate::id::IdError;
use crate::service::{Service, ServiceKey};
use crate::workload::{Workload, WorkloadUid};

/// The kinds of resource in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// [`Policy`]; delivered before what it governs.
    Policy,
    /// [`Gateway`]
    Gateway,
    /// [`Service`]
    Service,
    /// [`Workload`]
    Workload,
}

impl Kind {
    /// All kinds, in the order in which they should be applied.
    pub const ALL: [Self; 4] = [Self::Policy, Self::Gateway, Self::Service, Self::Workload];
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// A policy.
    Policy(Arc<Policy>),
    /// A gateway.
    Gateway(Arc<Gateway>),
    /// A service.
    Service(Arc<Service>),
    /// A workload.
    Workload(Arc<Workload>),
}

impl Resource {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> ResourceName {
        match self {
            Self::Policy(policy) => ResourceName::Policy(policy.key.clone()),
            Self::Gateway(gateway) => ResourceName::Gateway(gateway.id.clone()),
            Self::Service(service) => ResourceName::Service(service.key.clone()),
            Self::Workload(workload) => ResourceName::Workload(workload.uid.clone()),
        }
    }

    /// The hash of its content.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::of(self)
    }
}

/// The name of a resource, unique within its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceName {
    /// A policy's.
    Policy(PolicyKey),
    /// A gateway's.
    Gateway(GatewayId),
    /// A service's.
    Service(ServiceKey),
    /// A workload's.
    Workload(WorkloadUid),
}

impl ResourceName {
    /// The kind it names.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Policy(_) => Kind::Policy,
            Self::Gateway(_) => Kind::Gateway,
            Self::Service(_) => Kind::Service,
            Self::Workload(_) => Kind::Workload,
        }
    }

    /// Parses what [`fmt::Display`] writes for that kind.
    ///
    /// # Errors
    /// [`IdError`] when the text is no name of that kind.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, IdError> {
        Ok(match kind {
            Kind::Policy => Self::Policy(PolicyKey::parse(text)?),
            Kind::Gateway => Self::Gateway(GatewayId::parse(text)?),
            Kind::Service => Self::Service(ServiceKey::parse(text)?),
            Kind::Workload => Self::Workload(WorkloadUid::parse(text)?),
        })
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(key) => fmt::Display::fmt(key, f),
            Self::Gateway(id) => fmt::Display::fmt(id, f),
            Self::Service(key) => fmt::Display::fmt(key, f),
            Self::Workload(uid) => fmt::Display::fmt(uid, f),
        }
    }
}

/// What changes from one snapshot to another. `old.apply(old.diff(new)) == new`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// New or changed.
    pub upserts: Vec<Resource>,
    /// Gone.
    pub removals: Vec<ResourceName>,
}

impl Delta {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removals.is_empty()
    }
}
