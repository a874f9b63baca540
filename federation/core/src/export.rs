//! What may leave to one peer: services exported and granted to it, their
//! endpoints of our own cluster and networks, and our gateways.
//!
//! Never an address of a workload, never anything another peer told us. Work
//! follows the change: only services that a snapshot's difference touches are
//! looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use pelago_model::service::{Audience, Service};
use pelago_model::workload::Workload;
use pelago_model::{
    ClusterId, ExportedEndpoint, ExportedGateway, ExportedService, GatewayId, Name, Resource,
    ResourceName, ServiceKey, Snapshot, Version,
};
use pelago_resources::ObjectKey;
use serde::{Deserialize, Serialize};

/// The most endpoints of one service that are shown; the rest is left out.
pub const MAX_SHOWN: usize = 5_000;
/// The most bytes of one service's endpoints, as [`Shown::weight`] counts them:
/// below what one message may have.
pub const MAX_SHOWN_BYTES: usize = 3 * 1024 * 1024;

/// Names something that is shown to a peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ShownKey {
    /// A service.
    Service(ObjectKey),
    /// A gateway.
    Gateway(Name),
}

/// Something that is shown to a peer, or no longer shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// This service, in place of what was shown under its key.
    Service(ExportedService),
    /// This gateway, in place of what was shown under its name.
    Gateway(ExportedGateway),
    /// Nothing under this key any more.
    Gone(ShownKey),
}

impl Shown {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> ShownKey {
        match self {
            Self::Service(service) => ShownKey::Service(ObjectKey {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
            }),
            Self::Gateway(gateway) => ShownKey::Gateway(gateway.name.clone()),
            Self::Gone(key) => key.clone(),
        }
    }

    /// About how many bytes it takes, here and on the wire.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Service(service) => {
                let endpoints = service.endpoints.iter().map(weight).sum::<usize>();
                ENTRY + endpoints + service.ports.len() * ENTRY
            }
            Self::Gateway(gateway) => ENTRY + gateway.addresses.len() * 4 * ENTRY,
            Self::Gone(_) => 0,
        }
    }

    fn version(&self) -> Option<Version> {
        match self {
            Self::Service(service) => Some(Version::of(service)),
            Self::Gateway(gateway) => Some(Version::of(gateway)),
            Self::Gone(_) => None,
        }
    }
}

impl fmt::Display for ShownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "service {key}"),
            Self::Gateway(name) => write!(f, "gateway {name}"),
        }
    }
}

/// Versions of what is shown, and a hash over them: both ends keep one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    versions: BTreeMap<ShownKey, Version>,
    hash: Version,
}

impl Ledger {
    /// Writes down what is shown; whether it was news.
    pub fn note(&mut self, shown: &Shown) -> bool {
        let key = shown.key();
        let entry = |version| Version::of(&(&key, version));
        let new = shown.version();
        let old = match new {
            Some(version) => self.versions.insert(key.clone(), version),
            None => self.versions.remove(&key),
        };
        if let Some(old) = old {
            self.hash = self.hash.without(entry(old));
        }
        if let Some(new) = new {
            self.hash = self.hash.with(entry(new));
        }
        old != new
    }

    /// Equal for equal content, whatever the path to it.
    #[must_use]
    pub const fn hash(&self) -> Version {
        self.hash
    }

    /// How much is shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether nothing is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }
}

/// What one peer is shown.
#[derive(Debug)]
pub struct Exports {
    ours: ClusterId,
    audience: Audience,
    seen: Snapshot,
    ledger: Ledger,
}

impl Exports {
    /// Nothing yet, from `ours` to `audience`.
    #[must_use]
    pub fn new(ours: ClusterId, audience: Audience) -> Self {
        Self {
            ours,
            audience,
            seen: Snapshot::default(),
            ledger: Ledger::default(),
        }
    }

