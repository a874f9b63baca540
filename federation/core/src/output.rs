//! Facts to resources: one pure function for each kind.
//!
//! Nothing of a peer is compiled unless the peer itself is known; nothing of a
//! peer enters a name of ours unless a grant merges it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::gateway::{Gateway, GatewayId};
use pelago_model::service::{Audience, Service, ServicePort, Spread};
use pelago_model::workload::{Endpoint, Health, Standing, Tunnel, Workload};
use pelago_model::{
    ClusterId, ExportedService, Hostname, Name, Peer, PortKey, Resource, ResourceName, ServiceKey,
    WorkloadUid,
};
use pelago_resources::{ObjectKey, ServiceDecl, Target, WorkloadDecl};

use crate::world::{Output, World};

/// The port on which workloads take HBONE.
const HBONE: u16 = 15008;

/// The name of an output; `None` when it can have none.
pub(crate) fn name(ours: &ClusterId, world: &World, output: &Output) -> Option<ResourceName> {
    let gateway = |cluster: &ClusterId, name: &Name| {
        ResourceName::Gateway(GatewayId {
            cluster: cluster.clone(),
            name: name.clone(),
        })
    };
    Some(match output {
        Output::Service(key) => ResourceName::Service(key.local().ok()?),
        Output::PeerService(cluster, key) => ResourceName::Service(key.of_cluster(cluster).ok()?),
        Output::Workload(key) => ResourceName::Workload(match world.workloads.get(key) {
            Some(workload) => workload.uid.clone(),
            None => WorkloadUid::parse(&format!("{ours}/networking.istio.io/WorkloadEntry/{key}"))
                .ok()?,
        }),
        Output::PeerWorkload(_, uid) => ResourceName::Workload(uid.clone()),
        Output::Gateway(name) => gateway(ours, name),
        Output::PeerGateway(cluster, name) => gateway(cluster, name),
        Output::Policy(key) => ResourceName::Policy(key.clone()),
    })
}

/// The resource of an output, if the facts make one.
pub(crate) fn resource(ours: &ClusterId, world: &World, output: &Output) -> Option<Resource> {
    Some(match output {
        Output::Service(key) => Resource::Service(Arc::new(service(ours, world, key)?)),
        Output::PeerService(cluster, key) => {
            Resource::Service(Arc::new(peer_service(world, cluster, key)?))
        }
        Output::Workload(key) => {
            let workload = world.workloads.get(key)?;
            Resource::Workload(Arc::new(local_workload(ours, world, workload)))
        }
        Output::PeerWorkload(cluster, uid) => {
            Resource::Workload(Arc::new(peer_workload(world, cluster, uid)?))
        }
        Output::Gateway(name) => Resource::Gateway(Arc::clone(world.gateways.get(name)?)),
        Output::PeerGateway(cluster, name) => {
            Resource::Gateway(Arc::new(peer_gateway(world, cluster, name)?))
        }
        Output::Policy(key) => Resource::Policy(Arc::new(world.policies.get(key)?.clone())),
    })
}

/// A service under our own name: ours, or the first of those that grants merge
/// into it.
fn service(ours: &ClusterId, world: &World, key: &ObjectKey) -> Option<Service> {
    if let Some(decl) = world.services.get(key) {
        return Some(declared(ours, world, decl));
    }
    let (cluster, shown) = world.imports.iter().find_map(|(cluster, imports)| {
        let shown = imports.services.get(key)?;
        merges(world, cluster, key).then_some((cluster, shown))
    })?;
    Some(imported(key.local().ok()?, cluster, shown))
}

fn declared(ours: &ClusterId, world: &World, decl: &ServiceDecl) -> Service {
    let exported = world.exports.contains(&decl.key);
    let granted = |peer: &&Arc<Peer>| {
        exported
            && peer
                .grant
                .exports(decl.key.namespace.as_str(), decl.key.name.as_str())
    };
    let audience = |peer: &Arc<Peer>| Audience {
        cluster: peer.cluster.clone(),
        trust_domain: peer.trust_domain.clone(),
    };
    let peers = world.peers.values().map(|(peer, _)| peer);
    let port = |(key, (told, _)): (&PortKey, &(ServicePort, Target))| (*key, told.clone());
    let alias = decl.key.of_cluster(ours).map(|key| key.host);
    Service {
        key: decl.service.clone(),
        ports: decl.ports.iter().map(port).collect(),
        aliases: alias.into_iter().collect(),
        addresses: Vec::new(),
        cluster: ours.clone(),
        exported_to: peers.filter(granted).map(audience).collect(),
        spread: decl.spread,
        failover: decl.failover,
    }
}

