use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::authz::Action;
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
fn policies_are_found_by_whom_they_speak_of() {
    let policy = |key: &str, scope| {
        Resource::Policy(Arc::new(Policy {
            key: PolicyKey::parse(key).unwrap(),
            scope,
            action: Action::Allow,
            rules: Vec::new(),
        }))
    };
    let found = |snapshot: &Snapshot, namespace: &str| {
        let namespace = Namespace::parse(namespace).unwrap();
        let policies = snapshot.policies_for(&namespace);
        policies.map(|it| it.key.to_string()).collect::<Vec<_>>()
    };
    let mut snapshot = Snapshot::default();
    let upserts = vec![
        policy("root/all", Scope::Mesh),
        policy("shop/ns", Scope::Namespace),
        policy("shop/some", Scope::Workloads(BTreeMap::new())),
        policy("bank/ns", Scope::Namespace),
    ];
    snapshot.apply(&Delta {
        upserts,
        removals: Vec::new(),
    });
    assert_eq!(
        found(&snapshot, "shop"),
        ["root/all", "shop/ns", "shop/some"]
    );
    assert_eq!(found(&snapshot, "root"), ["root/all"]);
    // A policy whose scope changes moves; one that is removed is gone.
    snapshot.apply(&Delta {
        upserts: vec![
            policy("root/all", Scope::Namespace),
            policy("bank/ns", Scope::Mesh),
        ],
        removals: vec![ResourceName::Policy(PolicyKey::parse("shop/ns").unwrap())],
    });
    assert_eq!(found(&snapshot, "shop"), ["bank/ns", "shop/some"]);
    assert_eq!(found(&snapshot, "root"), ["bank/ns", "root/all"]);
}

#[test]
fn services_are_found_by_virtual_address() {
    let network = NetworkId::parse("east/net").unwrap();
    let at = |n: u8| std::net::IpAddr::from([240, 0, 0, n]);
    let with = |addresses: &[u8]| {
        let addresses = addresses.iter().map(|n| (network.clone(), at(*n)));
        let service = Service {
            addresses: addresses.collect(),
            ..(*service(1)).clone()
        };
        Delta {
            upserts: vec![Resource::Service(Arc::new(service))],
            removals: Vec::new(),
        }
    };
    let mut snapshot = Snapshot::default();
    snapshot.apply(&with(&[1, 2]));
    snapshot.apply(&with(&[2, 3]));
    let found = [1, 2, 3].map(|n| snapshot.services_at(&network, at(n)).count());
    assert_eq!(found, [0, 1, 1]);
    let elsewhere = NetworkId::parse("west/net").unwrap();
    assert_eq!(snapshot.services_at(&elsewhere, at(2)).count(), 0);
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
