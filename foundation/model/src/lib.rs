//! The nouns of Pelago: identifiers, workloads, services, gateways, policies,
//! bundles, and the snapshot that indexes them.
//!
//! Pure data: no IO, no clock, no randomness. Everything here was parsed once
//! at a door and is trusted afterwards. Start with [`snapshot::Snapshot`] (the
//! topology truth) and [`bundle::BundleSet`] (the trust truth); the two never
//! mix.

pub mod authz;
pub mod bundle;
pub mod delta;
pub mod export;
pub mod gateway;
pub mod hash;
pub mod id;
pub mod net;
pub mod peer;
pub mod reason;
pub mod registration;
pub mod service;
pub mod shards;
pub mod snapshot;
pub mod spiffe;
pub mod token;
pub mod workload;

pub use authz::{Policy, PolicyKey};
pub use bundle::{Bundle, BundleSet};
pub use delta::{Delta, Kind, Resource, ResourceName};
pub use export::{ExportedEndpoint, ExportedGateway, ExportedService};
pub use gateway::{Gateway, GatewayId};
pub use hash::Version;
pub use id::{ClusterId, IdError, Interner, Name, Namespace, NetworkId};
pub use net::{HostPort, Hostname, Locality, PortKey, Transport};
pub use peer::{Grant, Peer, ServicePattern};
pub use reason::Reason;
pub use registration::{RegistrationEntry, Selector};
pub use service::{Audience, Service, ServiceKey};
pub use snapshot::Snapshot;
pub use spiffe::{PartKind, SpiffeId, TrustDomain};
pub use workload::{Endpoint, Health, Standing, Tunnel, Workload, WorkloadUid};
