//! Snapshots to publish, and two machines to join.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::authz::{Action, Scope};
use pelago_model::service::Spread;
use pelago_model::{
    Delta, Gateway, GatewayId, Hostname, Kind, Locality, NetworkId, Policy, PolicyKey, Resource,
    ResourceName, Service, ServiceKey, Snapshot, SpiffeId, Standing, Tunnel, Workload, WorkloadUid,
};
use pelago_wire::ads::{Client, DeltaDiscoveryResponse};
use pelago_wire::hello;

/// Resource `n` of a kind; `version` changes its content.
pub(crate) fn resource(kind: Kind, n: u8, version: u8) -> Resource {
    match kind {
        Kind::Policy => Resource::Policy(Arc::new(Policy {
            key: PolicyKey::parse(&format!("shop/p{n}")).unwrap(),
            scope: Scope::Workloads(BTreeMap::from([("v".to_owned(), version.to_string())])),
            action: Action::Deny,
            rules: Vec::new(),
        })),
        Kind::Gateway => Resource::Gateway(Arc::new(Gateway {
            id: GatewayId::parse(&format!("east/g{n}")).unwrap(),
            network: NetworkId::parse(&format!("east/net{version}")).unwrap(),
            identity: SpiffeId::parse("spiffe://td/pelago/gateway/east/g").unwrap(),
            addresses: Vec::new(),
            standing: Standing::Fresh,
        })),
        Kind::Service => Resource::Service(Arc::new(Service {
            key: ServiceKey::parse(&format!("shop/s{n}.shop.svc")).unwrap(),
            ports: BTreeMap::new(),
            aliases: vec![Hostname::parse(&format!("v{version}.mesh")).unwrap()],
            addresses: Vec::new(),
            cluster: "east".parse().unwrap(),
            exported_to: BTreeSet::new(),
            spread: Spread::Nearest,
            failover: true,
        })),
        Kind::Workload => Resource::Workload(Arc::new(Workload {
            uid: WorkloadUid::parse(&format!("east//pod/shop/w{n}")).unwrap(),
            name: "w".parse().unwrap(),
            namespace: "shop".parse().unwrap(),
            identity: SpiffeId::parse("spiffe://td/ns/shop/sa/w").unwrap(),
            cluster: "east".parse().unwrap(),
            network: NetworkId::parse("east/net").unwrap(),
            addresses: vec![[10, 0, 0, n].into()],
            tunnel: Tunnel::Hbone(15008),
            locality: Locality::default(),
            weight: u32::from(version),
            health: pelago_model::Health::Healthy,
            standing: Standing::Fresh,
            node: None,
            endpoints: BTreeMap::new(),
            labels: BTreeMap::new(),
        })),
    }
}

pub(crate) fn snapshot(resources: impl IntoIterator<Item = Resource>) -> Arc<Snapshot> {
    let mut snapshot = Snapshot::default();
    snapshot.apply(&Delta {
        upserts: resources.into_iter().collect(),
        removals: Vec::new(),
    });
    Arc::new(snapshot)
}

/// One resource of each kind at `version`.
pub(crate) fn small(version: u8) -> Arc<Snapshot> {
    snapshot(Kind::ALL.map(|kind| resource(kind, 1, version)))
}

pub(crate) fn name(kind: Kind, n: u8) -> ResourceName {
    resource(kind, n, 0).name()
}

pub(crate) fn client() -> Client {
    Client {
        id: SpiffeId::parse("spiffe://td/pelago/node/east/n1").unwrap(),
        hello: hello::ours(&[]),
        advertise: Vec::new(),
        network: None,
        locality: Locality::default(),
    }
}

/// Names a response tells as present.
pub(crate) fn told(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    let resources = response.resources.iter();
    resources.map(|resource| resource.name.as_str()).collect()
}
