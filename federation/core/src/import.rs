//! What of a peer's word is believed.
//!
//! Judged by who the connection proved the peer to be: its workloads are of its
//! cluster, its trust domain and its networks, its gateways are its own, its
//! services have names of their own. What breaks that or a limit is refused,
//! remembered by name and counted; the rest goes on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use pelago_model::gateway::GatewayId;
use pelago_model::net::{Host, HostPort};
use pelago_model::{
    ClusterId, ExportedEndpoint, ExportedGateway, ExportedService, NetworkId, PartKind, Peer,
    SpiffeId,
};
use pelago_resources::{Finding, ObjectKey, Severity};

use crate::export::{Shown, ShownKey};
use crate::view::{Fact, FactKey, View};

/// How much one peer may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Services.
    pub services: usize,
    /// Endpoints of all services together.
    pub endpoints: usize,
    /// Gateways.
    pub gateways: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            services: 1_000,
            endpoints: 10_000,
            gateways: 64,
        }
    }
}

/// Why something a peer showed is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More services than allowed.
    #[error("exceeds the {0} services that one peer may show")]
    TooManyServices(usize),
    /// More endpoints than allowed.
    #[error("exceeds the {0} endpoints that one peer may show: the rest is left out")]
    TooManyEndpoints(usize),
    /// More gateways than allowed.
    #[error("exceeds the {0} gateways that one peer may show")]
    TooManyGateways(usize),
    /// More ports of one service than allowed.
    #[error("exceeds the {MAX_PORTS} ports that one service of a peer may have")]
    TooManyPorts,
    /// More addresses of one gateway than allowed.
    #[error("exceeds the {MAX_ADDRESSES} addresses that one gateway of a peer may have")]
    TooManyAddresses,
    /// The name makes no host name here.
    #[error("its name makes no host name: allowed is a DNS label")]
    Name,
    /// A uid of another cluster.
    #[error("endpoint {uid}: allowed are uids that begin with {cluster}/")]
    ForeignUid {
        /// The uid.
        uid: String,
        /// The peer.
        cluster: ClusterId,
    },
    /// An identity of another domain, or a reserved one.
    #[error("identity {identity}: allowed are workload identities of the peer's own trust domain")]
    ForeignIdentity {
        /// The identity.
        identity: SpiffeId,
    },
    /// A place that is none.
    #[error("locality: allowed are at most {MAX_PLACE} visible ASCII characters for each part")]
    Locality,
    /// A network of another cluster.
    #[error("network {network}: allowed are networks of {cluster}/")]
    ForeignNetwork {
        /// The network.
        network: NetworkId,
        /// The peer.
        cluster: ClusterId,
    },
    /// A gateway that shows another identity than its own.
    #[error("gateway identity {identity}: allowed is {expected}")]
    GatewayIdentity {
        /// The identity.
        identity: SpiffeId,
        /// Its own.
        expected: SpiffeId,
    },
    /// An address that can be no peer's gateway.
    #[error(
        "gateway address {address}: allowed are addresses outside loopback, link-local, multicast and unspecified ranges (loopback only if an operator joined the peer there)"
    )]
    Address {
        /// The address.
        address: HostPort,
    },
}

/// What one peer shows, as far as it is believed.
#[derive(Debug)]
pub struct Import {
    peer: Arc<Peer>,
    limits: Limits,
    services: BTreeMap<ObjectKey, Arc<ExportedService>>,
    gateways: BTreeMap<GatewayId, Arc<ExportedGateway>>,
    endpoints: usize,
    refusals: BTreeMap<ShownKey, Refusal>,
    refused: u64,
}

impl Import {
    /// Nothing yet from `peer`.
    #[must_use]
    pub const fn new(peer: Arc<Peer>, limits: Limits) -> Self {
        Self {
            peer,
            limits,
            services: BTreeMap::new(),
            gateways: BTreeMap::new(),
            endpoints: 0,
            refusals: BTreeMap::new(),
            refused: 0,
        }
    }

