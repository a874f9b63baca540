use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::id::{ClusterId, Name, Namespace};
use crate::net::{Locality, PortKey};
use crate::service::Spread;
use crate::spiffe::SpiffeId;
use crate::workload::{Endpoint, Health, Standing, Tunnel};

fn service(n: u8) -> Arc<Service> {
    let host = Hostname::parse(&format!("s{n}.shop.svc.cluster.local")).unwrap();
    Arc::new(Service {
        key: ServiceKey {
            namespace: Namespace::parse("shop").unwrap(),
            host,
        },
        ports: BTreeMap::new(),
        aliases: vec![Hostname::parse(&format!("alias{}.mesh", n % 2)).unwrap()],
        addresses: Vec::new(),
        cluster: ClusterId::parse("east").unwrap(),
        exported_to: BTreeSet::new(),
        spread: Spread::Nearest,
        failover: n.is_multiple_of(2),
    })
}

fn workload(n: u8, serves: &[u8], weight: u32) -> Arc<Workload> {
    let endpoint = |s: &u8| {
        let key = service(*s).key.clone();
        (
            key.clone(),
            Endpoint {
                host: key.host,
                ports: BTreeMap::from([(PortKey::tcp(80), 8080)]),
            },
        )
    };
    Arc::new(Workload {
        uid: WorkloadUid::parse(&format!("east//pod/shop/w{n}")).unwrap(),
        name: Name::parse(&format!("w{n}")).unwrap(),
        namespace: Namespace::parse("shop").unwrap(),
        identity: SpiffeId::parse(&format!("spiffe://td/ns/shop/sa/w{n}")).unwrap(),
        cluster: ClusterId::parse("east").unwrap(),
        network: NetworkId::parse("east/net").unwrap(),
        addresses: vec![[10, 0, 0, n % 3].into()],
        tunnel: Tunnel::Hbone(15008),
        locality: Locality::default(),
        weight,
        health: Health::Healthy,
        standing: Standing::Fresh,
        node: None,
        endpoints: serves.iter().map(endpoint).collect(),
        labels: BTreeMap::new(),
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let services = proptest::collection::btree_set(0_u8..12, 0..8);
    let workloads = proptest::collection::btree_map(
        0_u8..20,
        (proptest::collection::vec(0_u8..12, 0..3), 0_u32..3),
        0..12,
    );
    (services, workloads).prop_map(|(services, workloads)| {
        let mut snapshot = Snapshot::default();
        let upserts = services
            .into_iter()
            .map(|n| Resource::Service(service(n)))
            .chain(
                workloads
                    .into_iter()
                    .map(|(n, (serves, weight))| Resource::Workload(workload(n, &serves, weight))),
            )
            .collect();
        snapshot.apply(&Delta {
            upserts,
            removals: Vec::new(),
        });
        snapshot
    })
}

proptest! {
    #[test]
    fn apply_of_diff_gives_the_new(old in snapshot(), new in snapshot()) {
        let delta = old.diff(&new);
        let mut moved = old.clone();
        moved.apply(&delta);
        prop_assert_eq!(&moved, &new);
        prop_assert_eq!(moved.state_hash(), new.state_hash());
        prop_assert_eq!(old.state_hash() == new.state_hash(), delta.is_empty());
        // The indexes move with it.
        for n in 0..12 {
            let key = service(n).key.clone();
            let found = |s: &Snapshot| s.endpoints_of(&key).map(|w| w.uid.clone()).collect::<Vec<_>>();
            prop_assert_eq!(found(&moved), found(&new));
        }
        for n in 0..3_u8 {
            let network = NetworkId::parse("east/net").unwrap();
            let found = |s: &Snapshot| s.workloads_at(&network, [10, 0, 0, n].into()).count();
            prop_assert_eq!(found(&moved), found(&new));
        }
    }
}

#[test]
fn hosts_and_aliases_lead_to_services() {
    let mut snapshot = Snapshot::default();
    let upserts = [1, 3].map(|n| Resource::Service(service(n))).to_vec();
    snapshot.apply(&Delta {
        upserts,
        removals: Vec::new(),
    });
    let alias = Hostname::parse("alias1.mesh").unwrap();
    assert_eq!(snapshot.services_of_host(&alias).count(), 2);
    let before = snapshot.clone();
    snapshot.apply(&Delta {
        upserts: Vec::new(),
        removals: vec![ResourceName::Service(service(1).key.clone())],
    });
    assert_eq!(snapshot.services_of_host(&alias).count(), 1);
    assert_eq!(
        before.services_of_host(&alias).count(),
        2,
        "a clone does not see a later delta"
    );
    snapshot.apply(&Delta {
        upserts: vec![Resource::Service(service(1))],
        removals: Vec::new(),
    });
    assert_eq!(
        before.state_hash(),
        snapshot.state_hash(),
        "equal content, equal hash"
    );
}

#[test]
fn names_of_resources_round_trip() {
    for resource in [
        Resource::Service(service(1)),
        Resource::Workload(workload(1, &[1], 1)),
    ] {
        let name = resource.name();
        assert_eq!(
            ResourceName::parse(name.kind(), &name.to_string()).unwrap(),
            name
        );
        let text = serde_json::to_string(&resource).unwrap();
        assert_eq!(serde_json::from_str::<Resource>(&text).unwrap(), resource);
    }
}
