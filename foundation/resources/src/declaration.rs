//! What a resource declares, in the model's words.
//!
//! A declaration speaks of one object; how several make a service with its
//! endpoints is decided where views are merged, not here.

use std::collections::BTreeMap;
use std::fmt;

use pelago_model::net::Locality;
use pelago_model::service::{ServicePort, Spread};
use pelago_model::{
    Hostname, IdError, Name, Namespace, NetworkId, Policy, PolicyKey, PortKey, RegistrationEntry,
    ServiceKey, SpiffeId, WorkloadUid,
};
use serde::{Deserialize, Serialize};

/// The domain of a cluster's own services (`<name>.<ns>.svc.cluster.local`).
const LOCAL_DOMAIN: &str = "cluster.local";

/// An object's namespace and name; written `<namespace>/<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name there.
    pub name: Name,
}

impl ObjectKey {
    /// The key of a service of this name in its own cluster:
    /// `<name>.<namespace>.svc.cluster.local`.
    ///
    /// # Errors
    /// [`IdError`] when the host name becomes too long.
    pub fn local(&self) -> Result<ServiceKey, IdError> {
        self.host(LOCAL_DOMAIN)
    }

    /// The key of a service of this name as another cluster shows it:
    /// `<name>.<namespace>.svc.<cluster>.mesh`.
    ///
    /// # Errors
    /// [`IdError`] when the host name becomes too long.
    pub fn of_cluster(&self, cluster: &pelago_model::ClusterId) -> Result<ServiceKey, IdError> {
        self.host(&format!("{cluster}.mesh"))
    }

    /// Namespace and name of a service of its own cluster.
    #[must_use]
    pub fn from_local(key: &ServiceKey) -> Option<Self> {
        let suffix = format!(".{}.svc.{LOCAL_DOMAIN}", key.namespace);
        Some(Self {
            namespace: key.namespace.clone(),
            name: Name::parse(key.host.as_str().strip_suffix(&suffix)?).ok()?,
        })
    }

    fn host(&self, domain: &str) -> Result<ServiceKey, IdError> {
        Ok(ServiceKey {
            namespace: self.namespace.clone(),
            host: Hostname::parse(&format!("{}.{}.svc.{domain}", self.name, self.namespace))?,
        })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A Kubernetes `Service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDecl {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its key in the mesh of this cluster.
    pub service: ServiceKey,
    /// Its ports, each with the workload's port it leads to.
    pub ports: BTreeMap<PortKey, (ServicePort, Target)>,
    /// Workloads of the namespace with all these labels; empty picks none.
    pub selector: BTreeMap<String, String>,
    /// How endpoints are chosen by place.
    pub spread: Spread,
    /// Whether a failed connect moves on.
    pub failover: bool,
}

/// The workload's port behind a service port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Number(u16),
    /// The one that each workload gives this name.
    Name(String),
}

/// An Istio `WorkloadEntry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadDecl {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `<cluster>/networking.istio.io/WorkloadEntry/<namespace>/<name>`.
    pub uid: WorkloadUid,
    /// The identity of its service account.
    pub identity: SpiffeId,
    /// Where it listens.
    pub addresses: Vec<std::net::IpAddr>,
    /// The network of these addresses.
    pub network: NetworkId,
    /// Where it runs.
    pub locality: Locality,
    /// Its relative share.
    pub weight: u32,
    /// The node that serves it.
    pub node: Option<SpiffeId>,
    /// What services and policies select by.
    pub labels: BTreeMap<String, String>,
    /// Its ports by name.
    pub ports: BTreeMap<String, u16>,
}

/// An Istio `AuthorizationPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDecl {
    /// What holds of it: never more than it permits, never less than it denies.
    pub policy: Policy,
    /// Whether all of it is honoured. If not, the last version that was
    /// complete should be kept instead, if there is one.
    pub complete: bool,
}

/// What one document declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// A service.
    Service(ServiceDecl),
    /// A workload.
    Workload(WorkloadDecl),
    /// A registration entry, by the object it comes from.
    Entry(ObjectKey, RegistrationEntry),
    /// The service of that name may leave to peers that are granted it.
    Export(ObjectKey),
    /// A policy.
    Policy(PolicyDecl),
}

/// Names a declaration: equal for two documents that declare the same thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A service.
    Service(ObjectKey),
    /// A workload.
    Workload(ObjectKey),
    /// A registration entry.
    Entry(ObjectKey),
    /// An export.
    Export(ObjectKey),
    /// A policy.
    Policy(PolicyKey),
}

impl Declaration {
    /// What it is about.
    #[must_use]
    pub fn object(&self) -> Object {
        match self {
            Self::Service(service) => Object::Service(service.key.clone()),
            Self::Workload(workload) => Object::Workload(workload.key.clone()),
            Self::Entry(key, _) => Object::Entry(key.clone()),
            Self::Export(key) => Object::Export(key.clone()),
            Self::Policy(decl) => Object::Policy(decl.policy.key.clone()),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "Service {key}"),
            Self::Workload(key) => write!(f, "WorkloadEntry {key}"),
            Self::Entry(key) => write!(f, "RegistrationEntry {key}"),
            Self::Export(key) => write!(f, "ServiceExport {key}"),
            Self::Policy(key) => write!(f, "AuthorizationPolicy {key}"),
        }
    }
}