    /// The peer's record changed (grants, addresses); who it is did not.
    pub fn regrant(&mut self, peer: Arc<Peer>) {
        self.peer = peer;
    }

    /// Takes one statement in.
    pub fn take(&mut self, shown: Shown) {
        let key = shown.key();
        self.forget(&key);
        let outcome = match shown {
            Shown::Gone(_) => return,
            Shown::Service(service) => self.service(service),
            Shown::Gateway(gateway) => self.gateway(gateway),
        };
        if let Some(refusal) = outcome {
            self.refused = self.refused.saturating_add(1);
            if self.refusals.len() < MAX_REFUSALS {
                self.refusals.insert(key, refusal);
            }
        }
    }

    /// Takes a full list in: what is not in it is gone.
    pub fn replace(&mut self, all: Vec<Shown>) {
        self.services.clear();
        self.gateways.clear();
        self.refusals.clear();
        self.endpoints = 0;
        all.into_iter().for_each(|shown| self.take(shown));
    }

    /// What is believed, to be shown again after a restart.
    pub fn believed(&self) -> impl Iterator<Item = Shown> {
        let services = self.services.values();
        let gateways = self.gateways.values();
        services
            .map(|service| Shown::Service(service.as_ref().clone()))
            .chain(gateways.map(|gateway| Shown::Gateway(gateway.as_ref().clone())))
    }

    /// Writes what is believed about one key into a view.
    pub fn testify(&self, key: &ShownKey, view: &mut View) {
        let cluster = &self.peer.cluster;
        match key {
            ShownKey::Service(object) => {
                let key = FactKey::Imported(cluster.clone(), object.clone());
                match self.services.get(object) {
                    Some(service) => view.set(key, Fact::Imported(Arc::clone(service))),
                    None => view.remove(&key),
                }
            }
            ShownKey::Gateway(name) => {
                let key = FactKey::ImportedGateway(cluster.clone(), name.clone());
                match self.gateways.get(&self.gateway_id(name)) {
                    Some(gateway) => view.set(key, Fact::ImportedGateway(Arc::clone(gateway))),
                    None => view.remove(&key),
                }
            }
        }
    }

    /// Services that are believed.
    #[must_use]
    pub fn services(&self) -> usize {
        self.services.len()
    }

    /// Endpoints that are believed.
    #[must_use]
    pub const fn endpoints(&self) -> usize {
        self.endpoints
    }