    /// What must be told so that the peer sees what `now` lets it see.
    pub fn update(&mut self, now: &Snapshot) -> Vec<Shown> {
        let (services, gateways) = self.dirty(now);
        let mut news = Vec::new();
        for key in services {
            let Some(object) = ObjectKey::from_local(&key) else {
                continue;
            };
            let service = now
                .service(&key)
                .and_then(|service| self.shown(now, service, &object));
            news.push(
                service.map_or_else(|| Shown::Gone(ShownKey::Service(object)), Shown::Service),
            );
        }
        for id in gateways {
            let gateway = now.gateway(&id).map(|gateway| ExportedGateway {
                name: id.name.clone(),
                network: gateway.network.clone(),
                identity: gateway.identity.clone(),
                addresses: gateway.addresses.clone(),
            });
            news.push(gateway.map_or_else(
                || Shown::Gone(ShownKey::Gateway(id.name.clone())),
                Shown::Gateway,
            ));
        }
        self.seen = now.clone();
        news.retain(|shown| self.ledger.note(shown));
        news
    }

    /// The hash over all that is shown.
    #[must_use]
    pub const fn hash(&self) -> Version {
        self.ledger.hash()
    }

    /// Services and gateways of ours that a change may concern.
    fn dirty(&self, now: &Snapshot) -> (BTreeSet<ServiceKey>, BTreeSet<GatewayId>) {
        let delta = self.seen.diff(now);
        let upserts = delta.upserts.iter().map(Resource::name);
        let mut services = BTreeSet::new();
        let mut gateways = BTreeSet::new();
        for name in upserts.chain(delta.removals.iter().cloned()) {
            match name {
                ResourceName::Service(key) => drop(services.insert(key)),
                ResourceName::Workload(uid) => {
                    let both = [self.seen.workload(&uid), now.workload(&uid)];
                    let ours = both.into_iter().flatten().filter(|w| self.leaves(w));
                    services.extend(ours.flat_map(|w| w.endpoints.keys().cloned()));
                }
                ResourceName::Gateway(id) if id.cluster == self.ours => {
                    gateways.insert(id);
                }
                ResourceName::Gateway(_) | ResourceName::Policy(_) => {}
            }
        }
        (services, gateways)
    }

    fn shown(
        &self,
        now: &Snapshot,
        service: &Service,
        object: &ObjectKey,
    ) -> Option<ExportedService> {
        if service.cluster != self.ours || !service.exported_to.contains(&self.audience) {
            return None;
        }
        Some(ExportedService {
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            host: service.key.host.clone(),
            ports: service
                .ports
                .iter()
                .map(|(key, port)| (*key, port.clone()))
                .collect(),
            endpoints: shown_endpoints(now, service, &self.ours).collect(),
        })
    }

    fn leaves(&self, workload: &Workload) -> bool {
        leaves(&self.ours, workload)
    }
}

/// How many endpoints of a service of ours are there to be shown, and how many
/// of them are: the others are left out.
#[must_use]
pub fn cut(now: &Snapshot, service: &Service, ours: &ClusterId) -> (usize, usize) {
    let all = now.endpoints_of(&service.key);
    let all = all.filter(|workload| leaves(ours, workload)).count();
    (all, shown_endpoints(now, service, ours).count())
}

fn shown_endpoints<'a>(
    now: &'a Snapshot,
    service: &'a Service,
    ours: &'a ClusterId,
) -> impl Iterator<Item = ExportedEndpoint> + 'a {
    let endpoint = |workload: &Arc<Workload>| ExportedEndpoint {
        uid: workload.uid.clone(),
        identity: workload.identity.clone(),
        network: workload.network.clone(),
        locality: workload.locality.clone(),
        weight: workload.weight,
        health: workload.health,
    };
    let mut bytes = 0;
    now.endpoints_of(&service.key)
        .filter(|workload| leaves(ours, workload))
        .take(MAX_SHOWN)
        .map(endpoint)
        .take_while(move |endpoint| {
            bytes += weight(endpoint);
            bytes <= MAX_SHOWN_BYTES
        })
}

/// Only workloads of our own cluster in networks of our own: what a peer told us
/// never goes on to another.
fn leaves(ours: &ClusterId, workload: &Workload) -> bool {
    workload.cluster == *ours && workload.network.cluster() == Some(ours)
}

fn weight(endpoint: &ExportedEndpoint) -> usize {
    let locality = &endpoint.locality;
    let places = [&locality.region, &locality.zone, &locality.subzone];
    ENTRY
        + endpoint.uid.as_str().len()
        + endpoint.identity.as_str().len()
        + endpoint.network.name().as_str().len()
        + places.iter().map(|place| place.len()).sum::<usize>()
}

/// What any entry takes besides its texts.
const ENTRY: usize = 64;

#[cfg(test)]
mod tests;