fn peer_service(world: &World, cluster: &ClusterId, key: &ObjectKey) -> Option<Service> {
    let shown = world.imports.get(cluster)?.services.get(key)?;
    if !world.peers.contains_key(cluster) || merges(world, cluster, key) {
        return None;
    }
    Some(imported(key.of_cluster(cluster).ok()?, cluster, shown))
}

fn imported(key: ServiceKey, cluster: &ClusterId, shown: &ExportedService) -> Service {
    Service {
        key,
        ports: shown.ports.iter().cloned().collect(),
        aliases: Vec::new(),
        addresses: Vec::new(),
        cluster: cluster.clone(),
        exported_to: BTreeSet::new(),
        spread: Spread::Nearest,
        failover: true,
    }
}

fn local_workload(ours: &ClusterId, world: &World, decl: &WorkloadDecl) -> Workload {
    let endpoints = world.selecting(decl).map(|service| {
        let ports = service.ports.iter().filter_map(|(key, (_, target))| {
            let target = match target {
                Target::Number(port) => Some(*port),
                Target::Name(name) => decl.ports.get(name).copied(),
            };
            Some((*key, target?))
        });
        let endpoint = Endpoint {
            host: service.service.host.clone(),
            ports: ports.collect(),
        };
        (service.service.clone(), endpoint)
    });
    Workload {
        uid: decl.uid.clone(),
        name: decl.key.name.clone(),
        namespace: decl.key.namespace.clone(),
        identity: decl.identity.clone(),
        cluster: ours.clone(),
        network: decl.network.clone(),
        addresses: decl.addresses.clone(),
        tunnel: Tunnel::Hbone(HBONE),
        locality: decl.locality.clone(),
        weight: decl.weight,
        health: Health::Healthy,
        standing: Standing::Fresh,
        node: decl.node.clone(),
        endpoints: endpoints.collect(),
        labels: decl.labels.clone(),
    }
}

fn peer_workload(world: &World, cluster: &ClusterId, uid: &WorkloadUid) -> Option<Workload> {
    let (_, standing) = world.peers.get(cluster)?;
    let imports = world.imports.get(cluster)?;
    let serving = imports.serving.get(uid)?;
    let services: Vec<(&ObjectKey, &Arc<ExportedService>)> = serving
        .keys()
        .filter_map(|key| Some((key, imports.services.get(key)?)))
        .collect();
    let (first, shown) = services.first()?;
    let own = shown.endpoints.get(*serving.get(*first)?)?;
    let endpoints: BTreeMap<ServiceKey, Endpoint> = services
        .iter()
        .filter_map(|(key, shown)| {
            let place = if merges(world, cluster, key) {
                key.local().ok()?
            } else {
                key.of_cluster(cluster).ok()?
            };
            Some((place, behind_gateway(&shown.host, shown)))
        })
        .collect();
    let last = uid.as_str().rsplit('/').next().unwrap_or_default();
    Some(Workload {
        uid: uid.clone(),
        name: Name::parse(last).unwrap_or_else(|_| first.name.clone()),
        namespace: first.namespace.clone(),
        identity: own.identity.clone(),
        cluster: cluster.clone(),
        network: own.network.clone(),
        addresses: Vec::new(),
        tunnel: Tunnel::Hbone(HBONE),
        locality: own.locality.clone(),
        weight: own.weight,
        health: own.health,
        standing: *standing,
        node: None,
        endpoints,
        labels: BTreeMap::new(),
    })
}

/// The gateway of its network knows the workload's real ports.
fn behind_gateway(host: &Hostname, shown: &ExportedService) -> Endpoint {
    Endpoint {
        host: host.clone(),
        ports: shown
            .ports
            .iter()
            .map(|(key, _)| (*key, key.port))
            .collect(),
    }
}

fn peer_gateway(world: &World, cluster: &ClusterId, name: &Name) -> Option<Gateway> {
    let (_, standing) = world.peers.get(cluster)?;
    let shown = world.imports.get(cluster)?.gateways.get(name)?;
    Some(Gateway {
        id: GatewayId {
            cluster: cluster.clone(),
            name: name.clone(),
        },
        network: shown.network.clone(),
        identity: shown.identity.clone(),
        addresses: shown.addresses.clone(),
        standing: *standing,
    })
}

/// Whether our grant puts that service of the peer under our own name.
pub(crate) fn merges(world: &World, cluster: &ClusterId, key: &ObjectKey) -> bool {
    world
        .peers
        .get(cluster)
        .is_some_and(|(peer, _)| peer.grant.merges(key.namespace.as_str(), key.name.as_str()))
}