    /// How often something was refused since this peer is known.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// What is refused now, by name.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let source = format!("peer {}", self.peer.cluster);
        let finding = |(key, refusal): (&ShownKey, &Refusal)| {
            Finding::new(
                Severity::Error,
                &source,
                &key.to_string(),
                "",
                &refusal.to_string(),
            )
        };
        self.refusals.iter().map(finding).collect()
    }

    fn forget(&mut self, key: &ShownKey) {
        self.refusals.remove(key);
        match key {
            ShownKey::Service(object) => {
                if let Some(old) = self.services.remove(object) {
                    self.endpoints = self.endpoints.saturating_sub(old.endpoints.len());
                }
            }
            ShownKey::Gateway(name) => drop(self.gateways.remove(&self.gateway_id(name))),
        }
    }

    /// Believes a service with those of its endpoints that may be; answers with
    /// the first reason why not all is.
    fn service(&mut self, mut service: ExportedService) -> Option<Refusal> {
        if self.services.len() >= self.limits.services {
            return Some(Refusal::TooManyServices(self.limits.services));
        }
        let object = ObjectKey {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
        };
        let host = object
            .local()
            .and_then(|_| object.of_cluster(&self.peer.cluster));
        if host.is_err() || ClusterId::parse(service.name.as_str()).is_err() {
            return Some(Refusal::Name);
        }
        // Each endpoint has each of them.
        if service.ports.len() > MAX_PORTS {
            return Some(Refusal::TooManyPorts);
        }
        let mut refusal = None;
        service
            .endpoints
            .retain(|endpoint| match self.endpoint(endpoint) {
                Ok(()) => true,
                Err(reason) => {
                    refusal.get_or_insert(reason);
                    false
                }
            });
        let room = self.limits.endpoints.saturating_sub(self.endpoints);
        if service.endpoints.len() > room {
            service.endpoints.truncate(room);
            refusal.get_or_insert(Refusal::TooManyEndpoints(self.limits.endpoints));
        }
        self.endpoints += service.endpoints.len();
        self.services.insert(object, Arc::new(service));
        refusal
    }

    fn endpoint(&self, endpoint: &ExportedEndpoint) -> Result<(), Refusal> {
        let cluster = &self.peer.cluster;
        let of_peer = endpoint
            .uid
            .as_str()
            .strip_prefix(cluster.as_str())
            .is_some_and(|rest| rest.starts_with('/'));
        if !of_peer {
            return Err(Refusal::ForeignUid {
                uid: endpoint.uid.as_str().to_owned(),
                cluster: cluster.clone(),
            });
        }
        let identity = &endpoint.identity;
        if identity.trust_domain() != &self.peer.trust_domain
            || identity.is_reserved()
            || identity.path().is_empty()
        {
            return Err(Refusal::ForeignIdentity {
                identity: identity.clone(),
            });
        }
        let locality = &endpoint.locality;
        let mut places = [&locality.region, &locality.zone, &locality.subzone].into_iter();
        let place =
            |text: &String| text.len() <= MAX_PLACE && text.bytes().all(|b| b.is_ascii_graphic());
        if !places.all(place) {
            return Err(Refusal::Locality);
        }
        self.network(&endpoint.network)
    }

    fn network(&self, network: &NetworkId) -> Result<(), Refusal> {
        if network.cluster() == Some(&self.peer.cluster) {
            return Ok(());
        }
        Err(Refusal::ForeignNetwork {
            network: network.clone(),
            cluster: self.peer.cluster.clone(),
        })
    }

    fn gateway(&mut self, gateway: ExportedGateway) -> Option<Refusal> {
        if self.gateways.len() >= self.limits.gateways {
            return Some(Refusal::TooManyGateways(self.limits.gateways));
        }
        let expected =
            self.peer
                .trust_domain
                .part(PartKind::Gateway, &self.peer.cluster, &gateway.name);
        if gateway.identity != expected {
            return Some(Refusal::GatewayIdentity {
                identity: gateway.identity,
                expected,
            });
        }
        if let Err(refusal) = self.network(&gateway.network) {
            return Some(refusal);
        }
        if gateway.addresses.len() > MAX_ADDRESSES {
            return Some(Refusal::TooManyAddresses);
        }
        let bad = gateway
            .addresses
            .iter()
            .find(|address| !self.may_be_gateway(address));
        if let Some(address) = bad {
            return Some(Refusal::Address {
                address: address.clone(),
            });
        }
        self.gateways
            .insert(self.gateway_id(&gateway.name), Arc::new(gateway));
        None
    }

    fn may_be_gateway(&self, address: &HostPort) -> bool {
        let Host::Ip(ip) = address.host else {
            return true;
        };
        let ip = ip.to_canonical();
        let local = match ip {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let joined_on_loopback = || {
            let ips = self.peer.addresses.iter().map(|known| &known.host);
            ips.into_iter()
                .any(|host| matches!(host, Host::Ip(ip) if ip.is_loopback()))
        };
        !(ip.is_unspecified() || ip.is_multicast() || local)
            && (!ip.is_loopback() || joined_on_loopback())
    }

    fn gateway_id(&self, name: &pelago_model::Name) -> GatewayId {
        GatewayId {
            cluster: self.peer.cluster.clone(),
            name: name.clone(),
        }
    }
}

const MAX_PORTS: usize = 128;
const MAX_ADDRESSES: usize = 16;
const MAX_PLACE: usize = 253;
/// Refusals remembered by name; all are counted.
const MAX_REFUSALS: usize = 100;

#[cfg(test)]
mod tests;
